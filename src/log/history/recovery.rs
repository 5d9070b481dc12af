//! Recovery: which log a directory holds, and which of its lines are valid.
//!
//! After a clean stop, only the first and the last line of each segment are looked at. After an unclean
//! one, every line from the synced position on is checked. A segment is truncated at the first line
//! that is damaged, incomplete or out of order.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde::de::IgnoredAny;

use super::asides::Asides;
use super::compaction::remove_unfinished;
use super::ledger::{Ledger, LedgerState};
use super::segment_file::{inspect, list_dir};
use crate::event::{Gap, LINE_MAX, Line, LogId, Seq, Timestamp, Why};
use crate::log::error::OpenError;
use crate::log::retry;
use crate::log::state::{DiskPosition, Segment, Segments, name_of, path_in, random_id};
use crate::sys::directory::Directory;

/// How much is checked between two reports of the progress, in bytes.
const PROGRESS_STEP: u64 = 4 << 20;

/// A log as it was found on disk.
pub(crate) struct Recovered {
    /// The id of the log.
    pub(crate) id: LogId,
    /// The segments.
    pub(crate) segments: Segments,
    /// The gap `restart` that this start appends first. History ends at its `after`.
    pub(crate) start: Gap,
    /// The time of the last line on disk.
    pub(crate) last_time: Timestamp,
    /// The first number that is not reserved.
    pub(crate) reserved: Seq,
    /// The files that were set aside.
    pub(crate) asides: Asides,
    /// The trusted time of the process before, or what is known of it.
    pub(crate) trusted: Timestamp,
    /// What the operator should know.
    pub(crate) repairs: Vec<Repair>,
}

/// How far recovery has checked the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The size of what is checked, in bytes.
    pub bytes: u64,
    /// The size of all segments, in bytes.
    pub of: u64,
}

/// Is called with each step of recovery. A start that makes no step makes no progress.
pub(crate) type Progress<'a> = dyn FnMut(Checked) + 'a;

/// Something that recovery changed. Its text is for the diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A segment was truncated.
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its new size, in bytes.
        to: u64,
        /// Its old size, in bytes.
        from: u64,
    },
    /// A segment that repeats the numbers of an earlier one was renamed.
    SetAside {
        /// Its old path.
        path: PathBuf,
        /// Its new path.
        aside: PathBuf,
    },
    /// Something that is no regular file has the name of a segment. It is left alone.
    Ignored {
        /// Its path.
        path: PathBuf,
    },
    /// A segment without a valid line cannot be removed. It is left alone.
    Unremovable {
        /// The file.
        path: PathBuf,
        /// What the system returned.
        cause: String,
    },
    /// What is left over of a segment that was written again cannot be removed, or renamed. It is left alone.
    Leftover {
        /// The file.
        path: PathBuf,
        /// What the system returned.
        cause: String,
    },
    /// There are segments but no state file, so that the log got a new id.
    NewId {
        /// The directory.
        dir: PathBuf,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { path, to, from } => write!(
                f,
                "{}: truncated at byte {to} of {from}: what follows is damaged or incomplete",
                path.display()
            ),
            Self::SetAside { path, aside } => write!(
                f,
                "{}: repeats the numbers of an earlier file: renamed to {}",
                path.display(),
                aside.display()
            ),
            Self::Ignored { path } => {
                write!(f, "{}: not a regular file: ignored", path.display())
            }
            Self::Unremovable { path, cause } => write!(
                f,
                "{}: without a valid line, and cannot be removed: {cause}: ignored",
                path.display()
            ),
            Self::Leftover { path, cause } => {
                write!(f, "{}: left over, and cannot be removed: {cause}: ignored", path.display())
            }
            Self::NewId { dir } => {
                write!(f, "{}: no valid state file: the log gets a new id", dir.display())
            }
        }
    }
}

