//! Writing extents into segment files. Each write also begins segments, applies retention and renews
//! the reservation of numbers where that is due.

use std::io;
use std::sync::Arc;

use super::ledger::{Ledger, LedgerState};
use super::retention::{self, Removed};
use super::room::Room;
use super::segment_file::{Appended, SegmentFile, inspect};
use crate::diag;
use crate::event::Seq;
use crate::log::options::HistoryOptions;
use crate::log::shared::Shared;
use crate::log::state::{Extent, Segment, path_in};

/// What is kept from one write to the next. The holder of its lock is the only writer.
#[derive(Debug)]
pub(crate) struct WriterState {
    options: HistoryOptions,
    ledger: Arc<Ledger>,
    /// The file of the newest segment. `None` before the first write, and after a failed one.
    newest: Option<SegmentFile>,
    /// The directory is a new one, without a state file.
    must_reserve: bool,
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
    pub(crate) fn new(options: HistoryOptions, ledger: Arc<Ledger>) -> Self {
        Self { options, ledger, newest: None, must_reserve: false, room: Room::default() }
    }

    /// Closes the file after an error: what it contains is not known. The next write opens it again.
    pub(crate) fn close_file(&mut self) {
        self.newest = None;
    }

    /// Removes the segments that exceed the maximum age.
    pub(crate) fn remove_expired(&mut self, shared: &Shared) -> io::Result<()> {
        if retention::remove_expired(shared, &self.options)? == Removed::All {
            // An open file keeps its space.
            self.close_file();
        }
        Ok(())
    }

    /// Writes extents, as many with one system call as one segment takes.
    pub(crate) fn write(&mut self, shared: &Shared, extents: &[Extent]) -> io::Result<()> {
        let mut rest = extents;
        while let Some(first) = rest.first() {
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
        let path = path_in(&self.options.dir, newest.first);
        self.newest = match self.newest.take() {
            Some(file) if file.is_untouched()? => Some(file),
            Some(_) => None,
            None => SegmentFile::reopen(path, newest.size)?,
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
        let left = inspect(&path);
        let mut state = shared.lock();
        let Some(history) = state.history_mut() else { return Ok(()) };
        match left {
            Err(e) if e.kind() == io::ErrorKind::NotFound => history.forget_segment(newest.first),
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
        let (Some(first), Some(last)) = (extents.first(), extents.last()) else { return Ok(()) };
        let size = extents.iter().map(|extent| extent.bytes.len() as u64).sum();
        if begins {
            self.restore_dir(shared)?;
        }
        self.renew_reservation(shared, last.last)?;
        self.room.make(shared, &self.options, size)?;
        if begins {
            let path = path_in(&self.options.dir, first.first);
            self.newest = Some(SegmentFile::begin(path)?);
        }
        let Some(file) = &mut self.newest else { return Err(io::ErrorKind::NotFound.into()) };
        if file.append(extents)? == Appended::Shortened {
            self.close_file();
            let newest = shared.lock().history().and_then(|it| it.segments().newest().copied());
            if let Some(newest) = newest {
                self.note_changed(shared, &newest)?;
            }
            return self.write_group(shared, extents, true);
        }
        let file = file.file().clone();
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

    /// Creates the directory again if another process removed or replaced it.
    fn restore_dir(&mut self, shared: &Shared) -> io::Result<()> {
        if !self.ledger.restore()? {
            return Ok(());
        }
        self.must_reserve = true;
        let dir = &self.options.dir;
        diag::warning(format_args!(
            "history {}: directory removed or replaced: starting a new one",
            dir.display()
        ));
        let firsts: Vec<Seq> = {
            let state = shared.lock();
            let Some(history) = state.history() else { return Ok(()) };
            history.segments().iter().map(|segment| segment.first).collect()
        };
        for first in firsts {
            if !path_in(dir, first).exists() {
                shared.forget_segment(first);
            }
        }
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
