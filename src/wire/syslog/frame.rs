//! Framing: a message ends at LF, at NUL, or after its octet count (RFC 6587).
//!
//! A sender that ends its messages by NUL may have line breaks in them. Such a sender is recognized by its
//! first message: a NUL that was received together with it, and no other message before. This alone
//! depends on how the stream arrives: waiting for a NUL would delay the senders of lines. Without it, the
//! lines of the first message are events of their own.

use super::pri::{self, Priority};
use crate::event::DRAFT_MAX;

/// The largest octet count. A larger number is text, so that a wrong count does not swallow the
/// rest of the connection.
const COUNT_MAX: usize = 1024 * 1024;

/// The most digits of an octet count.
const COUNT_DIGITS_MAX: usize = 7;

/// The longest prefix of a counted message: count, space and priority.
const COUNTED_MAX: usize = COUNT_DIGITS_MAX + 1 + pri::LEN_MAX;

/// Below this length, in bytes, a plain loop is faster than memchr.
const SHORT: usize = 64;

/// Splits the bytes of a connection into messages.
#[derive(Debug, Default)]
pub(in crate::wire) struct Frames {
    skip: Skip,
    ending: Ending,
    /// The length of the beginning of the buffer that has no line end.
    seen: usize,
}

/// What ends the messages of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ending {
    /// No message has ended yet.
    #[default]
    Unknown,
    /// LF, or NUL.
    Line,
    /// NUL. LF only where another message begins after it.
    Nul,
}

/// What is left to skip of an over-long message.
#[derive(Clone, Copy, Debug, Default)]
enum Skip {
    #[default]
    Nothing,
    /// Up to the next line end.
    Line,
    /// This number of bytes.
    Bytes(usize),
}

/// The first frame of the buffer.
#[derive(Debug)]
pub(in crate::wire) struct Frame<'b> {
    /// The number of bytes consumed. 0 if the frame is incomplete.
    pub(in crate::wire) consumed: usize,
    /// `None` if the frame is incomplete, empty or skipped.
    pub(in crate::wire) message: Option<Message<'b>>,
}

/// One message, not empty, at most [`DRAFT_MAX`] bytes.
#[derive(Debug)]
pub(in crate::wire) struct Message<'b> {
    pub(in crate::wire) bytes: &'b [u8],
    /// `true` if it was truncated.
    pub(in crate::wire) cut: bool,
}

impl Frames {
    /// Splits off the next frame. `at_end`: the connection ends with `buffer`.
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], at_end: bool) -> Frame<'b> {
        if !matches!(self.skip, Skip::Nothing) {
            return Frame { consumed: self.skip(buffer), message: None };
        }
        let frame = match Counted::read(buffer, at_end) {
            Counted::Unfinished => None,
            Counted::No => {
                let frame = self.line(buffer, at_end);
                if let (Ending::Line, Some(frame)) = (self.ending, &frame) {
                    self.turn_to_nul(buffer, frame);
                }
                frame
            }
            Counted::Yes { start, len } => self.counted(&buffer[start..], start, len, at_end),
        };
        frame.inspect(|_| self.seen = 0).unwrap_or(Frame { consumed: 0, message: None })
    }

    /// Splits off the next line, which ends at LF or NUL and begins with no octet count.
    pub(in crate::wire) fn next_line<'b>(&mut self, buffer: &'b [u8], at_end: bool) -> Frame<'b> {
        if !matches!(self.skip, Skip::Nothing) {
            return Frame { consumed: self.skip(buffer), message: None };
        }
        // Lines only: JSON has neither of them within a value.
        self.ending = Ending::Line;
        let frame = self.line(buffer, at_end);
        frame.inspect(|_| self.seen = 0).unwrap_or(Frame { consumed: 0, message: None })
    }

    /// Notes what ends the first message, whose end is at `end`.
    #[cold]
    fn learn_ending(&mut self, window: &[u8], end: usize) {
        let begins = |line: &[u8]| Priority::read(line).is_some();
        let ended = match window[end] {
            0 => true,
            _ => match memchr::memchr(0, &window[end..]) {
                Some(nul) => !window[end + 1..end + nul].split(|b| *b == b'\n').any(begins),
                None => false,
            },
        };
        self.ending = if ended && begins(window) { Ending::Nul } else { Ending::Line };
    }

    /// A sender of lines ended a message by NUL: the next ones too.
    fn turn_to_nul(&mut self, buffer: &[u8], frame: &Frame<'_>) {
        if frame.consumed > 0 && buffer[frame.consumed - 1] == 0 && Priority::read(buffer).is_some()
        {
            self.ending = Ending::Nul;
        }
    }

    /// Skips what the buffer holds. Returns the number of bytes.
    fn skip(&mut self, buffer: &[u8]) -> usize {
        let (consumed, then) = match self.skip {
            Skip::Nothing => (0, Skip::Nothing),
            Skip::Line => match line_end(buffer) {
                Some(end) => (end + 1, Skip::Nothing),
                None => (buffer.len(), Skip::Line),
            },
            Skip::Bytes(left) if left > buffer.len() => {
                (buffer.len(), Skip::Bytes(left - buffer.len()))
            }
            Skip::Bytes(left) => (left, Skip::Nothing),
        };
        self.skip = then;
        consumed
    }

    fn counted<'b>(
        &mut self,
        body: &'b [u8],
        start: usize,
        len: usize,
        at_end: bool,
    ) -> Option<Frame<'b>> {
        let wanted = len.min(DRAFT_MAX);
        if body.len() < wanted && !at_end {
            return None;
        }
        let bytes = &body[..body.len().min(wanted)];
        let consumed = start + bytes.len();
        if bytes.len() < len {
            self.skip = Skip::Bytes(len - bytes.len());
            return Some(cut(bytes, consumed));
        }
        // Some senders include a line end in the count.
        let bytes = bytes.strip_suffix(b"\n").map_or(bytes, without_cr);
        Some(whole(bytes, consumed))
    }

    fn line<'b>(&mut self, buffer: &'b [u8], at_end: bool) -> Option<Frame<'b>> {
        // The longest line, with CR and LF.
        let window = &buffer[..buffer.len().min(DRAFT_MAX + 2)];
        let mut from = self.seen.min(window.len());
        let (line, consumed) = loop {
            let Some(end) = line_end(&window[from..]).map(|end| from + end) else {
                if window.len() == DRAFT_MAX + 2 || at_end {
                    break (window, window.len());
                }
                self.seen = window.len();
                return None;
            };
            if self.ending == Ending::Unknown {
                self.learn_ending(window, end);
            }
            if self.ending != Ending::Nul || window[end] == 0 {
                break (&window[..end], end + 1);
            }
            // A line break, unless another message begins after it.
            let next = &buffer[end + 1..buffer.len().min(end + 1 + pri::LEN_MAX)];
            if Priority::read(next).is_some() {
                break (&window[..end], end + 1);
            }
            if may_become_priority(next) && next.len() < pri::LEN_MAX && !at_end {
                self.seen = end;
                return None;
            }
            from = end + 1;
        };
        let ended_by_nul = consumed > line.len() && window[line.len()] == 0;
        let text = match self.ending {
            Ending::Nul => line.strip_suffix(b"\n").map_or(line, without_cr),
            _ if ended_by_nul => line,
            _ => without_cr(line),
        };
        if text.len() <= DRAFT_MAX {
            return (consumed > 0).then(|| whole(text, consumed));
        }
        self.skip = Skip::Line;
        Some(cut(&text[..DRAFT_MAX], DRAFT_MAX))
    }
}

