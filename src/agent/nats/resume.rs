//! Where to continue: after the end of the chain that the stream has of this host.

use super::engine::Engine;
use super::envelope::{Chain, Envelope};
use super::error::ForwardError;
use super::stream::{Stored, Stream};
use super::{Acknowledged, Forwarder};
use crate::agent::forwarding::IN_FLIGHT_MAX;
use crate::diag;
use crate::event::Seq;

/// The most messages that are read to find the end of the chain: those in flight, and what broken connections left.
pub(super) const WALK_MAX: usize = 4 * IN_FLIGHT_MAX;

/// Where the forwarder continues.
pub(super) struct Resume {
    pub(super) start: Start,
    /// The stream sequence of the last message of the subject, or 0.
    pub(super) expected: u64,
}

/// Which lines come next.
pub(super) enum Start {
    /// Those after this number.
    After(Seq),
    /// Those that the stream would still hold, because it has none of this log.
    Young,
}

/// Reads the end of the subject.
pub(super) async fn find(
    forwarder: &Forwarder,
    engine: &Engine,
    stream: &Stream,
    subject: &str,
) -> Result<Resume, ForwardError> {
    let walk = Walk { forwarder, engine, stream, subject };
    let last = stream.last(engine, subject).await?;
    let expected = last.as_ref().map_or(0, |last| last.sequence);
    let known = forwarder.acknowledged.as_ref();
    let start = match (known.filter(|known| known.stream == stream.created), last) {
        (Some(known), _) => Start::After(walk.after_own(known, expected).await?),
        (None, None) => Start::Young,
        (None, Some(last)) => walk.after_any(last).await?,
    };
    if let Start::After(end) = start {
        let newest = forwarder.log.newest().seq;
        if end > newest {
            let (theirs, ours) = (end.get(), newest.get());
            return Err(ForwardError::Ahead { subject: subject.into(), theirs, ours });
        }
    }
    Ok(Resume { start, expected })
}

struct Walk<'a> {
    forwarder: &'a Forwarder,
    engine: &'a Engine,
    stream: &'a Stream,
    subject: &'a str,
}

impl Walk<'_> {
    /// The end of the chain, if this run of the agent has published before: whatever follows on its subject must be its
    /// own.
    async fn after_own(&self, known: &Acknowledged, last: u64) -> Result<Seq, ForwardError> {
        let log = self.forwarder.log_id();
        let mut chain = Chain { log, end: known.seq };
        self.messages(known.sequence + 1, last, |message| match message.envelope {
            Some(envelope) if envelope.agent == self.forwarder.agent => {
                chain.add(&envelope);
                Ok(())
            }
            // What a broken connection of an earlier run of this agent held was stored late.
            Some(envelope) if envelope.log == log && envelope.after < known.seq => Ok(()),
            Some(envelope) => Err(self.other(&envelope)),
            // Junk: what follows it is still ours.
            None => Ok(()),
        })
        .await?;
        Ok(chain.end)
    }

    /// Where to continue after a start, when the last message is of an earlier run of this agent, or of another one.
    async fn after_any(&self, last: Stored) -> Result<Start, ForwardError> {
        let (subject, sequence) = (self.subject.to_owned(), last.sequence);
        let Some(envelope) = last.envelope else {
            return Err(ForwardError::Foreign { subject, sequence });
        };
        let host = self.forwarder.log.host();
        if envelope.host != host {
            return Err(self.other(&envelope));
        }
        if envelope.log != self.forwarder.log_id() {
            diag::notice(format_args!(
                "nats: {subject} continues with another log than before: {} instead of {}",
                self.forwarder.log_id(),
                envelope.log
            ));
            return Ok(Start::Young);
        }
        let Some(known) = envelope.known else { return Ok(Start::After(envelope.last)) };
        let mut chain: Option<Chain> = None;
        self.messages(known, last.sequence, |message| {
            let Some(envelope) = message.envelope else { return Ok(()) };
            match &mut chain {
                Some(chain) => chain.add(&envelope),
                // The known message, or if the stream removed that, the first one that it has.
                None => chain = Some(Chain { log: envelope.log, end: envelope.last }),
            }
            Ok(())
        })
        .await?;
        Ok(Start::After(chain.map_or(envelope.last, |chain| chain.end)))
    }

    /// Calls `each` with the messages of the subject from one stream sequence to another.
    async fn messages(
        &self,
        mut from: u64,
        to: u64,
        mut each: impl FnMut(Stored) -> Result<(), ForwardError>,
    ) -> Result<(), ForwardError> {
        for _ in 0..WALK_MAX {
            if from > to {
                return Ok(());
            }
            let next = self.stream.next(self.engine, self.subject, from).await?;
            let Some(message) = next.filter(|next| next.sequence >= from) else { return Ok(()) };
            from = message.sequence.saturating_add(1);
            each(message)?;
        }
        Err(ForwardError::Foreign { subject: self.subject.to_owned(), sequence: from })
    }

    fn other(&self, envelope: &Envelope) -> ForwardError {
        let (subject, host) = (self.subject.to_owned(), envelope.host.clone());
        if host == self.forwarder.log.host() {
            ForwardError::OtherAgent { subject, host }
        } else {
            ForwardError::OtherHost { subject, host }
        }
    }
}
