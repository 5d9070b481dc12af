//! Following all hosts: what followers ask of the stream in which the events of many machines meet, and what its reader
//! gives them.
//!
//! ```text
//! stream ──▶ shared log, from now on ──▶ many followers
//!       └──▶ a part of the stream, for one follower that begins earlier or falls behind ──▶ the shared log
//! ```
//!
//! The stream is read only while it is followed. The reader of [`crate::agent::nats`] fills the logs; without it,
//! nothing does, and a follower is told why. A [`HostsSubscription`](subscription::HostsSubscription) is a source for the
//! sinks that a [`Subscription`](crate::agent::follow::subscription::Subscription) has.

mod error;
mod opening;
pub(crate) mod subscription;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use crate::access::HostScope;
use crate::agent::follow::selection::Visible;
use crate::event::{Seq, Timestamp};
use crate::filter::Glob;
use crate::log::Log;

pub(crate) use error::NoHosts;
#[cfg(feature = "nats")]
pub(crate) use opening::shared_log;
pub use opening::{CLOCK_AHEAD_MAX, LAST_MESSAGES_MAX};

/// The size of the window that all followers of the stream share, in bytes.
pub const HOSTS_WINDOW: usize = 32 << 20;

/// The size of the window of one part, in bytes.
pub const PART_WINDOW: usize = 4 << 20;

/// How many parts of the stream are read at a time. Further followers wait.
pub const PARTS_MAX: usize = 4;

/// How long the stream is read after its last follower has left.
pub const LINGER: Duration = Duration::from_secs(10);

/// How long a follower waits for the stream to be found.
pub const STREAM_WAIT_MAX: Duration = Duration::from_secs(6);

/// What followers and the reader of the stream share.
pub(crate) struct AllHosts {
    /// How many follow.
    followers: watch::Sender<usize>,
    stream: watch::Sender<Stream>,
    parts: mpsc::UnboundedSender<Part>,
    /// Until the reader takes it.
    #[cfg_attr(
        not(feature = "nats"),
        expect(dead_code, reason = "read by the reader of the stream")
    )]
    requested: std::sync::Mutex<Option<mpsc::UnboundedReceiver<Part>>>,
    turns: Arc<Semaphore>,
}

/// What is known about the stream.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    /// Its newest part. `None` while it is not read.
    pub(crate) log: Option<Log>,
    /// Another number means another log, also if it has the same id.
    pub(crate) generation: u64,
    /// Why it cannot be read now.
    pub(crate) trouble: Option<String>,
}

/// A part of the stream that one follower wants.
#[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "read by the reader of the stream"))]
pub(crate) struct Part {
    /// Where its lines go. It keeps what its follower has not read.
    pub(crate) log: Log,
    pub(crate) start: Start,
    /// The first number that is not wanted.
    pub(crate) end: Seq,
    /// Told how far it is. Without receivers, no follower waits for it.
    pub(crate) progress: watch::Sender<Progress>,
}

/// Where a part begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With this number. What the stream no longer has is a gap.
    At(Seq),
    /// With this number, or with the oldest.
    Last(Seq),
    /// With what the stream got at this time.
    Since(Timestamp),
    /// With the oldest.
    Oldest,
    /// With the oldest, after a gap: the follower comes with a cursor of another stream.
    Restart,
}

/// How far a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The first message of the stream. `None` until the stream is read.
    pub(crate) first: Option<u64>,
    /// Its last message then.
    pub(crate) last: u64,
    /// Everything is in the log.
    pub(crate) done: bool,
}

/// Counts as a follower until it is dropped.
struct Watching(Arc<AllHosts>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.followers.send_modify(|followers| *followers -= 1);
    }
}

impl AllHosts {
    /// `trouble`: why the stream can never be read.
    pub(crate) fn new(trouble: Option<String>) -> Self {
        let (parts, requested) = mpsc::unbounded_channel();
        Self {
            followers: watch::Sender::new(0),
            stream: watch::Sender::new(Stream { trouble, ..Stream::default() }),
            parts,
            requested: std::sync::Mutex::new(Some(requested)),
            turns: Arc::new(Semaphore::new(PARTS_MAX)),
        }
    }

    /// Makes the reader read, for as long as the guard lives and [`LINGER`].
    fn watch(self: &Arc<Self>) -> Watching {
        self.followers.send_modify(|followers| *followers += 1);
        Watching(self.clone())
    }

    /// The name of what it does, for STATS.
    pub(crate) fn state_name(&self) -> &'static str {
        match (self.stream.borrow().log.is_some(), *self.followers.borrow()) {
            (true, _) => "reading",
            (false, 0) => "idle",
            (false, _) => "connecting",
        }
    }
}

/// What a follower may see of the hosts that it names.
///
/// # Errors
/// If the text is no pattern.
pub(crate) fn visible(hosts: &str, scope: HostScope) -> Result<Visible, NoHosts> {
    Ok(Visible::Hosts { only: Glob::new(hosts)?, scope })
}

#[cfg(feature = "nats")]
impl AllHosts {
    /// The parts that followers ask for. `None` if they were taken before.
    pub(crate) fn take_requests(&self) -> Option<mpsc::UnboundedReceiver<Part>> {
        self.requested.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    /// Waits until a client follows.
    pub(crate) async fn wanted(&self) {
        // Fails only if the sender is gone, which `self` holds.
        let _ = self.followers.subscribe().wait_for(|followers| *followers > 0).await;
    }

    /// Waits until no client has followed for [`LINGER`].
    pub(crate) async fn unwanted(&self) {
        let mut followers = self.followers.subscribe();
        loop {
            let _ = followers.wait_for(|followers| *followers == 0).await;
            let again = followers.wait_for(|followers| *followers > 0);
            if tokio::time::timeout(LINGER, again).await.is_err() {
                return;
            }
        }
    }

    /// Followers read this log from now on. Those of another one are disconnected.
    pub(crate) fn set_log(&self, log: Log) {
        self.stream.send_modify(|stream| {
            let generation = stream.generation + 1;
            *stream = Stream { log: Some(log), generation, trouble: None };
        });
    }

    /// The stream cannot be read now. Followers keep what is in the log.
    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        self.stream.send_modify(|stream| stream.trouble = trouble);
    }

    /// The stream is not read any more.
    pub(crate) fn set_idle(&self) {
        self.stream.send_modify(|stream| (stream.log, stream.trouble) = (None, None));
    }
}