/// The message in a datagram. Line ends and NUL at its end, and what may stand before a priority, do not belong to it.
/// `cut`: its end is missing. `None` if it is empty.
pub(super) fn datagram(bytes: &[u8], cut: bool) -> Option<Message<'_>> {
    let bytes = match Counted::read(bytes, true) {
        Counted::Yes { start, len } if len == bytes.len() - start => &bytes[start..],
        _ => without_filler(bytes),
    };
    let end = bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |at| at + 1);
    let text = &bytes[..end];
    let cut = cut || text.len() > DRAFT_MAX;
    let text = if cut { without_half_char(&text[..text.len().min(DRAFT_MAX)]) } else { text };
    (!text.is_empty()).then_some(Message { bytes: text, cut })
}

/// Drops line ends, NUL, spaces and byte order marks before a message.
fn without_filler(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b'\n' | b'\r' | b' ' | 0, rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            _ => return bytes,
        };
    }
}

fn whole(bytes: &[u8], consumed: usize) -> Frame<'_> {
    let message = (!bytes.is_empty()).then_some(Message { bytes, cut: false });
    Frame { consumed, message }
}

fn cut(bytes: &[u8], consumed: usize) -> Frame<'_> {
    let bytes = without_half_char(bytes);
    Frame { consumed, message: Some(Message { bytes, cut: true }) }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Drops an incomplete character at the end.
pub(in crate::wire) fn without_half_char(bytes: &[u8]) -> &[u8] {
    let is_lead = |b: &u8| *b >= 0xc0;
    // A character has at most four bytes, an incomplete one at most three.
    let tail = bytes.len().saturating_sub(3);
    let Some(lead) = bytes[tail..].iter().rposition(is_lead).map(|at| tail + at) else {
        return bytes;
    };
    match std::str::from_utf8(&bytes[lead..]) {
        Err(e) if e.error_len().is_none() => &bytes[..lead],
        _ => bytes,
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < SHORT {
        bytes.iter().position(|b| matches!(b, b'\n' | 0))
    } else {
        memchr::memchr2(b'\n', 0, bytes)
    }
}

/// Whether a message begins with an octet count.
#[derive(Debug, PartialEq, Eq)]
enum Counted {
    Yes {
        /// The offset of the message.
        start: usize,
        /// The length of the message.
        len: usize,
    },
    No,
    /// More bytes are needed to decide.
    Unfinished,
}

impl Counted {
    /// A number is a count only if a priority follows it and fits in it. Other numbers are text.
    fn read(buffer: &[u8], at_end: bool) -> Self {
        if !matches!(buffer.first(), Some(b'1'..=b'9')) {
            return Self::No;
        }
        let head = &buffer[..buffer.len().min(COUNTED_MAX)];
        let digits = head.iter().take_while(|b| b.is_ascii_digit()).count();
        let unfinished = if at_end { Self::No } else { Self::Unfinished };
        if digits > COUNT_DIGITS_MAX {
            return Self::No;
        }
        let start = digits + 1;
        let priority = match head.get(digits) {
            Some(b' ') => &head[start..],
            Some(_) => return Self::No,
            None => return unfinished,
        };
        let len = head[..digits].iter().fold(0, |len, b| len * 10 + usize::from(b - b'0'));
        match Priority::read(priority) {
            Some((_, prefix)) if (prefix..=COUNT_MAX).contains(&len) => Self::Yes { start, len },
            None if may_become_priority(priority) => unfinished,
            _ => Self::No,
        }
    }
}

/// `true` if the bytes may be the beginning of a priority.
fn may_become_priority(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [b'<', digits @ ..] => digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
