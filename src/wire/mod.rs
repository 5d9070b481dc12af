//! The protocol: bytes to requests and answers, and back (pulse-protocol(7)).
//!
//! Pure: no socket, no clock. [`Decoder`] is the agent's side, [`Answers`] the clients'. Both take bytes
//! by `push` and return what they mean by `next`. [`DatagramDecoder`] decodes datagrams.

mod answers;
mod datagram;
mod decode;
mod encode;
mod event;
mod fields;
mod json_lines;
mod lines;
mod object;
mod quote;
mod syslog;
mod tail;
#[cfg(test)]
mod tests;
mod verbs;
mod view;

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::event::{Cursor, Draft, Timestamp};

pub use answers::{Answer, Answers, BadAnswer};
pub use datagram::{DATAGRAM_MAX, DatagramDecoder};
pub use decode::{Decoder, REQUEST_MAX};
pub use encode::{
    Claims, WHY_MAX, encode_at, encode_claims, encode_err, encode_ok, encode_refused, encode_send,
    encode_skipped, encode_tail,
};
pub use fields::REPAIRS;
pub use object::{DEPTH_MAX, KEYS, Object, read as read_object};
pub use verbs::{VERBS, Verb, help};
pub use view::{
    BadInterval, EVERY_DEFAULT, EVERY_MAX, EVERY_MIN, RequestedView, View, encode_view,
    view_interval,
};

/// The kind of an error: the exit codes of the commands, after sysexits(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 64: usage, such as an unknown verb or option.
    Usage,
    /// 65: bad data.
    Data,
    /// 69: the agent is unavailable or stopping.
    Unavailable,
    /// 74: not stored.
    NotStored,
    /// 75: timed out, or refused by a limit. May succeed later.
    Later,
    /// 77: not permitted.
    Denied,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Usage, Self::Data, Self::Unavailable, Self::NotStored, Self::Later, Self::Denied];

    /// The number on the wire and the exit status.
    pub const fn number(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Data => 65,
            Self::Unavailable => 69,
            Self::NotStored => 74,
            Self::Later => 75,
            Self::Denied => 77,
        }
    }

    /// The code with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// What `SYNC` acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckLevel {
    /// Written to history: survives the end of the agent.
    Stored,
    /// Fsynced: survives a power cut.
    Synced,
    /// Stored, and acknowledged by the engine of the stream of all hosts: survives this machine.
    Replicated,
}

/// A request of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    /// `SEND`, or a syslog line.
    Send(Draft<'a>),
    /// `SYNC`, `SYNC synced`, `SYNC replicated`.
    Sync(AckLevel),
    /// `TAIL [MATCH…]`: follow as text, for people. The MATCH is not parsed yet.
    TailText(&'a str),
    /// `TAIL {…}`.
    Tail(Tail),
    /// `VIEW {…}`.
    View(View),
    /// `AUTH <token>`.
    Auth(&'a str),
    /// `PING`.
    Ping,
    /// `LINK`.
    Link,
    /// `STATS`.
    Stats,
    /// `HELP`.
    Help,
    /// `QUIT`.
    Quit,
}

/// A request for events and gaps: the object of `TAIL {…}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The hosts whose events in the stream of all hosts are wanted: a glob, not parsed yet. `None`: this machine's log.
    pub host: Option<String>,
    /// Begin after this cursor.
    pub after: Option<Cursor>,
    /// Nothing from this cursor on. Only over HTTP, where pages read the log backwards in parts.
    pub before: Option<Cursor>,
    /// Only the last so many of the selected events that exist already.
    pub lines: Option<u64>,
    /// No event before this time.
    pub since: Option<Timestamp>,
    /// No event after this time.
    pub until: Option<Timestamp>,
    /// The text of a MATCH, not parsed yet.
    pub matching: Option<String>,
    /// Newest first.
    pub reverse: bool,
    /// Continue with new events.
    pub follow: bool,
    /// Show at most so many of them a second, and count the others.
    pub rate: Option<Rate>,
}

/// The most new events a second that a follower for people wants to see, from 1 to [`RATE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Rate(u32);

/// The highest [`Rate`].
pub const RATE_MAX: u32 = 10_000;

impl Rate {
    /// Events a second.
    pub const fn per_second(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Rate {
    type Error = String;

    fn try_from(events: u32) -> Result<Self, String> {
        let valid = (1..=RATE_MAX).contains(&events);
        valid.then_some(Self(events)).ok_or_else(|| format!("use a number from 1 to {RATE_MAX}"))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().unwrap_or(0).try_into()
    }
}

/// A refused request: the answer is `ERR <code> <why>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kind of error.
    pub code: Code,
    /// The cause, in one line for the sender.
    pub why: String,
    /// `true` if it was an event: the next SYNC counts it.
    pub event: bool,
}
