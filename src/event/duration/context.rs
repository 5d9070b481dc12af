//! The words around a number: whether it was measured, or is a limit, an interval, a moment.

use super::backward::{Backward, Found};
use super::exact::Exact;
use super::number::Number;
use super::place::after_space;
use super::unit::Unit;
use super::words::Word;

/// How many words before a number a limit reaches.
const LIMIT_REACH: usize = 3;

/// How many words before a number a cue reaches.
const CUE_REACH: usize = 2;

/// How many durations of a list a limit reaches.
const LIST_MAX: usize = 4;

/// The least decimals of a number without a unit.
const DECIMALS_MIN: usize = 3;

/// Numbers without a unit are below this many seconds. Greater ones are times of day.
const NAMED_MAX: f64 = 1e6;

/// What the words say about a number that may be a measured duration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    pub(super) cue: Cue,
    /// *total* stands beside it.
    pub(super) is_total: bool,
    /// A word such as *at* stands directly before it.
    pub(super) is_clock: bool,
}

/// How sure the words are that a measured duration follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cue {
    #[default]
    None,
    Weak,
    Strong,
}

impl Context {
    /// Reads the words around the number from `start` to `end`. `None` if it was not measured.
    pub(super) fn read(bytes: &[u8], start: usize, end: usize) -> Option<Self> {
        let key = Separator::find(bytes, start).filter(|separator| !separator.is_prose);
        let mut before = Before::default();
        match key {
            Some(Separator { key_end, .. }) => {
                before.read(bytes, Backward::new(bytes, key_end), true)?;
            }
            None => {
                before.is_enclosed =
                    bytes[..start].ends_with(b"(") || bytes[..start].ends_with(b"[");
                before.read(bytes, Backward::new(bytes, start), false)?;
            }
        }
        if before.is_direct && !before.is_shielded {
            return None;
        }
        let mut context = before.context;
        let after = word_after(bytes, end);
        if Word::is_limit_after(after) {
            return None;
        }
        if after.eq_ignore_ascii_case(b"total") {
            context.is_total = true;
        }
        // `0:01.00elapsed` of time(1).
        let is_elapsed =
            after.eq_ignore_ascii_case(b"elapsed") || bytes[end..].starts_with(b"elapsed");
        if context.is_total || is_elapsed {
            context.cue = Cue::Strong;
        }
        Some(context)
    }
}

/// What was read of the words before a number.
#[derive(Debug, Default)]
struct Before<'a> {
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
    fn read(&mut self, bytes: &'a [u8], mut words: Backward<'a>, in_key: bool) -> Option<()> {
        while self.counted < LIMIT_REACH && words.skip(in_key) {
            let Some(found) = words.word() else { break };
            let before = found.start.checked_sub(1).map(|at| bytes[at]);
            if found.is_duration {
                // What stands before belongs to that duration, unless both are in one list.
                let is_apart = self.is_between || self.is_enclosed;
                if is_apart || matches!(before, Some(b'=' | b':')) {
                    self.is_limited &= !Word::is_limit_after(self.last);
                    break;
                }
                self.durations += 1;
                if self.durations > LIST_MAX {
                    break;
                }
                continue;
            }
            if found.is_number && before == Some(b'=') {
                break;
            }
            if self.is_limited {
                // `3 retries` counts something, `retry 3` does not.
                let is_counted = found.is_number && matches!(self.last, [.., b's' | b'S']);
                if !is_counted {
                    break;
                }
                self.is_limited = false;
            }
            self.word(found, in_key)?;
            if self.is_shielded {
                self.context.is_total |= ends_with_total(&bytes[..found.start]);
                break;
            }
            self.last = found.word;
        }
        // A limit, unless a duration before it has it: `30s timeout exceeded after 31.2s`.
        (!self.is_limited).then_some(())
    }

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

/// `true` if *total* stands before a space at the end.
fn ends_with_total(bytes: &[u8]) -> bool {
    let Some(before) = bytes.strip_suffix(b" ") else { return false };
    let from = before.len().saturating_sub(b"total".len());
    is(&before[from..], b"total")
}

