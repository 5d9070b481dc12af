//! The thread that makes history durable: on its own, so that a slow fsync does not hold up the
//! writes.

use std::fs::File;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::ledger::{Ledger, SyncedTo};
use super::state::State;
use super::{Shared, SyncPolicy, tell};
use crate::event::Seq;

/// What one sync is about.
struct Due {
    files: Vec<(Seq, Arc<File>)>,
    upto: Seq,
    /// None while something is in doubt: after an unclean stop, that is checked again.
    position: Option<SyncedTo>,
}

/// Syncs until the writer is done.
pub(crate) fn run(shared: &Shared, ledger: &Ledger) {
    let Some(options) = &shared.options.history else { return };
    while let Some(due) = wait_until_due(shared, options.sync) {
        let done = sync(&due, ledger);
        let mut state = shared.lock();
        let Some(history) = &mut state.history else { return };
        match done {
            Ok(()) => history.synced = due.upto,
            Err(cause) => {
                // The kernel may have dropped what it could not write, and will say so only once:
                // what was due stays in doubt, and nobody is told that it is synced.
                let from = history.doubt.map_or(history.synced.next(), |(from, _)| from);
                history.doubt = Some((from, due.upto));
                history.synced = due.upto;
                drop(state);
                tell(format_args!(
                    "history {}: fsync failed: {cause}: what was written lately may be lost in a power cut",
                    options.dir.display()
                ));
            }
        }
        shared.progress.notify_waiters();
    }
}

fn sync(due: &Due, ledger: &Ledger) -> io::Result<()> {
    for (_, file) in &due.files {
        file.sync_data()?;
    }
    // The names of new segments; without a new one this costs next to nothing.
    ledger.sync_names()?;
    if let Some(position) = due.position {
        // Where this fails, an older position stays: then more is checked after an unclean stop.
        let _ = ledger.note_synced(position);
    }
    Ok(())
}

/// Waits until something should be synced. None when there is nothing left and nothing will come.
fn wait_until_due(shared: &Shared, policy: SyncPolicy) -> Option<Due> {
    let mut state = shared.lock();
    loop {
        let history = state.history.as_mut()?;
        let wait = match history.unsynced_since {
            None if history.writer_done => return None,
            None => None,
            Some(since) => {
                let wanted = history.sync_wanted > history.synced || history.writer_done;
                match policy {
                    _ if wanted => Some(Duration::ZERO),
                    SyncPolicy::Within(age) => Some(age.saturating_sub(since.elapsed())),
                    SyncPolicy::Always | SyncPolicy::Never => None,
                }
            }
        };
        if wait.is_some_and(|wait| wait.is_zero()) {
            history.unsynced_since = None;
            return Some(Due {
                files: std::mem::take(&mut history.unsynced),
                upto: history.stored,
                position: match history.doubt {
                    None => history.segments.newest().map(SyncedTo::end_of),
                    Some(_) => None,
                },
            });
        }
        state = sleep(shared, state, wait);
    }
}

fn sleep<'s>(
    shared: &'s Shared,
    state: MutexGuard<'s, State>,
    wait: Option<Duration>,
) -> MutexGuard<'s, State> {
    match wait {
        None => shared.to_sync.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(wait) => {
            let woken = shared.to_sync.wait_timeout(state, wait);
            woken.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
