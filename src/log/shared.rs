//! What the handles, the readers and the history threads of a log share.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use super::lane::Lane;
use super::options::Options;
use super::retry;
use super::state::{History, Segment, State, name_of};
use crate::diag::{self, Throttle};
use crate::event::Seq;
use crate::sys::background;
use crate::sys::directory::Directory;

/// How many readers may read history at the same time. Others wait for their turn.
pub const HISTORY_READERS: usize = 2;

/// Minimum interval between two diagnostics about passing errors.
const REPORT_EVERY: Duration = Duration::from_secs(60);

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
    /// The directory of the segments. `None` if history is off.
    directory: Mutex<Option<Arc<Directory>>>,
    passing_errors: Mutex<Throttle>,
    /// Locked for reading while a segment is looked up and opened, for writing while one is replaced. Before
    /// the state where both are needed.
    names: RwLock<()>,
    /// Lines come with numbers.
    is_numbered: bool,
}

impl Shared {
    /// `directory` is `None` if history is off.
    pub(crate) fn new(options: Options, state: State, directory: Option<Arc<Directory>>) -> Self {
        Self {
            is_numbered: state.is_numbered(),
            options,
            state: Mutex::new(state),
            appended: Notify::new(),
            progress: Notify::new(),
            to_write: Condvar::new(),
            to_sync: Condvar::new(),
            turns: Arc::new(Semaphore::new(HISTORY_READERS)),
            directory: Mutex::new(directory),
            passing_errors: Mutex::new(Throttle::new(REPORT_EVERY)),
            names: RwLock::new(()),
        }
    }

    /// The options of the log.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// `true` if lines come with numbers, which have holes.
    pub(crate) fn is_numbered(&self) -> bool {
        self.is_numbered
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

    /// Makes the writer thread write at once everything up to `last`.
    pub(crate) fn want_stored(&self, last: Seq) {
        if self.lock().want_stored(last) {
            self.wake_writer();
        }
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

    /// Runs `read` on a thread that may wait for the disk, in turn with other readers, until it has another outcome
    /// than a passing error. Others have their turns during the pauses.
    pub(crate) async fn read_history<T: Send + 'static>(
        &self,
        lane: Option<&Lane>,
        mut read: impl FnMut() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        loop {
            let in_lane = match lane {
                Some(lane) => lane.turn().await,
                None => None,
            };
            let turn = self.turns.clone().acquire_owned().await;
            let attempt = move || {
                // The caller may be dropped meanwhile: the turns last as long as the read.
                let _turns = (turn, in_lane);
                (read(), read)
            };
            let outcome = background::spawn(attempt).await;
            let (outcome, again) = outcome.map_err(io::Error::other)?;
            match outcome {
                Err(cause) if retry::is_passing(&cause) => self.report_passing(&cause),
                outcome => return outcome,
            }
            read = again;
            tokio::time::sleep(retry::PAUSE).await;
        }
    }

    /// Reports an error after which the same call is tried again.
    pub(crate) fn report_passing(&self, cause: &io::Error) {
        let mut reports = self.passing_errors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(history) = &self.options.history
            && let Some(omitted) = reports.pass(Instant::now())
        {
            let dir = history.dir.display();
            diag::warning(format_args!("history {dir}: {cause}: trying again{omitted}"));
        }
    }

    /// Removes the file of a segment.
    pub(crate) fn remove_segment(&self, first: Seq) -> io::Result<()> {
        self.directory().map_or(Ok(()), |directory| directory.remove(&name_of(first)))
    }

    /// The directory of the segments. `None` if history is off.
    pub(crate) fn directory(&self) -> Option<Arc<Directory>> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Segments are in another directory from now on.
    pub(crate) fn set_directory(&self, directory: Arc<Directory>) {
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Some(directory);
    }

    /// Opens a segment in the directory that is held now, which may block on the disk: what is not there is gone. `None`
    /// if it was removed or written again since it was looked up: then what is known of it does not describe its file.
    pub(crate) fn open_segment(&self, segment: &Segment) -> io::Result<Option<File>> {
        let _names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let is_known = {
            let state = self.lock();
            state.history().map(History::segments).is_some_and(|segments| segments.has(segment))
        };
        match self.directory().filter(|_| is_known) {
            Some(directory) => directory.read(&name_of(segment.first)).map(Some),
            None => Ok(None),
        }
    }

    /// Locks the names of segments: until the guard is dropped, no reader opens one.
    pub(crate) fn lock_names(&self) -> RwLockWriteGuard<'_, ()> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
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