/// Recovers the log in a locked directory, and reserves `reserved_ahead` numbers.
pub(crate) fn recover(
    ledger: &Ledger,
    reserved_ahead: u64,
    now: Timestamp,
    progress: &mut Progress<'_>,
) -> Result<Recovered, OpenError> {
    let dir = ledger.dir();
    let fail = |doing| move |cause| OpenError::Io { doing, path: dir.to_owned(), cause };
    let directory = ledger.directory();
    let found = retry::at_start(|| ledger.read_state()).map_err(fail("read the state file of"))?;
    let clean = found.and_then(|state| state.clean);
    let mut asides = retry::at_start(|| Asides::find(&directory)).map_err(fail("read"))?;
    let mut repairs = Vec::new();
    let list = check_segments(
        ledger,
        clean.is_some(),
        &mut Findings { asides: &mut asides, repairs: &mut repairs },
        progress,
    )?;
    let last = list.back().map_or(Seq::ZERO, |segment| segment.last);
    let last_time = list.back().map_or(Timestamp::MIN, |segment| segment.last_time);
    let id = found.map_or_else(random_id, |state| state.id);
    let start = match found {
        // Retention removed everything, which a reader sees when it asks.
        Some(LedgerState { clean: Some(next), .. }) if next <= last.next() || list.is_empty() => {
            clean_start(last.max(next.previous()))
        }
        // The last segments were removed or damaged since.
        Some(LedgerState { clean: Some(next), .. }) => unclean_start(last, next),
        Some(LedgerState { reserved, clean: None, .. }) => {
            unclean_start(last, reserved.max(last.plus(2)))
        }
        None if list.is_empty() => clean_start(last),
        None => {
            repairs.push(Repair::NewId { dir: dir.to_owned() });
            unclean_start(last, last.plus(2))
        }
    };
    let reserved = start.before.plus(reserved_ahead);
    // At their maximum, numbers would be used again and again.
    if reserved == Seq::MAX {
        return Err(OpenError::UsedUp { dir: dir.to_owned() });
    }
    let noted = found.and_then(|state| state.trusted);
    let trusted = noted.or(list.back().map(|segment| segment.last_time)).unwrap_or(now).min(now);
    let state = LedgerState { id, reserved, clean: None, trusted: Some(trusted) };
    let written = retry::at_start(|| ledger.write_state(state));
    written.map_err(fail("reserve sequence numbers in"))?;
    let segments = Segments::new(dir.to_owned(), list);
    Ok(Recovered { id, segments, start, last_time, reserved, asides, trusted, repairs })
}

/// The gap of a start after a clean stop, or of a new log.
pub(crate) fn clean_start(last: Seq) -> Gap {
    Gap { lost: Some(0), ..unclean_start(last, last.plus(2)) }
}

/// The gap of a start after which it is not known what is missing.
fn unclean_start(after: Seq, before: Seq) -> Gap {
    Gap { after, before, lost: None, why: Why::Restart }
}

/// What is found besides segments.
struct Findings<'a> {
    asides: &'a mut Asides,
    repairs: &'a mut Vec<Repair>,
}

/// Checks all segments: after an unclean stop, every line from the synced position on.
fn check_segments(
    ledger: &Ledger,
    clean: bool,
    found: &mut Findings<'_>,
    progress: &mut Progress<'_>,
) -> Result<VecDeque<Segment>, OpenError> {
    let dir = ledger.dir();
    let fail = |doing| move |cause| OpenError::Io { doing, path: dir.to_owned(), cause };
    let directory = ledger.directory();
    let left = retry::at_start(|| remove_unfinished(&directory)).map_err(fail("read"))?;
    found.repairs.extend(left.into_iter().map(|(path, cause)| Repair::Leftover { path, cause }));
    let synced = ledger.read_synced();
    let firsts = retry::at_start(|| list_dir(dir)).map_err(fail("read"))?;
    let sizes = firsts.iter().filter_map(|first| directory.entry(&name_of(*first)).ok());
    let mut checked = Checked { bytes: 0, of: sizes.map(|entry| entry.size).sum() };
    let mut list: VecDeque<Segment> = VecDeque::new();
    for first in firsts {
        let path = path_in(dir, first);
        let trusted = match synced {
            _ if clean => u64::MAX,
            Some(position) if first < position.segment => u64::MAX,
            Some(position) if first == position.segment => position.offset,
            _ => 0,
        };
        let fail = |cause| OpenError::Io { doing: "check", path: path.clone(), cause };
        let entry = retry::at_start(|| directory.entry(&name_of(first))).map_err(fail)?;
        if !entry.is_file {
            found.repairs.push(Repair::Ignored { path });
            continue;
        }
        progress(checked);
        let segment = retry::at_start(|| {
            let mut step =
                |bytes: u64| progress(Checked { bytes: checked.bytes + bytes, ..checked });
            let mut check = Check { dir: &directory, first, path: path.clone(), step: &mut step };
            check.run(trusted, found.repairs)
        });
        checked.bytes += entry.size;
        let Some(segment) = segment.map_err(fail)? else { continue };
        if list.back().is_some_and(|before| segment.first <= before.last) {
            // Not deleted: the operator may want to look at it.
            let aside = retry::at_start(|| found.asides.set_aside(&directory, first));
            found.repairs.push(match aside {
                Ok(aside) => Repair::SetAside { path, aside: dir.join(aside) },
                Err(cause) if retry::is_passing(&cause) => return Err(fail(cause)),
                Err(cause) => Repair::Leftover { path, cause: cause.to_string() },
            });
        } else {
            list.push_back(segment);
        }
    }
    // All lines are synced now. An older position could lie within lines that are written later to a
    // file that was truncated here.
    let position = list.back().map_or(DiskPosition::START, Segment::end);
    retry::at_start(|| ledger.write_synced(position)).map_err(fail("write to"))?;
    Ok(list)
}

