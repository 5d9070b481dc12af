//! Writing history right after the appends: many extents with one system call. A thread does it, or a
//! sender that waits for a small batch while the thread sleeps.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::asides::Asides;
use super::ledger::Ledger;
use super::retention;
use super::writer_state::WriterState;
use crate::diag;
use crate::event::{Gap, Timestamp, Why};
use crate::log::options::HistoryOptions;
use crate::log::retry;
use crate::log::shared::Shared;
use crate::log::state::{Extent, GATHER_TIME, History, State};

/// How much is written at a time, in bytes. A longer extent is written alone.
const WRITE_SIZE: usize = 1 << 20;

/// The delay before a failed write is retried. Short in tests.
const RETRY_DELAY: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });

/// Writes the log to its history directory.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    options: HistoryOptions,
    /// Locked for the time of a write, which may take long, and before the shared state where both
    /// are needed. `None` once the log is closed.
    work: Mutex<Option<Work>>,
}

/// What a write needs.
struct Work {
    state: WriterState,
    /// The extents being written. Kept for its memory.
    extents: Vec<Extent>,
}

/// What is to be done next.
enum Task {
    /// Write a gap line for numbers that were evicted before they were stored.
    WriteGap(Gap, Timestamp),
    /// Write extents.
    Write(Vec<Extent>),
    /// Remove segments that exceed the maximum age.
    RemoveExpired,
    /// The log is being closed, and everything is written.
    Stop,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        options: HistoryOptions,
        ledger: Arc<Ledger>,
        asides: Asides,
    ) -> Self {
        let state = WriterState::new(options.clone(), ledger, asides);
        Self { shared, options, work: Mutex::new(Some(Work { state, extents: Vec::new() })) }
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until the log is closed.
    pub(crate) fn run(&self) {
        loop {
            self.wait_for_work();
            let mut locked = self.work();
            let Some(work) = locked.as_mut() else { return };
            let Some(task) = self.next_task(work) else { continue };
            if matches!(task, Task::Stop) {
                return;
            }
            if let Err(cause) = self.perform(work, task) {
                drop(locked);
                if retry::is_passing(&cause) {
                    // Senders wait no longer than for a write that hangs: `STALL_MAX`.
                    self.shared.report_passing(&cause);
                    thread::sleep(retry::PAUSE);
                    continue;
                }
                self.fail(&cause);
                if self.shared.lock().is_stopping() {
                    return;
                }
                self.shared.sleep_unless_stopping(RETRY_DELAY);
            }
        }
    }

    /// Writes a little of what is not written, on the calling thread, unless another thread is
    /// writing. The rest, and what fails, is left to the writer thread.
    pub(crate) fn write_here(&self) {
        if let Ok(mut locked) = self.work.try_lock()
            && let Some(work) = locked.as_mut()
            && let Some(task @ Task::Write(_)) = self.next_task(work)
        {
            // The writer thread will get the same error, and reports it.
            let _ = self.perform(work, task);
        }
        let mut state = self.shared.lock();
        let left = state.has_unwritten();
        if !left && let Some(history) = state.history_mut() {
            history.end_write();
        }
        let newest = state.newest().seq;
        let wake = left && state.want_stored(newest);
        drop(state);
        if wake {
            self.shared.wake_writer();
        }
    }

    /// Releases the directory, so that another log can be opened there.
    pub(crate) fn release(&self) {
        // A write that is still under way keeps it until its end.
        if let Ok(mut work) = self.work.try_lock() {
            *work = None;
        }
    }

    /// Sleeps until there is something to do, or the log is being closed. Lines that no sender waits for are gathered.
    fn wait_for_work(&self) {
        let mut state = self.shared.lock();
        while !state.has_unwritten() && !state.is_stopping() {
            let expires = retention::until_expired(&mut state, &self.shared, &self.options);
            if expires.is_some_and(|left| left.is_zero()) {
                return;
            }
            if let Some(history) = state.history_mut() {
                history.gathering().sleep();
                history.end_write();
            }
            state = self.shared.sleep_writer(state, expires);
        }
        let begin = Instant::now();
        let mut gathers = state.begin_gathering();
        while gathers {
            let left = GATHER_TIME.saturating_sub(begin.elapsed());
            state = self.shared.sleep_writer(state, Some(left));
            let is_gathering = |history: &mut History| history.gathering().is_gathering();
            gathers =
                begin.elapsed() < GATHER_TIME && state.history_mut().is_some_and(is_gathering);
        }
        // Senders need not wake this thread now.
        if let Some(history) = state.history_mut() {
            history.gathering().write();
        }
    }

    fn next_task(&self, work: &mut Work) -> Option<Task> {
        let mut state = self.shared.lock();
        let next = state.stored()?.next();
        let task = if next < state.window().start() {
            let (after, before) = (next.previous(), state.window().start());
            let lost = state.events_between(after, before);
            let time = state.window().oldest().map_or(state.last_time(), |oldest| oldest.time);
            Task::WriteGap(Gap { after, before, lost, why: Why::Storage }, time)
        } else if next < state.window().next() {
            let mut extents = std::mem::take(&mut work.extents);
            state.window().extents_from(next, WRITE_SIZE, &mut extents);
            Task::Write(extents)
        } else if state.is_stopping() {
            return Some(Task::Stop);
        } else if retention::is_expired(&mut state, &self.shared, &self.options) {
            Task::RemoveExpired
        } else {
            return None;
        };
        begin_write(&mut state);
        Some(task)
    }

    fn perform(&self, work: &mut Work, task: Task) -> io::Result<()> {
        match task {
            Task::Stop => Ok(()),
            Task::RemoveExpired => work.state.remove_expired(&self.shared),
            Task::WriteGap(gap, time) => {
                work.state.write(&self.shared, &[self.gap_extent(gap, time)])
            }
            Task::Write(mut extents) => {
                let done = work.state.write(&self.shared, &extents);
                extents.clear();
                work.extents = extents;
                done
            }
        }
    }

    fn gap_extent(&self, gap: Gap, time: Timestamp) -> Extent {
        let mut line = Vec::new();
        gap.encode(time, &self.shared.options().host, &mut line);
        Extent {
            first: gap.first(),
            last: gap.last(),
            time,
            bytes: line.into(),
            is_gap: true,
            spare: 0,
        }
    }

    fn fail(&self, cause: &io::Error) {
        let first =
            self.shared.lock().history_mut().is_some_and(|history| history.fail(cause.to_string()));
        self.shared.progress.notify_waiters();
        if first {
            let dir = self.options.dir.display();
            diag::warning(format_args!("history {dir}: {cause}: live-only, events are not stored"));
        }
    }
}

fn begin_write(state: &mut State) {
    state.history_mut().map(History::begin_write);
}
