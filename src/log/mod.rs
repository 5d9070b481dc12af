//! The hub: the one ordered sequence of events that an agent holds.
//!
//! Senders [`append`](Log::append) batches; readers are cursors ([`Reader`]) that ask what is there
//! behind them. The newest part is in memory (`window`), the rest on disk (`segments`), and a reader
//! does not see the seam. One thread writes history right behind the appends (`writer`), another
//! makes it durable (`syncer`); neither is ever waited for while the lock is held.

mod disk;
mod known;
mod ledger;
mod options;
mod reader;
mod recover;
mod scan;
mod segments;
mod state;
mod syncer;
mod window;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::{Notify, Semaphore};

use crate::event::{Batch, Cursor, Gap, Seq, Timestamp};
use crate::wire::Durability;

use ledger::Ledger;
use state::{HistoryState, State};

pub use options::{Clock, HistoryOptions, Options};
pub use reader::{Chunk, Read, Reader, lines_of};
pub use scan::Backward;
pub use state::Counters;
pub use window::WINDOW_SIZE_MIN;

/// How long a disk may make no progress while somebody waits for it, before the agent goes on without
/// it.
pub const STALL_MAX: Duration = Duration::from_secs(1);

/// How long an fsync that somebody waits for may take before that one is told that it did not happen.
pub const SYNC_WAIT_MAX: Duration = Duration::from_secs(10);

/// How many readers read history at the same time; others wait for their turn.
pub const HISTORY_READERS: usize = 2;

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
    /// Something was appended.
    appended: Notify,
    /// History has come further, or was given up for now.
    progress: Notify,
    /// There is something to write.
    to_write: Condvar,
    /// There is something to sync.
    to_sync: Condvar,
    /// Whose turn it is to read history.
    turns: Semaphore,
}

/// The threads of a running log: dropped without [`Running::close`], they end without the last sync.
pub struct Running {
    log: Log,
    threads: Vec<JoinHandle<()>>,
    ledger: Option<Arc<Ledger>>,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent writes here.
    #[error("history directory {}: another agent (pid {pid}) uses it: stop that one, or set another history.dir", dir.display())]
    Taken {
        /// The directory.
        dir: PathBuf,
        /// Its process id, as it wrote it down.
        pid: String,
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
    /// Opens the log, and recovers what its history holds.
    ///
    /// # Errors
    /// When history is on and its directory cannot be used; nothing is left half open.
    pub fn open(options: Options) -> Result<(Running, Vec<String>), OpenError> {
        let (state, ledger, gap, notes) =
            match &options.history {
                None => {
                    let id = crate::event::LogId::new(sys_random().map_err(|cause| {
                        OpenError::Io { doing: "read", path: "/dev/urandom".into(), cause }
                    })?);
                    let next = Seq::BEFORE_FIRST.next();
                    (State::new(id, next, options.window_size, None), None, None, Vec::new())
                }
                Some(history) => {
                    let ledger = Ledger::open(&history.dir)?;
                    let found = recover::recover(&ledger)?;
                    let next = found.gap.map_or(found.next, Gap::first);
                    let on_disk = HistoryState::new(found.segments, found.stored, found.reserved);
                    let mut state = State::new(found.id, next, options.window_size, Some(on_disk));
                    state.last_time = found.last_time;
                    (state, Some(Arc::new(ledger)), found.gap, found.notes)
                }
            };
        let shared = Arc::new(Shared {
            options,
            state: Mutex::new(state),
            appended: Notify::new(),
            progress: Notify::new(),
            to_write: Condvar::new(),
            to_sync: Condvar::new(),
            turns: Semaphore::new(HISTORY_READERS),
        });
        let log = Self { shared };
        if let Some(gap) = gap {
            log.append_gap_line(gap);
        }
        let mut threads = Vec::new();
        if let Some(ledger) = &ledger {
            threads = log.start_history(ledger)?;
        }
        Ok((Running { log, threads, ledger }, notes))
    }

    fn start_history(&self, ledger: &Arc<Ledger>) -> Result<Vec<JoinHandle<()>>, OpenError> {
        let fail = |cause| OpenError::Io {
            doing: "start the threads for",
            path: ledger.dir().to_owned(),
            cause,
        };
        let (shared, its_ledger) = (self.shared.clone(), ledger.clone());
        let writer = thread::Builder::new()
            .name("history-write".into())
            .spawn(move || writer::run(&shared, &its_ledger));
        let (shared, its_ledger) = (self.shared.clone(), ledger.clone());
        let syncer = thread::Builder::new()
            .name("history-sync".into())
            .spawn(move || syncer::run(&shared, &its_ledger));
        Ok(vec![writer.map_err(fail)?, syncer.map_err(fail)?])
    }

    /// Takes a batch in: stamps it, publishes it, wakes the readers. Gives the number of its last
    /// event.
    ///
    /// # Errors
    /// [`Full`]: wait for [`Log::room`], then try again.
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

    /// Takes a gap in that a limit made: `lost` events were refused.
    pub fn append_refused(&self, lost: u64) {
        let after = self.shared.lock().window.next().previous();
        let gap =
            Gap { after, before: after.plus(2), lost: Some(lost), why: crate::event::Why::Rate };
        self.append_gap_line(gap);
    }

    fn append_gap_line(&self, gap: Gap) {
        let mut state = self.shared.lock();
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
    pub fn close(self) -> io::Result<()> {
        self.log.shared.lock().stopping = true;
        self.log.shared.to_write.notify_one();
        self.log.shared.to_sync.notify_one();
        for thread in self.threads {
            // A thread that panicked has told so, and the state below shows what it left undone.
            let _ = thread.join();
        }
        let state = self.log.shared.lock();
        let (Some(history), Some(ledger)) = (&state.history, &self.ledger) else { return Ok(()) };
        if let Some(trouble) = &history.trouble {
            return Err(io::Error::other(trouble.clone()));
        }
        ledger.keep(ledger::Kept {
            id: state.id,
            reserved: history.reserved,
            clean: Some(state.window.next()),
        })
    }
}

impl Shared {
    /// Locks the state. A panic while it was held leaves no half of a change that would matter more
    /// than going on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 32 random bits.
fn sys_random() -> io::Result<u32> {
    use std::io::Read as _;
    let mut bits = [0; 4];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bits)?;
    Ok(u32::from_ne_bytes(bits))
}

/// Tells the people who run the agent.
fn tell(what: std::fmt::Arguments<'_>) {
    eprintln!("{what}");
}
