//! What a subscription yields.

use std::io::IoSlice;

use crate::event::{Cursor, Gap, Line};
use crate::log::{Chunk, PlacedLine, line_at};

/// What comes next in a subscription.
pub(crate) enum Filled<'a> {
    /// Whole lines. A gap line that stands in the log comes alone.
    Lines(Lines<'a>),
    /// Events are missing here.
    Gap(Gap),
    /// Nothing matched up to here. Needs no `consume`.
    Progress(Cursor),
    /// There is nothing more now: wait for more.
    CaughtUp,
    /// The subscription is complete.
    End,
}

/// Whole lines, borrowed from the log or from the subscription.
pub(crate) enum Lines<'a> {
    /// The part of a chunk between two offsets, in bytes.
    Shared { chunk: &'a Chunk, from: usize, to: usize },
    /// Copies of the lines that were selected.
    Staged(&'a [u8]),
}

impl<'a> Lines<'a> {
    /// The size of all lines, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Shared { from, to, .. } => to - from,
            Self::Staged(bytes) => bytes.len(),
        }
    }

    /// The bytes from `offset` on, for one vectored write: a bounded number of slices.
    pub(crate) fn slices(&self, offset: usize) -> Vec<IoSlice<'a>> {
        match self {
            Self::Shared { chunk, from, to } => chunk.slices(from + offset, *to),
            Self::Staged(bytes) => vec![IoSlice::new(&bytes[offset..])],
        }
    }

    /// The first line alone.
    pub(crate) fn first(&self) -> Self {
        let (_, line) = self.line_at(0);
        match self {
            Self::Shared { chunk, from, .. } => {
                Self::Shared { chunk, from: *from, to: from + line.len() }
            }
            Self::Staged(_) => Self::Staged(line),
        }
    }

    /// The line in which `offset` lies, with its line end, and where it begins. Empty at the end.
    pub(crate) fn line_at(&self, offset: usize) -> (usize, &'a [u8]) {
        match self {
            Self::Shared { chunk, from, .. } => {
                let (begin, line) = chunk.line_at(from + offset);
                (begin - from, line)
            }
            Self::Staged(bytes) => line_at(bytes, offset),
        }
    }

    /// The lines, parsed. A damaged line of an edited history file is left out.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Line<'a>> + Send + 'a> {
        Box::new(self.placed().map(|placed| placed.line))
    }

    /// The same, and where each line ends.
    pub(crate) fn placed(&self) -> Box<dyn Iterator<Item = PlacedLine<'a>> + Send + 'a> {
        match self {
            Self::Shared { chunk, from, to } => {
                let (from, to) = (*from, *to);
                let within = chunk.lines_from(from).take_while(move |placed| placed.end <= to);
                Box::new(within.map(move |placed| PlacedLine { end: placed.end - from, ..placed }))
            }
            Self::Staged(bytes) => {
                let mut end = 0;
                Box::new(bytes.split_inclusive(|b| *b == b'\n').filter_map(move |line| {
                    end += line.len();
                    let line = Line::parse(std::str::from_utf8(line).ok()?)?;
                    Some(PlacedLine { line, end })
                }))
            }
        }
    }
}
