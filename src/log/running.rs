//! Opening and closing a log, and its threads.

use std::io;
use std::sync::{Arc, mpsc};

use super::error::{OpenError, Unclean};
use super::handle::Log;
use super::history::ledger::{Ledger, LedgerState, RESERVED_AHEAD};
use super::history::recovery::{self, Checked, Progress, Repair};
use super::history::syncer;
use super::history::writer::Writer;
use super::options::{HistoryOptions, Options};
use super::shared::Shared;
use super::state::{Aging, History, Moment, Reservation, State, random_id};
use super::worker::{Patience, Worker};
use crate::event::{LogId, Seq, Timestamp};

/// A log that was opened.
pub struct Opened {
    /// The log and its threads.
    pub running: Running,
    /// What recovery had to change.
    pub repairs: Vec<Repair>,
}

/// A log and its threads. Dropping it ends the threads, but only [`Running::close`] is a clean stop.
pub struct Running {
    log: Log,
    /// `None` if history is off.
    ledger: Option<Arc<Ledger>>,
    writer: Option<Worker>,
    syncer: Option<Worker>,
    /// The threads are asked to end, and waited for.
    stopped: bool,
}

/// Opens a log and recovers its history.
///
/// # Errors
/// [`OpenError`] if the history directory cannot be used.
pub fn open(options: Options) -> Result<Opened, OpenError> {
    open_reporting(options, &mut |_| {})
}

/// As [`open`]. Calls `progress` with each step of the recovery of a history.
///
/// # Errors
/// [`OpenError`] if the history directory cannot be used.
pub fn open_reporting(
    options: Options,
    progress: &mut dyn FnMut(Checked),
) -> Result<Opened, OpenError> {
    open_with(options, RESERVED_AHEAD, progress)
}

/// Opens a log that reserves `reserved_ahead` numbers at a time.
#[cfg(test)]
pub(super) fn open_reserving(options: Options, reserved_ahead: u64) -> Result<Opened, OpenError> {
    open_with(options, reserved_ahead, &mut |_| {})
}

fn open_with(
    options: Options,
    reserved_ahead: u64,
    progress: &mut Progress<'_>,
) -> Result<Opened, OpenError> {
    match options.history.clone() {
        Some(history) => open_on_disk(options, history, reserved_ahead, progress),
        None => Ok(open_in_memory(options)),
    }
}

fn open_in_memory(options: Options) -> Opened {
    let (next, window_size) = (Seq::BEFORE_FIRST, options.window_size);
    let state = State::new(random_id(), next, Timestamp::MIN, window_size, None);
    let log = Log::new(Arc::new(Shared::new(options, state, None)), None);
    log.append_gap(recovery::clean_start);
    let running = Running { log, ledger: None, writer: None, syncer: None, stopped: false };
    Opened { running, repairs: Vec::new() }
}

/// Opens a log for lines that come with numbers, of which the first is `next` or later. It has no history. If `keeps`, it
/// evicts only what [`Log::release_before`] allows.
pub fn open_numbered(options: Options, id: LogId, next: Seq, keeps: bool) -> Log {
    let options = Options { history: None, ..options };
    let state = State::numbered(id, next, options.window_size, keeps);
    Log::new(Arc::new(Shared::new(options, state, None)), None)
}

fn open_on_disk(
    options: Options,
    history: HistoryOptions,
    reserved_ahead: u64,
    progress: &mut Progress<'_>,
) -> Result<Opened, OpenError> {
    let ledger = Arc::new(Ledger::open(&history.dir)?);
    let now = Moment::now(&options);
    let found = recovery::recover(&ledger, reserved_ahead, now.time, progress)?;
    let reservation = Reservation::new(found.reserved, reserved_ahead);
    let aging = Aging::new(now, found.trusted);
    let mut on_disk = History::new(found.segments, found.start.after, reservation, aging);
    on_disk.note_aside(found.asides.size());
    let (next, window_size) = (found.start.first(), options.window_size);
    let state = State::new(found.id, next, found.last_time, window_size, Some(on_disk));
    let shared = Arc::new(Shared::new(options, state, Some(ledger.directory())));
    let writer = Writer::new(shared.clone(), history.clone(), ledger.clone(), found.asides);
    let writer = Arc::new(writer);
    let log = Log::new(shared, Some(writer));
    log.append_gap(|_| found.start);
    let running = Running::start(log, &history, ledger)?;
    Ok(Opened { running, repairs: found.repairs })
}

