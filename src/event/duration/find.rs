//! Finds the duration that a message reports. One pass, linear in the length of the message; does not
//! allocate, except for messages with escape sequences.
//!
//! A candidate is a number with a unit, a sum of them, a stopwatch (`0:01.25`), or the value of a key
//! (`request_time=0.045`). What stands beside it ([`super::place`]) and the words around it
//! ([`super::context`]) refuse it or rank it. The first of the highest rank is the duration.

use super::candidate::{Candidate, Needs, PLURAL_MIN};
use super::clock::Stopwatch;
use super::context;
use super::cue::{Context, Cue};
use super::escape::{self, ESC};
use super::exact::{Exact, check};
use super::keys::{keyed, may_end_key};
use super::number::Number;
use super::place::{
    Paths, after_joiner, after_space, is_compared, is_line_prefix, joins_after, joins_before,
};
use super::unit::Unit;
use super::usual::{self, Usual};
use crate::event::swar;

/// Finds the measured duration in a message, in seconds.
pub fn find(msg: &str) -> Option<f64> {
    let bytes = msg.as_bytes();
    let digit = next_digit(bytes, 0)?;
    if has_escape(bytes) {
        let plain = escape::strip(msg);
        let digit = next_digit(plain.as_bytes(), 0)?;
        return Search::new(&plain).run(digit);
    }
    Search::new(msg).run(digit)
}

/// As [`find`], for a message without control characters, and so without escape sequences.
pub fn find_in_plain(msg: &str) -> Option<f64> {
    let digit = next_digit(msg.as_bytes(), 0)?;
    Search::new(msg).run(digit)
}

/// How likely a candidate is what was measured. The likeliest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Plain,
    /// After a word such as *took*.
    Cued,
    /// After *total*, or the sum of those before it.
    Total,
}

struct Search<'a> {
    text: &'a str,
    bytes: &'a [u8],
    paths: Paths,
    /// The end of the last candidate that follows a `+`.
    addend: Option<usize>,
}