/// `true` for the two words of *back off* and *keep-alive*.
#[inline]
fn is_halves_of_limit(first: &[u8], second: &[u8]) -> bool {
    let backs = || is(first, b"back") || is(first, b"backing") || is(first, b"backed");
    (is(second, b"off") && backs()) || (is(second, b"alive") && is(first, b"keep"))
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
struct Separator {
    /// Where the key ends.
    key_end: usize,
    /// A colon as in a sentence, with a space after it.
    is_prose: bool,
}

impl Separator {
    #[inline]
    fn find(bytes: &[u8], start: usize) -> Option<Self> {
        match bytes[..start] {
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

/// `false` for the letters that no key of a duration in a message ends with. Most keys end with one of them.
#[inline]
pub(super) const fn may_end_key(last: u8) -> bool {
    let letter = matches!(last | 0x20, b'k' | b'e' | b'n' | b'd' | b'y' | b's' | b'c');
    letter || !last.is_ascii_alphabetic()
}

/// `false` for most keys of fields that name no duration. Tests the two last letters, in any case: they must be those of a
/// word that names a duration, or of a unit.
#[inline]
fn may_name_duration(key: &[u8]) -> bool {
    let [.., before, last] = *key else { return true };
    match [before | 0x20, last | 0x20] {
        [_, b's'] if !before.is_ascii_alphanumeric() || last == b'S' => true,
        // took, dur and hour, time, duration, elapsed, latency, service.
        [b'o', b'k'] | [b'u', b'r'] | [b'm', b'e'] | [b'o', b'n'] | [b'e', b'd'] => true,
        [b'c', b'y' | b'e'] => true,
        // sec, second, minute, week, month, year.
        [b'e', b'c' | b'k'] | [b'n', b'd'] | [b't', b'e' | b'h'] | [b'a', b'r'] => true,
        // ms, us, ns, and the plurals.
        [
            b'm' | b'u' | b'n' | b'c' | b'o' | b'd' | b'i' | b'e' | b'r' | b'y' | b'k' | b'h',
            b's',
        ] => true,
        _ => !last.is_ascii_alphanumeric(),
    }
}

/// The duration of a number without a unit that is the value of a key: in seconds with at least three
/// decimals (`request_time=0.045`), or in the unit that the key names (`duration_ms=45`).
#[inline(never)]
pub(super) fn keyed(bytes: &[u8], start: usize) -> Option<(Exact, usize)> {
    let separator = Separator::find(bytes, start)?;
    let key = &bytes[..separator.key_end];
    if !may_end_key(*key.last()?) {
        return None;
    }
    let names_unit = Unit::may_end(key);
    let number = Number::read(bytes, start).filter(|number| number.is_short)?;
    if !names_unit && number.decimals < DECIMALS_MIN {
        return None;
    }
    let ends = matches!(
        bytes.get(number.end),
        None | Some(
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' | b')' | b']' | b'}' | b'"' | b'\'' | b'|'
        )
    );
    if !ends {
        return None;
    }
    let unit = key_unit(bytes, separator.key_end)?;
    if unit == KeyUnit::Implied && number.decimals < DECIMALS_MIN {
        return None;
    }
    let exact = Exact::new(number, unit.unit())?;
    (exact.seconds() < NAMED_MAX).then_some((exact, number.end))
}

/// What the key of a field says about its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The key names a duration and its unit: `duration_ms`, `elapsedMs`.
    Named,
    /// The key names a duration and no unit: `elapsed`, `request_time`.
    Implied,
}

/// What a key says about its number. `None` if it names no duration, and for a limit (`timeout_ms`) or a
/// moment (`start_time_ms`).
pub fn key(key: &str) -> Option<Key> {
    Some(match measured_key(key.as_bytes())? {
        KeyUnit::Named(_) => Key::Named,
        KeyUnit::Implied => Key::Implied,
    })
}

/// The duration in seconds of a number whose key names its unit. `None` unless the key is [`Key::Named`].
pub fn named(key: &str, number: &str) -> Option<f64> {
    let KeyUnit::Named(unit) = measured_key(key.as_bytes())? else { return None };
    let seconds = match Number::read(number.as_bytes(), 0) {
        Some(read) if read.end == number.len() => Exact::new(read, unit)?.seconds(),
        _ => {
            let (factor, shift) = unit.seconds();
            number.parse::<f64>().ok()? * f64::from(factor) / 10_f64.powi(shift as i32)
        }
    };
    (0.0..NAMED_MAX).contains(&seconds).then_some(seconds)
}

fn measured_key(key: &[u8]) -> Option<KeyUnit> {
    if !may_name_duration(key) {
        return None;
    }
    let unit = key_unit(key, key.len())?;
    Before::default().read(key, Backward::new(key, key.len()), true)?;
    Some(unit)
}

/// The unit of a key's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyUnit {
    /// The key names a duration and no unit: seconds.
    Implied,
    Named(Unit),
}

impl KeyUnit {
    const fn unit(self) -> Unit {
        match self {
            Self::Implied => Unit::Second,
            Self::Named(unit) => unit,
        }
    }
}

fn key_unit(bytes: &[u8], key_end: usize) -> Option<KeyUnit> {
    let mut words = Backward::new(bytes, key_end);
    let mut next = || if words.skip(true) { words.word() } else { None };
    let last = next()?.word;
    if Word::names_duration(last) {
        return Some(KeyUnit::Implied);
    }
    let unit = Unit::from_key(last)?;
    let mut names = |distance| {
        next().is_some_and(|Found { word, .. }| {
            Word::names_duration(word)
                || Word::parse(word) == Word::Total
                || distance == 1 && Word::names_work(word)
        })
    };
    (1..LIMIT_REACH).any(&mut names).then_some(KeyUnit::Named(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_key_of_a_duration_may_be_one() {
        for word in [
            "took",
            "dur",
            "responsetime",
            "time",
            "duration",
            "elapsed",
            "latency",
            "service",
            "runtime",
            "s",
            "ms",
            "us",
            "ns",
            "nsec",
            "usecs",
            "millis",
            "micros",
            "nanos",
            "sec",
            "secs",
            "second",
            "milliseconds",
            "mins",
            "minute",
            "minutes",
            "hour",
            "hours",
            "days",
            "week",
            "weeks",
            "month",
            "months",
            "year",
            "years",
        ] {
            for word in [
                word.to_owned(),
                word.to_uppercase(),
                format!("{}{}", word[..1].to_uppercase(), &word[1..]),
            ] {
                for key in [format!("took_{word}"), format!("took.{word}_")] {
                    assert!(key_unit(key.as_bytes(), key.len()).is_some(), "{key}");
                    assert!(may_name_duration(key.as_bytes()), "{key}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn refuses_no_key_of_a_duration(
            key in "(took|time|query|elapsed|duration|response|total|[_.-]|é|s|S|Ms|ms|us|ns|sec|Seconds|mins|HOURS|days|year|[a-zA-Z0-9_. ]){0,5}",
        ) {
            let bytes = key.as_bytes();
            prop_assert!(key_unit(bytes, bytes.len()).is_none() || may_name_duration(bytes), "{:?}", key);
        }
    }
}
