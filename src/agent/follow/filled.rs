//! What a subscription yields.

use std::io::IoSlice;

use crate::event::{Cursor, Gap, Line};
use crate::log::{Chunk, lines_of};

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

    /// The rest of the line in which `offset` lies. Empty where a line begins.
    pub(crate) fn rest_of_line(&self, offset: usize) -> &'a [u8] {
        match self {
            Self::Shared { chunk, from, .. } => chunk.rest_of_line(from + offset),
            Self::Staged(bytes) if offset == 0 || bytes[offset - 1] == b'\n' => &[],
            Self::Staged(bytes) => {
                let rest = &bytes[offset..];
                &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)]
            }
        }
    }

    /// The lines, parsed. A damaged line of an edited history file is left out.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Line<'a>> + Send + 'a> {
        match self {
            Self::Shared { chunk, from, to } => {
                let to = *to;
                let within = chunk.lines_from(*from).take_while(move |placed| placed.end <= to);
                Box::new(within.map(|placed| placed.line))
            }
            Self::Staged(bytes) => Box::new(lines_of(bytes)),
        }
    }
}
