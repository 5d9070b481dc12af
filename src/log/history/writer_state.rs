//! Writing extents into segment files. Each write also begins segments, applies retention and renews
//! the reservation of numbers where that is due.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asides::Asides;
use super::ledger::{Ledger, LedgerState, Standing};
use super::retention::{self, Removed};
use super::room::Room;
use super::segment_file::{Appended, SegmentFile, inspect};
use crate::diag;
use crate::event::Seq;
use crate::log::options::HistoryOptions;
use crate::log::shared::Shared;
use crate::log::state::{Extent, Segment, name_of, path_in};
use crate::sys::files;

/// How long the history directory may be away before it is created again. Shorter than [`crate::log::STALL_MAX`], so
/// that senders see neither.
const AWAY_MAX: Duration = Duration::from_millis(500);

/// What is kept from one write to the next. The holder of its lock is the only writer.
#[derive(Debug)]
pub(crate) struct WriterState {
    options: HistoryOptions,
    ledger: Arc<Ledger>,
    /// The file of the newest segment. `None` before the first write, and after a failed one.
    newest: Option<SegmentFile>,
    /// The directory is a new one, without a state file.
    must_reserve: bool,
    /// Since when the directory is not in its place.
    away_since: Option<Instant>,
    asides: Asides,
    room: Room,
}

/// Where an extent is written.
enum Target {
    /// A new segment.
    New,
    /// The newest segment, which has room for so many bytes.
    Newest(u64),
}

impl WriterState {
    pub(crate) fn new(options: HistoryOptions, ledger: Arc<Ledger>, asides: Asides) -> Self {
        let (newest, must_reserve, away_since) = (None, false, None);
        let room = Room::default();
        Self { options, ledger, newest, must_reserve, away_since, asides, room }
    }

    /// Closes the file after an error: what it contains is not known. The next write opens it again.
    fn close_file(&mut self) {
        self.newest = None;
    }

    /// Removes the segments that exceed the maximum age.
    pub(crate) fn remove_expired(&mut self, shared: &Shared) -> io::Result<()> {
        if retention::remove_expired(shared, &self.options)? == Removed::Newest {
            // An open file keeps its space.
            self.close_file();
        }
        self.trim_asides(shared, 0)
    }

    /// Removes files that were set aside, if `more` bytes of lines do not fit beside them, and those whose numbers
    /// retention has removed.
    fn trim_asides(&mut self, shared: &Shared, more: u64) -> io::Result<()> {
        if self.asides.size() == 0 {
            return Ok(());
        }
        let (oldest, size) = {
            let state = shared.lock();
            let Some(history) = state.history() else { return Ok(()) };
            let segments = history.segments();
            (segments.oldest().map(|oldest| oldest.first), segments.size())
        };
        let due = |first: Seq, asides: u64| {
            oldest.is_none_or(|oldest| first < oldest) || size + asides + more > self.options.size
        };
        let trimmed = self.asides.trim(&self.ledger.directory(), due);
        if let Some(history) = shared.lock().history_mut() {
            history.note_aside(self.asides.size());
        }
        trimmed
    }

    /// Writes extents, as many with one system call as one segment takes.
    pub(crate) fn write(&mut self, shared: &Shared, extents: &[Extent]) -> io::Result<()> {
        let mut rest = extents;
        while let Some(first) = rest.first() {
            self.hold_dir(shared)?;
            self.remove_expired(shared)?;
            let target = self.target_of(shared, first)?;
            let size_max = match target {
                Target::New => self.options.segment_size(),
                Target::Newest(room) => room,
            };
            let mut size = first.bytes.len() as u64;
            let fits = |extent: &&Extent| {
                size += extent.bytes.len() as u64;
                size <= size_max
            };
            let more = rest[1..].iter().take_while(fits).count();
            let (now, later) = rest.split_at(1 + more);
            self.write_group(shared, now, matches!(target, Target::New))?;
            rest = later;
        }
        Ok(())
    }

    fn target_of(&mut self, shared: &Shared, extent: &Extent) -> io::Result<Target> {
        let newest = shared.lock().history().and_then(|it| it.segments().newest().copied());
        let Some(newest) = newest else { return Ok(Target::New) };
        let size_max = self.options.segment_size();
        let age = extent.time.micros().saturating_sub(newest.first_time.micros());
        // Times never decrease within a segment.
        let is_full = extent.time < newest.last_time
            || newest.size >= size_max
            || age > self.options.segment_age_micros();
        if is_full || !self.can_continue(shared, &newest)? {
            Ok(Target::New)
        } else {
            Ok(Target::Newest(size_max - newest.size))
        }
    }

    /// `true` if the newest segment can be appended to: no other process has removed or changed its
    /// file.
    fn can_continue(&mut self, shared: &Shared, newest: &Segment) -> io::Result<bool> {
        self.newest = match self.newest.take() {
            Some(file) if file.is_untouched()? => Some(file),
            Some(_) => None,
            None => SegmentFile::reopen(self.ledger.directory(), newest.first, newest.size)?,
        };
        if self.newest.is_some() {
            return Ok(true);
        }
        self.note_changed(shared, newest)?;
        Ok(false)
    }

