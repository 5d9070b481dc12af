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

/// The bits of a number that count the lines of one message, in a log of a stream.
const LINE_BITS: u32 = 12;

/// How many lines of one message a log of a stream can number, from 0.
pub const MESSAGE_LINES_MAX: u64 = 1 << LINE_BITS;

/// Numbers of a log that reads a stream of messages: the stream's number of the message, and the line in it.
impl Seq {
    /// The number of a line of a message. `None` if it is over [`Seq::MAX`], or if no message has so many lines.
    pub const fn in_message(message: u64, line: u64) -> Option<Self> {
        if message > Self::MAX.0 >> LINE_BITS || line >= MESSAGE_LINES_MAX {
            return None;
        }
        Some(Self(message << LINE_BITS | line))
    }

    /// The message.
    pub const fn message(self) -> u64 {
        self.0 >> LINE_BITS
    }

    /// The line in it.
    pub const fn message_line(self) -> u64 {
        self.0 % MESSAGE_LINES_MAX
    }
}

/// The id of a log, written as eight hexadecimal digits: 32 random bits, or for a stream of many hosts what every agent
/// derives from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId {
    bits: u32,
    is_stream: bool,
}

impl LogId {
    /// The id of an agent's log.
    pub const fn new(bits: u32) -> Self {
        Self { bits, is_stream: false }
    }

    /// The id of a stream.
    pub const fn of_stream(bits: u32) -> Self {
        Self { bits, is_stream: true }
    }

    /// `true` for a stream of many hosts.
    pub const fn is_stream(self) -> bool {
        self.is_stream
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.bits)
    }
}

impl FromStr for LogId {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 8 || !text.bytes().all(hex) {
            return Err(CursorError);
        }
        u32::from_str_radix(text, 16).map(Self::new).map_err(|_| CursorError)
    }
}

/// A position in a log, after the event or gap that ends with `seq`. Written `<log id>-<seq>`, for
/// example `7f3a9c21-1042`, or for a stream `<stream id>-<message>.<line>`, for example `0b52e1d4-1042.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The log.
    pub log: LogId,
    /// The last number seen.
    pub seq: Seq,
}

impl Cursor {
    /// Appends the text of it, as [`fmt::Display`] writes it: once for each event of a watcher.
    pub fn encode(&self, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for shift in (0..8).rev() {
            out.push(HEX[(self.log.bits >> (4 * shift) & 0xf) as usize]);
        }
        out.push(b'-');
        let mut digits = itoa::Buffer::new();
        if self.log.is_stream {
            out.extend_from_slice(digits.format(self.seq.message()).as_bytes());
            out.push(b'.');
            out.extend_from_slice(digits.format(self.seq.message_line()).as_bytes());
        } else {
            out.extend_from_slice(digits.format(self.seq.get()).as_bytes());
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.log.is_stream {
            return write!(f, "{}-{}.{}", self.log, self.seq.message(), self.seq.message_line());
        }
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
        let log: LogId = log.parse()?;
        if let Some((message, line)) = seq.split_once('.') {
            let seq = Seq::in_message(number(message)?, number(line)?).ok_or(CursorError)?;
            return Ok(Self { log: LogId::of_stream(log.bits), seq });
        }
        let seq = Seq::new(number(seq)?).ok_or(CursorError)?;
        Ok(Self { log, seq })
    }
}

/// Parses digits in the one way in which they are written.
fn number(text: &str) -> Result<u64, CursorError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(CursorError)
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
    fn cursors_of_streams_name_message_and_line() {
        let seq = Seq::in_message(1042, 3).expect("small");
        let cursor = Cursor { log: LogId::of_stream(0x7f3a_9c21), seq };
        assert_eq!(cursor.to_string(), "7f3a9c21-1042.3");
        assert_eq!("7f3a9c21-1042.3".parse(), Ok(cursor));
        assert_ne!(cursor.log, LogId::new(0x7f3a_9c21));
        assert_eq!((seq.message(), seq.message_line()), (1042, 3));
        let last = Seq::MAX.message();
        assert_eq!(Seq::in_message(last, MESSAGE_LINES_MAX - 1), Some(Seq::MAX));
        assert_eq!(Seq::in_message(last + 1, 0), None);
        assert_eq!(Seq::in_message(0, MESSAGE_LINES_MAX), None);
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
            "7f3a9c21-1.",
            "7f3a9c21-.1",
            "7f3a9c21-1.01",
            "7f3a9c21-1.1.1",
            "7f3a9c21-1.4096",
            beyond.as_str(),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
        assert!(format!("7f3a9c21-{}", Seq::MAX).parse::<Cursor>().is_ok());
    }
}
