//! Why the log cannot be opened, appended to, synced or closed cleanly.

use std::io;
use std::path::PathBuf;

use super::options::SYNC_WAIT_MAX;
use super::worker::{CLOSE_STALL_MAX, CLOSE_WAIT_MAX};
use crate::sys::lock::by;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent holds the lock of the directory.
    #[error("history directory {}: another agent{} uses it: stop that one, or set another history.dir", dir.display(), by(*pid))]
    Taken {
        /// The directory.
        dir: PathBuf,
        /// The process id of the other agent, if it could write it to the lock file.
        pid: Option<u32>,
    },
    /// Too few numbers below 2^53 are left. Only a damaged file makes this happen.
    #[error("history directory {}: sequence numbers are used up: move the directory away to start a new log", dir.display())]
    UsedUp {
        /// The directory.
        dir: PathBuf,
    },
    /// The system returned an error.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system returned.
        #[source]
        cause: io::Error,
    },
}

/// The window is full of events that are not stored yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Why events are not stored or not synced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// History is in live-only mode.
    #[error("cannot write history: {0}")]
    LiveOnly(String),
    /// The disk accepts writes again, but the window had to evict some of the events before.
    #[error("history does not have all of these events: the disk failed before they were written")]
    Lost,
    /// The log was closed.
    #[error("history is closed: the agent has stopped")]
    Closed,
    /// The fsync did not complete within [`SYNC_WAIT_MAX`].
    #[error("history is not synced: fsync did not complete within {} s", SYNC_WAIT_MAX.as_secs())]
    Slow,
    /// The events are written, but the fsync failed.
    #[error("history is not synced: fsync failed")]
    SyncFailed,
    /// There is no history to sync.
    #[error("history is off: nothing can be synced")]
    NoHistory,
}

/// Why a stop was not clean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclean {
    /// History was in live-only mode at the end.
    #[error("{0}")]
    LiveOnly(String),
    /// The disk did not complete the last writes.
    #[error("the disk hangs: it made no progress for {} s, or took more than {} s in all",
        CLOSE_STALL_MAX.as_secs(), CLOSE_WAIT_MAX.as_secs())]
    Hung,
    /// The writer or the syncer ended early.
    #[error("not all events were stored and synced")]
    NotStored,
    /// Some events may be lost in a power cut.
    #[error("an fsync failed: some events may be lost in a power cut")]
    SyncFailed,
}
