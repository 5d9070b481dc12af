//! How a log is opened, what durability means, and how long a sender may wait for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Timestamp;

/// Returns the time. A parameter, so that tests can control it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Returns the time since some moment, for example the boot: never set, and counting while the machine is
/// suspended.
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The options of [`super::open`].
#[derive(Clone)]
pub struct Options {
    /// The host in every line.
    pub host: String,
    /// The clock that stamps lines.
    pub clock: Clock,
    /// The clock by which history ages.
    pub uptime: Uptime,
    /// The size of the memory window, in bytes: at least [`super::WINDOW_SIZE_MIN`].
    pub window_size: usize,
    /// `None` if history is off.
    pub history: Option<HistoryOptions>,
}

/// Where history is stored and how much of it is kept.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// The directory, which is created if there is none.
    pub dir: PathBuf,
    /// The maximum size of all segments together, in bytes.
    pub size: u64,
    /// The maximum age of an event.
    pub age: Duration,
    /// When written events are fsynced.
    pub sync: SyncPolicy,
}

/// What a power cut may cost, against how often the disk must flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// No acknowledged event: every acknowledgement waits for an fsync.
    Always,
    /// At most the events of this time.
    Within(Duration),
    /// Whatever the kernel has not written back yet. Only [`Durability::Synced`] forces an fsync.
    Never,
}

/// What must be true of events before [`super::Log::sync`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Written to history: they survive the end of the agent, also by kill -9.
    Stored,
    /// Fsynced: they survive a power cut.
    Synced,
}

/// The most that the disk may take for one write while senders wait. Then history switches to
/// live-only mode.
pub const STALL_MAX: Duration = Duration::from_secs(1);

/// The most that an fsync may take while a client waits for it.
pub const SYNC_WAIT_MAX: Duration = Duration::from_secs(10);

/// History has at least this many segments when it is full, so that retention removes little at a
/// time.
const SEGMENTS_MIN: u64 = 16;

/// The maximum size of a segment, in bytes.
const SEGMENT_SIZE_MAX: u64 = 64 << 20;

impl Options {
    /// `true` if every acknowledgement waits for an fsync.
    pub(crate) fn always_syncs(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.sync == SyncPolicy::Always)
    }
}

impl HistoryOptions {
    /// The size at which the next segment begins, in bytes.
    pub(crate) fn segment_size(&self) -> u64 {
        (self.size / SEGMENTS_MIN).min(SEGMENT_SIZE_MAX)
    }

    /// The age at which the next segment begins, in microseconds.
    pub(crate) fn segment_age_micros(&self) -> i64 {
        self.age_micros() / SEGMENTS_MIN as i64
    }

    /// The maximum age of an event, in microseconds.
    pub(crate) fn age_micros(&self) -> i64 {
        i64::try_from(self.age.as_micros()).unwrap_or(i64::MAX)
    }
}