    /// Reports that another process has changed the file of the newest segment, and notes what is left of it.
    fn note_changed(&self, shared: &Shared, newest: &Segment) -> io::Result<()> {
        let path = path_in(&self.options.dir, newest.first);
        diag::warning(format_args!(
            "{}: changed by another process: history continues in a new file",
            path.display()
        ));
        let file = self.ledger.directory().read(&name_of(newest.first));
        let left = file.and_then(|file| inspect(&file));
        let mut state = shared.lock();
        let Some(history) = state.history_mut() else { return Ok(()) };
        match left {
            Err(e) if e.kind() == ErrorKind::NotFound || files::is_irregular(&e) => {
                history.forget_segment(newest.first);
            }
            Err(e) => return Err(e),
            Ok(Some(left)) if left.first == newest.first && left.last < newest.last => {
                history.note_shortened(left);
            }
            // Readers use the lines that are valid, and report the others as a gap.
            Ok(_) => {}
        }
        Ok(())
    }

    /// Writes extents into one segment.
    fn write_group(&mut self, shared: &Shared, extents: &[Extent], begins: bool) -> io::Result<()> {
        #[cfg(test)]
        self.ledger.wait_while_it_hangs();
        let (Some(first), Some(last)) = (extents.first(), extents.last()) else { return Ok(()) };
        let size = extents.iter().map(|extent| extent.bytes.len() as u64).sum();
        self.renew_reservation(shared, last.last)?;
        self.trim_asides(shared, size)?;
        self.room.make(shared, &self.options, size + self.asides.size())?;
        if begins {
            self.newest = Some(self.begin_segment(first.first)?);
        }
        let Some(file) = &mut self.newest else { return Err(ErrorKind::NotFound.into()) };
        let appended = file.append(extents);
        // A new file is not in the catalog yet, and in another one the lines must be followed by nothing.
        if appended.is_err() && (begins || file.undo().is_err()) {
            self.close_file();
        }
        if appended? == Appended::Shortened {
            self.close_file();
            let newest = shared.lock().history().and_then(|it| it.segments().newest().copied());
            if let Some(newest) = newest {
                self.note_changed(shared, &newest)?;
            }
            return self.write_group(shared, extents, true);
        }
        let Some(file) = self.newest.as_ref().map(|newest| newest.file().clone()) else {
            return Err(ErrorKind::NotFound.into());
        };
        let written = Segment {
            first: first.first,
            last: last.last,
            first_time: first.time,
            last_time: last.time,
            size,
            written: Some((shared.options().uptime)()),
            generation: 0,
            is_kept: false,
        };
        let noted = shared.lock().history_mut().map(|it| it.note_written(written, begins, file));
        shared.progress.notify_waiters();
        let Some(noted) = noted else { return Ok(()) };
        if noted.wake_syncer {
            shared.wake_syncer();
        }
        if noted.recovered {
            let dir = self.options.dir.display();
            diag::warning(format_args!("history {dir}: the disk accepts writes again"));
        }
        Ok(())
    }

    /// Creates a segment file. What has its name and is no file is set aside.
    fn begin_segment(&mut self, first: Seq) -> io::Result<SegmentFile> {
        let dir = self.ledger.directory();
        match SegmentFile::begin(dir.clone(), first) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let aside = self.asides.set_aside(&dir, first)?;
                let (dir, name) = (self.options.dir.display(), name_of(first));
                diag::warning(format_args!("{dir}/{name}: not a regular file: renamed to {aside}"));
                SegmentFile::begin(self.ledger.directory(), first)
            }
            begun => begun,
        }
    }

    /// Makes sure that lines are written to the directory that the configuration names, and that this agent is the
    /// only one there. If the directory is away, it is looked at again for [`AWAY_MAX`] before another one is created
    /// and its segments are forgotten.
    fn hold_dir(&mut self, shared: &Shared) -> io::Result<()> {
        let dir = self.options.dir.clone();
        let dir = dir.display();
        match self.ledger.standing()? {
            Standing::Held => {
                self.away_since = None;
                return Ok(());
            }
            Standing::Unlocked => {
                self.ledger.relock()?;
                diag::warning(format_args!("history {dir}: lock file removed: created again"));
                return Ok(());
            }
            Standing::Away => {}
        }
        let since = *self.away_since.get_or_insert_with(Instant::now);
        if since.elapsed() < AWAY_MAX {
            return Err(io::Error::new(ErrorKind::WouldBlock, "the directory is away"));
        }
        self.close_file();
        self.ledger.recreate()?;
        (self.must_reserve, self.away_since) = (true, None);
        diag::warning(format_args!(
            "history {dir}: directory removed or replaced: starting a new one"
        ));
        let directory = self.ledger.directory();
        self.asides = Asides::find(&directory)?;
        shared.set_directory(directory.clone());
        let firsts: Vec<Seq> = {
            let state = shared.lock();
            let Some(history) = state.history() else { return Ok(()) };
            history.segments().iter().map(|segment| segment.first).collect()
        };
        let is_gone = |first: &Seq| {
            let entry = directory.entry(&name_of(*first));
            entry.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        firsts.into_iter().filter(is_gone).for_each(|first| shared.forget_segment(first));
        Ok(())
    }

    /// Reserves more numbers when half of them are used. `last` is the last number to be written.
    fn renew_reservation(&mut self, shared: &Shared, last: Seq) -> io::Result<()> {
        let (id, reserved, trusted) = {
            let mut state = shared.lock();
            let trusted = state.trusted_time(shared.options());
            let Some(history) = state.history() else { return Ok(()) };
            let reservation = history.reservation();
            if !self.must_reserve && !reservation.needs_renewal(last) {
                return Ok(());
            }
            (state.id(), reservation.end_from(state.window().next()), trusted)
        };
        self.ledger.write_state(LedgerState { id, reserved, clean: None, trusted })?;
        self.must_reserve = false;
        shared.lock().note_reserved(id, reserved);
        Ok(())
    }
}
