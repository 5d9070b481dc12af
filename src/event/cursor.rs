//! Cursors: positions in a log.

use std::fmt;
use std::str::FromStr;

/// A sequence number of a log: of an event, or within a gap. Numbers never repeat and never
/// decrease. They stay below 2^53, so that every JSON reader keeps them exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Before every number of a log.
    pub const ZERO: Self = Self(0);
    /// The first number. No event has it: it belongs to the gap of the first start, because each start
    /// appends a gap, and a gap has at least one number.
    pub const BEFORE_FIRST: Self = Self(1);
    /// The largest number.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The number `n`. `None` if it is over [`Seq::MAX`].
    pub const fn new(n: u64) -> Option<Self> {
        if n <= Self::MAX.0 { Some(Self(n)) } else { None }
    }

    /// The number as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number `n` later, at most [`Seq::MAX`].
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        let sum = self.0.saturating_add(n);
        if sum > Self::MAX.0 { Self::MAX } else { Self(sum) }
    }

    /// The next number.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The previous number, at least zero.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The distance from `earlier` to this number; 0 if `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a log: 32 random bits, written as eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId(u32);

impl LogId {
    /// The id with these bits.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for LogId {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 8 || !text.bytes().all(hex) {
            return Err(CursorError);
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| CursorError)
    }
}

/// A position in a log, after the event or gap that ends with `seq`. Written `<log id>-<seq>`, for
/// example `7f3a9c21-1042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The log.
    pub log: LogId,
    /// The last number seen.
    pub seq: Seq,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.log, self.seq)
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: one looks like 7f3a9c21-1042")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (log, seq) = text.split_once('-').ok_or(CursorError)?;
        let plain = !seq.is_empty()
            && seq.bytes().all(|b| b.is_ascii_digit())
            && (seq == "0" || !seq.starts_with('0'));
        if !plain {
            return Err(CursorError);
        }
        let seq = seq.parse().ok().and_then(Seq::new).ok_or(CursorError)?;
        Ok(Self { log: log.parse()?, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_through_text() {
        let cursor = Cursor { log: LogId::new(0x7f3a_9c21), seq: Seq::new(1042).expect("small") };
        assert_eq!(cursor.to_string(), "7f3a9c21-1042");
        assert_eq!("7f3a9c21-1042".parse(), Ok(cursor));
        assert_eq!("0000000a-0".parse::<Cursor>().map(|c| c.to_string()), Ok("0000000a-0".into()));
    }

    #[test]
    fn rejects_other_texts() {
        let beyond = format!("7f3a9c21-{}", Seq::MAX.get() + 1);
        for text in [
            "",
            "7f3a9c21",
            "7f3a9c2-1",
            "7F3A9C21-1",
            "7f3a9c21-",
            "7f3a9c21-01",
            "7f3a9c21--1",
            "7f3a9c21-+1",
            "+f3a9c21-1",
            " 7f3a9c21-1",
            beyond.as_str(),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
        assert!(format!("7f3a9c21-{}", Seq::MAX).parse::<Cursor>().is_ok());
    }
}
