//! The usual words before a number: small letters and whole numbers. This is the hot path: it reads each word as a number of
//! eight bytes, and leaves all words of limits, and all other forms, to [`super::context`].

use super::backward::only_separates;
use super::cue::{CUE_REACH, Context, Cue, LIMIT_REACH, ends_with_total};
use super::words::{SHORT_MAX, Short, Word, may_be_unit};
use crate::event::swar::{first, lowest, no_digits, no_small_letters, padded_before};

/// How many words it reads, with those that are not counted.
const WORDS_MAX: usize = 5;

/// How far before the number it reads, in bytes. The general way reads farther.
const REACH: usize = 80;

/// Reads the words before a number that is no value of a key. `None` if the general way must read them.
#[inline(never)]
pub(super) fn read(bytes: &[u8], start: usize) -> Option<Context> {
    let mut context = Context::default();
    let (mut at, mut counted, floor) = (start, 0, start.saturating_sub(REACH));
    for _ in 0..WORDS_MAX {
        let Some(end) = word_end(bytes, at, floor) else {
            return (floor == 0).then_some(context);
        };
        let is_first = at == start;
        let word = read_word(bytes, end)?;
        at = word.start;
        if at < floor {
            return None;
        }
        let cue = match word.meaning {
            Word::Other => Cue::None,
            Word::Cue | Word::Shield => Cue::Strong,
            Word::WeakCue | Word::WeakShield => Cue::Weak,
            Word::Done => Cue::None,
            Word::Link | Word::Filler => continue,
            Word::Clock => {
                context.is_clock |= is_first;
                Cue::None
            }
            // The words of a limit.
            _ => return None,
        };
        if counted < CUE_REACH {
            context.cue = context.cue.max(cue);
        }
        if matches!(word.meaning, Word::Shield | Word::WeakShield | Word::Done) {
            context.is_total = ends_with_total(&bytes[..at]);
            return Some(context);
        }
        counted += 1;
        if counted == LIMIT_REACH {
            return Some(context);
        }
    }
    None
}

/// Where the word ends that stands before `at`. `None` if there is none after `floor`.
#[inline(always)]
fn word_end(bytes: &[u8], at: usize, floor: usize) -> Option<usize> {
    let mut end = at;
    while end > floor {
        if !only_separates(*bytes.get(end - 1)?) {
            return Some(end);
        }
        end -= 1;
    }
    None
}

/// A word that has the usual form.
struct UsualWord {
    start: usize,
    meaning: Word,
}

/// Reads the word that ends at `end`: small letters or digits, before which stands neither a letter nor a digit. `None` if it
/// has another form, or may be a duration.
#[inline(always)]
fn read_word(bytes: &[u8], end: usize) -> Option<UsualWord> {
    let eight = padded_before(bytes, end)?;
    let is_number = (eight as u8).is_ascii_digit();
    let len = first(if is_number { no_digits(eight) } else { no_small_letters(eight) });
    if len == 0 {
        return None;
    }
    if len > SHORT_MAX {
        return if is_number { None } else { read_long(bytes, end, len, eight) };
    }
    let [before, second, ..] = (eight >> (8 * len)).to_le_bytes();
    let (is_apart, meaning) = if is_number {
        // A decimal, and the value of a pair.
        (!matches!(before, b'.' | b'='), Word::Other)
    } else {
        // `40 ms` is a duration.
        let is_apart = before != b' ' || !second.is_ascii_digit() || !may_be_unit(eight);
        (is_apart, Word::parse_short(Short(lowest(eight, len))))
    };
    let is_word = is_apart && !before.is_ascii_alphanumeric();
    is_word.then_some(UsualWord { start: end - len, meaning })
}

/// As [`read_word`], for a word that ends with `known` small letters, more than [`SHORT_MAX`], the last of which are `letters`.
#[inline(never)]
fn read_long(bytes: &[u8], end: usize, known: usize, letters: u64) -> Option<UsualWord> {
    let eight = padded_before(bytes, end - known)?;
    let more = first(no_small_letters(eight));
    if more > SHORT_MAX {
        return None;
    }
    let start = end - known - more;
    let [before, second, ..] = (eight >> (8 * more)).to_le_bytes();
    let is_apart = before != b' ' || !second.is_ascii_digit() || !may_be_unit(letters);
    let is_word = is_apart && !before.is_ascii_alphanumeric();
    is_word.then(|| UsualWord { start, meaning: Word::parse(&bytes[start..end]) })
}
