//! What a read returns: whole lines, in pieces that are shared by all readers.

use std::io::IoSlice;

use bytes::Bytes;

use crate::event::{Gap, Line, Seq};
use crate::log::history::disk::each_line;
use crate::log::state::DiskPosition;

/// The maximum number of pieces in one system call.
const SLICES_MAX: usize = 256;

/// A line of a [`Chunk`].
pub struct PlacedLine<'a> {
    /// The line.
    pub line: Line<'a>,
    /// The offset of its end in the chunk, in bytes.
    pub end: usize,
}

/// What should be a line of a [`Chunk`].
pub struct UnparsedLine<'a> {
    /// The line, with its line end.
    pub bytes: &'a [u8],
    /// The offset of its end in the chunk, in bytes.
    pub end: usize,
}

impl<'a> UnparsedLine<'a> {
    /// `None` if it is not a line.
    pub fn parse(&self) -> Option<PlacedLine<'a>> {
        let line = Line::parse(std::str::from_utf8(self.bytes).ok()?)?;
        Some(PlacedLine { line, end: self.end })
    }
}

/// Whole lines with consecutive numbers.
pub struct Chunk {
    /// The lines, in order.
    pub pieces: Vec<Bytes>,
    /// The number after the last line.
    pub(crate) next: Seq,
    /// Their position on disk. `None` if they are from the window.
    pub(crate) position: Option<DiskPosition>,
}

impl Chunk {
    /// The size of all lines, in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// `true` if there is no line.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(Bytes::is_empty)
    }

    /// The size of the lines before the number `end`, in bytes.
    pub fn len_before(&self, end: Seq) -> usize {
        if self.next <= end {
            return self.len();
        }
        let mut len = 0;
        for piece in &self.pieces {
            let before = offset_of_seq(piece, end);
            len += before;
            if before < piece.len() {
                break;
            }
        }
        len
    }

    /// The bytes from `from` to `to`, for one vectored write: at most 256 slices.
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

    /// The line in which `offset` lies, with its line end, and where it begins, in bytes. Empty at the end.
    pub(crate) fn line_at(&self, offset: usize) -> (usize, &[u8]) {
        let mut before = 0;
        for piece in &self.pieces {
            if offset < before + piece.len() {
                let (begin, line) = line_at(piece, offset - before);
                return (before + begin, line);
            }
            before += piece.len();
        }
        (offset, &[])
    }

    /// Iterates over the lines from `offset` on, which must be where a line begins. Skips what is not a
    /// line, because another process edited history.
    pub fn lines_from(&self, offset: usize) -> impl Iterator<Item = PlacedLine<'_>> {
        self.unparsed_lines_from(offset).filter_map(|unparsed| unparsed.parse())
    }

    /// Iterates over the lines from `offset` on, which must be where a line begins, and over what is not a line.
    pub fn unparsed_lines_from(&self, mut offset: usize) -> impl Iterator<Item = UnparsedLine<'_>> {
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
            each_line(bytes).map(move |bytes| {
                end += bytes.len();
                UnparsedLine { bytes, end }
            })
        })
    }

    /// The gap, if this is a gap line, which is always a chunk of its own.
    pub(crate) fn gap(&self) -> Option<Gap> {
        gap_of(self.pieces.first()?)
    }

    /// The bytes from `offset` to the end of its piece. `None` at the end of the chunk.
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

/// The line in which `offset` lies, with its line end, and where it begins. Empty at the end.
pub(crate) fn line_at(bytes: &[u8], offset: usize) -> (usize, &[u8]) {
    let begin = memchr::memrchr(b'\n', &bytes[..offset]).map_or(0, |at| at + 1);
    let end = memchr::memchr(b'\n', &bytes[offset..]).map_or(bytes.len(), |at| offset + at + 1);
    (begin, &bytes[begin..end])
}

/// Iterates over the lines in some bytes. Skips what is not a line.
pub fn lines_of(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Line<'_>> {
    let lines = bytes.split(|b| *b == b'\n');
    lines.filter_map(|line| Line::parse(std::str::from_utf8(line).ok()?))
}

/// Splits off the last line.
pub fn split_last_line(block: &mut Bytes) -> Bytes {
    let body = block.strip_suffix(b"\n").unwrap_or(block);
    let start = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
    block.split_off(start)
}

/// The last number of a line.
pub(crate) fn last_seq(line: &[u8]) -> Option<Seq> {
    gap_of(line).map(Gap::last).or_else(|| Line::peek_first_seq(line))
}

/// The offset of the line with the number `seq`, in bytes. The end of the bytes if there is none.
pub(crate) fn offset_of_seq(bytes: &[u8], seq: Seq) -> usize {
    let mut offset = 0;
    for line in each_line(bytes) {
        if last_seq(line).is_some_and(|last| last >= seq) {
            return offset;
        }
        offset += line.len();
    }
    offset
}

/// The gap, if the bytes begin with a gap line.
pub(crate) fn gap_of(bytes: &[u8]) -> Option<Gap> {
    if !bytes.starts_with(b"{\"gap\"") {
        return None;
    }
    let line = each_line(bytes).next()?;
    match Line::parse(std::str::from_utf8(line).ok()?)? {
        Line::Gap(line) => Some(line.gap),
        Line::Event(_) => None,
    }
}
