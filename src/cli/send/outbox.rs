//! Events on their way to the agent, kept until it has said what became of them.

use crate::client::{ClientError, Connection};
use crate::event::{DRAFT_MAX, Draft};
use crate::wire::{Answer, Code, encode_send};

use super::Trouble;
use super::args::Ack;

/// Events that are not acknowledged, encoded, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    ack: Ack,
    lines: Vec<u8>,
    events: u64,
    /// How many bytes of the lines this connection was given.
    written: usize,
}

/// A draft that is too long for the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of {0} bytes: {DRAFT_MAX} is the most (-S cuts messages)")]
pub(super) struct TooLong(pub usize);

/// What became of the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// How many were refused, as far as SYNC tells it.
    pub(super) refused: u64,
    /// Why: the first refusal, or why nothing could be stored.
    pub(super) failure: Option<(Code, String)>,
    /// Where the last of them landed.
    pub(super) cursor: Option<String>,
}

impl Outbox {
    /// An empty one.
    pub(super) const fn new(ack: Ack) -> Self {
        Self { ack, lines: Vec::new(), events: 0, written: 0 }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`TooLong`]; the event is not added then.
    pub(super) fn push(&mut self, draft: &Draft<'_>) -> Result<(), TooLong> {
        let before = self.lines.len();
        encode_send(draft, &mut self.lines);
        let length = self.lines.len() - before - b"SEND \n".len();
        if length > DRAFT_MAX {
            self.lines.truncate(before);
            return Err(TooLong(length));
        }
        self.events += 1;
        Ok(())
    }

    /// How many events it holds.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// How many bytes they are.
    pub(super) const fn size(&self) -> usize {
        self.lines.len()
    }

    /// Takes the event back that was pushed when the outbox had this size.
    pub(super) fn take_back(&mut self, size: usize) {
        self.lines.truncate(size);
        self.events -= 1;
    }

    /// From here on everything is to be sent again, on another connection.
    pub(super) const fn again(&mut self) {
        self.written = 0;
    }

    /// Sends what was not sent yet, and does not wait.
    ///
    /// # Errors
    /// [`ClientError`]; the events are kept.
    pub(super) fn write(&mut self, agent: &mut Connection) -> Result<(), ClientError> {
        agent.write(&self.lines[self.written..])?;
        self.written = self.lines.len();
        Ok(())
    }

    /// Sends what was not sent yet, in one write with the question what became of it all, and reads
    /// the answer. Empty afterwards.
    ///
    /// # Errors
    /// [`Trouble`]; the events are kept.
    pub(super) fn settle(&mut self, agent: &mut Connection) -> Result<Settled, Trouble> {
        let events = self.lines.len();
        self.lines.extend_from_slice(match self.ack {
            Ack::None => b"",
            Ack::Stored => b"SYNC\n",
            Ack::Synced => b"SYNC synced\n",
        });
        let written = agent.write(&self.lines[self.written..]);
        self.lines.truncate(events);
        written?;
        self.written = events;
        let settled = match self.ack {
            Ack::None => Settled::default(),
            Ack::Stored | Ack::Synced => read(agent, self.events)?,
        };
        self.forget();
        Ok(settled)
    }

    /// Empties it.
    pub(super) fn forget(&mut self) {
        self.lines.clear();
        self.events = 0;
        self.written = 0;
    }
}

/// Reads answers up to that of SYNC. Refusals of single events come before it; when there is but one
/// event, the first answer settles it.
fn read(agent: &mut Connection, events: u64) -> Result<Settled, Trouble> {
    let mut settled = Settled::default();
    loop {
        match agent.answer()? {
            Some(Answer::Ok(cursor)) => {
                settled.cursor = Some(cursor.to_owned());
                return Ok(settled);
            }
            Some(Answer::Err { code, why }) => {
                let of_sync = of_sync(why);
                if let Some((refused, rest)) = of_sync {
                    settled.refused = refused;
                    settled.cursor = rest.strip_prefix("stored at ").map(str::to_owned);
                } else if code != Code::NotStored {
                    settled.refused += 1;
                }
                // That nothing is stored is said only to a SYNC.
                let whole = of_sync.is_some() || code == Code::NotStored || events == 1;
                settled.failure.get_or_insert_with(|| (code, why.to_owned()));
                if whole {
                    return Ok(settled);
                }
            }
            // Nothing else was asked for.
            Some(_) => {}
            None => return Err(dismissed(agent, settled)),
        }
    }
}

/// The answer of SYNC when some were refused: `<n> refused, rest stored at <cursor>`.
fn of_sync(why: &str) -> Option<(u64, &str)> {
    let (count, rest) = why.split_once(" refused, rest ")?;
    Some((count.parse().ok()?, rest))
}

/// Why an agent closes the connection instead of answering: it may have said so.
fn dismissed(agent: &Connection, settled: Settled) -> Trouble {
    match settled.failure {
        None => agent.closed().into(),
        Some((code, why)) => Trouble::Dismissed { at: agent.at().clone(), code, why },
    }
}
