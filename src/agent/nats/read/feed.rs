//! Reads messages from the stream, in order, into a log. A connection that is lost is made again, and reading continues
//! after the last message, so that nothing repeats.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;

use std::sync::Arc;
use std::time::Duration;

use async_nats::datetime::{DateTime, parse_rfc3339};
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::message::Info;
use futures_core::Stream as _;

use super::super::engine::Engine;
use super::super::envelope::{Envelope, is_compressed};
use super::super::error::ForwardError;
use super::super::resume::WALK_MAX;
use super::super::stream::{self, Stream};
use super::chain::{Chains, Verdict};
use super::decode::{self, Bad, Place};
use crate::agent::forwarding::Forwarding;
use crate::config::Nats;
use crate::diag;
use crate::event::{Gap, Seq, Timestamp, Why};
use crate::log::{Log, Numbered};
use crate::render::escape;

/// How many messages are asked for at a time.
const BATCH: usize = 64;

/// How often the engine says that it is there, if it has no messages.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long a request for messages holds.
const EXPIRES: Duration = Duration::from_secs(30);

/// When the engine deletes a consumer that is not used any more.
const INACTIVE: Duration = Duration::from_secs(30);

/// How long the engine may take to delete one.
const DELETE_MAX: Duration = Duration::from_secs(1);

/// Subjects whose rejected messages are reported. Those of others are only counted.
const REPORTED_MAX: usize = 256;

/// What all readers of the stream share.
pub(super) struct Reading {
    pub(super) config: Nats,
    pub(super) host: String,
    pub(super) forwarding: Arc<Forwarding>,
    /// The subjects whose rejected messages were reported.
    pub(super) reported: std::sync::Mutex<HashSet<String>>,
}

/// A connection that has found the stream.
pub(super) struct Found {
    engine: Engine,
    stream: Stream,
    /// When it was created, as every agent writes it.
    pub(super) created: String,
    /// The first message that it has, or will have.
    pub(super) first: u64,
    /// The last message.
    pub(super) last: u64,
}

/// Why reading ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything that is wanted is in the log.
    Complete,
    /// No follower wants it any more, or the agent stops.
    Stopped,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With this message. `gap`: what is missing before the first one is reported.
    Message { sequence: u64, gap: bool },
    /// With what the stream got at this time.
    Since(Timestamp),
    /// With the oldest.
    Oldest,
}

/// Reads into one log.
pub(super) struct Feed {
    pub(super) reading: Arc<Reading>,
    pub(super) log: Log,
    pub(super) next: Next,
    /// No number before this is wanted.
    pub(super) from: Seq,
    /// No number from here on is wanted.
    pub(super) end: Option<Seq>,
    pub(super) chains: Chains,
}

impl Reading {
    /// Connects and finds the stream.
    pub(super) async fn find(&self) -> Result<Found, ForwardError> {
        let engine = Engine::connect(&self.config, &self.host).await?;
        let Some(handle) = stream::find(&engine, &self.config).await? else {
            let why = "there is none yet".into();
            return Err(ForwardError::Stream { stream: self.config.stream.clone(), why });
        };
        let info = handle.cached_info();
        let created = info.created.unix_timestamp_nanos().to_string();
        let (first, last) = (info.state.first_sequence.max(1), info.state.last_sequence);
        let stream = Stream::to_read(handle, &engine);
        Ok(Found { engine, stream, created, first, last })
    }

    /// Counts a message that is not shown, and reports the first one of a subject.
    fn reject(&self, subject: &str, sequence: u64, why: Bad) {
        self.forwarding.note_rejected();
        let mut reported = self.reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if reported.len() < REPORTED_MAX && reported.insert(subject.to_owned()) {
            let subject = escape(subject);
            diag::warning(format_args!(
                "nats: message {sequence} on {subject} is not shown: {why}; further ones are only counted"
            ));
        }
    }
}

