//! Lines that come with numbers: a log that holds a part of a stream of many hosts.
//!
//! Its numbers ascend, and most of them are no line's. It has no history. Each line has the time at which the stream
//! got it, so that the times of its window never decrease, whatever the clocks of the hosts say.

use crate::event::{Seq, Timestamp};

/// Whole lines with their numbers, for [`super::Log::append_numbered`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    bytes: Vec<u8>,
    ends: Vec<NumberedEnd>,
    /// When the stream got them.
    pub(crate) time: Timestamp,
    /// No line before this number comes later.
    pub(crate) next: Seq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumberedEnd {
    end: usize,
    first: Seq,
    last: Seq,
    is_gap: bool,
}

/// A line with its numbers.
pub(crate) struct NumberedLine<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) is_gap: bool,
}

impl Numbered {
    /// No lines, before the number `next`.
    pub fn new(time: Timestamp, next: Seq) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), time, next }
    }

    /// Adds what `encode` appends: one line with the numbers from `first` to `last`.
    pub fn push(&mut self, first: Seq, last: Seq, is_gap: bool, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        self.ends.push(NumberedEnd { end: self.bytes.len(), first, last, is_gap });
        self.next = self.next.max(last.next());
    }

    /// The size of all lines, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = NumberedLine<'_>> {
        let mut from = 0;
        self.ends.iter().map(move |line| {
            let bytes = &self.bytes[from..line.end];
            from = line.end;
            NumberedLine { bytes, first: line.first, last: line.last, is_gap: line.is_gap }
        })
    }
}
