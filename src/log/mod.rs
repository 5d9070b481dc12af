//! The hub: the one ordered sequence of events that an agent holds.
//!
//! Senders [`append`](Log::append) batches; readers are cursors ([`Reader`]) that ask what is there
//! behind them. The newest part is in memory (`window`), the rest on disk (`segments`), and a reader
//! does not see the seam. One thread writes history right behind the appends (`writer`), another
//! makes it durable (`syncer`); who waits for them (`waiting`) never holds the lock.

mod chunk;
mod disk;
mod known;
mod ledger;
mod options;
mod reader;
mod recover;
mod retention;
mod scan;
mod segment_file;
mod segments;
mod state;
mod syncer;
mod waiting;
mod window;
mod writer;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{io, thread};

use tokio::sync::{Notify, Semaphore};

use crate::event::{Batch, Cursor, Gap, LogId, Seq, Timestamp, Why};
use crate::sys::lock::by;

use ledger::{Ledger, RESERVED_AHEAD};
use state::{HistoryState, State};
use writer::Pen;

pub use chunk::{Chunk, PlacedLine, lines_of};
pub use options::{Clock, Durability, HistoryOptions, Options, SyncPolicy};
pub use reader::{Read, Reader};
pub use scan::Backward;
pub use state::Counters;
pub use waiting::{NotStored, STALL_MAX, SYNC_WAIT_MAX};
pub use window::WINDOW_SIZE_MIN;

/// How many readers read history at the same time; others wait for their turn.
pub const HISTORY_READERS: usize = 2;

/// How much is written by whoever waits for it, in bytes; more is left to the thread that writes.
const WRITTEN_HERE_MAX: usize = 64 << 10;

/// A handle to the log. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

/// What all handles and both history threads share.
pub(crate) struct Shared {
    options: Options,
    /// The one owner of the log's state. Held for the time of an append, a look, or the note of what
    /// was written: never across an await, a system call, or a wait for the disk.
    state: Mutex<State>,
    /// What it takes to write history. Locked for the time of a write, and never by anybody who must
    /// not wait for the disk; before the state where both are needed.
    pen: Mutex<Pen>,
    /// Something was appended.
    appended: Notify,
    /// History has come further, or was given up for now.
    progress: Notify,
    /// There is something to write.
    to_write: Condvar,
    /// There is something to sync.
    to_sync: Condvar,
    /// Whose turn it is to read history.
    turns: Arc<Semaphore>,
}

