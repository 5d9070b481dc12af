//! The agent's decoder: bytes to requests.

use std::borrow::Cow;

use super::lines::{Buffer, NextLine};
use super::syslog::Syslog;
use super::{Code, Refused, Request, object, verbs};
use crate::event::{DRAFT_MAX, Draft};

/// The longest request, in bytes, without its line end.
pub const REQUEST_MAX: usize = DRAFT_MAX + SEND.len();

const SEND: &str = "SEND ";

/// The telnet byte "interpret as command" (RFC 854). It does not occur in UTF-8.
const IAC: u8 = 0xff;

/// Decodes a client's bytes into requests. The first byte fixes the dialect, native or syslog. Holds
/// at most one unfinished line besides the bytes pushed last.
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
    /// Within the rest of an over-long line, which was refused.
    skipping: bool,
    /// The input is complete.
    ended: bool,
    /// Requests that are no events are skipped.
    only_events: bool,
    /// The current line without its telnet commands.
    cleaned: Vec<u8>,
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
        self.cleaned = Vec::new();
        self.buffer.give_back()
    }

    /// `true` if the dialect is syslog.
    pub fn is_syslog(&self) -> bool {
        matches!(self.dialect, Dialect::Syslog(_))
    }

    /// Decodes the next request. `None` if more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "a request borrows from the decoder")]
    pub fn next(&mut self) -> Option<Result<Request<'_>, Refused>> {
        if matches!(self.dialect, Dialect::Open) && !self.open() {
            return None;
        }
        if self.is_syslog() { self.next_syslog() } else { self.next_native() }
    }

    /// Fixes the dialect by the first byte. `false` if it has not come yet.
    fn open(&mut self) -> bool {
        loop {
            let rest = self.buffer.rest();
            let Some(first) = rest.first() else { return false };
            if *first != IAC {
                let syslog = *first == b'<' || first.is_ascii_digit();
                let host = std::mem::take(&mut self.host);
                self.dialect =
                    if syslog { Dialect::Syslog(Syslog::with_host(host)) } else { Dialect::Native };
                return true;
            }
            // Looks at no more bytes than it waits for, so that chunk boundaries do not matter.
            match telnet_command_len(&rest[..rest.len().min(TELNET_COMMAND_MAX + 1)]) {
                Some(len) => self.buffer.at.consume(len),
                // The native dialect skips it, or waits for its end.
                None if self.ended || rest.len() > TELNET_COMMAND_MAX => {
                    self.dialect = Dialect::Native;
                    return true;
                }
                None => return false,
            }
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

    fn next_native(&mut self) -> Option<Result<Request<'_>, Refused>> {
        let Buffer { bytes, at } = &mut self.buffer;
        loop {
            let rest = at.rest(bytes);
            let (len, end) = match at.next_line(bytes, REQUEST_MAX + 1) {
                NextLine::Whole(len) => (len, len + 1),
                NextLine::TooLong => {
                    at.consume(rest.len());
                    if !std::mem::replace(&mut self.skipping, true) {
                        return Some(Err(too_long()));
                    }
                    return None;
                }
                NextLine::Unfinished if self.ended || self.skipping => (rest.len(), rest.len()),
                NextLine::Unfinished => return None,
            };
            if end == 0 {
                return None;
            }
            at.consume(end);
            if self.skipping {
                // The rest of a refused line, up to its end if that has come.
                self.skipping = end == len;
                continue;
            }
            let line = &rest[..len];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || (self.only_events && !is_send(line)) {
                continue;
            }
            if line.len() > REQUEST_MAX {
                return Some(Err(too_long()));
            }
            // Valid UTF-8 has no telnet byte, so only other lines are searched for it.
            let Ok(text) = std::str::from_utf8(line) else {
                self.cleaned = without_telnet(line);
                return Some(match std::str::from_utf8(&self.cleaned) {
                    Ok(text) => request(text),
                    Err(_) => Err(not_text(line)),
                });
            };
            return Some(request(text));
        }
    }
}

fn too_long() -> Refused {
    let why = format!("the line is longer than {DRAFT_MAX} bytes: split it into several events");
    Refused { code: Code::Data, why, event: true }
}

fn not_text(line: &[u8]) -> Refused {
    let why = "the line is not valid UTF-8".into();
    Refused { code: Code::Data, why, event: is_send(line) }
}

fn is_send(line: &[u8]) -> bool {
    line.get(..SEND.len()).is_some_and(|verb| verb.eq_ignore_ascii_case(SEND.as_bytes()))
}

/// Parses one line of the native dialect.
fn request(text: &str) -> Result<Request<'_>, Refused> {
    if !is_send(text.as_bytes()) {
        return verbs::request(text);
    }
    let body = &text[SEND.len()..];
    if body.starts_with('{') {
        let refuse = |bad: object::BadObject| Refused {
            code: Code::Data,
            why: bad.to_string(),
            event: true,
        };
        return object::draft(body).map(Request::Send).map_err(refuse);
    }
    Ok(Request::Send(Draft { msg: Cow::Borrowed(body), ..Draft::default() }))
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
