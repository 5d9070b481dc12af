//! The thread that writes history, right behind the appends: whole runs, many with one system call.
//! It also begins and trims segments, and renews the reservation of numbers.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::{Kept, Ledger, RESERVED_AHEAD};
use super::segments::Segment;
use super::state::{HistoryState, State};
use super::window::Run;
use super::{HistoryOptions, Shared, tell};
use crate::event::{Gap, Seq, Timestamp, Why};

/// How much is written at a time, in bytes; a run longer than this is written by itself.
const WRITE_SIZE: usize = 1 << 20;

/// The most pieces that one system call takes (IOV_MAX of Linux).
const PIECES_MAX: usize = 1024;

/// How long to wait before a disk that refused is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What is to do next.
enum Work {
    /// These numbers were evicted before they could be written: tell so at their place.
    Tell(Gap, Timestamp),
    /// Write these.
    Write(Vec<Run>),
    /// The oldest segments are too old.
    Trim,
    /// Everything is written and nothing more will come.
    Stop,
}

/// Writes until the log is closed.
pub(crate) fn run(shared: &Shared, ledger: &Ledger) {
    let Some(options) = &shared.options.history else { return };
    let next = shared.lock().stored().map_or(Seq::ZERO, Seq::next);
    let mut writer = Writer { shared, ledger, options, file: None, next, lines: Vec::new() };
    while !matches!(writer.step(), Step::Stopped) {}
    let mut state = shared.lock();
    if let Some(history) = &mut state.history {
        history.writer_done = true;
    }
    drop(state);
    shared.to_sync.notify_one();
}

enum Step {
    Going,
    Stopped,
}

struct Writer<'a> {
    shared: &'a Shared,
    ledger: &'a Ledger,
    options: &'a HistoryOptions,
    /// The newest segment, if this thread writes to it.
    file: Option<Arc<File>>,
    /// The next number to write.
    next: Seq,
    /// The runs being written; kept for its memory.
    lines: Vec<Run>,
}