impl<'a> Search<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), paths: Paths::default(), addend: None }
    }

    /// Searches from the first digit on.
    fn run(mut self, first: usize) -> Option<f64> {
        let mut best: Option<(Rank, Exact)> = None;
        let mut may_be_total = None;
        let mut next = Some(first);
        while let Some(digit) = next {
            // Only a total would outrank what was found.
            if matches!(best, Some((Rank::Cued, _)))
                && !*may_be_total.get_or_insert_with(|| may_have_total(self.bytes))
            {
                break;
            }
            let found = match usual::read(self.bytes, digit) {
                Usual::Candidate(candidate) => Ok(candidate),
                Usual::NoCandidate(end) => Err(end),
                Usual::Unknown => self.read(digit),
            };
            let candidate = match found {
                Ok(candidate) => candidate,
                Err(end) => {
                    next = next_digit(self.bytes, end);
                    continue;
                }
            };
            next = next_digit(self.bytes, candidate.end);
            let Some(rank) = self.rank(&candidate) else { continue };
            if best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, candidate.value));
            }
            if rank == Rank::Total {
                break;
            }
        }
        best.and_then(|(_, value)| check(value.seconds()))
    }

    /// The candidate whose first digit is at `digit`. `Err` with where to go on if there is none.
    #[inline(never)]
    fn read(&self, digit: usize) -> Result<Candidate, usize> {
        let start = digit - usize::from(digit > 0 && self.bytes[digit - 1] == b'.');
        if joins_before(self.text, start) {
            // All further digits of this word follow a letter or a digit.
            return Err(word_end(self.bytes, digit));
        }
        let end = Number::end(self.bytes, digit);
        if !self.may_be_candidate(start, end) {
            return Err(end);
        }
        let number = Number::read_at(self.bytes, start, digit);
        self.candidate(start, number).ok_or(end)
    }

    /// `false` for most numbers that are no candidate, by the bytes around them, before the number is read.
    #[inline]
    fn may_be_candidate(&self, start: usize, end: usize) -> bool {
        let may_follow = match self.bytes[end..] {
            [b' ', b't', ..] => self.bytes[..start].ends_with(b"cpu "),
            [b' ', next, ..] | [next @ b':', ..] | [next, ..] => {
                next == b':' || Unit::may_begin_with(next)
            }
            [] => false,
        };
        may_follow || self.may_be_value(start)
    }

    /// The candidate that begins with the number at `start`.
    #[inline]
    fn candidate(&self, start: usize, number: Number) -> Option<Candidate> {
        let bytes = self.bytes;
        let found = match bytes[number.end..] {
            [b' ', ref after @ ..] if Unit::may_begin(after) => self.sum(start, number),
            [b' ', b't', ..] if bytes[..start].ends_with(b"cpu ") => {
                self.shell_total(start, number)
            }
            [b':', b'0'..=b'9', ..] => self.stopwatch(start, number),
            ref after if Unit::may_begin(after) => self.sum(start, number),
            _ => None,
        };
        found.or_else(|| self.keyed(start))
    }

    /// One number with a unit, or several that are summed.
    #[inline]
    fn sum(&self, start: usize, first: Number) -> Option<Candidate> {
        let bytes = self.bytes;
        if !first.is_short {
            return None;
        }
        let unit_at = after_space(bytes, first.end);
        let (mut unit, mut end) =
            Unit::read(bytes, unit_at).filter(|(unit, _)| unit.is_measured())?;
        let mut value = Exact::new(first, unit);
        let (mut last, mut parts) = (first, 1);
        while last.is_whole() && may_go_on(&bytes[end..]) {
            let Some((number, its_unit, its_end)) = self.part(end, unit) else { break };
            value = value.plus(Exact::new(number, its_unit))?;
            (last, unit, end, parts) = (number, its_unit, its_end, parts + 1);
        }
        if joins_after(self.text, end) {
            return None;
        }
        let is_spaced = unit_at > first.end;
        let needs_cue = parts == 1
            && match unit {
                Unit::Nanosecond => is_spaced,
                // `12 us` may be the pronoun, `12 µs` is not.
                Unit::Microsecond => is_spaced && bytes[unit_at] == b'u',
                Unit::Millisecond => false,
                Unit::Second => first.is_whole() && first.mantissa >= PLURAL_MIN,
                _ => true,
            };
        let needs = if needs_cue { Needs::Cue } else { Needs::Nothing };
        Some(Candidate { start, end, value, needs, is_stopwatch: false })
    }

    /// The next part of a sum: of a smaller unit, and less than one of the unit before.
    fn part(&self, at: usize, before: Unit) -> Option<(Number, Unit, usize)> {
        let bytes = self.bytes;
        let start = after_joiner(bytes, at);
        if !bytes.get(start)?.is_ascii_digit() {
            return None;
        }
        let number = Number::read(bytes, start).filter(|number| number.is_short)?;
        let (unit, end) = Unit::read(bytes, after_space(bytes, number.end))?;
        let one = Exact::new(Number { mantissa: 1, scale: 0, ..number }, before);
        let fits = unit < before && Exact::new(number, unit).is_less(one);
        // A part in another word is a candidate of its own, or none.
        (fits && (start == at || !joins_after(self.text, end) || self.goes_on(end)))
            .then_some((number, unit, end))
    }

    /// `true` if a digit follows a unit directly.
    fn goes_on(&self, end: usize) -> bool {
        self.bytes.get(end).is_some_and(u8::is_ascii_digit)
    }

    #[inline(never)]
    fn stopwatch(&self, start: usize, first: Number) -> Option<Candidate> {
        let Stopwatch { value, end, is_unlike_clock } = Stopwatch::read(self.bytes, start, first)?;
        let is_elapsed = self.bytes[end..].starts_with(b"elapsed");
        if joins_after(self.text, end) && !is_elapsed {
            return None;
        }
        let needs = if is_unlike_clock { Needs::Cue } else { Needs::StrongCue };
        Some(Candidate { start, end, value, needs, is_stopwatch: true })
    }

    /// What zsh's `time` prints: `0% cpu 1.003 total`.
    #[inline(never)]
    fn shell_total(&self, start: usize, number: Number) -> Option<Candidate> {
        let is_total = number.decimals >= 3 && self.bytes[number.end..].starts_with(b" total");
        is_total.then_some(Candidate {
            start,
            end: number.end,
            value: Exact::new(number, Unit::Second),
            needs: Needs::Nothing,
            is_stopwatch: false,
        })
    }

    /// A number without a unit, by its key.
    #[inline]
    fn keyed(&self, start: usize) -> Option<Candidate> {
        if !self.may_be_value(start) {
            return None;
        }
        let (value, end) = keyed(self.bytes, start)?;
        Some(Candidate { start, end, value, needs: Needs::Cue, is_stopwatch: false })
    }

    /// `false` for most numbers that are not the value of a key, by the two bytes before them.
    #[inline]
    fn may_be_value(&self, start: usize) -> bool {
        match self.bytes[..start] {
            [.., last, b'=' | b':'] => may_end_key(last),
            [.., b'=' | b':' | b'"' | b'\''] => true,
            [.., before, b' ' | b'\t'] => matches!(before, b'=' | b':' | b' ' | b'\t'),
            _ => false,
        }
    }

    /// `true` if what stands before the candidate makes it a limit, a part of a path, or the beginning of a line.
    fn is_refused(&mut self, start: usize, end: usize) -> bool {
        let before = self.bytes[..start].trim_ascii_end();
        let refused = match before.last() {
            Some(b'[') => is_line_prefix(self.bytes, before, end),
            Some(b'<' | b'>' | b'=' | 0xb1 | 0xa4 | 0xa5) => is_compared(before),
            _ => false,
        };
        refused || self.paths.contain(self.bytes, start)
    }

    /// `None` if the candidate was not measured.
    #[inline]
    fn rank(&mut self, candidate: &Candidate) -> Option<Rank> {
        let Candidate { start, end, needs, is_stopwatch, .. } = *candidate;
        let bytes = self.bytes;
        let is_addend = match bytes[..start] {
            // Most numbers follow a word and a space.
            [.., last, b' '] if last.is_ascii_alphanumeric() => false,
            _ if self.is_refused(start, end) => return None,
            ref before => before.trim_ascii_end().ends_with(b"+"),
        };
        let is_sum = self.addend.is_some_and(|addend| is_equation(&bytes[addend..start]));
        let context = context::read(bytes, start, end)?;
        let is_cued = match needs {
            Needs::Nothing => true,
            Needs::Cue => context.cue > Cue::None,
            Needs::StrongCue => context.cue == Cue::Strong,
        };
        if !is_cued || (is_stopwatch && context.is_clock) {
            return None;
        }
        self.addend = is_addend.then_some(end);
        Some(match context {
            _ if is_sum || context.is_total => Rank::Total,
            Context { cue: Cue::None, .. } => Rank::Plain,
            _ => Rank::Cued,
        })
    }
}

