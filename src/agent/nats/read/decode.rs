//! From a message to the lines that followers get. Whatever another account can publish is hostile: nothing of it is
//! shown before all of it is checked.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde::de::IgnoredAny;

use super::super::envelope::{Envelope, HEADERS_MAX};
use crate::agent::forwarding::MESSAGE_SIZE;
use crate::config::HOST_MAX;
use crate::event::json::Members;
use crate::event::{Gap, LINE_MAX, Line, MESSAGE_LINES_MAX, Seq, Timestamp, Why};
use crate::log::Numbered;

/// The most bytes of lines in a message: more than a forwarder ever publishes.
pub(super) const LINES_MAX: usize = LINE_MAX + HEADERS_MAX;

/// No line is as short.
const LINE_MIN: usize = 64;

// The first number of a message is kept for a gap before it.
const _: () = assert!((MESSAGE_SIZE / LINE_MIN) < MESSAGE_LINES_MAX as usize - 1);
const _: () = assert!(MESSAGE_SIZE + HEADERS_MAX < LINES_MAX);

/// Why a message is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("its headers are not those of an agent")]
    Headers,
    #[error("it claims to be of a host with another subject")]
    Subject,
    #[error("it has more than {LINES_MAX} bytes of lines")]
    Long,
    #[error("its lines are not gzip")]
    Gzip,
    #[error("it has more than {} lines", MESSAGE_LINES_MAX - 1)]
    Many,
    #[error("its line {0} is not one of an agent")]
    Line(usize),
    #[error("its line {0} is of another host")]
    Host(usize),
    #[error("its line {0} is not the next one by its number")]
    Order(usize),
    #[error("its lines end with another number than it says")]
    End,
    #[error("there are too many hosts")]
    Hosts,
}

/// Uncompresses lines.
pub(super) fn plain(payload: &[u8], compressed: bool) -> Result<Vec<u8>, Bad> {
    if !compressed {
        return if payload.len() > LINES_MAX { Err(Bad::Long) } else { Ok(payload.to_vec()) };
    }
    let mut lines = Vec::new();
    let decoder = GzDecoder::new(payload);
    decoder.take(LINES_MAX as u64 + 1).read_to_end(&mut lines).map_err(|_| Bad::Gzip)?;
    if lines.len() > LINES_MAX { Err(Bad::Long) } else { Ok(lines) }
}

/// `true` if an agent may have this name.
pub(super) fn is_host(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (1..=HOST_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// Where in the stream a message is, and which of its lines are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its stream sequence.
    pub(super) sequence: u64,
    /// When the stream got it.
    pub(super) time: Timestamp,
    /// No number before this is wanted.
    pub(super) from: Seq,
    /// No number of the host up to this is wanted.
    pub(super) read: Option<Seq>,
    /// Lines of the host are missing after this number of it.
    pub(super) hole: Option<Seq>,
}

/// The lines of a message as followers get them.
pub(super) fn lines(envelope: &Envelope, plain: &[u8], place: Place) -> Result<Numbered, Bad> {
    let number = |line: u64| Seq::in_message(place.sequence, line).ok_or(Bad::Many);
    let end = Seq::in_message(place.sequence, MESSAGE_LINES_MAX - 1).ok_or(Bad::Many)?.next();
    let mut numbered = Numbered::new(place.time, end);
    if let Some(hole) = place.hole.filter(|_| number(0).is_ok_and(|seq| seq >= place.from)) {
        let seq = number(0)?;
        let gap = Gap { after: seq.previous(), before: seq.next(), lost: None, why: Why::Upstream };
        numbered.push(seq, seq, true, |out| {
            gap.encode_of(Some(hole), place.time, &envelope.host, out);
        });
    }
    let mut last = envelope.after;
    for (at, bytes) in plain.split_inclusive(|b| *b == b'\n').enumerate() {
        let seq = number(at as u64 + 1)?;
        let line = parse(bytes).ok_or(Bad::Line(at + 1))?;
        if line.host().text() != envelope.host {
            return Err(Bad::Host(at + 1));
        }
        if line.first_seq() != last.next() {
            return Err(Bad::Order(at + 1));
        }
        last = line.last_seq();
        if seq >= place.from && place.read.is_none_or(|read| last > read) {
            let is_gap = matches!(line, Line::Gap(_));
            numbered.push(seq, seq, is_gap, |out| line.encode_renumbered(seq, out));
        }
    }
    if last == envelope.last { Ok(numbered) } else { Err(Bad::End) }
}

/// Parses a line of an agent. `None` for what another program could read differently.
fn parse(bytes: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if bytes.len() > LINE_MAX || !text.ends_with('\n') {
        return None;
    }
    let line = Line::parse(text)?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    if line.hseq().is_some() || text.bytes().any(|b| b < b' ' && b != b'\n') {
        return None;
    }
    // Repeated keys mean one thing to this program and another to the next.
    let mut names: Vec<&str> = Members::new(line.text()).map(|(name, _)| name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let sound = names.len() == count && !names.iter().any(|name| name.contains('\\'));
    sound.then_some(line)
}
