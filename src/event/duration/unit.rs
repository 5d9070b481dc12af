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

    /// `true` if the name of a unit that is measured may begin here. Refuses most other words by two bytes.
    #[inline(always)]
    pub(super) fn may_begin(bytes: &[u8]) -> bool {
        let Some(first) = bytes.first() else { return false };
        if !Self::may_begin_with(*first) {
            return false;
        }
        let second = bytes.get(1).map_or(b' ', |b| b | 0x20);
        match first | 0x20 {
            b'm' => matches!(second, b's' | b'i') || !second.is_ascii_alphabetic(),
            b's' => second == b'e' || !second.is_ascii_alphabetic(),
            b'h' => matches!(second, b'r' | b'o') || !second.is_ascii_alphabetic(),
            b'd' => second == b'a' || !second.is_ascii_alphabetic(),
            b'n' => matches!(second, b's' | b'a'),
            b'u' => second == b's',
            // Micro, and the spaces that do not break.
            _ => matches!(first, 0xc2 | 0xce | 0xe2),
        }
    }

    /// `true` for the first bytes of the names of units that are measured.
    #[inline]
    pub(super) fn may_begin_with(first: u8) -> bool {
        FIRST[usize::from(first)]
    }

    /// Reads the name of a unit at `start`: the unit, and where its name ends. A letter, a digit or
    /// `_` may follow, except ASCII letters.
    #[inline]
    pub(super) fn read(bytes: &[u8], start: usize) -> Option<(Self, usize)> {
        // Most programs write `ms` or `s`.
        let (usual, end) = match bytes.get(start..)? {
            [b'm', b's', ..] => (Self::Millisecond, start + 2),
            [b's', ..] => (Self::Second, start + 1),
            _ => return Self::read_any(bytes, start),
        };
        match bytes.get(end) {
            Some(b) if b.is_ascii_alphabetic() => Self::read_any(bytes, start),
            _ => Some((usual, end)),
        }
    }

    fn read_any(bytes: &[u8], start: usize) -> Option<(Self, usize)> {
        // U+00B5 and U+03BC.
        let micro = matches!(bytes.get(start..)?, [0xc2, 0xb5, ..] | [0xce, 0xbc, ..]);
        let from = if micro { start + 2 } else { start };
        let mut end = from;
        while bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
            end += 1;
            if end - from > WORD_MAX {
                return None;
            }
        }
        let name = &bytes[from..end];
        let unit = match (micro, name) {
            (false, _) => Self::from_name(name)?,
            (true, b"s" | b"sec") => Self::Microsecond,
            (true, _) => return None,
        };
        Some((unit, end))
    }

    /// `false` for most keys that do not end with a unit.
    pub(super) fn may_end(key: &[u8]) -> bool {
        match key {
            [b's']
            | [_, b's']
            | [.., b'_' | b'-' | b'.', b's']
            | [.., b'_' | b'-' | b'.', _, b's'] => true,
            // `elapsedMs`; seconds, secs, micros, millis.
            [.., b'M' | b'U' | b'N', b's'] | [.., b'd' | b'c' | b'o' | b'i', b's'] => true,
            [.., b'S' | b'c'] => true,
            _ => false,
        }
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

/// The first bytes of the names of units that are measured.
static FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let names = b"mshdnuMSHDNU\xc2\xce\xe2";
    let mut at = 0;
    while at < names.len() {
        first[names[at] as usize] = true;
        at += 1;
    }
    first
};

/// The length of the name of a unit up to days that a text begins with, in bytes. 0 if there is none.
pub fn unit_len(text: &str) -> usize {
    let unit = Unit::read(text.as_bytes(), 0).filter(|(unit, _)| unit.is_measured());
    unit.map_or(0, |(_, end)| end)
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