/// The threads of a running log. They end when it is dropped; but only [`Running::close`] notes a clean
/// stop.
pub struct Running {
    log: Log,
    writer: Option<JoinHandle<()>>,
    syncer: Option<JoinHandle<()>>,
    ledger: Option<Arc<Ledger>>,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent writes here.
    #[error("history directory {}: another agent{} uses it: stop that one, or set another history.dir", dir.display(), by(*pid))]
    Taken {
        /// The directory.
        dir: PathBuf,
        /// Its process id, if it could write it down.
        pid: Option<u32>,
    },
    /// There are hardly any numbers left below 2^53: only a damaged file says so.
    #[error("history directory {}: its numbers are used up: move it away, and history begins anew", dir.display())]
    UsedUp {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk refuses.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// The window is full of events that are not stored yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Log {
    /// Opens the log, and recovers what its history holds.
    ///
    /// # Errors
    /// When history is on and its directory cannot be used; nothing is left half open.
    pub fn open(options: Options) -> Result<(Running, Vec<String>), OpenError> {
        Self::open_reserving(options, RESERVED_AHEAD)
    }

    /// Opens the log. `reserved_ahead` numbers are reserved at a time.
    fn open_reserving(
        options: Options,
        reserved_ahead: u64,
    ) -> Result<(Running, Vec<String>), OpenError> {
        let Some(history) = &options.history else {
            let state = State::new(random_id(), Seq::BEFORE_FIRST, options.window_size, None);
            let log = Self::with(options, state);
            log.append_gap(recover::clean_start);
            return Ok((Running { log, writer: None, syncer: None, ledger: None }, Vec::new()));
        };
        let ledger = Arc::new(Ledger::open(&history.dir)?);
        let found = recover::recover(&ledger, reserved_ahead)?;
        let stored = found.start.after;
        let on_disk = HistoryState::new(found.segments, stored, found.reserved, reserved_ahead);
        let mut state = State::new(found.id, stored.next(), options.window_size, Some(on_disk));
        state.last_time = found.last_time;
        let log = Self::with(options, state);
        log.append_gap(|_| found.start);
        Ok((log.start_history(ledger)?, found.notes))
    }

    fn with(options: Options, state: State) -> Self {
        let shared = Arc::new(Shared {
            options,
            state: Mutex::new(state),
            pen: Mutex::default(),
            appended: Notify::new(),
            progress: Notify::new(),
            to_write: Condvar::new(),
            to_sync: Condvar::new(),
            turns: Arc::new(Semaphore::new(HISTORY_READERS)),
        });
        Self { shared }
    }

    fn start_history(self, ledger: Arc<Ledger>) -> Result<Running, OpenError> {
        let fail = |cause| {
            let path = ledger.dir().to_owned();
            OpenError::Io { doing: "start the threads for", path, cause }
        };
        self.shared.pen().ledger = Some(ledger.clone());
        let shared = self.shared.clone();
        let thread = thread::Builder::new().name("history-write".into());
        let writer = thread.spawn(move || writer::run(&shared)).map_err(fail)?;
        // From here on, a failure ends the thread that was started.
        let mut running =
            Running { log: self.clone(), writer: Some(writer), syncer: None, ledger: None };
        let (shared, its_ledger) = (self.shared.clone(), ledger.clone());
        let thread = thread::Builder::new().name("history-sync".into());
        let syncer = thread.spawn(move || syncer::run(&shared, &its_ledger)).map_err(fail)?;
        running.syncer = Some(syncer);
        running.ledger = Some(ledger);
        Ok(running)
    }

    /// Takes a batch in: stamps it, publishes it, wakes the readers. Gives the number of its last
    /// event.
    ///
    /// # Errors
    /// [`Full`]: [`Log::append_waiting`] waits until there is room.
    pub fn append(&self, batch: &Batch) -> Result<Seq, Full> {
        let mut state = self.shared.lock();
        let taken = state.take_in(batch, &self.shared.options);
        let wake_writer = state.writer_sleeps();
        drop(state);
        if taken.is_ok() {
            self.shared.appended.notify_waiters();
            if wake_writer {
                self.shared.to_write.notify_one();
            }
        }
        taken
    }

    /// As [`Log::append`], for somebody who will wait until it is stored. Tells also whether the one who
    /// appends should call [`Log::write_here`]: nobody is writing, and to wake the thread that does
    /// would take longer than the write.
    ///
    /// # Errors
    /// [`Full`], as [`Log::append`].
    pub fn append_for_sync(&self, batch: &Batch) -> Result<(Seq, bool), Full> {
        let mut state = self.shared.lock();
        let idle = state.writer_is_idle() && batch.size() <= WRITTEN_HERE_MAX;
        if !idle {
            drop(state);
            return self.append(batch).map(|last| (last, false));
        }
        let last = state.take_in(batch, &self.shared.options)?;
        drop(state);
        self.shared.appended.notify_waiters();
        Ok((last, true))
    }

    /// Writes a little of what is not written yet, on this thread, which may have to wait for the disk.
    /// The rest is left to the thread that writes history.
    pub fn write_here(&self) {
        writer::write_here(&self.shared);
    }

    /// Takes a gap in that a limit made: `lost` events were refused.
    pub fn append_refused(&self, lost: u64) {
        self.append_gap(|after| Gap {
            after,
            before: after.plus(2),
            lost: Some(lost),
            why: Why::Rate,
        });
    }

    /// Takes a gap in, which is told the newest number that it comes behind.
    fn append_gap(&self, gap: impl FnOnce(Seq) -> Gap) {
        let mut state = self.shared.lock();
        let gap = gap(state.window.next().previous());
        state.take_in_gap(gap, &self.shared.options);
        drop(state);
        self.shared.appended.notify_waiters();
        self.shared.to_write.notify_one();
    }

    /// The cursor of the newest line.
    pub fn newest(&self) -> Cursor {
        let state = self.shared.lock();
        Cursor { log: state.id, seq: state.window.next().previous() }
    }

    /// The first number that can still be read, or the next one if there is none.
    pub fn oldest(&self) -> Seq {
        self.shared.lock().oldest()
    }

    /// The name of this machine, as the lines have it.
    pub fn host(&self) -> &str {
        &self.shared.options.host
    }

    /// The time of now, as the log's clock has it.
    pub fn now(&self) -> Timestamp {
        (self.shared.options.clock)()
    }

    /// A reader that has seen everything up to `seen`.
    pub fn reader(&self, seen: Seq) -> Reader {
        Reader::new(self.clone(), seen.next())
    }

    /// The figures of this log.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters()
    }
}

impl Running {
    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Writes and syncs what is not yet, and notes a clean stop. Nothing may be appended any more.
    ///
    /// # Errors
    /// What the disk refused: then the next start is as after an unclean stop.
    pub fn close(mut self) -> io::Result<()> {
        self.stop();
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let kept = self.log.shared.lock().clean_end();
        ledger.keep(kept.map_err(io::Error::other)?)
    }

    /// Ends the threads. One that panicked has told so, and the state shows what it left undone.
    fn stop(&mut self) {
        let shared = &self.log.shared;
        shared.lock().stopping = true;
        shared.to_write.notify_one();
        let _ = self.writer.take().map(JoinHandle::join);
        // The directory is free for another log as soon as this one has ended.
        if let Ok(mut pen) = shared.pen.try_lock() {
            *pen = Pen::default();
        }
        if let Some(history) = &mut shared.lock().history {
            history.writer_done = true;
        }
        shared.to_sync.notify_one();
        let _ = self.syncer.take().map(JoinHandle::join);
        shared.progress.notify_waiters();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Waits for whoever writes.
    pub(crate) fn pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state. A panic while it was held leaves no half of a change that would matter more
    /// than going on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id that no other log has, as far as 32 random bits can tell. Costs no system call but at first.
fn random_id() -> LogId {
    LogId::new(RandomState::new().hash_one(()) as u32)
}

/// Tells the people who run the agent.
fn tell(what: std::fmt::Arguments<'_>) {
    crate::diag::warning(what);
}
