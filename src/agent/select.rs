//! What of the log a reader wants, and in which form.

use crate::access::TagScope;
use crate::event::{Cursor, EventLine, Gap, Line, Seq, Timestamp};
use crate::filter::Match;
use crate::render::Style;
use crate::wire;

/// What a reader wants to see.
pub(crate) struct Select {
    /// Events that match; gaps always.
    pub(crate) matching: Match,
    /// Nothing earlier.
    pub(crate) since: Option<Timestamp>,
    /// Nothing later.
    pub(crate) until: Option<Timestamp>,
    /// As text for people; else the line itself.
    pub(crate) style: Option<Style>,
    /// Only these tags, because the reader has no right to others.
    pub(crate) permitted: TagScope,
}

/// Lines on their way to a client, and where each ends: so that what the client does not take at once
/// can be forgotten and read again.
#[derive(Default)]
pub(crate) struct Staged {
    bytes: Vec<u8>,
    /// Where each ends, and its number: that of an event, and the last one of a gap.
    ends: Vec<(usize, Seq)>,
    text: String,
}

impl Select {
    /// Whether every line goes out as it is.
    pub(crate) fn takes_all(&self) -> bool {
        self.style.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.matching.is_everything()
            && self.permitted == TagScope::All
    }

    /// Whether an event is wanted.
    pub(crate) fn wants(&self, event: &EventLine<'_>) -> bool {
        self.permitted.allows(event.tag)
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time <= until)
            && self.matching.matches(event)
    }

    /// A gap as this reader may see it: how much is missing is for those who may see every tag.
    pub(crate) fn gap(&self, gap: Gap) -> Gap {
        let lost = gap.lost.filter(|_| self.permitted == TagScope::All);
        Gap { lost, ..gap }
    }
}

impl Staged {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Stages a line if it is wanted. Tells whether it was.
    pub(crate) fn stage(&mut self, line: &Line<'_>, select: &Select) -> bool {
        match line {
            Line::Event(event) if !select.wants(event) => return false,
            Line::Gap(told) if select.gap(told.gap) != told.gap => {
                let mut retold = Vec::new();
                select.gap(told.gap).encode(told.time, &told.host.text(), &mut retold);
                if let Some(line) = std::str::from_utf8(&retold).ok().and_then(Line::parse) {
                    self.put(&line, select);
                }
            }
            _ => self.put(line, select),
        }
        true
    }

    fn put(&mut self, line: &Line<'_>, select: &Select) {
        match &select.style {
            None => {
                let raw = match line {
                    Line::Event(event) => event.line,
                    Line::Gap(told) => told.line,
                };
                self.bytes.extend_from_slice(raw.as_bytes());
                self.bytes.push(b'\n');
            }
            Some(style) => {
                self.text.clear();
                style.line(line, &mut self.text);
                self.bytes.extend_from_slice(self.text.as_bytes());
            }
        }
        self.ends.push((self.bytes.len(), line.last_seq()));
    }

    /// Stages the line that tells how far a reader has come.
    pub(crate) fn stage_at(&mut self, cursor: &Cursor) {
        wire::encode_at(cursor, &mut self.bytes);
        self.ends.push((self.bytes.len(), cursor.seq));
    }

    /// The client took so many bytes. Gives the rest of the line that it took a part of, or else the
    /// next line, and the number of that one; then nothing is staged any more.
    pub(crate) fn taken(&mut self, count: usize) -> Option<(Vec<u8>, Seq)> {
        let cut = self.ends.partition_point(|(end, _)| *end < count);
        let taken = self.ends.get(cut).map(|(end, seq)| (self.bytes[count..*end].to_vec(), *seq));
        self.clear();
        taken
    }

    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }

    /// Gives the memory back.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }
}
