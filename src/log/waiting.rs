//! Waiting for the disk: the only places where a sender does, and never for long.

use std::time::{Duration, Instant};

use super::{Durability, Full, Log, tell};
use crate::event::{Batch, Seq};

/// How long a disk may make no progress while somebody waits for it, before the agent goes on without
/// it.
pub const STALL_MAX: Duration = Duration::from_secs(1);

/// How long an fsync that somebody waits for may take before that one is told that it did not happen.
pub const SYNC_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why a SYNC does not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// The disk does not take writes.
    #[error("history is not written: {0}")]
    Disk(String),
    /// It takes them no more slowly than it can be waited for.
    #[error("history is not synced: the disk did not answer within 10 s")]
    Slow,
    /// There is no history.
    #[error("history is off: nothing can be synced")]
    NoHistory,
    /// Written, but the fsync failed.
    #[error("history is not synced: the disk refused")]
    SyncFailed,
}

impl Log {
    /// Takes a batch in, and waits while the window is full: at most [`STALL_MAX`] without progress.
    pub async fn append_waiting(&self, batch: &Batch) -> Seq {
        loop {
            let progress = self.shared.progress.notified();
            match self.append(batch) {
                Ok(last) => return last,
                Err(Full) => self.progress_or_give_up(progress).await,
            }
        }
    }

    /// Whether everything up to `last` is stored, or nobody waits for that: there is no history, or
    /// its disk has failed.
    pub fn need_not_wait_for(&self, last: Seq) -> bool {
        let state = self.shared.lock();
        state.history.as_ref().is_none_or(|history| history.stored >= last || history.failed())
    }

    /// Waits until [`Log::need_not_wait_for`] holds: at most [`STALL_MAX`] without progress.
    pub async fn stored_or_given_up(&self, last: Seq) {
        loop {
            let progress = self.shared.progress.notified();
            if self.need_not_wait_for(last) {
                return;
            }
            self.progress_or_give_up(progress).await;
        }
    }

    /// Whether a SYNC of nothing could succeed.
    ///
    /// # Errors
    /// [`NotStored::NoHistory`], when something that does not exist should be synced.
    pub fn can_sync(&self, how: Durability) -> Result<(), NotStored> {
        match how {
            Durability::Synced if self.shared.options.history.is_none() => {
                Err(NotStored::NoHistory)
            }
            _ => Ok(()),
        }
    }

    /// Waits until the events from `first` to `last` are stored, or synced.
    ///
    /// # Errors
    /// Why they are not, and will not be.
    pub async fn sync(&self, first: Seq, last: Seq, how: Durability) -> Result<(), NotStored> {
        let always = self.shared.options.syncs_always();
        let how = if always { Durability::Synced } else { how };
        if self.shared.options.history.is_none() {
            // With history off, taken in is all that anybody can say.
            return self.can_sync(how);
        }
        let deadline = Instant::now() + SYNC_WAIT_MAX;
        loop {
            let progress = self.shared.progress.notified();
            let stored = {
                let mut state = self.shared.lock();
                if let Some(answer) = state.settled(first, last, how) {
                    return answer;
                }
                state.stored() >= Some(last)
            };
            if !stored {
                self.progress_or_give_up(progress).await;
            } else {
                self.shared.to_sync.notify_one();
                let left = deadline.saturating_duration_since(Instant::now());
                if tokio::time::timeout(left, progress).await.is_err() {
                    return Err(NotStored::Slow);
                }
            }
        }
    }

    /// Waits for progress; when there was none for [`STALL_MAX`], history is given up for now.
    async fn progress_or_give_up(&self, progress: tokio::sync::futures::Notified<'_>) {
        let Some(stalls_at) = self.shared.lock().stalls_at() else { return };
        let left = stalls_at.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, progress).await.is_err() {
            let gave_up = self.shared.lock().give_up_if_stalled();
            if gave_up {
                tell(format_args!(
                    "history: the disk takes no writes: live events go on, but are not stored"
                ));
                self.shared.progress.notify_waiters();
            }
        }
    }
}
