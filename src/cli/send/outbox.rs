//! Events that the agent has not acknowledged yet.

use std::time::Instant;

use crate::client::{ClientError, Connection};
use crate::event::Cursor;
use crate::wire::{Answer, Claims, Code, encode_claims, encode_send};

use super::args::Ack;
use super::error::{Refusal, Trouble};
use super::template::Message;

/// Unacknowledged events, encoded, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    ack: Ack,
    lines: Vec<u8>,
    events: u64,
    /// How many bytes of the lines were written to the current connection.
    written: usize,
}

/// What SYNC returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SyncResult {
    /// How many events were refused, as far as SYNC reports it.
    pub(super) refused: u64,
    /// The first refusal, or why nothing could be stored.
    pub(super) refusal: Option<Refusal>,
    /// The cursor of the last stored event.
    pub(super) cursor: Option<Cursor>,
}

impl Outbox {
    /// Creates an empty one.
    pub(super) const fn new(ack: Ack) -> Self {
        Self { ack, lines: Vec::new(), events: 0, written: 0 }
    }

    /// Adds an event. The agent cuts one that is too long.
    pub(super) fn push(&mut self, message: &Message<'_>) {
        let claims = message.claims();
        let begin = self.lines.len();
        match &message.object {
            Some(object) => {
                encode_claims(&object.added, claims, &object.members, &mut self.lines);
            }
            None if claims == Claims::default() => encode_send(&message.draft, &mut self.lines),
            None => encode_claims(&message.draft, claims, "", &mut self.lines),
        }
        if message.lossy {
            leave_invalid(&mut self.lines, begin);
        }
        self.events += 1;
    }

    /// The lines.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines).into_owned()
    }

    /// The number of events.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// Their size in bytes.
    pub(super) const fn size(&self) -> usize {
        self.lines.len()
    }

    /// Removes the last event. `size` is the size before it was pushed.
    pub(super) fn pop(&mut self, size: usize) {
        self.lines.truncate(size);
        self.events -= 1;
    }

    /// Marks everything as unwritten: another connection begins.
    pub(super) const fn rewind(&mut self) {
        self.written = 0;
    }

    /// Removes all events.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.events = 0;
        self.written = 0;
    }

    /// Writes what was not written yet, and waits for no answer.
    ///
    /// # Errors
    /// [`Trouble`]; the events are kept.
    pub(super) fn write(&mut self, agent: &mut Connection) -> Result<(), Trouble> {
        write(agent, &self.lines[self.written..])?;
        self.written = self.lines.len();
        Ok(())
    }

    /// Writes what was not written yet and the SYNC in one write, and reads the answer. The outbox is empty
    /// afterwards.
    ///
    /// # Errors
    /// [`Trouble`]; the events are kept.
    pub(super) fn sync(&mut self, agent: &mut Connection) -> Result<SyncResult, Trouble> {
        let events = self.lines.len();
        self.lines.extend_from_slice(match self.ack {
            Ack::None => b"",
            Ack::Stored => b"SYNC\n",
            Ack::Synced => b"SYNC synced\n",
            Ack::Replicated => b"SYNC replicated\n",
        });
        let written = write(agent, &self.lines[self.written..]);
        self.lines.truncate(events);
        written?;
        self.written = events;
        let result = match self.ack {
            Ack::None => SyncResult::default(),
            Ack::Stored | Ack::Synced | Ack::Replicated => read_result(agent, self.events)?,
        };
        self.clear();
        Ok(result)
    }
}

/// Replaces the first U+FFFD after `begin` by a byte that is no UTF-8, so that the agent replaces it and says so
/// in the event.
fn leave_invalid(lines: &mut Vec<u8>, begin: usize) {
    let mut replacement = [0; 3];
    char::REPLACEMENT_CHARACTER.encode_utf8(&mut replacement);
    let found = lines[begin..].windows(replacement.len()).position(|bytes| bytes == replacement);
    if let Some(at) = found.map(|at| begin + at) {
        lines.splice(at..at + replacement.len(), [0x80]);
    }
}

/// Reads answers up to that of SYNC. Refusals of single events come before it. With only one event, the
/// first answer decides.
fn read_result(agent: &mut Connection, events: u64) -> Result<SyncResult, Trouble> {
    let mut result = SyncResult::default();
    let begun = Instant::now();
    loop {
        // Each answer has the timeout. This bounds a peer that always sends another one.
        if agent.timeout().is_some_and(|timeout| begun.elapsed() > timeout) {
            return Err(agent.timed_out().into());
        }
        match agent.answer()? {
            Some(Answer::Ok(cursor)) => {
                let Ok(cursor) = cursor.parse() else { return Err(agent.no_cursor().into()) };
                result.cursor = Some(cursor);
                return Ok(result);
            }
            Some(Answer::Err { code, why }) => {
                let partial = SyncRefusal::parse(why);
                if let Some(partial) = &partial {
                    result.refused = partial.refused;
                    result.cursor = partial.cursor;
                } else if code != Code::NotStored {
                    result.refused += 1;
                }
                // NotStored is only ever the answer to a SYNC.
                let last = partial.is_some() || code == Code::NotStored || events == 1;
                result.refusal.get_or_insert_with(|| Refusal { code, why: why.to_owned() });
                if last {
                    return Ok(result);
                }
            }
            // Nothing else was requested.
            Some(_) => {}
            None => return Err(Trouble::closed(agent, result.refusal)),
        }
    }
}

/// The answer of SYNC when some events were refused: `<n> refused, rest stored at <cursor>`.
struct SyncRefusal {
    refused: u64,
    cursor: Option<Cursor>,
}

impl SyncRefusal {
    /// `None` if the text is another error.
    fn parse(why: &str) -> Option<Self> {
        let (count, rest) = why.split_once(" refused, rest ")?;
        let cursor = rest.strip_prefix("stored at ").and_then(|text| text.parse().ok());
        Some(Self { refused: count.parse().ok()?, cursor })
    }
}

/// Writes. If the agent closed the connection, what it sent before may be the reason.
fn write(agent: &mut Connection, bytes: &[u8]) -> Result<(), Trouble> {
    agent.write(bytes).map_err(|error| match error {
        ClientError::Closed { .. } => read_closed(agent),
        error => error.into(),
    })
}

/// Reads to the end of a connection that the agent closed, and returns why it did.
pub(super) fn read_closed(agent: &mut Connection) -> Trouble {
    let mut refusal = None;
    loop {
        match agent.answer() {
            Ok(Some(Answer::Err { code, why })) => {
                refusal.get_or_insert_with(|| Refusal { code, why: why.to_owned() });
            }
            Ok(Some(_)) => {}
            Ok(None) => return Trouble::closed(agent, refusal),
            Err(error) => return error.into(),
        }
    }
}
