//! The sink: publishes runs of lines, and notes what the engine acknowledges.
//!
//! With nothing in flight, the next message has what there is, and the engine checks that the last message of the
//! subject is the one that the forwarder knows. While messages are in flight, only full ones follow, so that their
//! number grows with the backlog. At least once in [`CHECK_EVERY`] all are awaited, and the next one is checked again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Instant;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use tokio::sync::watch;

use super::engine::{Engine, bounded};
use super::envelope::{Envelope, HEADERS_MAX};
use super::error::ForwardError;
use super::message::{Added, Draft, compress};
use super::resume::Resume;
use super::stream::Stream;
use super::{Acknowledged, Forwarder};
use crate::agent::follow::filled::Filled;
use crate::agent::follow::subscription::Subscription;
use crate::agent::forwarding::{CHECK_EVERY, COMPRESS_MIN, FLUSH_MAX, IN_FLIGHT_MAX};
use crate::diag;
use crate::event::{Gap, LogId, Seq, Why};

/// The sink of one connection.
pub(super) struct Sink<'a> {
    forwarder: &'a mut Forwarder,
    engine: &'a Engine,
    created: &'a str,
    subject: String,
    log: LogId,
    /// The most bytes of lines in a message.
    lines_max: usize,
    draft: Draft,
    in_flight: VecDeque<InFlight>,
    /// The stream sequence of the last message of the subject.
    expected: u64,
    /// When the engine checked a message last.
    checked: Option<Instant>,
}

/// A message that is not acknowledged.
struct InFlight {
    last: Seq,
    len: usize,
    checked: bool,
    answer: Pin<Box<dyn Future<Output = Result<PublishAck, PublishError>> + Send>>,
}

