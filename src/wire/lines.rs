//! Bytes as they come, and the lines in them: what both sides' decoders stand on.

/// Below this, a plain loop finds a line end: the fast search looks up what the processor can do when
/// it is first used, and that costs a short-lived sender more than it gains.
const PLAIN_SEARCH_MAX: usize = 64;

/// Bytes of which the beginning is consumed. In two parts, so that one can move on while what it has
/// passed is still being looked at.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    pub(super) at: At,
}

/// How far a buffer is consumed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    start: usize,
    /// How many of the bytes behind are known to hold no line end.
    searched: usize,
}

/// What a search for a line end finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextLine {
    /// So many bytes, and then the line end.
    Whole(usize),
    /// No line end yet, and already more than a line may have.
    TooLong,
    /// No line end yet.
    Unfinished,
}

impl Buffer {
    /// Adds what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at.start);
        self.at.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What is not consumed.
    pub(super) fn rest(&self) -> &[u8] {
        self.at.rest(&self.bytes)
    }

    /// Goes on in this memory.
    pub(super) fn lend(&mut self, mut memory: Vec<u8>) {
        memory.clear();
        memory.extend_from_slice(self.rest());
        self.bytes = memory;
        self.at.start = 0;
    }

    /// Gives its memory away, but for what it must hold.
    pub(super) fn give_back(&mut self) -> Vec<u8> {
        let held = self.rest().to_vec();
        self.at.start = 0;
        std::mem::replace(&mut self.bytes, held)
    }
}

impl At {
    /// What is not consumed.
    pub(super) fn rest(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..]
    }

    /// Moves on.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.searched = self.searched.saturating_sub(count);
    }

    /// Looks for the next line end.
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
