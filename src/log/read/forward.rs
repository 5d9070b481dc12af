//! Reading forward: one path for window and history.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{Chunk, gap_of, last_seq, offset_of_seq};
use crate::diag;
use crate::event::{Gap, Line, Seq, Why};
use crate::log::history::disk::{self, each_line};
use crate::log::lane::Lane;
use crate::log::shared::Shared;
use crate::log::state::{DiskPosition, Extent, Segment, State};

/// The size of one read from the window, in bytes. A longer extent is returned alone.
const READ_SIZE: usize = 256 << 10;

/// A cursor that reads. Between reads it holds neither lines nor a file.
pub struct Reader {
    shared: Arc<Shared>,
    /// The next number to read.
    next: Seq,
    /// The position of that on disk, if it is known.
    position: Option<DiskPosition>,
    lane: Option<Lane>,
}

/// The outcome of a read.
pub enum Read {
    /// Whole lines. The reader stays until [`Reader::advance`].
    Lines(Chunk),
    /// Events are missing. The reader stays until [`Reader::skip`].
    Gap(Gap),
    /// The reader has read everything.
    End,
}

impl Read {
    fn gap(&self) -> Option<Gap> {
        match self {
            Self::Gap(gap) => Some(*gap),
            Self::Lines(chunk) => chunk.gap(),
            Self::End => None,
        }
    }
}

/// Where a number is.
enum Source {
    Window(Vec<Extent>),
    Disk(Segment, PathBuf),
    Missing(Gap),
    End,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, next: Seq) -> Self {
        Self { shared, next, position: None, lane: None }
    }

    /// The same reader, whose reads of history take turns with others of this lane.
    #[must_use]
    pub fn in_lane(self, lane: Option<Lane>) -> Self {
        Self { lane, ..self }
    }

    /// The last number that was read.
    pub fn seen(&self) -> Seq {
        self.next.previous()
    }

    /// Waits until there is something to read.
    pub async fn wait(&self) {
        loop {
            let appended = self.shared.appended.notified();
            if self.next < self.shared.lock().window().next() {
                return;
            }
            appended.await;
        }
    }

    /// Reads what is there. Joins adjacent gaps to one, unless lines come with numbers. A reader within a gap gets the rest of it.
    /// Dropping the future changes nothing.
    pub async fn read(&mut self) -> Read {
        if self.shared.is_numbered() {
            self.next = self.shared.lock().window().after_hole(self.next);
            return self.read_at(self.next, None).await;
        }
        let first = self.read_at(self.next, self.position).await;
        let Some(whole) = first.gap() else { return first };
        let mut joined = whole.rest_after(self.next.previous());
        while let Some(next) = self.read_at(joined.before, None).await.gap() {
            joined = joined.joined_with(next.rest_after(joined.last()));
        }
        // A gap line that needed no change keeps its time.
        if joined == whole { first } else { Read::Gap(joined) }
    }

    /// Reads from the number `next` on.
    async fn read_at(&self, next: Seq, position: Option<DiskPosition>) -> Read {
        loop {
            let source = source_of(&self.shared.lock(), next);
            match source {
                Source::End => return Read::End,
                Source::Missing(gap) => return Read::Gap(gap),
                Source::Window(extents) => return Read::Lines(chunk_from(extents, next)),
                Source::Disk(segment, path) => {
                    if let Some(read) = self.read_disk(segment, path, next, position).await {
                        return read;
                    }
                }
            }
        }
    }

    /// Reads from a segment, in turn with other readers. `None` if its file is gone or was written again.
    async fn read_disk(
        &self,
        segment: Segment,
        path: PathBuf,
        next: Seq,
        position: Option<DiskPosition>,
    ) -> Option<Read> {
        let shared = self.shared.clone();
        let read = move || match shared.open_segment(&segment)? {
            Some(file) => read_segment(&file, segment, next, position).map(Some),
            None => Ok(None),
        };
        match self.shared.read_history(self.lane.as_ref(), read).await {
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.shared.forget_segment(segment.first);
                None
            }
            Err(e) => {
                diag::warning(format_args!("cannot read {}: {e}", path.display()));
                Some(Read::Gap(missing(next, segment.last.next())))
            }
        }
    }

    /// Moves past the first `len` bytes of a chunk, which must end with a line.
    pub fn advance(&mut self, chunk: &Chunk, len: usize) {
        let next = chunk.at(len).and_then(Line::peek_first_seq);
        self.next = next.unwrap_or(chunk.next);
        let moved = |from: DiskPosition| DiskPosition { offset: from.offset + len as u64, ..from };
        self.position = chunk.position.map(moved);
    }

    /// Moves to a number.
    pub fn seek(&mut self, next: Seq) {
        self.next = next;
        self.position = None;
    }

    /// Moves past a gap.
    pub fn skip(&mut self, gap: Gap) {
        self.next = gap.before;
    }
}

