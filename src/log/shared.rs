//! What the handles, the readers and the history threads of a log share.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::lane::Lane;
use super::options::Options;
use super::state::State;
use crate::event::Seq;

/// How many readers may read history at the same time. Others wait for their turn.
pub const HISTORY_READERS: usize = 2;

/// The shared part of a log.
pub(crate) struct Shared {
    options: Options,
    /// Held for the time of an append or a lookup, never across an await, a system call, or a wait.
    state: Mutex<State>,
    /// Notifies readers of new lines.
    pub(crate) appended: Notify,
    /// Notifies senders that history was written or synced, or changed its mode.
    pub(crate) progress: Notify,
    to_write: Condvar,
    to_sync: Condvar,
    turns: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(options: Options, state: State) -> Self {
        Self {
            options,
            state: Mutex::new(state),
            appended: Notify::new(),
            progress: Notify::new(),
            to_write: Condvar::new(),
            to_sync: Condvar::new(),
            turns: Arc::new(Semaphore::new(HISTORY_READERS)),
        }
    }

    /// The options of the log.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Locks the state. A panic under the lock cannot leave a change half done that matters more than
    /// the log's availability.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer thread.
    pub(crate) fn wake_writer(&self) {
        self.to_write.notify_one();
    }

    /// Wakes the syncer thread.
    pub(crate) fn wake_syncer(&self) {
        self.to_sync.notify_one();
    }

    /// Sleeps until the writer thread is woken, or for `limit`.
    pub(crate) fn sleep_writer<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        limit: Option<Duration>,
    ) -> MutexGuard<'s, State> {
        sleep(&self.to_write, state, limit)
    }

    /// Sleeps until the syncer thread is woken, or for `limit`.
    pub(crate) fn sleep_syncer<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        limit: Option<Duration>,
    ) -> MutexGuard<'s, State> {
        sleep(&self.to_sync, state, limit)
    }

    /// Sleeps for `delay`, or until the log is being closed.
    pub(crate) fn sleep_unless_stopping(&self, delay: Duration) {
        let state = self.lock();
        let woken = self.to_write.wait_timeout_while(state, delay, |state| !state.is_stopping());
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }

    /// Runs `read` on a thread that may wait for the disk, in turn with other readers.
    pub(crate) async fn read_history<T: Send + 'static>(
        &self,
        lane: Option<&Lane>,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let in_lane = match lane {
            Some(lane) => lane.turn().await,
            None => None,
        };
        let turn = self.turns.clone().acquire_owned().await;
        let read = move || {
            // The caller may be dropped meanwhile: the turns last as long as the read.
            let _turns = (turn, in_lane);
            read()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| Err(io::Error::other(e)))
    }

    /// Forgets a segment whose file is gone.
    pub(crate) fn forget_segment(&self, first: Seq) {
        if let Some(history) = self.lock().history_mut() {
            history.forget_segment(first);
        }
    }
}

fn sleep<'s>(
    condition: &Condvar,
    state: MutexGuard<'s, State>,
    limit: Option<Duration>,
) -> MutexGuard<'s, State> {
    match limit {
        None => condition.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(limit) => {
            let woken = condition.wait_timeout(state, limit);
            woken.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
