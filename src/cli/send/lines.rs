//! Input in pieces, line by line, in bounded memory.

use crate::event::DRAFT_MAX;

/// How much of a line is kept, in bytes: no draft holds more, and a `<N>` may stand before it.
const KEPT_MAX: usize = DRAFT_MAX + 16;

/// The line that has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Its beginning.
    kept: Vec<u8>,
    /// How long it is so far.
    length: usize,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its bytes, without the line end (LF or CRLF). Of a line that no draft can hold the first ones.
    pub(super) bytes: &'a [u8],
    /// How long it is without them being cut.
    pub(super) length: usize,
}

impl Lines {
    /// Takes a piece of input in and calls `each` with every line that ends in it.
    pub(super) fn push(&mut self, piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            if self.length == 0 && line.len() <= KEPT_MAX {
                each(Line::of(line, line.len()));
            } else {
                self.keep(line);
                self.end(&mut each);
            }
            rest = behind;
        }
        self.keep(rest);
    }

    /// At the end of the input, what is there counts as a line.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.length > 0 {
            self.end(&mut each);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = KEPT_MAX - self.kept.len();
        self.kept.extend_from_slice(&part[..part.len().min(room)]);
        self.length += part.len();
    }

    fn end(&mut self, each: &mut impl FnMut(Line<'_>)) {
        each(Line::of(&self.kept, self.length));
        self.kept.clear();
        self.length = 0;
    }
}

impl<'a> Line<'a> {
    fn of(bytes: &'a [u8], length: usize) -> Self {
        match bytes.strip_suffix(b"\r") {
            Some(bytes) if length == bytes.len() + 1 => Self { bytes, length: length - 1 },
            _ => Self { bytes, length },
        }
    }

    /// Whether some of it is missing.
    pub(super) const fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, usize)> {
        let (mut reader, mut all) = (Lines::default(), Vec::new());
        let mut each = |line: Line<'_>| all.push((line.bytes.to_vec(), line.length));
        for piece in pieces {
            reader.push(piece, &mut each);
        }
        reader.finish(&mut each);
        all
    }

    #[test]
    fn the_bound_holds_from_both_sides() {
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
