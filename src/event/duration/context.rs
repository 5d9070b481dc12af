//! The words around a number: whether it was measured, or is a limit, an interval, a moment.

use super::backward::{Backward, Found};
use super::cue::{CUE_REACH, Context, Cue, LIMIT_REACH, ends_with_total};
use super::place::after_space;
use super::usual_words;
use super::words::Word;

/// How many durations of a list a limit reaches.
const LIST_MAX: usize = 4;

/// Reads the words around the number from `start` to `end`. `None` if it was not measured.
pub(super) fn read(bytes: &[u8], start: usize, end: usize) -> Option<Context> {
    let key = Separator::find(bytes, start).filter(|separator| !separator.is_prose);
    let usual = if key.is_none() { usual_words::read(bytes, start) } else { None };
    let mut context = match usual {
        Some(context) => context,
        None => before_number(bytes, start, key)?,
    };
    let mut is_elapsed = false;
    if may_mean_after(bytes, end) {
        let after = word_after(bytes, end);
        if Word::is_limit_after(after) {
            return None;
        }
        context.is_total |= is(after, b"total");
        // `0:01.00elapsed` of time(1).
        is_elapsed = is(after, b"elapsed") || bytes[end..].starts_with(b"elapsed");
    }
    if context.is_total || is_elapsed {
        context.cue = Cue::Strong;
    }
    Some(context)
}

/// Reads the words before the number. `None` if it was not measured.
#[inline(never)]
fn before_number(bytes: &[u8], start: usize, key: Option<Separator>) -> Option<Context> {
    let before = match key {
        Some(Separator { key_end, .. }) => {
            Before::read(bytes, Backward::new(bytes, key_end), true)?
        }
        None => Before::read(bytes, Backward::new(bytes, start), false)?,
    };
    (!before.is_direct || before.is_shielded).then_some(before.context)
}

/// What was read of the words before a number.
#[derive(Debug, Default)]
pub(super) struct Before<'a> {
    context: Context,
    /// How many words were counted.
    counted: usize,
    /// The word that was read last: it stands after the next one.
    last: &'a [u8],
    /// A bracket stands directly before the number.
    is_enclosed: bool,
    /// A word other than *and* or *to* was read.
    is_between: bool,
    /// A number without a unit was read.
    is_numbered: bool,
    /// The word that was read last is a limit.
    is_limited: bool,
    /// How many durations of a list were read.
    durations: usize,
    /// Limits that stand before do not reach the number.
    is_shielded: bool,
    /// A word such as *last* stands directly before the number.
    is_direct: bool,
}

impl<'a> Before<'a> {
    /// Reads words until one says enough. `None` if the number was not measured.
    pub(super) fn read(bytes: &'a [u8], mut words: Backward<'a>, in_key: bool) -> Option<Self> {
        let mut before = Self { is_enclosed: !in_key && words.is_enclosed(), ..Self::default() };
        while before.counted < LIMIT_REACH {
            let Some(found) = words.next(in_key) else { break };
            if !before.note(bytes, found, in_key)? {
                break;
            }
        }
        // A limit, unless a duration before it has it: `30s timeout exceeded after 31.2s`.
        (!before.is_limited).then_some(before)
    }

    /// Notes a word. `Some(false)` if no word before it counts, `None` if the number was not measured.
    #[inline]
    fn note(&mut self, bytes: &'a [u8], found: Found<'a>, in_key: bool) -> Option<bool> {
        if found.is_duration {
            return Some(self.duration(bytes, found));
        }
        if found.is_number && bytes[..found.start].ends_with(b"=") {
            return Some(false);
        }
        if self.is_limited {
            // `3 retries` counts something, `retry 3` does not.
            let is_counted = found.is_number && matches!(self.last, [.., b's' | b'S']);
            if !is_counted {
                return Some(false);
            }
            self.is_limited = false;
        }
        self.word(found, in_key)?;
        if self.is_shielded {
            self.context.is_total |= ends_with_total(&bytes[..found.start]);
            return Some(false);
        }
        self.last = found.word;
        Some(true)
    }

    /// Notes a duration. `false` if no word before it counts.
    fn duration(&mut self, bytes: &[u8], found: Found<'_>) -> bool {
        // What stands before belongs to that duration, unless both are in one list.
        let is_apart = self.is_between || self.is_enclosed;
        if is_apart || matches!(bytes[..found.start].last(), Some(b'=' | b':')) {
            self.is_limited &= !Word::is_limit_after(self.last);
            return false;
        }
        self.durations += 1;
        self.durations <= LIST_MAX
    }

