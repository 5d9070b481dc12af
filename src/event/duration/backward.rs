//! Reads a text word by word, backwards.

use super::unit::Unit;

/// The words before a place in a text, the nearest first. A word is a run of ASCII letters and digits,
/// split where a capital letter follows a small one. It reads at most [`REACH`] bytes.
#[derive(Debug)]
pub(super) struct Backward<'a> {
    bytes: &'a [u8],
    at: usize,
    floor: usize,
}

/// The reach of words, in bytes.
const REACH: usize = 96;

/// What a byte is between and within words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upper,
    Lower,
    Digit,
    /// It may end a key or a clause, or belong to it.
    Mark,
    /// It only stands between words.
    Other,
}

/// By byte, because each byte of several words is looked at.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Other; 256];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = match at as u8 {
            b'A'..=b'Z' => Kind::Upper,
            b'a'..=b'z' => Kind::Lower,
            b'0'..=b'9' => Kind::Digit,
            b')' | b'_' | b'-' | b'.' | b';' | b'|' | b'\n' | b'\r' | b'!' | b'?' | b'=' => {
                Kind::Mark
            }
            _ => Kind::Other,
        };
        at += 1;
    }
    kinds
};

/// `true` for a byte that only stands between words, also between those of a clause.
#[inline]
pub(super) fn only_separates(b: u8) -> bool {
    KINDS[usize::from(b)] == Kind::Other
}

/// A word, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) word: &'a [u8],
    pub(super) start: usize,
    /// The word begins with a digit.
    pub(super) is_number: bool,
    /// The word, or what it ends with, is a number with a unit.
    pub(super) is_duration: bool,
    /// A space follows it.
    pub(super) is_adjacent: bool,
}

impl<'a> Backward<'a> {
    pub(super) fn new(bytes: &'a [u8], end: usize) -> Self {
        Self { bytes, at: end, floor: end.saturating_sub(REACH) }
    }

    /// Skips what stands between words. Returns `false` at the end of the key or the clause, and at the
    /// end of the reach. A text in parentheses is skipped too.
    #[inline(never)]
    fn skip(&mut self, in_key: bool) -> bool {
        while self.at > self.floor {
            let last = self.at - 1;
            match KINDS[usize::from(self.bytes[last])] {
                Kind::Other if !in_key => self.at = last,
                Kind::Other => return false,
                Kind::Mark => {
                    if !self.skip_mark(last, in_key) {
                        return false;
                    }
                }
                Kind::Upper | Kind::Lower | Kind::Digit => return true,
            }
        }
        false
    }

    /// Skips a byte that may end the clause. Returns `false` if it does.
    fn skip_mark(&mut self, last: usize, in_key: bool) -> bool {
        let next = self.bytes.get(self.at);
        self.at = match self.bytes[last] {
            b')' => self.opening(last).unwrap_or(last),
            b'_' | b'-' => last,
            b'.' if in_key => last,
            _ if in_key => return false,
            b';' | b'|' | b'\n' | b'\r' => return false,
            // The end of a sentence.
            b'.' | b'!' | b'?' if next.is_none_or(u8::is_ascii_whitespace) => return false,
            // A pair whose value was read.
            b'=' if next != Some(&b' ') => return false,
            _ => last,
        };
        true
    }

    fn opening(&self, close: usize) -> Option<usize> {
        let inside = &self.bytes[self.floor..close];
        inside.iter().rposition(|b| *b == b'(').map(|at| self.floor + at)
    }

    /// `true` if an opening bracket stands directly before.
    pub(super) fn is_enclosed(&self) -> bool {
        matches!(self.bytes[..self.at].last(), Some(b'(' | b'['))
    }

    /// The next word, after [`Self::skip`]. `None` if there is none.
    #[inline]
    pub(super) fn next(&mut self, in_key: bool) -> Option<Found<'a>> {
        if self.skip(in_key) { self.word() } else { None }
    }

    /// The word that ends here. `None` at the end of the reach.
    #[inline(never)]
    fn word(&mut self) -> Option<Found<'a>> {
        let end = self.at;
        let mut reach = &self.bytes[self.floor..end];
        while let [before @ .., b] = reach {
            match KINDS[usize::from(*b)] {
                Kind::Lower | Kind::Digit => reach = before,
                Kind::Upper => {
                    reach = before;
                    if before.last().is_some_and(u8::is_ascii_lowercase) {
                        break;
                    }
                }
                Kind::Mark | Kind::Other => break,
            }
        }
        let start = self.floor + reach.len();
        // A word that the floor cuts is not known.
        if start == end || (start == self.floor && start > 0) {
            return None;
        }
        let word = &self.bytes[start..end];
        let is_number = word[0].is_ascii_digit();
        let (mut start, mut is_duration) = (start, false);
        if is_number {
            let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
            is_duration = digits < word.len() && Unit::from_name(&word[digits..]).is_some();
            start = self.number_start(start);
        } else if let Some(number_end) = self.number_before(start) {
            is_duration = Unit::from_name(word).is_some();
            start = if is_duration { self.number_start(number_end) } else { start };
        }
        self.at = start;
        let is_adjacent = self.bytes.get(end) == Some(&b' ');
        Some(Found { word, start, is_number, is_duration, is_adjacent })
    }

    /// The end of a number that stands directly before `start`, or before one space.
    fn number_before(&self, start: usize) -> Option<usize> {
        let space = start > self.floor && self.bytes[start - 1] == b' ';
        let end = start - usize::from(space);
        (end > self.floor && self.bytes[end - 1].is_ascii_digit()).then_some(end)
    }

    /// Where the number begins that ends at or contains `at`.
    fn number_start(&self, at: usize) -> usize {
        let part = |b: &u8| b.is_ascii_digit() || *b == b'.';
        at - self.bytes[self.floor..at].iter().rev().take_while(|b| part(b)).count()
    }
}