impl Running {
    fn start(log: Log, history: &HistoryOptions, ledger: Arc<Ledger>) -> Result<Self, OpenError> {
        let fail = |cause| OpenError::Io {
            doing: "start the threads for",
            path: history.dir.clone(),
            cause,
        };
        // If the second thread cannot be started, dropping this ends the first.
        let mut running = Self { log, ledger: None, writer: None, syncer: None, stopped: false };
        if let Some(writer) = running.log.writer.clone() {
            let writer = Worker::spawn("history-write", move || writer.run());
            running.writer = Some(writer.map_err(fail)?);
        }
        let (shared, policy) = (running.log.shared.clone(), history.sync);
        let for_syncer = ledger.clone();
        let syncer =
            Worker::spawn("history-sync", move || syncer::run(&shared, &for_syncer, policy));
        running.syncer = Some(syncer.map_err(fail)?);
        running.ledger = Some(ledger);
        Ok(running)
    }

    /// Lets writes hang from now on, or no longer.
    #[cfg(test)]
    pub(super) fn set_disk_hangs(&self, hangs: bool) {
        if let Some(ledger) = &self.ledger {
            ledger.hangs.store(hangs, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Writes and syncs what is left, and notes a clean stop. Nothing may be appended any more. Waits for a disk that
    /// makes progress for [`super::CLOSE_WAIT_MAX`], and for one that makes none for [`super::CLOSE_STALL_MAX`].
    ///
    /// # Errors
    /// If not everything could be stored and synced. The next start is as after an unclean stop then.
    pub fn close(mut self) -> io::Result<()> {
        let mut patience = Patience::new(self.progress());
        if !self.stop(&mut patience) {
            return Err(io::Error::other(Unclean::Hung));
        }
        let Some(ledger) = self.ledger.clone() else { return Ok(()) };
        let mut state = self.log.shared.lock();
        let trusted = state.trusted_time(self.log.shared.options());
        let newest = state.newest();
        let Some(history) = state.history() else { return Ok(()) };
        history.clean_stop(newest.seq).map_err(io::Error::other)?;
        let reserved = history.reservation().end();
        drop(state);
        let clean = Some(newest.seq.next());
        let clean = LedgerState { id: newest.log, reserved, clean, trusted };
        // On a thread of its own, because the disk may hang here too.
        let (send, done) = mpsc::channel();
        let write = move || {
            // Fails only if the stop has given up.
            let _ = send.send(ledger.write_state(clean));
        };
        let closer = Worker::spawn("history-close", write)?;
        closer.join(&mut patience, || self.progress());
        done.try_recv().unwrap_or_else(|_| Err(io::Error::other(Unclean::Hung)))
    }

    /// What changes while the disk works.
    fn progress(&self) -> (Option<Seq>, Option<Seq>) {
        let state = self.log.shared.lock();
        let history = state.history();
        (history.map(History::stored), history.map(History::synced))
    }

    /// Ends the threads. If one panicked, the state shows what it left undone. `false` if the disk hangs: the threads
    /// may end later.
    fn stop(&mut self, patience: &mut Patience<(Option<Seq>, Option<Seq>)>) -> bool {
        self.stopped = true;
        let shared = &self.log.shared;
        shared.lock().stop();
        shared.wake_writer();
        let written =
            self.writer.as_ref().is_none_or(|writer| writer.join(patience, || self.progress()));
        if let Some(writer) = &self.log.writer {
            writer.release();
        }
        if let Some(history) = shared.lock().history_mut() {
            history.close();
        }
        shared.wake_syncer();
        let synced =
            self.syncer.as_ref().is_none_or(|syncer| syncer.join(patience, || self.progress()));
        shared.progress.notify_waiters();
        written && synced
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.stopped {
            let mut patience = Patience::new(self.progress());
            self.stop(&mut patience);
        }
    }
}
