//! The syslog dialect: RFC 3164 and RFC 5424, framed by line ends or by octet counts (RFC 6587).
//!
//! No message is rejected, because a syslog sender reads no answers. An invalid message is
//! repaired, and the field `repaired` lists the repairs.

mod frame;
mod pri;
mod rfc3164;
mod rfc5424;
#[cfg(test)]
mod tests;
mod when;

use std::borrow::Cow;

use self::frame::Message;
use self::pri::Priority;
use super::fields::{Fields, Repair, Repairs};
use super::lines::BLANK;
use super::object;
use crate::event::{Draft, Field, Level, Tag, Value, swar};

pub(super) use self::frame::{Frame, Frames, without_half_char};

/// The fields of a header that a line without a priority inherits.
const INHERITED: [&str; 3] = ["facility", "host", "pid"];

/// The mark of a JSON object in a message of syslog (CEE, "lumberjack"), which rsyslog and syslog-ng know.
const CEE: &str = "@cee:";

/// The decoder of one syslog connection.
#[derive(Debug, Default)]
pub(super) struct Syslog {
    frames: Frames,
    /// The tag of the previous message, which a line without a priority inherits; empty if it had
    /// none.
    tag: String,
    /// The level of the previous message.
    level: Level,
    /// Its facility, host and process id.
    header: Vec<Field<'static>>,
    /// The name of this machine, which distinguishes a host from the first word of a tag and does
    /// not become a field; empty if it is unknown.
    host: Box<str>,
}

/// The result of [`Syslog::next`].
#[derive(Debug)]
pub(super) struct Taken<'b> {
    /// The number of bytes consumed. 0 if the message is incomplete.
    pub(super) consumed: usize,
    /// `None` if the message is incomplete, empty or skipped.
    pub(super) draft: Option<Draft<'b>>,
}

impl Syslog {
    /// A decoder for a connection to the machine `host`.
    pub(super) fn with_host(host: Box<str>) -> Self {
        Self { host, ..Self::default() }
    }

    /// Decodes the next message of `buffer`, which holds all bytes that are not consumed yet.
    /// `at_end`: the connection ends with `buffer`, so that the rest is a message.
    ///
    /// A buffer of `DRAFT_MAX` + 64 bytes is never incomplete.
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], at_end: bool) -> Taken<'b> {
        let Frame { consumed, message } = self.frames.next(buffer, at_end);
        Taken { consumed, draft: message.map(|message| self.draft(&message)) }
    }

    /// Decodes a datagram, which is one message and does not depend on the previous one. `cut`: its end is missing.
    /// `None` if it is empty.
    pub(super) fn datagram<'b>(&mut self, bytes: &'b [u8], cut: bool) -> Option<Draft<'b>> {
        self.tag.clear();
        self.level = Level::default();
        self.header.clear();
        frame::datagram(bytes, cut).map(|message| self.draft(&message))
    }

    fn draft<'b>(&mut self, message: &Message<'b>) -> Draft<'b> {
        let repairs = Repairs::default().with(Repair::Cut, message.cut);
        if let Ok(text) = simdutf8::basic::from_utf8(message.bytes) {
            return self.read(text, repairs);
        }
        let text = String::from_utf8_lossy(message.bytes);
        self.read(&text, repairs.with(Repair::Utf8, true)).into_owned()
    }

    fn read<'b>(&mut self, text: &'b str, repairs: Repairs) -> Draft<'b> {
        let Some((priority, text)) = Priority::strip(text) else {
            return self.further_line(text, repairs);
        };
        let fields = || Fields::new(priority.facility(), repairs);
        let header = text.trim_start_matches(BLANK);
        let mut draft = rfc5424::read(header, &self.host, fields())
            .or_else(|| rfc3164::read(header, &self.host, fields()))
            .unwrap_or_else(|| Draft {
                // One space after the priority is none of the text.
                msg: text.strip_prefix(' ').unwrap_or(text).into(),
                fields: fields().finish(),
                ..Draft::default()
            });
        draft.level = priority.level();
        self.keep(&draft);
        with_object(draft)
    }

    /// Keeps what a further line of the message inherits.
    fn keep(&mut self, draft: &Draft<'_>) {
        self.level = draft.level;
        let tag = draft.tag.as_ref().map_or("", Tag::as_str);
        if self.tag != tag {
            tag.clone_into(&mut self.tag);
        }
        // `fields` begins with the header.
        let mut kept = 0;
        for Field { name, value } in draft.fields.iter().take(INHERITED.len() + 1) {
            let Some(name) = INHERITED.iter().find(|inherited| *inherited == name) else {
                continue;
            };
            let field = || Field { name: (*name).into(), value: value.clone() }.into_owned();
            match self.header.get_mut(kept) {
                Some(earlier) if earlier.name == *name => replace(&mut earlier.value, value),
                Some(earlier) => *earlier = field(),
                None => self.header.push(field()),
            }
            kept += 1;
        }
        self.header.truncate(kept);
    }

    /// A line without a priority, for example the second line of a message with a line break.
    fn further_line<'b>(&self, text: &'b str, repairs: Repairs) -> Draft<'b> {
        let mut fields = Fields::new(None, repairs);
        for field in &self.header {
            fields.add(field.name.clone(), field.value.clone());
        }
        Draft {
            tag: Tag::new(self.tag.clone()).ok(),
            level: self.level,
            msg: Cow::Borrowed(text),
            fields: fields.finish(),
            ..Draft::default()
        }
    }
}

/// Reads a message that is a JSON object, as nginx and JSON loggers write it. Any other message stays text.
fn with_object(draft: Draft<'_>) -> Draft<'_> {
    match draft.msg {
        Cow::Borrowed(text) if text.starts_with(['{', ' ', '@']) => {
            let text = text.strip_prefix(CEE).unwrap_or(text).trim_start_matches(BLANK);
            object::draft_under(draft, text)
        }
        _ => draft,
    }
}

/// Splits at the first space. Looks at eight bytes at once, because words of a header are short.
fn split_at_space(text: &str) -> Option<(&str, &str)> {
    let at = swar::find(text.as_bytes(), 0, swar::spaces, |b| b == b' ')?;
    Some((&text[..at], &text[at + 1..]))
}

/// Replaces a kept value, and keeps its memory.
fn replace(kept: &mut Value<'static>, value: &Value<'_>) {
    match (&mut *kept, value) {
        (Value::Text(Cow::Owned(text)), Value::Text(new))
        | (Value::Number(Cow::Owned(text)), Value::Number(new)) => {
            text.clear();
            text.push_str(new);
        }
        _ => *kept = Field { name: Cow::Borrowed(""), value: value.clone() }.into_owned().value,
    }
}