/// The check of one segment.
struct Check<'a> {
    dir: &'a Directory,
    first: Seq,
    path: PathBuf,
    /// Is called with the size of what is checked, in bytes.
    step: &'a mut dyn FnMut(u64),
}

impl Check<'_> {
    /// Checks a segment of which the first `trusted` bytes are synced. If that is all of it, only its first
    /// and last line are looked at. Truncates it at the first invalid line. Returns `None` and removes the
    /// file if no line is valid.
    fn run(&mut self, trusted: u64, repairs: &mut Vec<Repair>) -> io::Result<Option<Segment>> {
        let (first, name) = (self.first, name_of(self.first));
        let file = self.dir.read(&name)?;
        let size = file.metadata()?.len();
        let valid = || inspect(&file).map(|found| found.filter(|segment| segment.first == first));
        if trusted >= size
            && ends_line(&file, size)?
            && let Some(segment) = valid()?
        {
            return Ok(Some(segment));
        }
        // If no line ends at the synced position, another process has changed the file.
        let from = if trusted < size && ends_line(&file, trusted)? { trusted } else { 0 };
        // If the trusted lines turn out to be invalid, the second round checks all of them.
        for from in [from, 0] {
            let to = self.valid_until(&file, from)?;
            if to < size {
                self.dir.update(&name)?.set_len(to)?;
                repairs.push(Repair::Truncated { path: self.path.clone(), to, from: size });
            }
            // An earlier agent may not have synced it.
            file.sync_all()?;
            (self.step)(to);
            if let Some(segment) = valid()? {
                return Ok(Some(segment));
            }
        }
        match self.dir.remove(&name) {
            Err(cause) if retry::is_passing(&cause) => return Err(cause),
            Err(cause) => {
                let (path, cause) = (self.path.clone(), cause.to_string());
                repairs.push(Repair::Unremovable { path, cause });
            }
            Ok(()) => {}
        }
        Ok(None)
    }

    /// The offset of the first invalid line at or after `from`, or the size of the file. Valid lines are
    /// well-formed, have consecutive numbers, and times that never decrease.
    fn valid_until(&mut self, mut file: &File, from: u64) -> io::Result<u64> {
        file.seek(SeekFrom::Start(from))?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        let mut expected = (from == 0).then_some(self.first);
        let (mut valid, mut last_time, mut line) = (from, Timestamp::MIN, Vec::new());
        let mut reported = from;
        loop {
            line.clear();
            let len = io::Read::take(&mut reader, LINE_MAX as u64).read_until(b'\n', &mut line)?;
            let Some(parsed) = parse_line(&line) else { return Ok(valid) };
            let in_order = expected.is_none_or(|seq| seq == parsed.first_seq());
            if !in_order || parsed.time() < last_time {
                return Ok(valid);
            }
            expected = Some(parsed.last_seq().next());
            last_time = parsed.time();
            valid += len as u64;
            if valid - reported >= PROGRESS_STEP {
                reported = valid;
                (self.step)(valid);
            }
        }
    }
}

/// `true` if a line ends at `offset`, which must not be after the end of the file.
fn ends_line(file: &File, offset: u64) -> io::Result<bool> {
    let mut last = [0];
    if offset == 0 {
        return Ok(false);
    }
    file.read_exact_at(&mut last, offset - 1)?;
    Ok(last == *b"\n")
}

/// `None` if it has no line end or is not well-formed.
fn parse_line(bytes: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(bytes.strip_suffix(b"\n")?).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Line::parse(text)
}
