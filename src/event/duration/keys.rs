//! What the key of a number says: whether it names a duration, and its unit.

use super::backward::{Backward, Found};
use super::context::{Before, Separator};
use super::cue::LIMIT_REACH;
use super::exact::Exact;
use super::number::Number;
use super::unit::Unit;
use super::words::Word;

/// The least decimals of a number without a unit.
const DECIMALS_MIN: usize = 3;

/// Numbers without a unit are below this many seconds. Greater ones are times of day.
const NAMED_MAX: f64 = 1e6;

/// `false` for the letters that no key of a duration in a message ends with. Most keys end with one of them.
#[inline]
pub(super) const fn may_end_key(last: u8) -> bool {
    let letter = matches!(last | 0x20, b'k' | b'e' | b'n' | b'd' | b'y' | b's' | b'c');
    letter || !last.is_ascii_alphabetic()
}

/// `false` for most keys that name no duration. Tests the two last letters, in any case: they must be those of a word that
/// names a duration, or of a unit.
#[inline]
pub fn may_be_key(key: &str) -> bool {
    let [.., before, last] = *key.as_bytes() else { return true };
    if !(before.is_ascii_lowercase() && last.is_ascii_lowercase()) {
        return may_end_with(before, last);
    }
    ENDS[usize::from(last - b'a')] >> (before - b'a') & 1 != 0
}

/// For each last small letter of a key, a bit for each letter before it: what [`may_end_with`] returns.
static ENDS: [u32; 26] = {
    let mut ends = [0; 26];
    let mut at = 0;
    while at < 26 * 26 {
        let (last, before) = (at / 26, at % 26);
        if may_end_with(b'a' + before as u8, b'a' + last as u8) {
            ends[last] |= 1 << before;
        }
        at += 1;
    }
    ends
};

/// As [`may_be_key`], for the two last bytes of a key.
const fn may_end_with(before: u8, last: u8) -> bool {
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
    let exact = Exact::new(number, unit.unit());
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
    Some(match measured_key(key)? {
        KeyUnit::Named(_) => Key::Named,
        KeyUnit::Implied => Key::Implied,
    })
}

/// The duration in seconds of a number whose key names its unit. `None` unless the key is [`Key::Named`].
pub fn named(key: &str, number: &str) -> Option<f64> {
    let KeyUnit::Named(unit) = measured_key(key)? else { return None };
    let seconds = match Number::read(number.as_bytes(), 0) {
        Some(read) if read.end == number.len() => Exact::new(read, unit).seconds(),
        _ => {
            let (factor, shift) = unit.seconds();
            number.parse::<f64>().ok()? * f64::from(factor) / 10_f64.powi(shift as i32)
        }
    };
    (0.0..NAMED_MAX).contains(&seconds).then_some(seconds)
}

fn measured_key(key: &str) -> Option<KeyUnit> {
    if !may_be_key(key) {
        return None;
    }
    let key = key.as_bytes();
    let unit = key_unit(key, key.len())?;
    Before::read(key, Backward::new(key, key.len()), true)?;
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
    let last = words.next(true)?.word;
    if Word::names_duration(last) {
        return Some(KeyUnit::Implied);
    }
    let unit = Unit::from_key(last)?;
    let mut names = |distance| {
        words.next(true).is_some_and(|Found { word, .. }| {
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
                    assert!(may_be_key(&key), "{key}");
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
            prop_assert!(key_unit(bytes, bytes.len()).is_none() || may_be_key(&key), "{:?}", key);
        }
    }
}
