//! The agent's decoder: bytes to requests.

use super::fields::{Repair, Repairs};
use super::json_lines::JsonLines;
use super::lines::{Buffer, NextLine};
use super::syslog::{Syslog, without_half_char};
use super::{Code, Refused, Request, event, verbs};
use crate::event::DRAFT_MAX;

/// The longest request, in bytes, without its line end.
pub const REQUEST_MAX: usize = DRAFT_MAX + SEND.len();

const SEND: &str = "SEND ";

/// The telnet byte "interpret as command" (RFC 854). It does not occur in UTF-8.
const IAC: u8 = 0xff;

/// Decodes a client's bytes into requests. The first byte fixes the dialect: native, syslog or JSON lines.
/// Holds at most one unfinished line besides the bytes pushed last.
///
/// ```
/// use pulsed::wire::{Decoder, Request};
///
/// let mut decoder = Decoder::new();
/// decoder.push(b"PING\nSEND query to");
/// assert_eq!(decoder.next(), Some(Ok(Request::Ping)));
/// assert_eq!(decoder.next(), None);
/// decoder.push(b"ok 40ms\n");
/// let Some(Ok(Request::Send(draft))) = decoder.next() else { panic!("no event") };
/// assert_eq!(draft.msg, "query took 40ms");
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Buffer,
    dialect: Dialect,
    /// Within the rest of an over-long line.
    skipping: bool,
    /// The input is complete.
    ended: bool,
    /// Requests that are no events are skipped.
    only_events: bool,
    /// The current line without its telnet commands, and as UTF-8.
    cleaned: String,
    /// The name of this machine, until the syslog decoder takes it.
    host: Box<str>,
}

#[derive(Debug, Default)]
enum Dialect {
    /// No byte has come yet.
    #[default]
    Open,
    Native,
    Syslog(Syslog),
    Json(JsonLines),
}

impl Decoder {
    /// A decoder for the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, on the machine `host`. The syslog dialect needs the name to recognize it in messages.
    pub fn for_host(host: &str) -> Self {
        Self { host: host.into(), ..Self::default() }
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    /// Ends the input: an unfinished line is a line now.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Ends the input where the connection broke: drops the bytes that are not decoded yet, because a
    /// truncated line may mean something else than the whole one.
    pub fn abort(&mut self) {
        self.buffer = Buffer::default();
        self.ended = true;
    }

    /// Skips requests that are no events from now on: the client reads no replies.
    pub fn skip_requests(&mut self) {
        self.only_events = true;
    }

    /// The number of bytes that are not decoded yet.
    pub fn buffered(&self) -> usize {
        self.buffer.rest().len()
    }

    /// The memory that it has allocated, in bytes.
    pub fn allocated(&self) -> usize {
        self.buffer.bytes.capacity() + self.cleaned.capacity()
    }

    /// Lends the decoder memory for further input.
    pub fn lend(&mut self, memory: Vec<u8>) {
        self.buffer.lend(memory);
    }

    /// Returns the memory, except for undecoded bytes: an idle connection holds next to none.
    pub fn give_back(&mut self) -> Vec<u8> {
        self.cleaned = String::new();
        self.buffer.give_back()
    }

    /// `true` if the dialect is syslog.
    pub fn is_syslog(&self) -> bool {
        matches!(self.dialect, Dialect::Syslog(_))
    }

    /// `true` if the client reads answers: the senders of the other dialects do not.
    pub fn is_answered(&self) -> bool {
        matches!(self.dialect, Dialect::Open | Dialect::Native)
    }

    /// Decodes the next request. `None` if more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "a request borrows from the decoder")]
    pub fn next(&mut self) -> Option<Result<Request<'_>, Refused>> {
        if matches!(self.dialect, Dialect::Open) && !self.open() {
            return None;
        }
        match self.dialect {
            Dialect::Open | Dialect::Native => self.next_native(),
            Dialect::Syslog(_) => self.next_syslog(),
            Dialect::Json(_) => self.next_json(),
        }
    }

    /// Fixes the dialect by the first byte that is not blank. `false` if it has not come yet.
    fn open(&mut self) -> bool {
        loop {
            let rest = self.buffer.rest();
            let Some(first) = rest.first() else { return false };
            let skipped = match *first {
                b'\n' | b'\r' | b'\0' | b' ' | b'\t' => Some(1),
                b if b == BOM[0] && rest.starts_with(&BOM) => Some(BOM.len()),
                b if b == BOM[0] && BOM.starts_with(rest) && !self.ended => return false,
                // Looks at no more bytes than it waits for, so that chunk boundaries do not matter.
                IAC => match telnet_command_len(&rest[..rest.len().min(TELNET_COMMAND_MAX + 1)]) {
                    None if !self.ended && rest.len() <= TELNET_COMMAND_MAX => return false,
                    // The native dialect skips a longer one, or waits for its end.
                    len => len,
                },
                _ => None,
            };
            let Some(len) = skipped else {
                let host = std::mem::take(&mut self.host);
                self.dialect = match *first {
                    b'<' | b'0'..=b'9' => Dialect::Syslog(Syslog::with_host(host)),
                    b'{' => Dialect::Json(JsonLines::default()),
                    _ => Dialect::Native,
                };
                return true;
            };
            self.buffer.at.consume(len);
        }
    }