/// Where the number `next` is.
fn source_of(state: &State, next: Seq) -> Source {
    let (start, end) = (state.window().start(), state.window().next());
    if next >= end {
        return Source::End;
    }
    if next >= start {
        let mut extents = Vec::new();
        state.window().extents_from(next, READ_SIZE, &mut extents);
        // Lines that come with numbers may end before the window does.
        return if extents.is_empty() { Source::End } else { Source::Window(extents) };
    }
    let missing = |before: Seq, why| {
        let after = next.previous();
        let lost = state.events_between(after, before);
        Source::Missing(Gap { after, before, lost, why })
    };
    let Some(history) = state.history() else { return missing(start, Why::Retention) };
    if next > history.stored() {
        return missing(start, Why::Storage);
    }
    let segments = history.segments();
    match segments.holding(next) {
        Some(segment) if segment.first <= next => {
            Source::Disk(segment, segments.path(segment.first))
        }
        // Retention removes the oldest. Elsewhere, another process removed a file.
        Some(segment) => {
            let trimmed = history.is_trimmed_before(segment.first);
            let why = if trimmed { Why::Retention } else { Why::Storage };
            missing(segment.first.min(start), why)
        }
        None if segments.oldest().is_none() => missing(start, Why::Retention),
        None => missing(start, Why::Storage),
    }
}

/// The lines in these extents from the number `next` on.
fn chunk_from(extents: Vec<Extent>, next: Seq) -> Chunk {
    let end = extents.last().map_or(next, |extent| extent.last.next());
    let mut pieces: Vec<Bytes> = Vec::with_capacity(extents.len());
    pieces.extend(extents.into_iter().map(|extent| extent.bytes));
    if let Some(first) = pieces.first_mut() {
        *first = first.slice(offset_of_seq(first, next)..);
    }
    Chunk { pieces, next: end, position: None }
}

/// Reads a segment from the number `next` on, which should be in it.
fn read_segment(
    file: &File,
    segment: Segment,
    next: Seq,
    position: Option<DiskPosition>,
) -> io::Result<Read> {
    let known = position.and_then(|position| segment.offset_of(position));
    let mut lines = match known {
        Some(offset) => disk::lines_from(file, offset, segment.size)?,
        None => search(file, segment, next)?,
    };
    // If another process edited the file, the known position is wrong.
    if known.is_some() && valid_lines(&lines.bytes, next, segment.last).len == 0 {
        lines = search(file, segment, next)?;
    }
    while !lines.bytes.is_empty() {
        let valid = valid_lines(&lines.bytes, next, segment.last);
        if valid.len > 0 {
            let position = segment.position(lines.offset);
            return Ok(Read::Lines(Chunk {
                pieces: vec![lines.bytes.slice(..valid.len)],
                next: valid.next,
                position: Some(position),
            }));
        }
        // Another process removed or damaged lines: continues at the next valid one.
        let mut at = 0;
        for line in each_line(&lines.bytes) {
            match Line::peek_first_seq(line) {
                Some(first) if first == next && at > 0 => break,
                Some(first) if next < first && first <= segment.last => {
                    return Ok(Read::Gap(missing(next, first)));
                }
                _ => at += line.len(),
            }
        }
        lines = disk::lines_from(file, lines.offset + at as u64, segment.size)?;
    }
    Ok(Read::Gap(missing(next, segment.last.next())))
}

fn search(file: &File, segment: Segment, next: Seq) -> io::Result<disk::Lines> {
    let earlier = |line: &[u8]| last_seq(line).is_some_and(|last| last < next);
    let offset = disk::partition_point(file, segment.size, earlier)?;
    disk::lines_from(file, offset, segment.size)
}

/// Valid lines at the beginning of some bytes.
struct ValidLines {
    /// Their size, in bytes.
    len: usize,
    /// The number after them.
    next: Seq,
}

/// The lines that a reader may get: events with consecutive numbers from `next` on, or one gap with
/// `next` in it, up to the number `last`.
fn valid_lines(bytes: &[u8], next: Seq, last: Seq) -> ValidLines {
    if let Some(gap) = gap_of(bytes) {
        let valid = gap.first() <= next && next <= gap.last() && gap.last() <= last;
        let len = each_line(bytes).next().map_or(0, <[u8]>::len);
        return match valid {
            true => ValidLines { len, next: gap.before },
            false => ValidLines { len: 0, next },
        };
    }
    let mut valid = ValidLines { len: 0, next };
    for line in each_line(bytes) {
        if valid.next > last
            || !line.starts_with(b"{\"seq\"")
            || Line::peek_first_seq(line) != Some(valid.next)
        {
            break;
        }
        valid.len += line.len();
        valid.next = valid.next.next();
    }
    valid
}

/// The gap for lines that should be on disk and are not.
fn missing(next: Seq, before: Seq) -> Gap {
    Gap { after: next.previous(), before: before.max(next.next()), lost: None, why: Why::Storage }
}
