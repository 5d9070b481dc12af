//! Selected lines on their way to a sink.

use super::selection::Selection;
use crate::event::{Line, Seq};

/// Staged bytes after which lines are handed to the sink.
const STAGE_SIZE: usize = 64 << 10;

/// Copies of selected lines, and where each ends: what a sink does not consume is read again later.
#[derive(Default)]
pub(super) struct Stage {
    bytes: Vec<u8>,
    lines: Vec<Staged>,
}

/// A staged line.
#[derive(Clone, Copy)]
pub(super) struct Staged {
    /// Where it ends, in bytes.
    end: usize,
    /// The first and the last sequence number that it stands for.
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// The events staged up to here, this line included.
    pub(super) events: u64,
}

impl Stage {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= STAGE_SIZE
    }

    /// The number of staged events, gaps not counted.
    pub(super) fn events(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.events)
    }

    /// Stages a line if it is wanted. Returns whether it was.
    pub(super) fn add(&mut self, line: &Line<'_>, selection: &Selection) -> bool {
        let mut events = self.events();
        match line {
            Line::Event(event) if !selection.wants(event) => return false,
            Line::Event(event) => {
                events += 1;
                self.bytes.extend_from_slice(event.line.as_bytes());
                self.bytes.push(b'\n');
            }
            Line::Gap(line) => match selection.gap_of(line) {
                Some(visible) => line.encode_with(visible, &mut self.bytes),
                None => return false,
            },
        }
        let (first, last) = (line.first_seq(), line.last_seq());
        self.lines.push(Staged { end: self.bytes.len(), first, last, events });
        true
    }

    /// The line that ends at `offset`. `None` if none does.
    pub(super) fn line_ending_at(&self, offset: usize) -> Option<Staged> {
        let at = self.lines.binary_search_by_key(&offset, |line| line.end).ok()?;
        self.lines.get(at).copied()
    }

    /// Forgets the lines, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }
}
