//! The thread that makes history durable. A slow fsync does not hold up the writer.

use std::io::{self, ErrorKind};
use std::thread;

use super::ledger::Ledger;
use crate::diag;
use crate::log::options::SyncPolicy;
use crate::log::retry;
use crate::log::shared::Shared;
use crate::log::state::{DueSync, NextSync, Segment, SyncTime};

/// Syncs until the writer has ended and nothing is left.
pub(crate) fn run(shared: &Shared, ledger: &Ledger, policy: SyncPolicy) {
    while let Some(due) = wait_until_due(shared, policy) {
        let done = sync(&due, ledger);
        if let Some(history) = shared.lock().history_mut() {
            history.note_synced(due.upto, done.is_ok());
        }
        if let Err(cause) = done {
            // The kernel may have dropped the pages, and reports that only once: these numbers stay
            // in doubt, and no SYNC of them succeeds.
            diag::warning(format_args!(
                "history {}: fsync failed: {cause}: recent events may be lost in a power cut",
                ledger.dir().display()
            ));
        }
        shared.progress.notify_waiters();
    }
}

fn sync(due: &DueSync, ledger: &Ledger) -> io::Result<()> {
    for unsynced in &due.files {
        uninterrupted(|| unsynced.file.sync_data())?;
    }
    // For the names of new segments. Cheap if there are none.
    uninterrupted(|| ledger.sync_names())?;
    if let Some(position) = due.newest.as_ref().map(Segment::end) {
        // If this fails, an older position stays, and recovery checks more.
        let _ = ledger.write_synced(position);
    }
    Ok(())
}

/// Repeats an fsync that was interrupted before it began. No other error of fsync(2) is passing: also the lack of memory
/// may be what writing a page failed with, which the kernel reports only once.
fn uninterrupted(sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match sync() {
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
                thread::sleep(retry::PAUSE);
            }
            done => return done,
        }
    }
}

/// Waits until a sync is due. `None` if nothing is left and nothing more will be written.
fn wait_until_due(shared: &Shared, policy: SyncPolicy) -> Option<DueSync> {
    let mut state = shared.lock();
    loop {
        let limit = match state.history_mut()?.next_sync(policy) {
            NextSync::Now(due) => return Some(due),
            NextSync::Finished => return None,
            NextSync::Wait(SyncTime::After(left)) => Some(left),
            NextSync::Wait(SyncTime::Now | SyncTime::OnRequest) => None,
        };
        state = shared.sleep_syncer(state, limit);
    }
}