impl Writer<'_> {
    fn step(&mut self) -> Step {
        let done = match self.next_work() {
            Work::Stop => return Step::Stopped,
            Work::Trim => {
                self.trim(0);
                return Step::Going;
            }
            Work::Tell(gap, time) => self.tell_gap(gap, time),
            Work::Write(runs) => {
                let done = self.write_runs(&runs);
                self.lines = runs;
                self.lines.clear();
                done
            }
        };
        match done {
            Ok(()) => Step::Going,
            Err(cause) => self.failed(&cause),
        }
    }

    /// Waits until there is something to do.
    fn next_work(&mut self) -> Work {
        let mut state = self.shared.lock();
        loop {
            if self.next < state.window.start() {
                let (after, before) = (self.next.previous(), state.window.start());
                let lost = state.known.events_between(after, before);
                let time = state.window.oldest().map_or(state.last_time, |run| run.time);
                set_busy(&mut state);
                return Work::Tell(Gap { after, before, lost, why: Why::Storage }, time);
            }
            if self.next < state.window.next() {
                let mut runs = std::mem::take(&mut self.lines);
                state.window.runs_from(self.next, WRITE_SIZE, &mut runs);
                runs.truncate(PIECES_MAX);
                set_busy(&mut state);
                return Work::Write(runs);
            }
            if state.stopping {
                return Work::Stop;
            }
            let wait = self.until_too_old(&state);
            if wait.is_some_and(|wait| wait.is_zero()) {
                return Work::Trim;
            }
            state = self.sleep(state, wait);
        }
    }

    fn sleep<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        wait: Option<Duration>,
    ) -> MutexGuard<'s, State> {
        if let Some(history) = &mut state.history {
            history.writer_sleeps = true;
            history.busy_since = None;
        }
        match wait {
            None => self.shared.to_write.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => {
                let woken = self.shared.to_write.wait_timeout(state, wait);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// How long until the oldest segment is too old; zero if it is.
    fn until_too_old(&self, state: &State) -> Option<Duration> {
        let oldest = *state.history.as_ref()?.segments.oldest()?;
        let dies = oldest.last_time.plus_micros(self.options.age_micros());
        let now = (self.shared.options.clock)();
        Some(Duration::from_micros(dies.micros().saturating_sub(now.micros()).max(0) as u64))
    }

    /// Notes a failure, and waits before the next try. While the log is being closed there is none.
    fn failed(&mut self, cause: &io::Error) -> Step {
        // What the file holds now is not known: the next try opens it anew.
        self.file = None;
        let mut state = self.shared.lock();
        let Some(history) = &mut state.history else { return Step::Stopped };
        let first = history.trouble.replace(cause.to_string()).is_none();
        history.busy_since = None;
        if first {
            let dir = self.options.dir.display();
            tell(format_args!("history {dir}: {cause}: live events go on, but are not stored"));
        }
        self.shared.progress.notify_waiters();
        if state.stopping {
            return Step::Stopped;
        }
        let woken = self.shared.to_write.wait_timeout_while(state, RETRY_AFTER, |s| !s.stopping);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
        Step::Going
    }

    fn tell_gap(&mut self, gap: Gap, time: Timestamp) -> io::Result<()> {
        let mut line = Vec::new();
        gap.encode(time, &self.shared.options.host, &mut line);
        let (first, last) = (gap.first(), gap.last());
        let run = Run { first, last, time, bytes: line.into(), begins_segment: false };
        self.write_runs(&[run])
    }

    /// Writes runs, cut into segments where that is due.
    fn write_runs(&mut self, runs: &[Run]) -> io::Result<()> {
        let mut rest = runs;
        while let Some(first) = rest.first() {
            let (begins, room) = self.segment_for(first);
            let mut size = first.bytes.len() as u64;
            let fits = |run: &&Run| {
                size += run.bytes.len() as u64;
                size <= room && !run.begins_segment
            };
            let more = rest[1..].iter().take_while(fits).count();
            let (now, later) = rest.split_at(1 + more);
            self.write_group(now, begins)?;
            rest = later;
        }
        Ok(())
    }

    /// Whether a run begins a new segment, and how many bytes that segment takes yet.
    fn segment_for(&self, run: &Run) -> (bool, u64) {
        let size_max = self.options.segment_size();
        let state = self.shared.lock();
        let newest = state.history.as_ref().and_then(|history| history.segments.newest());
        let Some(newest) = newest else { return (true, size_max) };
        let age = run.time.micros().saturating_sub(newest.first_time.micros());
        let begins = run.begins_segment
            // Times never decrease within a segment; a gap line may carry an older one.
            || run.time < newest.last_time
            || newest.size >= size_max
            || age > self.options.segment_age_micros();
        (begins, if begins { size_max } else { size_max - newest.size })
    }

    /// Writes runs into one segment, and notes it.
    fn write_group(&mut self, runs: &[Run], begins: bool) -> io::Result<()> {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        let size = runs.iter().map(|run| run.bytes.len() as u64).sum();
        self.renew_reservation(last.last)?;
        self.trim(size);
        let file = self.open_segment(first.first, begins)?;
        let mut slices: Vec<IoSlice<'_>> =
            runs.iter().map(|run| IoSlice::new(&run.bytes)).collect();
        write_all_vectored(&file, &mut slices)?;
        self.next = last.last.next();
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

    fn note_written(&self, written: Segment, begins: bool, file: Arc<File>) {
        let mut state = self.shared.lock();
        let Some(history) = &mut state.history else { return };
        history.segments.wrote(written, begins);
        history.stored = written.last;
        history.busy_since = Some(Instant::now());
        if history.unsynced.last().is_none_or(|newest| !Arc::ptr_eq(newest, &file)) {
            history.unsynced.push(file);
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

    /// The file for the next write. An existing one is cut to what is known to be good: an earlier
    /// write may have left a part of a line.
    fn open_segment(&mut self, first: Seq, begins: bool) -> io::Result<Arc<File>> {
        if begins {
            self.file = None;
        } else if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let (path, size) = {
            let state = self.shared.lock();
            let Some(history) = &state.history else { return Err(io::ErrorKind::NotFound.into()) };
            match history.segments.newest().filter(|_| !begins) {
                Some(newest) => (history.segments.path(newest.first), newest.size),
                None => (history.segments.path(first), 0),
            }
        };
        let mut open = OpenOptions::new();
        let file = open.append(true).create(begins).mode(0o640).open(&path)?;
        file.set_len(size)?;
        let file = Arc::new(file);
        self.file = Some(file.clone());
        Ok(file)
    }

    /// Reserves more numbers when half of the reserved ones are used.
    fn renew_reservation(&self, last: Seq) -> io::Result<()> {
        let (id, reserved) = {
            let state = self.shared.lock();
            let Some(history) = &state.history else { return Ok(()) };
            if !history.needs_reservation(last) {
                return Ok(());
            }
            (state.id, state.window.next().plus(RESERVED_AHEAD))
        };
        self.ledger.keep(Kept { id, reserved, clean: None })?;
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

    /// Removes the oldest segments as long as they are too old, or all are too large when `more` bytes
    /// come.
    fn trim(&mut self, more: u64) {
        loop {
            let mut state = self.shared.lock();
            let too_old = self.until_too_old(&state).is_some_and(|wait| wait.is_zero());
            let Some(history) = &mut state.history else { return };
            let segments = &mut history.segments;
            let too_large = segments.len() > 1 && segments.size() + more > self.options.size;
            let Some(oldest) = segments.oldest().copied().filter(|_| too_old || too_large) else {
                return;
            };
            let path = segments.path(oldest.first);
            if segments.len() == 1 {
                self.file = None;
            }
            segments.forget_oldest();
            drop(state);
            if let Err(cause) = std::fs::remove_file(&path)
                && cause.kind() != io::ErrorKind::NotFound
            {
                tell(format_args!("cannot remove {}: {cause}", path.display()));
            }
        }
    }
}

fn set_busy(state: &mut State) {
    let set = |history: &mut HistoryState| {
        history.writer_sleeps = false;
        history.busy_since.get_or_insert_with(Instant::now);
    };
    state.history.as_mut().map(set);
}

fn write_all_vectored(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut slices, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
