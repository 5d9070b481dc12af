//! What a log begins with: the segments that are there, checked where they might be damaged.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::ledger::{Kept, Ledger, RESERVED_AHEAD, SyncedTo};
use super::segments::{Segment, Segments, list_dir, path_in};
use super::{OpenError, sys_random};
use crate::event::{Gap, LINE_MAX, Line, LogId, Seq, Timestamp, Why};

/// A log as it was found.
pub(crate) struct Recovered {
    /// Which log it is.
    pub(crate) id: LogId,
    /// What is on disk.
    pub(crate) segments: Segments,
    /// The last number on disk, or the one before the first.
    pub(crate) stored: Seq,
    /// The number that the next event gets, behind the gap.
    pub(crate) next: Seq,
    /// After an unclean stop: what has to be told before anything else.
    pub(crate) gap: Option<Gap>,
    /// The time of the last line on disk.
    pub(crate) last_time: Timestamp,
    /// The first number that is not reserved.
    pub(crate) reserved: Seq,
    /// What a person should know about it.
    pub(crate) notes: Vec<String>,
}

/// Finds out what is in a history directory, cuts off what is damaged, and reserves numbers.
pub(crate) fn recover(ledger: &Ledger) -> Result<Recovered, OpenError> {
    let dir = ledger.dir();
    let read = |cause| OpenError::Io { doing: "read", path: dir.to_owned(), cause };
    let kept = ledger.kept().map_err(read)?;
    let mut notes = Vec::new();
    let clean = kept.and_then(|kept| kept.clean);
    let synced = if clean.is_some() { None } else { ledger.synced_to() };
    let mut list = VecDeque::new();
    for first in list_dir(dir).map_err(read)? {
        let path = path_in(dir, first);
        let fail = |cause| OpenError::Io { doing: "check", path: path.clone(), cause };
        let checked_to = match (clean, synced) {
            // After a clean stop only a last line that somebody cut would show.
            (Some(_), _) => u64::MAX,
            (None, Some(to)) if first < to.segment => u64::MAX,
            (None, Some(to)) if first == to.segment => to.offset,
            _ => 0,
        };
        if let Some(segment) = check_segment(&path, first, checked_to, &mut notes).map_err(fail)? {
            list.push_back(segment);
        }
    }
    drop_overlaps(&mut list, &mut notes);
    let last = list.back().map_or(Seq::BEFORE_FIRST, |segment| segment.last);
    let last_time = list.back().map_or(Timestamp::MIN, |segment| segment.last_time);
    let (id, next) = match kept {
        Some(Kept { id, clean: Some(next), .. }) => (id, next.max(last.next())),
        // At least one number is the gap's.
        Some(Kept { id, reserved, clean: None }) => (id, reserved.max(last.plus(2))),
        None if list.is_empty() => (LogId::new(sys_random().map_err(read)?), last.next()),
        None => {
            notes.push(format!("{}: there is no state file: the log gets a new id", dir.display()));
            (LogId::new(sys_random().map_err(read)?), last.plus(2))
        }
    };
    // After a clean stop, an empty history was trimmed: a reader is told that when it asks.
    let trimmed = clean.is_some() && list.is_empty();
    let mut gap = (next > last.next() && !trimmed).then_some(Gap {
        after: last,
        before: next,
        lost: None,
        why: Why::Restart,
    });
    let mut segments = Segments::new(dir.to_owned(), list);
    let mut stored = next.previous();
    if let Some(gap) = &mut gap {
        stored = join_trailing_gap(&mut segments, gap).map_err(read)?;
    }
    let reserved = next.plus(RESERVED_AHEAD);
    let keep = |cause| OpenError::Io { doing: "reserve numbers in", path: dir.to_owned(), cause };
    ledger.keep(Kept { id, reserved, clean: None }).map_err(keep)?;
    Ok(Recovered { id, segments, stored, next, gap, last_time, reserved, notes })
}