/// `false` for most texts that do not go on with another part of a sum.
#[inline]
fn may_go_on(rest: &[u8]) -> bool {
    match rest {
        // A part, or `and`.
        [b' ', next, ..] => next.is_ascii_digit() || *next == b'a',
        [next, ..] => next.is_ascii_digit() || matches!(next, b':' | b',' | 0x80..),
        [] => false,
    }
}

/// `true` if an escape sequence may begin somewhere.
#[inline]
fn has_escape(bytes: &[u8]) -> bool {
    // Folds, because `any` branches at each byte.
    let is_in = |bytes: &[u8]| bytes.iter().fold(false, |any, b| any | (*b == ESC));
    let (blocks, rest) = bytes.as_chunks::<32>();
    blocks.iter().any(|block| is_in(block))
        || bytes.last_chunk::<32>().map_or_else(|| is_in(rest), |last| is_in(last))
}

/// The first digit from `start` on.
#[inline]
fn next_digit(bytes: &[u8], start: usize) -> Option<usize> {
    swar::find(bytes, start, swar::digits, |b| b.is_ascii_digit())
}

/// `false` for most texts in which no number is a total: without `+`, and without three letters of *total*.
#[inline(never)]
fn may_have_total(bytes: &[u8]) -> bool {
    // Folds, because `any` branches at each byte.
    let letters = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let letters = letters.zip(bytes.get(2..).unwrap_or_default());
    let is_part = |((a, b), c): ((&u8, &u8), &u8)| {
        (a | 0x20 == b'o') & (b | 0x20 == b't') & (c | 0x20 == b'a')
    };
    bytes.iter().fold(false, |any, b| any | (*b == b'+'))
        || letters.fold(false, |any, three| any | is_part(three))
}

/// Where the ASCII letters and digits end that begin at `start`.
#[inline]
fn word_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
        at += 1;
    }
    at
}

/// `true` for what stands between the last part and the sum in `1s (a) + 2s (b) = 3s`.
#[inline(never)]
fn is_equation(between: &[u8]) -> bool {
    let Some(inside) = between.trim_ascii().strip_suffix(b"=") else { return false };
    let inside = inside.trim_ascii();
    inside.is_empty() || (inside.starts_with(b"(") && inside.ends_with(b")"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_usual_numbers_as_the_general_way(
            text in "((query|cpu|rows|took_ms|x|é)( |=|: |\\(|\\.|)([0-9]{1,9}|[0-9]{1,3}\\.[0-9]{1,6})( |)(ms|s|µs|μs|us|m|min|sec|rows|total|:05|)( |, |,|\\.|\\)|;|and |)){1,4}",
        ) {
            let (bytes, search) = (text.as_bytes(), Search::new(&text));
            let parts = |c: Candidate| (c.start, c.end, c.value.seconds().to_bits(), c.needs, c.is_stopwatch);
            let mut next = next_digit(bytes, 0);
            while let Some(digit) = next {
                let general = search.read(digit).map(parts);
                next = next_digit(bytes, general.map_or_else(|end| end, |(_, end, ..)| end));
                match usual::read(bytes, digit) {
                    Usual::Candidate(candidate) => prop_assert_eq!(Ok(parts(candidate)), general, "{:?}", text),
                    Usual::NoCandidate(end) => prop_assert_eq!(Err(end), general, "{:?}", text),
                    Usual::Unknown => {}
                }
            }
        }

        #[test]
        fn finds_every_digit(bytes in prop::collection::vec(any::<u8>(), 0..40), start in 0usize..50) {
            let from = bytes.get(start..).unwrap_or_default();
            let expected = from.iter().position(u8::is_ascii_digit).map(|found| start + found);
            prop_assert_eq!(next_digit(&bytes, start), expected);
        }
    }
}
