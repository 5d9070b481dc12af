//! The units of durations, with all their names.

use super::table::{Table, WORD_MAX};

/// A unit. A shorter one is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// Its seconds: a factor, and the decimals to shift by. Days have 24 hours; months and years are
    /// those of systemd.time(7).
    pub(super) const fn seconds(self) -> (u32, u32) {
        match self {
            Self::Nanosecond => (1, 9),
            Self::Microsecond => (1, 6),
            Self::Millisecond => (1, 3),
            Self::Second => (1, 0),
            Self::Minute => (60, 0),
            Self::Hour => (3600, 0),
            Self::Day => (86_400, 0),
            Self::Week => (604_800, 0),
            Self::Month => (2_629_800, 0),
            Self::Year => (31_557_600, 0),
        }
    }

    /// `true` for the units that a message reports a measured duration in.
    pub(super) fn is_measured(self) -> bool {
        self <= Self::Day
    }

    /// `true` if the name of a unit may begin with this byte.
    pub(super) const fn may_begin(b: u8) -> bool {
        matches!(b | 0x20, b'n' | b'u' | b'm' | b's' | b'h' | b'd') || matches!(b, 0xc2 | 0xce)
    }

    /// Reads the name of a unit at `start`: the unit, and where its name ends. A letter, a digit or
    /// `_` may follow, except ASCII letters.
    pub(super) fn read(bytes: &[u8], start: usize) -> Option<(Self, usize)> {
        // U+00B5 and U+03BC.
        let from = match bytes.get(start..start + 2) {
            Some([0xc2, 0xb5] | [0xce, 0xbc]) => start + 2,
            _ => start,
        };
        let letters = bytes[from.min(bytes.len())..].iter().take(WORD_MAX + 1);
        let end = from + letters.take_while(|b| b.is_ascii_alphabetic()).count();
        let name = bytes.get(from..end)?;
        let unit = match name {
            b"s" | b"sec" if from > start => Self::Microsecond,
            _ if from > start => return None,
            _ => Self::from_name(name)?,
        };
        Some((unit, end))
    }

    /// Parses the last part of a key: `duration_ms`, `elapsedMs`. `m` and `min` have other meanings there.
    pub(super) fn from_key(part: &[u8]) -> Option<Self> {
        let symbols: [(&[u8], Self); 4] = [
            (b"ms", Self::Millisecond),
            (b"s", Self::Second),
            (b"us", Self::Microsecond),
            (b"ns", Self::Nanosecond),
        ];
        if let Some((_, unit)) = symbols.iter().find(|(name, _)| part.eq_ignore_ascii_case(name)) {
            return Some(*unit);
        }
        Self::from_name(part).filter(|unit| part.len() > 3 || *unit == Self::Second)
    }

    /// Parses a name. The case of a symbol counts, that of a word does not.
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            [b's'] => Self::Second,
            [b'm'] => Self::Minute,
            [b'h'] => Self::Hour,
            [b'd'] => Self::Day,
            [b'w'] => Self::Week,
            [b'y'] => Self::Year,
            [b'm', b's'] => Self::Millisecond,
            [b'u', b's'] => Self::Microsecond,
            [b'n', b's'] => Self::Nanosecond,
            _ => return WORDS.find(name),
        })
    }
}

/// The names that are words.
static WORDS: Table<Unit, 35> = {
    use Unit::*;
    Table::new([
        ("nsec", Nanosecond),
        ("nsecs", Nanosecond),
        ("nanos", Nanosecond),
        ("nanosecond", Nanosecond),
        ("nanoseconds", Nanosecond),
        ("usec", Microsecond),
        ("usecs", Microsecond),
        ("micros", Microsecond),
        ("microsecond", Microsecond),
        ("microseconds", Microsecond),
        ("msec", Millisecond),
        ("msecs", Millisecond),
        ("millis", Millisecond),
        ("millisecond", Millisecond),
        ("milliseconds", Millisecond),
        ("sec", Second),
        ("secs", Second),
        ("second", Second),
        ("seconds", Second),
        ("min", Minute),
        ("mins", Minute),
        ("minute", Minute),
        ("minutes", Minute),
        ("hr", Hour),
        ("hrs", Hour),
        ("hour", Hour),
        ("hours", Hour),
        ("day", Day),
        ("days", Day),
        ("week", Week),
        ("weeks", Week),
        ("month", Month),
        ("months", Month),
        ("year", Year),
        ("years", Year),
    ])
};
