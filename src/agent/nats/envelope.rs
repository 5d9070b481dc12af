//! The headers of a message, and the chain that messages form.
//!
//! A message carries a run of one host's lines. Its headers say which numbers they cover, so that neither the forwarder
//! nor a reader depends on what else is in the stream:
//!
//! | header | content |
//! |---|---|
//! | `Pulse-Host` | the host of the lines |
//! | `Pulse-Log` | the id of its log |
//! | `Pulse-Agent` | 16 hexadecimal digits that one run of an agent chooses |
//! | `Pulse-After` | the last number before the lines |
//! | `Pulse-Last` | the last number of the lines |
//! | `Pulse-Known` | the stream sequence of an earlier message of this subject that was acknowledged. Absent if all were, and if the engine checked that no other one came between |
//! | `Content-Encoding` | `gzip`. Absent if the lines are not compressed |
//!
//! While several messages are in flight, an engine that loses its leader may store the third without the first two, and
//! what a broken connection still held may be stored late. So not the last message counts, but the chain: a message
//! belongs to it if its `Pulse-After` is the number where the chain ends. Lines of other messages are published again.

use std::fmt::Display;

use async_nats::HeaderMap;

use crate::event::{LogId, Seq};

/// The most that the headers of a message take, in bytes.
pub(super) const HEADERS_MAX: usize = 1 << 10;

const HOST: &str = "Pulse-Host";
const LOG: &str = "Pulse-Log";
const AGENT: &str = "Pulse-Agent";
const AFTER: &str = "Pulse-After";
const LAST: &str = "Pulse-Last";
const KNOWN: &str = "Pulse-Known";
const ENCODING: &str = "Content-Encoding";
const GZIP: &str = "gzip";

/// What one run of an agent is told apart by.
pub(super) type AgentId = u64;

/// The headers of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) host: String,
    pub(super) log: LogId,
    pub(super) agent: AgentId,
    pub(super) after: Seq,
    pub(super) last: Seq,
    /// `None` if the engine checked it.
    pub(super) known: Option<u64>,
}

impl Envelope {
    /// The headers of a message whose lines are compressed or not.
    pub(super) fn headers(&self, compressed: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut insert = |name: &'static str, value: &dyn Display| {
            headers.insert(name, value.to_string());
        };
        insert(HOST, &self.host);
        insert(LOG, &self.log);
        insert(AGENT, &format_args!("{:016x}", self.agent));
        insert(AFTER, &self.after);
        insert(LAST, &self.last);
        if let Some(known) = &self.known {
            insert(KNOWN, known);
        }
        if compressed {
            insert(ENCODING, &GZIP);
        }
        headers
    }

    /// `None` if these are not the headers of an agent's message.
    pub(super) fn parse(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).map(async_nats::HeaderValue::as_str);
        let seq = |name| text(name)?.parse().ok().and_then(Seq::new);
        let (after, last) = (seq(AFTER)?, seq(LAST)?);
        let known = match text(KNOWN) {
            None => None,
            Some(known) => Some(known.parse().ok()?),
        };
        (after < last).then_some(Self {
            host: text(HOST)?.to_owned(),
            log: text(LOG)?.parse().ok()?,
            agent: u64::from_str_radix(text(AGENT)?, 16).ok()?,
            after,
            last,
            known,
        })
    }
}

/// `true` if the headers say that the lines are compressed.
pub(super) fn is_compressed(headers: &HeaderMap) -> bool {
    headers.get(ENCODING).is_some_and(|encoding| encoding.as_str() == GZIP)
}

/// The messages of one log without a hole and without a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) log: LogId,
    /// The last number of it.
    pub(super) end: Seq,
}

impl Chain {
    /// Adds a message. Does nothing if it does not belong to the chain.
    pub(super) fn add(&mut self, message: &Envelope) {
        if message.log == self.log && message.after == self.end {
            self.end = message.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    fn message(after: u64, last: u64, known: Option<u64>) -> Envelope {
        let (host, log) = ("web1".into(), LogId::new(0x7f3a_9c21));
        Envelope { host, log, agent: 7, after: seq(after), last: seq(last), known }
    }

    #[test]
    fn headers_round_trip() {
        for known in [None, Some(12)] {
            let message = message(1, 9, known);
            assert_eq!(Envelope::parse(&message.headers(false)), Some(message.clone()));
            assert_eq!(Envelope::parse(&message.headers(true)), Some(message));
        }
    }

    #[test]
    fn headers_are_bounded() {
        let long = Envelope {
            host: "h".repeat(crate::config::HOST_MAX),
            after: seq(Seq::MAX.get() - 1),
            last: Seq::MAX,
            agent: u64::MAX,
            ..message(0, 1, Some(u64::MAX))
        };
        let len: usize = long
            .headers(true)
            .iter()
            .map(|(name, values)| {
                let name: &str = name.as_ref();
                values.iter().map(|value| name.len() + value.as_str().len() + 4).sum::<usize>()
            })
            .sum();
        // The client adds the version, and up to two headers about the expected sequence.
        assert!(len + 200 < HEADERS_MAX, "{len}");
    }

    #[test]
    fn rejects_other_headers() {
        let good = message(1, 9, Some(12)).headers(false);
        for (name, value) in [
            (LOG, "7F3A9C21"),
            (AGENT, "x"),
            (AFTER, "9"),
            (AFTER, "-1"),
            (LAST, "9007199254740992"),
            (KNOWN, "?"),
        ] {
            let mut headers = good.clone();
            headers.insert(name, value);
            assert_eq!(Envelope::parse(&headers), None, "{name}: {value}");
        }
        assert_eq!(Envelope::parse(&HeaderMap::new()), None);
    }

    #[test]
    fn a_chain_has_neither_holes_nor_repeats() {
        let mut chain = Chain { log: LogId::new(0x7f3a_9c21), end: seq(10) };
        for (after, last, end) in [
            // Stored without the one before it, then published again.
            (20, 30, 10),
            (10, 20, 20),
            (20, 30, 30),
            // Stored late.
            (20, 30, 30),
            (30, 31, 31),
        ] {
            chain.add(&message(after, last, None));
            assert_eq!(chain.end, seq(end), "{after}");
        }
        let other = Envelope { log: LogId::new(1), ..message(31, 40, None) };
        chain.add(&other);
        assert_eq!(chain.end, seq(31));
    }
}
