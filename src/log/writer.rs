//! Writing history, right behind the appends: whole runs, many with one system call. A thread of its
//! own does it; or whoever waits for a little of it, where that thread sleeps. Beginning and trimming
//! segments and renewing the reservation of numbers go with it.

use std::fs::File;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::{Kept, Ledger};
use super::retention::until_too_old;
use super::segment_file::SegmentFile;
use super::segments::{Segment, path_in};
use super::state::{HistoryState, State};
use super::window::Run;
use super::{HistoryOptions, Shared, tell};
use crate::event::{Gap, Seq, Timestamp, Why};

/// How much is written at a time, in bytes; a run longer than this is written by itself.
const WRITE_SIZE: usize = 1 << 20;

/// How long to wait before a disk that refused is tried again. Tests have no time.
const RETRY_AFTER: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });

/// What is to do next.
enum Work {
    /// These numbers were evicted before they could be written: tell so at their place.
    Tell(Gap, Timestamp),
    /// Write these.
    Write(Vec<Run>),
    /// Remove the segments that are too old.
    Trim,
    /// Everything is written and nothing more will come.
    Stop,
}

/// Writes until the log is closed.
pub(crate) fn run(shared: &Shared) {
    let Some(options) = &shared.options.history else { return };
    loop {
        wait_for_work(shared, options);
        let mut writer = Writer { shared, options, pen: shared.pen() };
        let Some(work) = writer.look() else { continue };
        if matches!(work, Work::Stop) {
            return;
        }
        if let Err(cause) = writer.do_work(work) {
            let stopping = writer.failed(&cause);
            drop(writer);
            if stopping {
                return;
            }
            let state = shared.lock();
            let woken = shared.to_write.wait_timeout_while(state, RETRY_AFTER, |s| !s.stopping);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Writes what is there on the thread that calls, if nobody else does. It may have to wait for the
/// disk. What is left, and what fails, is the writer thread's.
pub(crate) fn write_here(shared: &Shared) {
    if let (Some(options), Ok(pen)) = (&shared.options.history, shared.pen.try_lock()) {
        let mut writer = Writer { shared, options, pen };
        if let Some(work @ Work::Write(_)) = writer.look() {
            // The writer thread meets the same failure again, and tells it.
            let _ = writer.do_work(work);
        }
    }
    let mut state = shared.lock();
    let left = state.has_unwritten();
    if !left && let Some(history) = &mut state.history {
        history.busy_since = None;
    }
    let wake = left && state.writer_sleeps();
    drop(state);
    if wake {
        shared.to_write.notify_one();
    }
}

/// Waits until there is something to do, or will be nothing any more.
fn wait_for_work(shared: &Shared, options: &HistoryOptions) {
    let mut state = shared.lock();
    while !state.has_unwritten() && !state.stopping {
        let wait = until_too_old(&state, options, &shared.options);
        if wait.is_some_and(|wait| wait.is_zero()) {
            return;
        }
        if let Some(history) = &mut state.history {
            history.writer_sleeps = true;
            history.busy_since = None;
        }
        state = match wait {
            None => shared.to_write.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => {
                let woken = shared.to_write.wait_timeout(state, wait);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    // Awake: whoever appends need not wake this thread now.
    state.writer_sleeps();
}

/// What is kept from one write to the next. Whoever holds it writes.
#[derive(Default)]
pub(crate) struct Pen {
    /// The directory. None while history is not open.
    pub(crate) ledger: Option<Arc<Ledger>>,
    /// The file of the newest segment. None before the first write, and after a failed one.
    pub(crate) newest: Option<SegmentFile>,
    /// The directory is a new one, which knows of no reservation yet.
    must_reserve: bool,
    /// The runs being written; kept for its memory.
    lines: Vec<Run>,
}

pub(crate) struct Writer<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) options: &'a HistoryOptions,
    pub(crate) pen: MutexGuard<'a, Pen>,
}

impl Writer<'_> {
    /// What is to do now.
    fn look(&mut self) -> Option<Work> {
        let mut state = self.shared.lock();
        let next = state.stored()?.next();
        if next < state.window.start() {
            let (after, before) = (next.previous(), state.window.start());
            let lost = state.known.events_between(after, before);
            let time = state.window.oldest().map_or(state.last_time, |run| run.time);
            set_busy(&mut state);
            return Some(Work::Tell(Gap { after, before, lost, why: Why::Storage }, time));
        }
        if next < state.window.next() {
            let mut runs = std::mem::take(&mut self.pen.lines);
            state.window.runs_from(next, WRITE_SIZE, &mut runs);
            set_busy(&mut state);
            return Some(Work::Write(runs));
        }
        if state.stopping {
            return Some(Work::Stop);
        }
        if self.too_old(&state) {
            set_busy(&mut state);
            return Some(Work::Trim);
        }
        None
    }

    fn do_work(&mut self, work: Work) -> io::Result<()> {
        let done = match work {
            Work::Stop => Ok(()),
            Work::Trim => self.remove_old(),
            Work::Tell(gap, time) => self.tell_gap(gap, time),
            Work::Write(mut runs) => {
                let done = self.write_runs(&runs);
                runs.clear();
                self.pen.lines = runs;
                done
            }
        };
        if done.is_err() {
            // What the file holds now is not known: the next try opens it anew.
            self.pen.newest = None;
        }
        done
    }

    /// Notes a failure. Tells whether the log is being closed: then there is no other try.
    fn failed(&mut self, cause: &io::Error) -> bool {
        let mut state = self.shared.lock();
        let stopping = state.stopping;
        let Some(history) = &mut state.history else { return true };
        let first = history.trouble.replace(cause.to_string()).is_none();
        history.busy_since = None;
        drop(state);
        self.shared.progress.notify_waiters();
        if first {
            let dir = self.options.dir.display();
            tell(format_args!("history {dir}: {cause}: live events go on, but are not stored"));
        }
        stopping
    }

    fn ledger(&self) -> io::Result<Arc<Ledger>> {
        self.pen.ledger.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn tell_gap(&mut self, gap: Gap, time: Timestamp) -> io::Result<()> {
        let mut line = Vec::new();
        gap.encode(time, &self.shared.options.host, &mut line);
        let (first, last) = (gap.first(), gap.last());
        let run = Run { first, last, time, bytes: line.into(), is_gap: true };
        self.write_runs(&[run])
    }

    /// Writes runs, cut into segments where that is due.
    fn write_runs(&mut self, runs: &[Run]) -> io::Result<()> {
        let mut rest = runs;
        while let Some(first) = rest.first() {
            self.remove_old()?;
            let room = self.room_for(first)?;
            let size_max = room.unwrap_or(self.options.segment_size());
            let mut size = first.bytes.len() as u64;
            let fits = |run: &&Run| {
                size += run.bytes.len() as u64;
                size <= size_max
            };
            let more = rest[1..].iter().take_while(fits).count();
            let (now, later) = rest.split_at(1 + more);
            self.write_group(now, room.is_none())?;
            rest = later;
        }
        Ok(())
    }

    /// How many bytes the newest segment takes yet. None if this run begins another.
    fn room_for(&mut self, run: &Run) -> io::Result<Option<u64>> {
        let size_max = self.options.segment_size();
        let newest = {
            let state = self.shared.lock();
            state.history.as_ref().and_then(|history| history.segments.newest().copied())
        };
        let Some(newest) = newest else { return Ok(None) };
        let age = run.time.micros().saturating_sub(newest.first_time.micros());
        // Times never decrease within a segment. Where they do, a gap tells so, which comes alone.
        let begins = run.time < newest.last_time
            || newest.size >= size_max
            || age > self.options.segment_age_micros();
        if begins || !self.can_go_on(&newest)? {
            Ok(None)
        } else {
            Ok(Some(size_max - newest.size))
        }
    }

    /// Whether the newest segment can be written on: not if somebody took or changed its file.
    fn can_go_on(&mut self, newest: &Segment) -> io::Result<bool> {
        let path = path_in(&self.options.dir, newest.first);
        self.pen.newest = match self.pen.newest.take() {
            Some(file) if file.is_untouched()? => Some(file),
            Some(_) => None,
            None => SegmentFile::reopen(path.clone(), newest.size)?,
        };
        if self.pen.newest.is_some() {
            return Ok(true);
        }
        tell(format_args!(
            "{}: somebody changed it: history goes on in a new file",
            path.display()
        ));
        let left = Segment::inspect(&path);
        let mut state = self.shared.lock();
        let Some(history) = &mut state.history else { return Ok(false) };
        match left {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                history.segments.forget(newest.first);
            }
            Err(e) => return Err(e),
            Ok(Some(left)) if left.first == newest.first && left.last < newest.last => {
                history.segments.replace(left);
            }
            // Readers find what is good in it, and tell what is not.
            Ok(_) => {}
        }
        Ok(false)
    }

    /// Writes runs into one segment, and notes it.
    fn write_group(&mut self, runs: &[Run], begins: bool) -> io::Result<()> {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        let size = runs.iter().map(|run| run.bytes.len() as u64).sum();
        if begins {
            self.restore_dir()?;
        }
        self.renew_reservation(last.last)?;
        self.remove_for(size)?;
        if begins {
            let path = path_in(&self.options.dir, first.first);
            self.pen.newest = Some(SegmentFile::begin(path)?);
        }
        let Some(file) = &mut self.pen.newest else { return Err(io::ErrorKind::NotFound.into()) };
        file.append(runs)?;
        let file = file.file().clone();
        let written = Segment {
            first: first.first,
            last: last.last,
            first_time: first.time,
            last_time: last.time,
            size,
        };
        self.note_written(written, begins, file);
        Ok(())
    }

    /// Sees to it that the directory is there.
    fn restore_dir(&mut self) -> io::Result<()> {
        if !self.ledger()?.restore()? {
            return Ok(());
        }
        self.pen.must_reserve = true;
        let dir = &self.options.dir;
        tell(format_args!("history {}: somebody took it away: it begins anew", dir.display()));
        let known: Vec<Seq> = {
            let state = self.shared.lock();
            let Some(history) = &state.history else { return Ok(()) };
            history.segments.iter().map(|segment| segment.first).collect()
        };
        for first in known {
            if !path_in(dir, first).exists() {
                self.shared.forget_segment(first);
            }
        }
        Ok(())
    }

    fn note_written(&self, written: Segment, begins: bool, file: Arc<File>) {
        let mut state = self.shared.lock();
        let Some(history) = &mut state.history else { return };
        history.segments.wrote(written, begins);
        history.stored = written.last;
        history.busy_since = Some(Instant::now());
        if history.unsynced.last().is_none_or(|(_, newest)| !Arc::ptr_eq(newest, &file)) {
            let segment = history.segments.newest().map_or(written.first, |newest| newest.first);
            history.unsynced.push((segment, file));
        }
        let first_unsynced = history.unsynced_since.is_none();
        if first_unsynced {
            history.unsynced_since = Some(Instant::now());
        }
        let wanted = history.sync_wanted > history.synced;
        let recovered = history.trouble.take().is_some();
        drop(state);
        self.shared.progress.notify_waiters();
        if first_unsynced || wanted {
            self.shared.to_sync.notify_one();
        }
        if recovered {
            tell(format_args!("history {}: is written again", self.options.dir.display()));
        }
    }

    /// Reserves more numbers when half of the reserved ones are used.
    fn renew_reservation(&mut self, last: Seq) -> io::Result<()> {
        let (id, reserved) = {
            let state = self.shared.lock();
            let Some(history) = &state.history else { return Ok(()) };
            if !self.pen.must_reserve && !history.needs_reservation(last) {
                return Ok(());
            }
            (state.id, state.window.next().plus(history.reserved_ahead))
        };
        self.ledger()?.keep(Kept { id, reserved, clean: None })?;
        self.pen.must_reserve = false;
        let mut state = self.shared.lock();
        // The id may have changed meanwhile: then this reservation is not the one it needs.
        if state.id == id
            && let Some(history) = &mut state.history
        {
            history.reserved = reserved;
            history.unreserved = false;
        }
        Ok(())
    }
}

fn set_busy(state: &mut State) {
    let set = |history: &mut HistoryState| {
        history.busy_since.get_or_insert_with(Instant::now);
    };
    state.history.as_mut().map(set);
}
