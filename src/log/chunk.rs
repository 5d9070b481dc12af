//! What a read gives: whole lines, in pieces that are shared with everybody who reads them.

use std::io::IoSlice;

use bytes::Bytes;

use super::disk::each_line;
use crate::event::{Gap, Line, Seq};

/// The most pieces that one system call writes.
const SLICES_MAX: usize = 256;

/// A line on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The number that the segment begins with.
    pub(crate) segment: Seq,
    /// Where the line begins, in bytes.
    pub(crate) offset: u64,
}

/// A line of a [`Chunk`].
pub struct PlacedLine<'a> {
    /// The line.
    pub line: Line<'a>,
    /// Where it ends in the chunk, in bytes.
    pub end: usize,
}

/// Whole lines with consecutive numbers.
pub struct Chunk {
    /// The lines, in order.
    pub pieces: Vec<Bytes>,
    /// The number behind the last line.
    pub(crate) next: Seq,
    /// Where they are on disk.
    pub(crate) place: Option<Place>,
}

impl Chunk {
    /// The size of all lines, in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(Bytes::is_empty)
    }

    /// How many bytes come before the line that stands for `end`.
    pub fn len_before(&self, end: Seq) -> usize {
        if self.next <= end {
            return self.len();
        }
        let mut len = 0;
        for piece in &self.pieces {
            let before = offset_of(piece, end);
            len += before;
            if before < piece.len() {
                break;
            }
        }
        len
    }

    /// The bytes from `from` to `to`, for one system call: a bounded number of pieces.
    pub fn slices(&self, from: usize, to: usize) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(self.pieces.len().min(SLICES_MAX));
        let mut begin = 0;
        for piece in &self.pieces {
            let end = begin + piece.len();
            if end > from && begin < to {
                let within = from.max(begin) - begin..to.min(end) - begin;
                slices.push(IoSlice::new(&piece[within]));
                if slices.len() == SLICES_MAX {
                    break;
                }
            }
            begin = end;
        }
        slices
    }

    /// What is left of the line in which `offset` lies; nothing where a line begins.
    pub fn rest_of_line(&self, mut offset: usize) -> &[u8] {
        for piece in &self.pieces {
            if offset < piece.len() {
                if offset == 0 || piece[offset - 1] == b'\n' {
                    return &[];
                }
                let rest = &piece[offset..];
                return &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)];
            }
            offset -= piece.len();
        }
        &[]
    }

    /// The lines. What is not one (somebody may have edited history) is left out.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.pieces.iter().flat_map(|piece| lines_of(piece))
    }

    /// The lines from `offset` on, which must be where a line begins.
    pub fn lines_from(&self, mut offset: usize) -> impl Iterator<Item = PlacedLine<'_>> {
        let mut begin = 0;
        let pieces = self.pieces.iter().filter_map(move |piece| {
            let (from, end) = (offset.max(begin), begin + piece.len());
            let skipped = from - begin;
            begin = end;
            (from < end).then(|| {
                offset = end;
                (&piece[skipped..], from)
            })
        });
        pieces.flat_map(|(bytes, from)| {
            let mut end = from;
            each_line(bytes).filter_map(move |line| {
                end += line.len();
                let line = Line::parse(std::str::from_utf8(line).ok()?)?;
                Some(PlacedLine { line, end })
            })
        })
    }

    /// The gap, if it is a gap line: such a line comes alone.
    pub(crate) fn gap(&self) -> Option<Gap> {
        gap_of(self.pieces.first()?)
    }

    /// The bytes from `offset` on to the end of that piece.
    pub(crate) fn at(&self, mut offset: usize) -> Option<&[u8]> {
        for piece in &self.pieces {
            if offset < piece.len() {
                return Some(&piece[offset..]);
            }
            offset -= piece.len();
        }
        None
    }
}

/// The last number that a line stands for.
pub(crate) fn last_seq(line: &[u8]) -> Option<Seq> {
    gap_of(line).map(Gap::last).or_else(|| Line::peek_first_seq(line))
}

/// The lines in some bytes. What is not one is left out.
pub fn lines_of(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Line<'_>> {
    let lines = bytes.split(|b| *b == b'\n');
    lines.filter_map(|line| Line::parse(std::str::from_utf8(line).ok()?))
}

/// Where in a run the line begins that stands for `seq`.
pub(crate) fn offset_of(bytes: &[u8], seq: Seq) -> usize {
    let mut offset = 0;
    for line in each_line(bytes) {
        if last_seq(line).is_some_and(|last| last >= seq) {
            return offset;
        }
        offset += line.len();
    }
    offset
}

/// The gap that lines begin with.
pub(crate) fn gap_of(bytes: &[u8]) -> Option<Gap> {
    if !bytes.starts_with(b"{\"gap\"") {
        return None;
    }
    let line = each_line(bytes).next()?;
    match Line::parse(std::str::from_utf8(line).ok()?)? {
        Line::Gap(told) => Some(told.gap),
        Line::Event(_) => None,
    }
}
