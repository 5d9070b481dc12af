//! How a log is run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Timestamp;

/// Tells the time. An argument, so that a test can own it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a log is opened with.
#[derive(Clone)]
pub struct Options {
    /// The machine's name, for every line.
    pub host: String,
    /// The time.
    pub clock: Clock,
    /// The memory window, in bytes; at least [`super::WINDOW_SIZE_MIN`].
    pub window_size: usize,
    /// History on disk, if it is on.
    pub history: Option<HistoryOptions>,
}

/// Where history is, and how much of it is kept.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// The directory. Created where there is none.
    pub dir: PathBuf,
    /// The most bytes that all segments together may have.
    pub size: u64,
    /// How old an event may get.
    pub age: Duration,
    /// When what is written is made durable.
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

/// History is cut into at least so many segments, so that trimming takes little at a time.
const SEGMENTS_MIN: u64 = 16;

/// The largest segment, in bytes.
const SEGMENT_SIZE_MAX: u64 = 64 << 20;

impl Options {
    /// Whether every OK waits for an fsync.
    pub(crate) fn syncs_always(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.sync == SyncPolicy::Always)
    }
}

impl HistoryOptions {
    /// From which size on a segment is followed by another, in bytes.
    pub(crate) fn segment_size(&self) -> u64 {
        (self.size / SEGMENTS_MIN).min(SEGMENT_SIZE_MAX)
    }

    /// From which age on a segment is followed by another.
    pub(crate) fn segment_age_micros(&self) -> i64 {
        self.age_micros() / SEGMENTS_MIN as i64
    }

    /// How old an event may get, in microseconds.
    pub(crate) fn age_micros(&self) -> i64 {
        i64::try_from(self.age.as_micros()).unwrap_or(i64::MAX)
    }
}
