//! Opening and closing a log, and its threads.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::{io, thread};

use super::error::OpenError;
use super::handle::Log;
use super::history::ledger::{Ledger, LedgerState, RESERVED_AHEAD};
use super::history::recovery::{self, Repair};
use super::history::syncer;
use super::history::writer::Writer;
use super::options::{HistoryOptions, Options};
use super::shared::Shared;
use super::state::{Aging, History, Moment, Reservation, State, random_id};
use crate::event::{Seq, Timestamp};

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
    writer: Option<JoinHandle<()>>,
    syncer: Option<JoinHandle<()>>,
}

/// Opens a log and recovers its history.
///
/// # Errors
/// [`OpenError`] if the history directory cannot be used.
pub fn open(options: Options) -> Result<Opened, OpenError> {
    open_reserving(options, RESERVED_AHEAD)
}

/// Opens a log that reserves `reserved_ahead` numbers at a time.
pub(super) fn open_reserving(options: Options, reserved_ahead: u64) -> Result<Opened, OpenError> {
    match options.history.clone() {
        Some(history) => open_on_disk(options, history, reserved_ahead),
        None => Ok(open_in_memory(options)),
    }
}

fn open_in_memory(options: Options) -> Opened {
    let (next, window_size) = (Seq::BEFORE_FIRST, options.window_size);
    let state = State::new(random_id(), next, Timestamp::MIN, window_size, None);
    let log = Log::new(Arc::new(Shared::new(options, state)), None);
    log.append_gap(recovery::clean_start);
    let running = Running { log, ledger: None, writer: None, syncer: None };
    Opened { running, repairs: Vec::new() }
}

fn open_on_disk(
    options: Options,
    history: HistoryOptions,
    reserved_ahead: u64,
) -> Result<Opened, OpenError> {
    let ledger = Arc::new(Ledger::open(&history.dir)?);
    let now = Moment::now(&options);
    let found = recovery::recover(&ledger, reserved_ahead, now.time)?;
    let reservation = Reservation::new(found.reserved, reserved_ahead);
    let aging = Aging::new(now, found.trusted);
    let on_disk = History::new(found.segments, found.start.after, reservation, aging);
    let (next, window_size) = (found.start.first(), options.window_size);
    let state = State::new(found.id, next, found.last_time, window_size, Some(on_disk));
    let shared = Arc::new(Shared::new(options, state));
    let writer = Arc::new(Writer::new(shared.clone(), history.clone(), ledger.clone()));
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
        let mut running = Self { log, ledger: None, writer: None, syncer: None };
        if let Some(writer) = running.log.writer.clone() {
            let thread = thread::Builder::new().name("history-write".into());
            running.writer = Some(thread.spawn(move || writer.run()).map_err(fail)?);
        }
        let (shared, policy) = (running.log.shared.clone(), history.sync);
        let for_syncer = ledger.clone();
        let thread = thread::Builder::new().name("history-sync".into());
        let syncer = thread.spawn(move || syncer::run(&shared, &for_syncer, policy));
        running.syncer = Some(syncer.map_err(fail)?);
        running.ledger = Some(ledger);
        Ok(running)
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Writes and syncs what is left, and notes a clean stop. Nothing may be appended any more.
    ///
    /// # Errors
    /// If not everything could be stored and synced. The next start is as after an unclean stop then.
    pub fn close(mut self) -> io::Result<()> {
        self.stop();
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let mut state = self.log.shared.lock();
        let trusted = state.trusted_time(self.log.shared.options());
        let newest = state.newest();
        let Some(history) = state.history() else { return Ok(()) };
        history.clean_stop(newest.seq).map_err(io::Error::other)?;
        let reserved = history.reservation().end();
        drop(state);
        let clean = Some(newest.seq.next());
        ledger.write_state(LedgerState { id: newest.log, reserved, clean, trusted })
    }

    /// Ends the threads. If one panicked, the state shows what it left undone.
    fn stop(&mut self) {
        let shared = &self.log.shared;
        shared.lock().stop();
        shared.wake_writer();
        let _ = self.writer.take().map(JoinHandle::join);
        if let Some(writer) = &self.log.writer {
            writer.release();
        }
        if let Some(history) = shared.lock().history_mut() {
            history.close();
        }
        shared.wake_syncer();
        let _ = self.syncer.take().map(JoinHandle::join);
        shared.progress.notify_waiters();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
