//! What a log begins with: the segments that are there, checked where they might be damaged.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::de::IgnoredAny;

use super::ledger::{Kept, Ledger, SyncedTo};
use super::segments::{Segment, Segments, list_dir, path_in};
use super::{OpenError, random_id};
use crate::event::{Gap, LINE_MAX, Line, LogId, Seq, Timestamp, Why};

/// A log as it was found.
pub(crate) struct Recovered {
    /// Which log it is.
    pub(crate) id: LogId,
    /// What is on disk.
    pub(crate) segments: Segments,
    /// The gap `restart` that this start appends before anything else. History ends at its `after`.
    pub(crate) start: Gap,
    /// The time of the last line on disk.
    pub(crate) last_time: Timestamp,
    /// The first number that is not reserved.
    pub(crate) reserved: Seq,
    /// What a person should know about it.
    pub(crate) notes: Vec<String>,
}

/// Finds out what is in a history directory, cuts off what is damaged, and reserves `reserved_ahead`
/// numbers.
pub(crate) fn recover(ledger: &Ledger, reserved_ahead: u64) -> Result<Recovered, OpenError> {
    let dir = ledger.dir();
    let fail = |doing| move |cause| OpenError::Io { doing, path: dir.to_owned(), cause };
    let kept = ledger.kept().map_err(fail("read"))?;
    let clean = kept.and_then(|kept| kept.clean);
    let mut notes = Vec::new();
    let list = check_segments(ledger, clean.is_some(), &mut notes)?;
    let last = list.back().map_or(Seq::ZERO, |segment| segment.last);
    let last_time = list.back().map_or(Timestamp::MIN, |segment| segment.last_time);
    let (id, start) = match kept {
        // An empty history was trimmed, which a reader sees when it asks.
        Some(Kept { id, clean: Some(next), .. }) if next <= last.next() || list.is_empty() => {
            (id, clean_start(last.max(next.previous())))
        }
        // Files at the end were removed or damaged since.
        Some(Kept { id, clean: Some(next), .. }) => (id, restart(last, next)),
        // The gap has at least one number.
        Some(Kept { id, reserved, clean: None }) => (id, restart(last, reserved.max(last.plus(2)))),
        None if list.is_empty() => (random_id(), clean_start(last)),
        None => {
            notes.push(format!("{}: there is no state file: the log gets a new id", dir.display()));
            (random_id(), restart(last, last.plus(2)))
        }
    };
    let reserved = start.before.plus(reserved_ahead);
    // Numbers that stay where they are would be given out again and again.
    if reserved == Seq::MAX {
        return Err(OpenError::UsedUp { dir: dir.to_owned() });
    }
    ledger.keep(Kept { id, reserved, clean: None }).map_err(fail("reserve numbers in"))?;
    let segments = Segments::new(dir.to_owned(), list);
    Ok(Recovered { id, segments, start, last_time, reserved, notes })
}

/// The gap of a start after a clean stop, or of a new log.
pub(crate) fn clean_start(last: Seq) -> Gap {
    Gap { lost: Some(0), ..restart(last, last.plus(2)) }
}

/// The gap of a start, where it is not known what is missing.
fn restart(after: Seq, before: Seq) -> Gap {
    Gap { after, before, lost: None, why: Why::Restart }
}

/// Checks all segments: after an unclean stop, everything behind the synced position.
fn check_segments(
    ledger: &Ledger,
    clean: bool,
    notes: &mut Vec<String>,
) -> Result<VecDeque<Segment>, OpenError> {
    let dir = ledger.dir();
    let fail = |doing| move |cause| OpenError::Io { doing, path: dir.to_owned(), cause };
    let synced = ledger.synced_to();
    let mut list: VecDeque<Segment> = VecDeque::new();
    for first in list_dir(dir).map_err(fail("read"))? {
        let path = path_in(dir, first);
        let checked_to = match synced {
            // After a clean stop only a last line that somebody cut would show.
            _ if clean => u64::MAX,
            Some(to) if first < to.segment => u64::MAX,
            Some(to) if first == to.segment => to.offset,
            _ => 0,
        };
        let fail = |cause| OpenError::Io { doing: "check", path: path.clone(), cause };
        let Some(segment) = check_segment(&path, first, checked_to, notes).map_err(fail)? else {
            continue;
        };
        if list.back().is_some_and(|before| segment.first <= before.last) {
            // They cannot both be right. A person may want to look at the one that goes.
            let aside = path.with_extension("jsonl.aside");
            fs::rename(&path, &aside).map_err(fail)?;
            notes.push(format!("{}: repeats earlier numbers: put aside", aside.display()));
        } else {
            list.push_back(segment);
        }
    }
    // What follows is written behind lines that are synced by now. An older position, in a file that
    // was cut here, could be within one of those that follow.
    let position = list.back().map_or(SyncedTo::NOTHING, SyncedTo::end_of);
    ledger.note_synced(position).map_err(fail("write to"))?;
    Ok(list)
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
    let inspect = || Segment::inspect(path).map(|found| found.filter(|s| s.first == first));
    if checked_to >= size
        && ends_line(path, size)?
        && let Some(segment) = inspect()?
    {
        return Ok(Some(segment));
    }
    // A position that is no end of a line tells nothing: somebody has changed the file.
    let known = checked_to < size && ends_line(path, checked_to)?;
    for from in [if known { checked_to } else { 0 }, 0] {
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
        if let Some(segment) = inspect()? {
            return Ok(Some(segment));
        }
        // Then what was taken for good is not: all of it is checked.
    }
    fs::remove_file(path)?;
    Ok(None)
}

/// Whether a line ends at `offset`, which must not be behind the end.
fn ends_line(path: &Path, offset: u64) -> io::Result<bool> {
    let mut last = [0];
    if offset == 0 {
        return Ok(false);
    }
    File::open(path)?.read_exact_at(&mut last, offset - 1)?;
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