/// What happened while the sink waited.
enum Woken {
    Answer(Result<PublishAck, PublishError>),
    Lines,
    Stop,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        forwarder: &'a mut Forwarder,
        engine: &'a Engine,
        stream: &'a Stream,
        resume: &Resume,
        seen: Seq,
    ) -> Self {
        let (log, subject) = (forwarder.log_id(), forwarder.forwarding.subject().to_owned());
        Self {
            forwarder,
            engine,
            created: &stream.created,
            subject,
            log,
            lines_max: stream.message_max.saturating_sub(HEADERS_MAX),
            draft: Draft::new(seen),
            in_flight: VecDeque::new(),
            expected: resume.expected,
            checked: None,
        }
    }

    /// Publishes what the subscription yields until the agent stops, and then what is left.
    pub(super) async fn run(
        mut self,
        mut subscription: Subscription,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<(), ForwardError> {
        let mut flush_until = None;
        loop {
            let caught_up = self.gather(&mut subscription).await?;
            if let Some(checked) = self.next_is_checked() {
                self.publish(checked).await?;
                continue;
            }
            let done = caught_up && self.draft.is_empty() && self.in_flight.is_empty();
            if flush_until.is_some_and(|until| done || Instant::now() >= until) {
                return Ok(());
            }
            subscription.release();
            let lines = caught_up && !self.draft.is_full();
            match self.wait(&subscription, lines, &mut stopping, flush_until).await? {
                Woken::Answer(answer) => self.note(answer).await?,
                Woken::Lines => {}
                Woken::Stop => {
                    flush_until = flush_until.or_else(|| Some(Instant::now() + FLUSH_MAX));
                }
            }
        }
    }

    async fn wait(
        &mut self,
        subscription: &Subscription,
        lines: bool,
        stopping: &mut watch::Receiver<bool>,
        flush_until: Option<Instant>,
    ) -> Result<Woken, ForwardError> {
        let until = flush_until.unwrap_or_else(Instant::now);
        let first = self.in_flight.front_mut();
        tokio::select! {
            biased;
            answer = async { Some(first?.answer.as_mut().await) }, if first.is_some() => {
                Ok(answer.map_or(Woken::Lines, Woken::Answer))
            }
            error = self.engine.lost() => Err(error),
            // Fails only if the agent has ended.
            _ = stopping.wait_for(|stop| *stop), if flush_until.is_none() => Ok(Woken::Stop),
            () = tokio::time::sleep_until(until.into()), if flush_until.is_some() => Ok(Woken::Stop),
            () = subscription.wait(), if lines => Ok(Woken::Lines),
        }
    }

    /// Adds lines to the draft until it is full. `true` if there are no more lines for now.
    async fn gather(&mut self, subscription: &mut Subscription) -> Result<bool, ForwardError> {
        while !self.draft.is_full() {
            let filled = subscription.fill().await;
            let len = match filled.map_err(|cause| ForwardError::Log(cause.to_string()))? {
                Filled::Lines(lines) => match self.draft.add(&lines, self.lines_max) {
                    Added::Some(len) => len,
                    Added::Full => return Ok(false),
                    Added::TooLong(len) => {
                        subscription.consume(len);
                        let last = subscription.position().seq;
                        self.leave_out(last, len);
                        continue;
                    }
                },
                Filled::Gap(gap) => {
                    self.add_gap(subscription, gap);
                    continue;
                }
                Filled::Progress(_) => continue,
                Filled::CaughtUp | Filled::End => return Ok(true),
            };
            subscription.consume(len);
            self.draft.last = subscription.position().seq;
        }
        Ok(false)
    }

    /// What retention removed here before it was forwarded is missing upstream, seen from the stream.
    fn add_gap(&mut self, subscription: &mut Subscription, gap: Gap) {
        let why = if gap.why == Why::Retention { Why::Upstream } else { gap.why };
        let mut line = Vec::new();
        subscription.encode_gap(Gap { why, ..gap }, &mut line);
        subscription.consume_through(gap.last());
        self.forwarder.forwarding.note_left_out(gap.last());
        self.draft.add_line(&line, gap.last());
    }

    /// A line that the engine would not accept becomes a gap.
    fn leave_out(&mut self, last: Seq, len: usize) {
        let gap =
            Gap { after: self.draft.last, before: last.next(), lost: Some(1), why: Why::Upstream };
        diag::warning(format_args!(
            "nats: event {last} is not forwarded: its line has {len} bytes, and the engine accepts {} (max_payload)",
            self.lines_max
        ));
        let mut line = Vec::new();
        gap.encode(self.forwarder.log.now(), self.forwarder.log.host(), &mut line);
        self.forwarder.forwarding.note_left_out(last);
        self.draft.add_line(&line, last);
    }

    /// Whether the next message is checked. `None` if it has to wait.
    fn next_is_checked(&self) -> Option<bool> {
        if self.draft.is_empty() {
            return None;
        }
        let trusted = self.checked.is_some_and(|at| at.elapsed() < CHECK_EVERY);
        let pipelined = trusted && self.draft.is_full();
        match self.in_flight.back() {
            None => Some(!pipelined),
            Some(before) if before.checked => None,
            Some(_) if pipelined && self.in_flight.len() < IN_FLIGHT_MAX => Some(false),
            Some(_) => None,
        }
    }

    async fn publish(&mut self, checked: bool) -> Result<(), ForwardError> {
        if self.forwarder.log_id() != self.log {
            // The log has a new id. What is acknowledged stays so, the rest gets the new one.
            return Err(ForwardError::Moved { subject: self.subject.clone() });
        }
        let after = self.draft.after;
        let lines = self.draft.take();
        let (len, last) = (lines.len(), self.draft.after);
        let compressed = match self.forwarder.config.compress && len >= COMPRESS_MIN {
            true => compress(&lines),
            false => None,
        };
        let known = self.forwarder.acknowledged.as_ref().map_or(0, |known| known.sequence);
        let envelope = Envelope {
            host: self.forwarder.log.host().to_owned(),
            log: self.log,
            agent: self.forwarder.agent,
            after,
            last,
            known: (!checked).then_some(known),
        };
        let mut message = PublishMessage::build()
            .headers(envelope.headers(compressed.is_some()))
            .payload(compressed.unwrap_or_else(|| Bytes::from(lines)));
        if checked {
            message = message
                .expected_last_subject_sequence(self.expected)
                .expected_stream(&self.forwarder.config.stream);
        }
        let published = self.engine.jetstream.send_publish(self.subject.clone(), message).await;
        let answer = Box::pin(published.map_err(|error| self.refused(&error))?.into_future());
        self.in_flight.push_back(InFlight { last, len, checked, answer });
        Ok(())
    }

    /// Notes the answer to the oldest message in flight.
    async fn note(&mut self, answer: Result<PublishAck, PublishError>) -> Result<(), ForwardError> {
        let Some(message) = self.in_flight.pop_front() else { return Ok(()) };
        let ack = match answer {
            Ok(ack) => ack,
            Err(error) => {
                let refused = self.refused(&error);
                self.settle().await;
                return Err(refused);
            }
        };
        if ack.stream != self.forwarder.config.stream || ack.sequence <= self.expected {
            let cause = format!(
                "the engine acknowledged it as number {} of stream {}",
                ack.sequence,
                bounded(&ack.stream)
            );
            return Err(ForwardError::Publish { subject: self.subject.clone(), cause });
        }
        self.expected = ack.sequence;
        if message.checked {
            self.checked = Some(Instant::now());
        }
        self.forwarder.acknowledged = Some(Acknowledged {
            stream: self.created.to_owned(),
            sequence: ack.sequence,
            seq: message.last,
        });
        self.forwarder.forwarding.note_acknowledged(message.last, message.len);
        Ok(())
    }

    /// Waits until the engine has answered what is in flight, so that it stores nothing of it later.
    async fn settle(&mut self) {
        while let Some(message) = self.in_flight.pop_front() {
            if message.answer.await.is_err_and(|error| error.kind() == PublishErrorKind::TimedOut) {
                return;
            }
        }
    }

    fn refused(&self, error: &PublishError) -> ForwardError {
        let subject = self.subject.clone();
        match error.kind() {
            PublishErrorKind::WrongLastSequence => ForwardError::Moved { subject },
            PublishErrorKind::TimedOut => {
                ForwardError::AckLate { subject, said: self.engine.said() }
            }
            PublishErrorKind::StreamNotFound => {
                let cause = format!("no stream has this subject{}", self.engine.said());
                ForwardError::Publish { subject, cause }
            }
            _ => {
                let cause = format!("{}{}", bounded(&error.to_string()), self.engine.said());
                ForwardError::Publish { subject, cause }
            }
        }
    }
}
