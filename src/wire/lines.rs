//! The input buffer of both decoders, and the lines in it.

/// What may stand before an object: U+FEFF and white space.
pub(super) const BLANK: [char; 3] = ['\u{feff}', ' ', '\t'];

/// Up to this many bytes are searched by a plain loop: memchr detects CPU features at its first use,
/// which costs a short-lived sender more than it saves.
const PLAIN_SEARCH_MAX: usize = 64;

/// A longer rest grows in steps of this size, in bytes: doubled, it would take twice the memory while it waits.
const STEP: usize = 4 << 10;

/// Input bytes and the offset up to which they are consumed. Two fields, so that the offset can advance
/// while a line is borrowed.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    pub(super) at: Offset,
}

/// How far a buffer is consumed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offset {
    start: usize,
    /// The number of bytes after `start` that are known to hold no line end.
    searched: usize,
}

/// The result of a search for a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextLine {
    /// A line of this many bytes, and its line end.
    Whole(usize),
    /// No line end yet, and more bytes than a line may have.
    TooLong,
    /// No line end yet.
    Unfinished,
}

impl Buffer {
    /// Adds received bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at.start);
        self.at.start = 0;
        let len = self.bytes.len() + bytes.len();
        if len > STEP && len > self.bytes.capacity() {
            self.bytes.reserve_exact(len.next_multiple_of(STEP) - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that are not consumed.
    pub(super) fn rest(&self) -> &[u8] {
        self.at.rest(&self.bytes)
    }

    /// Continues in this memory.
    pub(super) fn lend(&mut self, mut memory: Vec<u8>) {
        memory.clear();
        memory.extend_from_slice(self.rest());
        self.bytes = memory;
        self.at.start = 0;
    }

    /// Returns the memory, and copies the bytes that are not consumed.
    pub(super) fn give_back(&mut self) -> Vec<u8> {
        let held = self.rest().to_vec();
        self.at.start = 0;
        std::mem::replace(&mut self.bytes, held)
    }
}

impl Offset {
    /// The bytes that are not consumed.
    pub(super) fn rest(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..]
    }

    /// Consumes bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.searched = self.searched.saturating_sub(count);
    }

    /// Searches for the next line end.
    pub(super) fn next_line(&mut self, bytes: &[u8], len_max: usize) -> NextLine {
        let rest = self.rest(bytes);
        match find_line_end(&rest[self.searched..]) {
            Some(found) => NextLine::Whole(self.searched + found),
            None => {
                self.searched = rest.len();
                if rest.len() > len_max { NextLine::TooLong } else { NextLine::Unfinished }
            }
        }
    }
}

fn find_line_end(bytes: &[u8]) -> Option<usize> {
    if bytes.len() <= PLAIN_SEARCH_MAX {
        bytes.iter().position(|b| *b == b'\n')
    } else {
        memchr::memchr(b'\n', bytes)
    }
}
