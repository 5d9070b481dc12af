//! Which segment files there are, and what is in them: known in memory, so that a search by number
//! or by time opens one file only.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::disk;
use crate::event::{Line, Seq, Timestamp};

/// One file of history: JSON lines with consecutive numbers and times that never decrease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The first number in it: its name.
    pub(crate) first: Seq,
    /// The last number in it.
    pub(crate) last: Seq,
    /// The time of its first line.
    pub(crate) first_time: Timestamp,
    /// The time of its last line.
    pub(crate) last_time: Timestamp,
    /// How many bytes of whole lines are in it.
    pub(crate) size: u64,
}

impl Segment {
    /// Reads what is in a file by its first and its last line. None if there is no line in it, or if
    /// they stand in the wrong order.
    pub(crate) fn inspect(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let first = disk::line_at(&file, 0, size)?;
        let tail = disk::lines_before(&file, size)?.bytes;
        let inner = tail.strip_suffix(b"\n").unwrap_or(&tail);
        let last = &tail[memchr::memrchr(b'\n', inner).map_or(0, |at| at + 1)..];
        let parse = |bytes| std::str::from_utf8(bytes).ok().and_then(Line::parse);
        let (Some(first), Some(last)) = (parse(&first), parse(last)) else { return Ok(None) };
        let found = Self {
            first: first.first_seq(),
            last: last.last_seq(),
            first_time: first.time(),
            last_time: last.time(),
            size,
        };
        Ok(Some(found).filter(|found| found.first <= found.last))
    }
}

/// The segments of a log, the oldest first.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    list: VecDeque<Segment>,
}

impl Segments {
    /// The segments in `list`, which must be in order, all in `dir`.
    pub(crate) fn new(dir: PathBuf, list: VecDeque<Segment>) -> Self {
        Self { dir, list }
    }

    /// The file of the segment that begins with `first`.
    pub(crate) fn path(&self, first: Seq) -> PathBuf {
        path_in(&self.dir, first)
    }

    /// All of them together, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.list.iter().map(|segment| segment.size).sum()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The oldest.
    pub(crate) fn oldest(&self) -> Option<&Segment> {
        self.list.front()
    }

    /// The newest: the one that is written to, unless the next run begins another.
    pub(crate) fn newest(&self) -> Option<&Segment> {
        self.list.back()
    }

    /// Notes that lines were written: behind the newest segment, or into a new one that begins with
    /// them.
    pub(crate) fn wrote(&mut self, written: Segment, begins: bool) {
        match self.list.back_mut() {
            Some(newest) if !begins => {
                newest.last = written.last;
                newest.last_time = written.last_time;
                newest.size += written.size;
            }
            _ => self.list.push_back(written),
        }
    }

    /// Forgets the segment that begins with `first`: its file is gone, or cannot be read.
    pub(crate) fn forget(&mut self, first: Seq) {
        self.list.retain(|segment| segment.first != first);
    }

    /// Notes what is left of a segment that somebody made shorter.
    pub(crate) fn replace(&mut self, left: Segment) {
        self.list.iter_mut().filter(|segment| segment.first == left.first).for_each(|s| *s = left);
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.list.iter()
    }

    /// The first segment that holds `seq` or anything behind it.
    pub(crate) fn holding(&self, seq: Seq) -> Option<Segment> {
        self.list.get(self.list.partition_point(|segment| segment.last < seq)).copied()
    }

    /// The last segment that holds anything before `before`.
    pub(crate) fn holding_before(&self, before: Seq) -> Option<Segment> {
        let behind = self.list.partition_point(|segment| segment.first < before);
        self.list.get(behind.checked_sub(1)?).copied()
    }

    /// The first segment with anything at `time` or later.
    pub(crate) fn since(&self, time: Timestamp) -> Option<Segment> {
        // Not a search by halves: between segments, times may step back.
        self.list.iter().find(|segment| segment.last_time >= time).copied()
    }

    /// The last segment with anything at `time` or earlier.
    pub(crate) fn until(&self, time: Timestamp) -> Option<Segment> {
        self.list.iter().rev().find(|segment| segment.first_time <= time).copied()
    }
}

/// The file of the segment in `dir` that begins with `first`. Names sort as the numbers do.
pub(crate) fn path_in(dir: &Path, first: Seq) -> PathBuf {
    dir.join(format!("{:016}.jsonl", first.get()))
}

/// The numbers that segment files in `dir` are named after, in order.
pub(crate) fn list_dir(dir: &Path) -> io::Result<Vec<Seq>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        if let Some(digits) = number.filter(|digits| digits.len() == 16) {
            found.extend(digits.parse().ok().and_then(Seq::new));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    fn segment(first: u64, last: u64, times: (i64, i64)) -> Segment {
        let time = Timestamp::from_micros;
        Segment {
            first: seq(first),
            last: seq(last),
            first_time: time(times.0),
            last_time: time(times.1),
            size: 10,
        }
    }

    #[test]
    fn searches_find_the_right_file() {
        let list = [segment(2, 9, (0, 5)), segment(20, 29, (5, 9)), segment(30, 31, (3, 4))];
        let mut segments = Segments::new("/x".into(), list.into());
        let first = |found: Option<Segment>| found.map(|s| s.first.get());
        assert_eq!(first(segments.holding(seq(0))), Some(2));
        assert_eq!(first(segments.holding(seq(9))), Some(2));
        assert_eq!(first(segments.holding(seq(10))), Some(20));
        assert_eq!(first(segments.holding(seq(32))), None);
        assert_eq!(first(segments.holding_before(seq(2))), None);
        assert_eq!(first(segments.holding_before(seq(20))), Some(2));
        assert_eq!(first(segments.holding_before(seq(21))), Some(20));
        assert_eq!(first(segments.since(Timestamp::from_micros(6))), Some(20));
        assert_eq!(first(segments.since(Timestamp::from_micros(10))), None);
        segments.wrote(segment(32, 40, (4, 8)), false);
        assert_eq!(segments.newest(), Some(&Segment { size: 20, ..segment(30, 40, (3, 8)) }));
        segments.wrote(segment(41, 41, (8, 8)), true);
        assert_eq!((segments.len(), segments.size()), (4, 50));
        segments.forget(seq(2));
        segments.forget(seq(30));
        assert_eq!(first(segments.oldest().copied()), Some(20));
    }

    #[test]
    fn names_sort_as_numbers_and_other_files_are_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in
            ["state", "x.jsonl", "0000000000000010.jsonl", "0000000000000009.jsonl", "9.jsonl"]
        {
            fs::write(dir.path().join(name), "").expect("written");
        }
        assert_eq!(list_dir(dir.path()).expect("read"), [seq(9), seq(10)]);
        assert_eq!(
            path_in(dir.path(), seq(9)).file_name(),
            Some("0000000000000009.jsonl".as_ref())
        );
    }
}
