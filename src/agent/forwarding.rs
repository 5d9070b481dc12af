//! What is known about forwarding to NATS JetStream: written by the forwarder, read by STATS and the metrics. And its
//! bounds, which the manual names also for a build without NATS.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::hosts::AllHosts;
use super::replicated::{NotReplicated, Replicated};
use crate::access::TagScope;
use crate::config::{Nats, Warning};
use crate::event::{Cursor, Seq};

/// The longest wait for an acknowledgement, and for any other answer of the engine.
pub const ACK_WAIT_MAX: Duration = Duration::from_secs(5);

/// The longest time to connect and authenticate.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The most messages that are published and not acknowledged.
pub const IN_FLIGHT_MAX: usize = 32;

/// The size of a message while there is a backlog, in bytes. Only a single longer line makes a larger one.
pub const MESSAGE_SIZE: usize = 128 << 10;

/// How long the forwarder may take to publish what is left when the agent stops.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);

/// How often the engine checks, while there is a backlog, that no other agent publishes on the subject.
pub const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The size from which messages are compressed, in bytes: less fits into a few packets anyway.
pub const COMPRESS_MIN: usize = 4 << 10;

/// The smallest limit of a message with which a stream or an engine can be used, in bytes.
pub const MESSAGE_MIN: usize = 4 << 10;

/// The state of the forwarder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// It connects, or waits before it connects again.
    #[default]
    Connecting,
    /// It forwards.
    Forwarding,
    /// It does not forward until an operator has changed something.
    Refused,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Forwarding => "forwarding",
            Self::Refused => "refused",
        }
    }
}

/// The state of the forwarder and its counters.
pub(crate) struct Forwarding {
    /// The subject of this host.
    subject: String,
    /// The stream.
    stream: String,
    figures: Mutex<Figures>,
    /// Those who follow the stream.
    hosts: Arc<AllHosts>,
    /// Those who wait for its acknowledgement.
    replicated: Replicated,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// What it does.
    pub(crate) state: State,
    /// Why it does not forward.
    pub(crate) trouble: Option<String>,
    /// The last number that the engine has acknowledged. `None` until the stream has been read.
    pub(crate) acknowledged: Option<Seq>,
    /// Messages that the engine has acknowledged since the start.
    pub(crate) messages: u64,
    /// Their size, in bytes.
    pub(crate) bytes: u64,
    /// Messages of the stream that were not shown to followers of all hosts, because they are not what they claim.
    pub(crate) rejected: u64,
}

impl Figures {
    /// Numbers that the engine has not acknowledged. `None` until the stream has been read.
    pub(crate) fn lag(&self, newest: Seq) -> Option<u64> {
        self.acknowledged.map(|acknowledged| newest.since(acknowledged))
    }
}

impl Forwarding {
    pub(crate) fn new(nats: &Nats, host: &str) -> Self {
        let mut figures = Figures::default();
        if !cfg!(feature = "nats") {
            figures.state = State::Refused;
            figures.trouble = Some(Warning::NoNats.to_string());
        }
        let (subject, stream) = (nats.subject(host), nats.stream.clone());
        let hosts = Arc::new(AllHosts::new(figures.trouble.clone()));
        let replicated = Replicated::default();
        Self { subject, stream, figures: Mutex::new(figures), hosts, replicated }
    }

    /// Those who follow the stream.
    pub(crate) fn hosts(&self) -> &Arc<AllHosts> {
        &self.hosts
    }

    /// Waits until the engine has acknowledged the events from `first` to `last`, which are stored.
    ///
    /// # Errors
    /// [`NotReplicated`]
    pub(crate) async fn replicated(&self, first: Seq, last: Seq) -> Result<(), NotReplicated> {
        let waited = self.replicated.wait(first, last).await;
        waited.map_err(|why| match why {
            NotReplicated::Late(_) => NotReplicated::Late(self.lock().trouble.clone()),
            other => other,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters as they are now.
    pub(crate) fn figures(&self) -> Figures {
        self.lock().clone()
    }

    /// All figures, for STATS. Those about every tag are left out for a client that may not follow every tag.
    pub(crate) fn json(&self, newest: Cursor, scope: &TagScope) -> Value {
        let figures = self.figures();
        let forwarded = figures.acknowledged.map(|seq| Cursor { seq, ..newest }.to_string());
        let mut json = json!({
            "state": figures.state.name(),
            "stream": self.stream,
            "subject": self.subject,
            "forwarded": forwarded,
            "lag": figures.lag(newest.seq),
            "messages": figures.messages,
            "bytes": figures.bytes,
            "trouble": figures.trouble,
            "reader": self.hosts.state_name(),
            "rejected": figures.rejected,
        });
        if *scope != TagScope::All {
            for name in ["lag", "messages", "bytes", "rejected"] {
                json.as_object_mut().map(|json| json.remove(name));
            }
        }
        json
    }
}

#[cfg(feature = "nats")]
impl Forwarding {
    /// The subject of this host.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// Counts a message of the stream that is not what it claims.
    pub(crate) fn note_rejected(&self) {
        self.lock().rejected += 1;
    }

    /// Notes that it does not forward, and why.
    pub(crate) fn set_trouble(&self, state: State, trouble: String) {
        let mut figures = self.lock();
        (figures.state, figures.trouble) = (state, Some(trouble));
    }

    /// Notes that it forwards from here on.
    pub(crate) fn set_resumed(&self, acknowledged: Seq) {
        let mut figures = self.lock();
        (figures.state, figures.trouble) = (State::Forwarding, None);
        figures.acknowledged = Some(acknowledged);
        drop(figures);
        self.replicated.set_acknowledged(acknowledged);
    }

    /// Notes, before the number is acknowledged, that a gap stands for events up to it.
    pub(crate) fn note_left_out(&self, last: Seq) {
        self.replicated.note_left_out(last);
    }

    /// Notes that the engine has acknowledged a message of this size, in bytes.
    pub(crate) fn note_acknowledged(&self, acknowledged: Seq, bytes: usize) {
        let mut figures = self.lock();
        figures.acknowledged = Some(acknowledged);
        figures.messages += 1;
        figures.bytes += bytes as u64;
        drop(figures);
        self.replicated.set_acknowledged(acknowledged);
    }
}
