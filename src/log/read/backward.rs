//! Reading backward, for `lines` and `reverse`.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk::offset_of_seq;
use crate::event::{Gap, Line, Seq, Why};
use crate::log::history::disk;
use crate::log::lane::Lane;
use crate::log::shared::Shared;
use crate::log::state::{DiskPosition, Segment};

/// Reads from a number back to the oldest.
pub struct Backward {
    shared: Arc<Shared>,
    /// Everything from here on was read.
    before: Seq,
    /// The position of that on disk, if it is known.
    position: Option<DiskPosition>,
    lane: Option<Lane>,
}

/// Where the lines before a number are.
enum Source {
    Window(Bytes, Seq),
    Disk(Segment),
    Missing(Gap),
    End,
}

impl Backward {
    /// A reader of everything before `before`.
    pub(crate) fn new(shared: Arc<Shared>, before: Seq) -> Self {
        let end = shared.lock().window().next();
        Self { shared, before: before.min(end), position: None, lane: None }
    }

    /// The same reader, whose reads of history take turns with others of this lane.
    #[must_use]
    pub fn in_lane(self, lane: Option<Lane>) -> Self {
        Self { lane, ..self }
    }

    /// Reads lines before those that were read last. They are in ascending order. Missing events are a
    /// gap line, but adjacent gaps are not joined. `None` if there are no more lines.
    ///
    /// # Errors
    /// If history cannot be read.
    pub async fn read(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.source() {
                Source::End => return Ok(None),
                Source::Missing(gap) => {
                    let options = self.shared.options();
                    let mut line = Vec::new();
                    gap.encode((options.clock)(), &options.host, &mut line);
                    self.before = gap.first();
                    return Ok(Some(line.into()));
                }
                Source::Window(bytes, first) => {
                    self.before = first;
                    return Ok(Some(bytes));
                }
                Source::Disk(segment) => {
                    let bytes = self.read_disk(segment).await?;
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Reads from a segment, in turn with other readers. Empty if nothing is left there, or if it was written
    /// again.
    async fn read_disk(&mut self, segment: Segment) -> io::Result<Bytes> {
        let (before, position) = (self.before, self.position);
        let shared = self.shared.clone();
        let read = move || match shared.open_segment(&segment)? {
            Some(file) => lines_before(&file, segment, before, position).map(Some),
            None => Ok(None),
        };
        match self.shared.read_history(self.lane.as_ref(), read).await {
            Ok(None) => Ok(Bytes::new()),
            Ok(Some(lines)) => {
                self.position = Some(segment.position(lines.offset));
                let first = Line::peek_first_seq(&lines.bytes).unwrap_or(segment.first);
                self.before = first.min(before);
                Ok(lines.bytes)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.shared.forget_segment(segment.first);
                Ok(Bytes::new())
            }
            Err(e) => Err(e),
        }
    }

    /// Moves to before a number.
    pub fn seek(&mut self, before: Seq) {
        self.before = before;
        self.position = None;
    }

    fn source(&self) -> Source {
        let state = self.shared.lock();
        if let Some(extent) = state.window().extent_before(self.before) {
            let bytes = &extent.bytes;
            let whole = extent.last < self.before || extent.is_gap;
            let end = if whole { bytes.len() } else { offset_of_seq(bytes, self.before) };
            return Source::Window(bytes.slice(..end), extent.first);
        }
        let Some(history) = state.history() else { return Source::End };
        match history.segments().holding_before(self.before) {
            None => Source::End,
            Some(segment) if segment.last.next() < self.before => {
                let (after, before) = (segment.last, self.before);
                let lost = state.events_between(after, before);
                Source::Missing(Gap { after, before, lost, why: Why::Storage })
            }
            Some(segment) => Source::Disk(segment),
        }
    }
}

fn lines_before(
    file: &File,
    segment: Segment,
    before: Seq,
    position: Option<DiskPosition>,
) -> io::Result<disk::Lines> {
    let end = match position.and_then(|position| segment.offset_of(position)) {
        Some(offset) => offset,
        None if segment.last < before => segment.size,
        None => disk::partition_point(file, segment.size, |line| {
            Line::peek_first_seq(line).is_some_and(|first| first < before)
        })?,
    };
    disk::lines_before(file, end)
}