    #[inline]
    fn word(&mut self, found: Found<'_>, in_key: bool) -> Option<()> {
        let word = if found.is_number { Word::Other } else { Word::parse(found.word) };
        let is_first = self.last.is_empty();
        let is_directly_before = is_first && found.is_adjacent && !self.is_enclosed;
        match word {
            Word::Total => self.context.is_total = true,
            Word::Cue => self.cue(Cue::Strong),
            Word::WeakCue => self.cue(Cue::Weak),
            Word::Shield | Word::WeakShield | Word::Done => {
                self.is_shielded = true;
                match word {
                    Word::Shield => self.cue(Cue::Strong),
                    Word::WeakShield => self.cue(Cue::Weak),
                    _ => {}
                }
            }
            Word::Past if is(self.last, b"in") || is(self.last, b"after") => {
                self.is_shielded = true;
            }
            Word::Past if is_directly_before && is(found.word, b"exceeded") => return None,
            Word::Limit if is_first => return None,
            Word::Limit => self.is_limited = true,
            Word::PastLimit => self.is_limited = !is(self.last, b"in"),
            Word::Bound => self.is_limited = !self.is_numbered,
            Word::The if is_first => return None,
            Word::Direct if is_first => self.is_direct = true,
            Word::Clock if is_first => self.context.is_clock = true,
            Word::Moment if in_key => return None,
            // `up 3 days`, not `backed up, 3s`.
            Word::Up if in_key || is_directly_before => return None,
            Word::Up if is(self.last, b"to") => self.is_direct = true,
            Word::Moment if is(self.last, b"time") => {
                self.context.cue = Cue::None;
            }
            Word::Other if is_halves_of_limit(found.word, self.last) => return None,
            _ => {}
        }
        self.is_between |= word != Word::Link;
        self.is_numbered |= found.is_number;
        self.counted += usize::from(!matches!(word, Word::Link | Word::Filler));
        Some(())
    }

    fn cue(&mut self, cue: Cue) {
        if self.counted < CUE_REACH {
            self.context.cue = self.context.cue.max(cue);
        }
    }
}

/// `true` for the same word in any case.
fn is(word: &[u8], name: &[u8]) -> bool {
    word.eq_ignore_ascii_case(name)
}

/// `true` for the two words of *back off* and *keep-alive*.
#[inline]
fn is_halves_of_limit(first: &[u8], second: &[u8]) -> bool {
    let backs = || is(first, b"back") || is(first, b"backing") || is(first, b"backed");
    (is(second, b"off") && backs()) || (is(second, b"alive") && is(first, b"keep"))
}

/// `false` for most texts at `end` that do not begin with a word that says something about the number before it.
#[inline]
fn may_mean_after(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end..) {
        Some([b' ', first, second, ..]) => Word::may_mean_after([*first, *second]),
        Some([b'-' | b'e' | 0x80.., ..]) => true,
        _ => false,
    }
}

/// The word directly after a number, or after a space or a hyphen. Empty if it belongs to another number
/// after it: `40ms timeout=30s`.
fn word_after(bytes: &[u8], end: usize) -> &[u8] {
    let start = match bytes.get(end) {
        Some(b'-') => end + 1,
        Some(b' ' | 0x80..) => after_space(bytes, end),
        _ => return b"",
    };
    let rest = &bytes[start.min(bytes.len())..];
    let (word, after) = rest.split_at(rest.iter().take_while(|b| b.is_ascii_alphabetic()).count());
    let digit = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_digit);
    match after {
        [b'=' | b'-' | b'_', ..] => b"",
        [b' ' | b':', b' ', rest @ ..] | [b' ' | b':', rest @ ..] if digit(rest) => b"",
        _ => word,
    }
}

/// The `=` or `:` that a number is the value of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Separator {
    /// Where the key ends.
    pub(super) key_end: usize,
    /// A colon as in a sentence, with a space after it.
    is_prose: bool,
}

impl Separator {
    #[inline]
    pub(super) fn find(bytes: &[u8], start: usize) -> Option<Self> {
        match bytes[..start] {
            // `duration=40ms`.
            [.., last, b'='] if last.is_ascii_alphanumeric() => {
                Some(Self { key_end: start - 1, is_prose: false })
            }
            [.., b'=' | b':' | b'"' | b'\''] | [.., b'=' | b':' | b' ' | b'\t', b' ' | b'\t'] => {
                Self::find_slowly(bytes, start)
            }
            _ => None,
        }
    }

    #[inline(never)]
    fn find_slowly(bytes: &[u8], start: usize) -> Option<Self> {
        let (unquoted, quoted) = skip_quotes(bytes, start);
        let spaced = bytes[..unquoted].trim_ascii_end();
        let (last, before) = spaced.split_last()?;
        let (key_end, key_quoted) = skip_quotes(bytes, before.trim_ascii_end().len());
        let is_prose = match last {
            b'=' => false,
            b':' => spaced.len() < unquoted && !quoted && !key_quoted,
            _ => return None,
        };
        Some(Self { key_end, is_prose })
    }
}

/// Skips quotes, also those that are escaped, backwards.
fn skip_quotes(bytes: &[u8], end: usize) -> (usize, bool) {
    let quote = |b: &&u8| matches!(**b, b'"' | b'\'' | b'\\');
    let quotes = bytes[..end].iter().rev().take(4).take_while(quote).count();
    (end - quotes, quotes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_usual_words_as_the_general_way(
            before in "((took|in|after|time|elapsed|total|ran|done|completed|at|the|limit|retries|back|keep|alive|off|exceeded|to|of|ms|s|sec|seconds|rows|[a-z]{1,16}|[0-9]{1,9}|1\\.5|A|Is|é|支)( |  |, |: | \\(|=|-|\\.|)){0,9}",
        ) {
            let bytes = before.as_bytes();
            if let Some(context) = usual_words::read(bytes, bytes.len()) {
                prop_assert_eq!(before_number(bytes, bytes.len(), None), Some(context), "{:?}", before);
            }
        }
    }
}
