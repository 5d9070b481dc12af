//! A message that is being put together: a run of whole lines.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::agent::follow::filled::Lines;
use crate::agent::forwarding::MESSAGE_SIZE;
use crate::event::Seq;

/// A run of lines.
#[derive(Debug)]
pub(super) struct Draft {
    lines: Vec<u8>,
    /// The last number before them.
    pub(super) after: Seq,
    /// The last number of them.
    pub(super) last: Seq,
    /// The next line does not fit.
    full: bool,
}

/// What was added of some lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// So many bytes, at least one line.
    Some(usize),
    /// Nothing: the message is full.
    Full,
    /// Nothing: the next line, of so many bytes, is too long for any message.
    TooLong(usize),
}

impl Draft {
    /// An empty run, after this number.
    pub(super) fn new(after: Seq) -> Self {
        Self { lines: Vec::new(), after, last: after, full: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// `true` if nothing more is added.
    pub(super) fn is_full(&self) -> bool {
        self.full || self.lines.len() >= MESSAGE_SIZE
    }

    /// Adds as many whole lines as fit. A message has at most `max` bytes. The caller sets `last`.
    pub(super) fn add(&mut self, lines: &Lines<'_>, max: usize) -> Added {
        let room = MESSAGE_SIZE.min(max).saturating_sub(self.lines.len());
        let len = if lines.len() <= room { lines.len() } else { lines.line_at(room).0 };
        if len > 0 {
            self.copy(lines, len);
            return Added::Some(len);
        }
        self.full = !self.is_empty();
        if self.full {
            return Added::Full;
        }
        let (_, line) = lines.line_at(0);
        if line.len() > max {
            return Added::TooLong(line.len());
        }
        self.copy(lines, line.len());
        Added::Some(line.len())
    }

    fn copy(&mut self, lines: &Lines<'_>, len: usize) {
        self.lines.reserve(len);
        let mut copied = 0;
        while copied < len {
            for slice in lines.slices(copied) {
                let part = &slice[..slice.len().min(len - copied)];
                self.lines.extend_from_slice(part);
                copied += part.len();
            }
        }
    }

    /// Adds one line that ends with the number `last`.
    pub(super) fn add_line(&mut self, line: &[u8], last: Seq) {
        self.lines.extend_from_slice(line);
        self.last = last;
    }

    /// Takes the lines. What is added next comes after them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        (self.after, self.full) = (self.last, false);
        std::mem::take(&mut self.lines)
    }
}

/// The lines as gzip. `None` if they are no shorter so.
pub(super) fn compress(lines: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < lines.len()).then(|| compressed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn takes_whole_lines_up_to_its_size() {
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        let lines = line.repeat(200);
        let mut draft = Draft::new(seq(1));
        let fits = MESSAGE_SIZE / 1000 * 1000;
        assert_eq!(draft.add(&Lines::Staged(&lines), usize::MAX), Added::Some(fits));
        assert!(!draft.is_full());
        assert_eq!(draft.add(&Lines::Staged(&lines[fits..]), usize::MAX), Added::Full);
        assert!(draft.is_full());
        draft.last = seq(9);
        assert_eq!(draft.take(), lines[..fits]);
        assert_eq!((draft.after, draft.is_full(), draft.is_empty()), (seq(9), false, true));
    }

    #[test]
    fn takes_a_long_line_alone() {
        let long = [vec![b'x'; 2 * MESSAGE_SIZE], vec![b'\n']].concat();
        let lines = [&b"a\n"[..], &long, b"b\n"].concat();
        let mut draft = Draft::new(seq(1));
        assert_eq!(draft.add(&Lines::Staged(&lines), long.len()), Added::Some(2));
        let rest = Lines::Staged(&lines[2..]);
        assert_eq!(draft.add(&rest, long.len()), Added::Full);
        draft.take();
        assert_eq!(draft.add(&rest, long.len() - 1), Added::TooLong(long.len()));
        assert_eq!(draft.add(&rest, long.len()), Added::Some(long.len()));
        assert!(draft.is_full());
    }

    #[test]
    fn compresses_what_becomes_shorter() {
        use std::io::Read as _;
        let lines = b"{\"seq\":1,\"msg\":\"query took 40ms\"}\n".repeat(200);
        let compressed = compress(&lines).expect("shorter");
        assert!(compressed.len() < lines.len() / 10);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut back).expect("gzip");
        assert_eq!(back, lines);
        assert_eq!(compress(b"x\n"), None);
    }
}