impl Feed {
    /// Reads until everything before `end` is in the log, or until `stop`.
    pub(super) async fn run(
        &mut self,
        found: &Found,
        stop: impl Future<Output = ()>,
    ) -> Result<Ended, ForwardError> {
        let mut stop = pin!(stop);
        tokio::select! {
            biased;
            () = &mut stop => return Ok(Ended::Stopped),
            () = self.report_missing(found) => {}
        }
        if self.is_done() || (self.end.is_some() && found.last < found.first) {
            self.finish().await;
            return Ok(Ended::Complete);
        }
        let (consumer, mut messages) = tokio::select! {
            biased;
            () = &mut stop => return Ok(Ended::Stopped),
            consumed = self.consume(found) => consumed?,
        };
        let read = tokio::select! {
            biased;
            () = &mut stop => Ok(Ended::Stopped),
            read = self.read(found, &consumer, &mut messages) => read,
        };
        drop(messages);
        // The engine would delete it later.
        let name = &consumer.cached_info().name;
        let delete = found.stream.handle().delete_consumer(name);
        let _ = tokio::time::timeout(DELETE_MAX, delete).await;
        read
    }

    async fn read(
        &mut self,
        found: &Found,
        consumer: &Consumer<Config>,
        messages: &mut Messages,
    ) -> Result<Ended, ForwardError> {
        // Nothing more is there.
        let mut exhausted = consumer.cached_info().num_pending == 0;
        let mut consumed = 0;
        loop {
            if self.end.is_some() && (exhausted || self.is_done()) {
                self.finish().await;
                return Ok(Ended::Complete);
            }
            let message = tokio::select! {
                biased;
                error = found.engine.lost() => return Err(error),
                message = poll_fn(|cx| Pin::new(&mut *messages).poll_next(cx)) => message,
            };
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(self.failed(found, &error)),
                None => return Err(self.failed(found, &"the consumer has ended")),
            };
            let info = message.info().map_err(|error| self.failed(found, &error))?;
            consumed += 1;
            if info.consumer_sequence != consumed {
                return Err(self.failed(found, &"a message was lost on the way"));
            }
            exhausted = info.pending == 0;
            self.message(found, &message, &info).await?;
        }
    }

    fn failed(&self, found: &Found, cause: &dyn std::fmt::Display) -> ForwardError {
        found.engine.failed(format!("read stream {}", self.reading.config.stream), cause)
    }

    async fn consume(&self, found: &Found) -> Result<(Consumer<Config>, Messages), ForwardError> {
        let deliver_policy = match self.next {
            Next::Message { sequence, .. } => {
                DeliverPolicy::ByStartSequence { start_sequence: sequence }
            }
            Next::Since(time) => match parse_rfc3339(&time.to_string()) {
                Ok(start_time) => DeliverPolicy::ByStartTime { start_time },
                Err(error) => return Err(self.failed(found, &error)),
            },
            Next::Oldest => DeliverPolicy::All,
        };
        let config = Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            filter_subject: format!("{}.*", self.reading.config.prefix),
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let consumer = found.stream.handle().create_consumer(config).await;
        let consumer = consumer.map_err(|error| self.failed(found, &error))?;
        let asked = consumer.stream().max_messages_per_batch(BATCH);
        let asked = asked.heartbeat(HEARTBEAT).expires(EXPIRES).messages().await;
        let messages = asked.map_err(|error| self.failed(found, &error))?;
        Ok((consumer, messages))
    }

    /// What the stream no longer has before the first message that is wanted is a gap.
    async fn report_missing(&mut self, found: &Found) {
        let Next::Message { sequence, gap } = self.next else { return };
        if sequence >= found.first {
            return;
        }
        self.next = Next::Message { sequence: found.first, gap };
        if let Some(before) = Seq::in_message(found.first, 0).filter(|_| gap) {
            let after = self.from.previous();
            let gap = Gap { after, before, lost: None, why: Why::Retention };
            self.append_gap(gap).await;
        }
    }

    /// Appends a gap that concerns all hosts.
    pub(super) async fn append_gap(&mut self, gap: Gap) {
        if gap.first() > gap.last() {
            return;
        }
        let (now, host) = (self.log.now(), self.log.host().to_owned());
        let mut numbered = Numbered::new(now, gap.before);
        numbered.push(gap.first(), gap.last(), true, |out| gap.encode(now, &host, out));
        self.log.append_numbered(&numbered).await;
        self.from = gap.before;
    }

    fn is_done(&self) -> bool {
        let Next::Message { sequence, .. } = self.next else { return false };
        self.end.is_some_and(|end| sequence >= end.message())
    }

    /// Nothing more comes before the end.
    async fn finish(&self) {
        if let Some(end) = self.end {
            self.log.append_numbered(&Numbered::new(self.log.now(), end)).await;
        }
    }

    async fn message(
        &mut self,
        found: &Found,
        message: &Message,
        info: &Info<'_>,
    ) -> Result<(), ForwardError> {
        let sequence = info.stream_sequence;
        let expected = match self.next {
            Next::Message { sequence, .. } => sequence,
            Next::Since(_) | Next::Oldest => 0,
        };
        if sequence < expected {
            return Ok(());
        }
        let Some(after) = Seq::in_message(sequence.saturating_add(1), 0) else {
            return Err(self.failed(found, &format_args!("message {sequence} is out of range")));
        };
        let subject = message.subject.as_str();
        if self.end.is_none_or(|end| sequence < end.message()) {
            let read = self.lines(found, message, sequence, received(info.published)).await?;
            let (numbered, envelope) = match read {
                Ok((numbered, envelope)) => (numbered, envelope),
                Err(bad) => {
                    self.reading.reject(subject, sequence, bad);
                    (Numbered::new(received(info.published), after), None)
                }
            };
            self.log.append_numbered(&numbered).await;
            if let Some(envelope) = envelope {
                self.chains.add(&envelope, sequence);
            }
        }
        self.next = Next::Message { sequence: sequence + 1, gap: true };
        self.from = self.from.max(after);
        Ok(())
    }

    /// The lines of a message, and its headers if it belongs to the chain of its host.
    async fn lines(
        &mut self,
        found: &Found,
        message: &Message,
        sequence: u64,
        time: Timestamp,
    ) -> Result<Result<(Numbered, Option<Envelope>), Bad>, ForwardError> {
        let headers = message.headers.as_ref();
        let Some(envelope) = headers.and_then(Envelope::parse) else {
            return Ok(Err(Bad::Headers));
        };
        let subject = message.subject.as_str();
        let is_own = decode::is_host(&envelope.host)
            && self.reading.config.subject(&envelope.host) == subject;
        if !is_own {
            return Ok(Err(Bad::Subject));
        }
        let mut verdict = self.chains.judge(&envelope);
        if let Verdict::Unknown(from) = verdict {
            let before = self.before(found, subject, from, sequence).await?;
            verdict = self.chains.judge_by(&envelope, &before);
        }
        let hole = match verdict {
            Verdict::Next => None,
            Verdict::AfterHole(end) => Some(end),
            Verdict::TooMany => return Ok(Err(Bad::Hosts)),
            Verdict::Repeat | Verdict::Unknown(_) => {
                let after = Seq::in_message(sequence + 1, 0).unwrap_or(Seq::MAX);
                return Ok(Ok((Numbered::new(time, after), None)));
            }
        };
        let place =
            Place { sequence, time, from: self.from, read: self.chains.end(&envelope), hole };
        let compressed = headers.is_some_and(is_compressed);
        let lines = decode::plain(&message.payload, compressed)
            .and_then(|plain| decode::lines(&envelope, &plain, place));
        Ok(lines.map(|numbered| (numbered, Some(envelope))))
    }

    /// The messages of a subject from one stream sequence up to another.
    async fn before(
        &self,
        found: &Found,
        subject: &str,
        mut from: u64,
        to: u64,
    ) -> Result<Vec<Envelope>, ForwardError> {
        let mut before = Vec::new();
        for _ in 0..WALK_MAX {
            let next = found.stream.next(&found.engine, subject, from).await?;
            let Some(next) = next.filter(|next| (from..to).contains(&next.sequence)) else { break };
            from = next.sequence + 1;
            before.extend(next.envelope);
        }
        Ok(before)
    }
}

fn received(time: DateTime) -> Timestamp {
    let micros = time.unix_timestamp_nanos() / 1000;
    Timestamp::from_micros(i64::try_from(micros).unwrap_or_default())
}