    fn next_syslog(&mut self) -> Option<Result<Request<'_>, Refused>> {
        let Dialect::Syslog(syslog) = &mut self.dialect else { return None };
        loop {
            let taken = syslog.next(self.buffer.at.rest(&self.buffer.bytes), self.ended);
            self.buffer.at.consume(taken.consumed);
            if let Some(draft) = taken.draft {
                return Some(Ok(Request::Send(draft)));
            }
            if taken.consumed == 0 {
                return None;
            }
        }
    }

    fn next_json(&mut self) -> Option<Result<Request<'_>, Refused>> {
        let Dialect::Json(lines) = &mut self.dialect else { return None };
        loop {
            let taken = lines.next(self.buffer.at.rest(&self.buffer.bytes), self.ended);
            self.buffer.at.consume(taken.consumed);
            if let Some(draft) = taken.draft {
                return Some(Ok(Request::Send(draft)));
            }
            if taken.consumed == 0 {
                return None;
            }
        }
    }

    fn next_native(&mut self) -> Option<Result<Request<'_>, Refused>> {
        let Buffer { bytes, at } = &mut self.buffer;
        loop {
            let rest = at.rest(bytes);
            let (line, end) = match at.next_line(bytes, REQUEST_MAX + 1) {
                NextLine::Whole(len) => (&rest[..len], len + 1),
                NextLine::TooLong => (rest, rest.len()),
                NextLine::Unfinished if self.ended || self.skipping => (rest, rest.len()),
                NextLine::Unfinished => return None,
            };
            if end == 0 {
                return None;
            }
            at.consume(end);
            if self.skipping {
                // The rest of an over-long line, up to its end if that has come.
                self.skipping = end == line.len();
                continue;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let cut = line.len() > REQUEST_MAX;
            self.skipping = cut && end == rest.len() && !rest.ends_with(b"\n");
            if line.is_empty() || (self.only_events && !is_send(line)) {
                continue;
            }
            if cut {
                let line = without_half_char(&line[..REQUEST_MAX]);
                return Some(request(line, true, &mut self.cleaned));
            }
            return Some(request(line, false, &mut self.cleaned));
        }
    }
}

/// U+FEFF, which some programs put before their text.
const BOM: [u8; 3] = *b"\xef\xbb\xbf";

fn is_send(line: &[u8]) -> bool {
    line.get(..SEND.len()).is_some_and(|verb| verb.eq_ignore_ascii_case(SEND.as_bytes()))
}

/// Parses one line of the native dialect. An event is never refused for its form.
fn request<'a>(line: &'a [u8], cut: bool, cleaned: &'a mut String) -> Result<Request<'a>, Refused> {
    let repairs = Repairs::default().with(Repair::Cut, cut);
    // Valid UTF-8 has no telnet byte, so only other lines are searched for it.
    match simdutf8::basic::from_utf8(line) {
        Ok(text) => parse(text, repairs, cut),
        Err(_) => clean(line, repairs, cut, cleaned),
    }
}

/// Parses a line with telnet commands or invalid UTF-8 in it.
#[cold]
fn clean<'a>(
    line: &[u8],
    repairs: Repairs,
    cut: bool,
    cleaned: &'a mut String,
) -> Result<Request<'a>, Refused> {
    let clean = without_telnet(line);
    *cleaned = match String::from_utf8(clean) {
        Ok(text) => text,
        Err(invalid) if is_send(invalid.as_bytes()) => {
            *cleaned = String::from_utf8_lossy(invalid.as_bytes()).into_owned();
            return parse(cleaned, repairs.with(Repair::Utf8, true), cut);
        }
        Err(_) => return Err(refused("the line is not valid UTF-8".into())),
    };
    parse(cleaned, repairs, cut)
}

fn parse(text: &str, repairs: Repairs, cut: bool) -> Result<Request<'_>, Refused> {
    if is_send(text.as_bytes()) {
        return Ok(Request::Send(event::read(&text[SEND.len()..], repairs, cut)));
    }
    if cut {
        return Err(refused(format!("the request is longer than {REQUEST_MAX} bytes")));
    }
    verbs::request(text)
}

fn refused(why: String) -> Refused {
    Refused { code: Code::Data, why, event: false }
}

/// The longest telnet command that the decoder waits for, in bytes.
const TELNET_COMMAND_MAX: usize = 64;

/// The length of the telnet command at the beginning (RFC 854, RFC 855). `None` if it is incomplete.
fn telnet_command_len(bytes: &[u8]) -> Option<usize> {
    const SUBNEGOTIATION: u8 = 250;
    match *bytes.get(1)? {
        SUBNEGOTIATION => bytes.windows(2).position(|pair| pair == [IAC, 240]).map(|at| at + 2),
        251..=254 => (bytes.len() >= 3).then_some(3),
        _ => Some(2),
    }
}

fn without_telnet(line: &[u8]) -> Vec<u8> {
    let (mut clean, mut rest) = (Vec::with_capacity(line.len()), line);
    while let Some(at) = rest.iter().position(|b| *b == IAC) {
        clean.extend_from_slice(&rest[..at]);
        let command = &rest[at..];
        rest = &command[telnet_command_len(command).unwrap_or(command.len())..];
    }
    clean.extend_from_slice(rest);
    clean
}