/// Checks a segment: everything from `checked_to` on, or, where that is behind the end, the last line
/// only. Cuts it at the first bad line. None if nothing good is in it: then the file goes.
fn check_segment(
    path: &Path,
    first: Seq,
    checked_to: u64,
    notes: &mut Vec<String>,
) -> io::Result<Option<Segment>> {
    let size = fs::metadata(path)?.len();
    let ends_well = ends_with_line_end(path, size)?;
    if checked_to >= size
        && ends_well
        && let Some(segment) = Segment::inspect(path)?
        && segment.first == first
    {
        return Ok(Some(segment));
    }
    // A position behind the end tells nothing about a file that somebody has shortened.
    let from = if checked_to < size { checked_to } else { 0 };
    let good = good_until(path, first, from)?;
    let file = OpenOptions::new().write(true).open(path)?;
    if good < size {
        notes.push(format!(
            "{}: cut at byte {good} of {size}: what follows is damaged or was not finished",
            path.display()
        ));
        file.set_len(good)?;
    }
    // What an earlier agent did not get to sync is synced now.
    file.sync_all()?;
    match Segment::inspect(path)? {
        Some(segment) if segment.first == first => Ok(Some(segment)),
        _ => {
            fs::remove_file(path)?;
            Ok(None)
        }
    }
}

fn ends_with_line_end(path: &Path, size: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    if size == 0 {
        return Ok(false);
    }
    File::open(path)?.read_exact_at(&mut last, size - 1)?;
    Ok(last == *b"\n")
}

/// How many bytes at the beginning are good: well-formed lines, with consecutive numbers, and times
/// that never decrease. What lies before `from` is not looked at.
fn good_until(path: &Path, first: Seq, from: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut expected = (from == 0).then_some(first);
    let (mut good, mut last_time, mut line) = (from, Timestamp::MIN, Vec::new());
    loop {
        line.clear();
        let len = io::Read::take(&mut reader, LINE_MAX as u64).read_until(b'\n', &mut line)?;
        let Some(parsed) = whole_line(&line) else { return Ok(good) };
        let in_order = expected.is_none_or(|seq| seq == parsed.first_seq());
        if !in_order || parsed.time() < last_time {
            return Ok(good);
        }
        expected = Some(parsed.last_seq().next());
        last_time = parsed.time();
        good += len as u64;
    }
}

fn whole_line(bytes: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(bytes.strip_suffix(b"\n")?).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Line::parse(text)
}

/// Segments that claim the same numbers cannot both be right: the later file goes, under another
/// name, so that a person can look at it.
fn drop_overlaps(list: &mut VecDeque<Segment>, notes: &mut Vec<String>) {
    let mut last = Seq::ZERO;
    list.retain(|segment| {
        let good = segment.first > last;
        if good {
            last = segment.last;
        } else {
            notes.push(format!(
                "the segment that begins with {} repeats earlier numbers and is left out",
                segment.first
            ));
        }
        good
    });
}

/// Where history ends with a gap line, the new gap is told together with that one: the old line is
/// taken away. Gives the last number that is stored then.
fn join_trailing_gap(segments: &mut Segments, gap: &mut Gap) -> io::Result<Seq> {
    let Some(newest) = segments.newest().copied() else { return Ok(gap.after) };
    let path: PathBuf = segments.path(newest.first);
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let tail = super::disk::lines_before(&file, newest.size)?.bytes;
    let inner = tail.strip_suffix(b"\n").unwrap_or(&tail);
    let line = &tail[memchr::memrchr(b'\n', inner).map_or(0, |at| at + 1)..];
    let Some(Line::Gap(told)) = std::str::from_utf8(line).ok().and_then(Line::parse) else {
        return Ok(gap.after);
    };
    *gap = told.gap.joined_with(*gap);
    let left = newest.size - line.len() as u64;
    segments.forget(newest.first);
    if left == 0 {
        fs::remove_file(&path)?;
    } else {
        file.set_len(left)?;
        if let Some(shorter) = Segment::inspect(&path)? {
            segments.wrote(shorter, true);
        }
    }
    Ok(gap.after)
}

impl SyncedTo {
    /// The end of what is on disk.
    pub(crate) fn end_of(segment: &Segment) -> Self {
        Self { segment: segment.first, offset: segment.size }
    }
}
