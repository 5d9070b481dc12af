//! Waiting for the disk: the only places where a sender waits, each with a bound.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::futures::Notified;

use super::error::{Full, NotStored};
use super::options::{Durability, STALL_MAX, SYNC_WAIT_MAX};
use super::shared::Shared;
use crate::diag;
use crate::event::Seq;

/// The last part of the wait for a write: how long a write may take to complete after the process was stopped. Also the
/// least that a sender waits for a write that began long before.
const RESUMED_WAIT: Duration = Duration::from_millis(200);

/// Retries `append` while the window is full: at most [`STALL_MAX`] without progress.
pub(crate) async fn append(shared: &Shared, append: impl Fn() -> Result<Seq, Full>) -> Seq {
    loop {
        let progress = shared.progress.notified();
        match append() {
            Ok(last) => return last,
            Err(Full) => {
                let newest = shared.lock().newest().seq;
                shared.want_stored(newest);
                progress_or_stall(shared, progress).await;
            }
        }
    }
}

/// Waits until everything up to `last` is stored: at most [`STALL_MAX`] without progress.
pub(crate) async fn stored(shared: &Shared, last: Seq) {
    loop {
        let progress = shared.progress.notified();
        if shared.lock().is_stored_or_live_only(last) {
            return;
        }
        shared.want_stored(last);
        progress_or_stall(shared, progress).await;
    }
}

/// Checks that the log can offer this durability.
pub(crate) fn can_sync(shared: &Shared, how: Durability) -> Result<(), NotStored> {
    match how {
        Durability::Synced if shared.options().history.is_none() => Err(NotStored::NoHistory),
        Durability::Synced | Durability::Stored => Ok(()),
    }
}

/// Waits until the events from `first` to `last` are stored or synced.
pub(crate) async fn sync(
    shared: &Shared,
    first: Seq,
    last: Seq,
    how: Durability,
) -> Result<(), NotStored> {
    let how = if shared.options().always_syncs() { Durability::Synced } else { how };
    if shared.options().history.is_none() {
        // Without history, an appended event counts as stored.
        return can_sync(shared, how);
    }
    let deadline = Instant::now() + SYNC_WAIT_MAX;
    loop {
        let progress = shared.progress.notified();
        let stored = {
            let mut state = shared.lock();
            if let Some(result) = state.sync_result(first, last, how) {
                return result;
            }
            state.stored() >= Some(last)
        };
        if !stored {
            shared.want_stored(last);
            progress_or_stall(shared, progress).await;
        } else {
            shared.wake_syncer();
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, progress).await.is_err() {
                return Err(NotStored::Slow);
            }
        }
    }
}

/// Waits for progress. Switches to live-only mode if the current write exceeds [`STALL_MAX`].
///
/// The process or the machine may have been stopped during the write. So the end of the wait counts from a moment at
/// which this task ran: by then, a write that has only been delayed is complete.
async fn progress_or_stall(shared: &Shared, progress: Notified<'_>) {
    let stalls_at = shared.lock().history().map(|history| history.stalls_at());
    let Some(stalls_at) = stalls_at else { return };
    let mut progress = pin!(progress);
    let left = stalls_at.saturating_duration_since(Instant::now());
    for wait in [left.saturating_sub(RESUMED_WAIT), RESUMED_WAIT] {
        if tokio::time::timeout(wait, progress.as_mut()).await.is_ok() {
            return;
        }
    }
    let stalled = shared.lock().history_mut().is_some_and(|history| history.fail_if_stalled());
    if stalled && let Some(history) = &shared.options().history {
        diag::warning(format_args!(
            "history {}: no write completed within {} s: live-only, events are not stored",
            history.dir.display(),
            STALL_MAX.as_secs()
        ));
        shared.progress.notify_waiters();
    }
}
