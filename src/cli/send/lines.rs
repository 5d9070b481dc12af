//! Splits input into lines, in bounded memory.

use crate::event::DRAFT_MAX;

/// The kept beginning of a line, in bytes: no draft is longer, and a `<N>` may precede it.
const KEPT_MAX: usize = DRAFT_MAX + 16;

/// Turns pieces of input into lines. Holds the unfinished one.
#[derive(Debug, Default)]
pub(super) struct InputLines {
    /// The beginning of the unfinished line, at most [`KEPT_MAX`] bytes.
    kept: Vec<u8>,
    /// Its length so far.
    length: usize,
}

/// One line of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputLine<'a> {
    /// Its bytes without the line end (LF or CRLF). Of a line that is longer than any draft, the first
    /// ones.
    pub(super) bytes: &'a [u8],
    /// The length of the whole line, in bytes.
    pub(super) length: usize,
}

impl InputLines {
    /// Adds a piece of input and calls `each` with every line that ends in it.
    pub(super) fn push(&mut self, piece: &[u8], mut each: impl FnMut(InputLine<'_>)) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.length == 0 && line.len() <= KEPT_MAX {
                each(InputLine::new(line, line.len()));
            } else {
                self.keep(line);
                self.end(&mut each);
            }
            rest = after;
        }
        self.keep(rest);
    }

    /// Ends the input: an unfinished line counts as one.
    pub(super) fn finish(&mut self, mut each: impl FnMut(InputLine<'_>)) {
        if self.length > 0 {
            self.end(&mut each);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = KEPT_MAX - self.kept.len();
        self.kept.extend_from_slice(&part[..part.len().min(room)]);
        self.length += part.len();
    }

    fn end(&mut self, each: &mut impl FnMut(InputLine<'_>)) {
        each(InputLine::new(&self.kept, self.length));
        self.kept.clear();
        self.length = 0;
    }
}

impl<'a> InputLine<'a> {
    fn new(bytes: &'a [u8], length: usize) -> Self {
        match bytes.strip_suffix(b"\r") {
            Some(bytes) if length == bytes.len() + 1 => Self { bytes, length: length - 1 },
            _ => Self { bytes, length },
        }
    }

    /// `true` if `bytes` is not the whole line.
    pub(super) const fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, usize)> {
        let (mut reader, mut all) = (InputLines::default(), Vec::new());
        let mut each = |line: InputLine<'_>| all.push((line.bytes.to_vec(), line.length));
        for piece in pieces {
            reader.push(piece, &mut each);
        }
        reader.finish(&mut each);
        all
    }

    #[test]
    fn keeps_at_most_its_bound() {
        let whole = vec![b'x'; KEPT_MAX];
        let long = vec![b'x'; KEPT_MAX + 1];
        for line in [[&whole[..], b"\n"].concat(), whole.clone()] {
            assert_eq!(lines(&[&line]), [(whole.clone(), KEPT_MAX)]);
        }
        let expected = [(whole.clone(), KEPT_MAX + 1), (b"y".to_vec(), 1)];
        assert_eq!(lines(&[&[&long[..], b"\ny\n"].concat()]), expected);
        assert_eq!(lines(&[&whole, b"x\ny"]), expected);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            input in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..60),
            size in 1usize..10,
        ) {
            let pieces: Vec<&[u8]> = input.chunks(size).collect();
            prop_assert_eq!(lines(&pieces), lines(&[&input]));
            let ends = input.iter().filter(|b| **b == b'\n').count();
            let unfinished = usize::from(input.last().is_some_and(|b| *b != b'\n'));
            prop_assert_eq!(lines(&[&input]).len(), ends + unfinished);
        }
    }
}
