//! Forwarding to NATS JetStream: a subscription whose sink is the engine, so that the events of many machines meet in
//! one stream.
//!
//! ```text
//! log ──▶ Subscription ──▶ forward: runs of lines ──▶ engine ──▶ stream, subject <prefix>.<host>
//!              ▲                                         │
//!              └───── resume: the end of the chain ◀─────┘
//! ```
//!
//! The engine is never in the way of senders and local followers: the forwarder is a reader of the log like any other,
//! on a thread of its own with a lower priority. While the engine is away, it costs nothing but lag.
//! [`envelope`] describes what makes the stream complete and without repeats.

mod engine;
mod envelope;
mod error;
mod forward;
mod message;
pub(crate) mod read;
mod resume;
mod retry;
mod stream;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::follow::subscription::Subscription;
use super::forwarding::{Forwarding, State};
use super::limits::{Limits, QuotaKey};
use super::services::Services;
use crate::access::TagScope;
use crate::config::Nats;
use crate::diag;
use crate::event::{Cursor, LogId, Seq};
use crate::log::Log;
use crate::sys::{background, random, users};
use crate::wire::Tail;
use engine::Engine;
use envelope::AgentId;
use error::ForwardError;
use forward::Sink;
use resume::{Resume, Start};
use retry::Retry;

/// What the forwarder remembers of the stream from one connection to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Acknowledged {
    /// When the stream was created: another time means another stream.
    stream: String,
    /// The stream sequence of the last message that was acknowledged.
    sequence: u64,
    /// The last number in it.
    seq: Seq,
}

/// The forwarder.
struct Forwarder {
    config: Nats,
    log: Log,
    limits: Arc<Limits>,
    forwarding: Arc<Forwarding>,
    agent: AgentId,
    acknowledged: Option<Acknowledged>,
    /// The trouble that was reported last.
    reported: Option<String>,
    stopping: watch::Receiver<bool>,
}

/// Starts the forwarder. A stop of the agent waits for it.
pub(crate) fn spawn(services: &Arc<Services>, config: &Nats) {
    let Some(forwarding) = services.forwarding.clone() else { return };
    let forwarder = Forwarder {
        config: config.clone(),
        log: services.log.clone(),
        limits: services.limits.clone(),
        forwarding,
        // Without random numbers, another agent of this name is found later.
        agent: random::bytes().map(u64::from_ne_bytes).unwrap_or_default(),
        acknowledged: None,
        reported: None,
        stopping: services.stopping.clone(),
    };
    services.clients.spawn(async move {
        // Fails only if it panicked, which was reported.
        let _ = background::spawn(move || forwarder.run()).await;
    });
}

/// Runs a future on a runtime of its own: nothing that it started survives it, neither a task nor a message in a queue.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let output = runtime.block_on(future);
    // The lookup of a name may hang.
    runtime.shutdown_background();
    Ok(output)
}

impl Forwarder {
    /// Forwards until the agent stops.
    fn run(mut self) {
        let mut retry = Retry::default();
        while !*self.stopping.borrow() {
            let before = self.acknowledged.clone();
            match block_on(self.connection()) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    self.report(&error);
                    let progress = self.acknowledged != before;
                    let wait = retry.next(error.is_refusal(), progress);
                    let stopped = self.stopping.wait_for(|stop| *stop);
                    // Fails if it was time, or if the agent has ended.
                    let _ = block_on(async { tokio::time::timeout(wait, stopped).await.is_ok() });
                }
                Err(cause) => return diag::error(format_args!("nats: start a runtime: {cause}")),
            }
        }
    }

    /// Forwards on one connection. Ends without an error when the agent stops.
    async fn connection(&mut self) -> Result<(), ForwardError> {
        let mut stopping = self.stopping.clone();
        let (engine, stream, resume, subscription) = tokio::select! {
            biased;
            // Fails only if the agent has ended.
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
            resumed = self.resume() => resumed?,
        };
        let seen = subscription.position().seq;
        self.forwarding.set_resumed(seen);
        self.reported = None;
        let behind = self.log.newest().seq.since(seen);
        diag::notice(format_args!(
            "nats: forwarding on {} to stream {}, {behind} numbers behind",
            self.forwarding.subject(),
            self.config.stream
        ));
        let sink = Sink::new(self, &engine, &stream, &resume, seen);
        sink.run(subscription, stopping).await
    }

    async fn resume(
        &mut self,
    ) -> Result<(Engine, stream::Stream, Resume, Subscription), ForwardError> {
        let subject = self.forwarding.subject().to_owned();
        let engine = Engine::connect(&self.config, self.log.host()).await?;
        let stream = stream::open(&engine, &self.config, &subject, self.reported.is_none()).await?;
        let resume = resume::find(self, &engine, &stream, &subject).await?;
        let seen = match resume.start {
            Start::After(seen) => seen,
            Start::Young => self.young(stream.age_max).await?,
        };
        let subscription = self.subscribe(seen).await?;
        Ok((engine, stream, resume, subscription))
    }

    /// The number before the first line that may be missing in a stream that has none of this log. What is older
    /// than the stream keeps it may have been there and expired.
    async fn young(&self, age_max: Duration) -> Result<Seq, ForwardError> {
        let oldest = self.log.oldest();
        if age_max.is_zero() {
            return Ok(oldest.previous());
        }
        let micros = i64::try_from(age_max.as_micros()).unwrap_or(i64::MAX);
        let since = self.log.now().plus_micros(micros.saturating_neg());
        let first = self.log.first_since(since, None).await;
        let first = first.map_err(|cause| ForwardError::Log(cause.to_string()))?;
        Ok(first.max(oldest).previous())
    }

    async fn subscribe(&self, seen: Seq) -> Result<Subscription, ForwardError> {
        let log = |cause: &dyn std::fmt::Display| ForwardError::Log(cause.to_string());
        let after = Some(Cursor { seq: seen, ..self.log.newest() });
        let tail = Tail { after, follow: true, ..Tail::default() };
        let key = QuotaKey::User(users::current());
        let share = self.limits.share(key).map_err(|cause| log(&cause))?;
        // Dropped here: its lag is not that of a client.
        let mut follower = share.follower();
        let opened = Subscription::open(&self.log, &tail, &TagScope::All, &mut follower).await;
        opened.map_err(|cause| log(&cause))
    }

    /// Reports a trouble once.
    fn report(&mut self, error: &ForwardError) {
        let (refused, text) = (error.is_refusal(), error.to_string());
        let state = if refused { State::Refused } else { State::Connecting };
        self.forwarding.set_trouble(state, text.clone());
        if self.reported.as_ref() == Some(&text) {
            return;
        }
        if refused {
            diag::error(format_args!("nats: not forwarding: {text}"));
        } else {
            diag::warning(format_args!("nats: not forwarding: {text}"));
        }
        self.reported = Some(text);
    }

    fn log_id(&self) -> LogId {
        self.log.newest().log
    }
}
