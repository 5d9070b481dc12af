//! The catalog of the segment files: what each one contains, so that a search by number or by time
//! opens one file only.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::time_index::TimeIndex;
use crate::event::{Seq, Timestamp};

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
    /// The size of its whole lines, in bytes.
    pub(crate) size: u64,
    /// The uptime at its last write. `None` if an earlier process wrote it.
    pub(crate) written: Option<Duration>,
    /// How often the file was written again. Offsets in it are valid for one generation.
    pub(crate) generation: u32,
    /// What is left of a flood: retention by size takes the next one first, see `history::room`.
    pub(crate) is_kept: bool,
}

/// A position in history: the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskPosition {
    /// The first number of the segment.
    pub(crate) segment: Seq,
    /// The offset in its file, in bytes.
    pub(crate) offset: u64,
    /// The generation of the file.
    pub(crate) generation: u32,
}

impl DiskPosition {
    /// Before every segment.
    pub(crate) const START: Self = Self { segment: Seq::ZERO, offset: 0, generation: 0 };
}

impl Segment {
    /// The position after its last line.
    pub(crate) fn end(&self) -> DiskPosition {
        self.position(self.size)
    }

    /// The position at an offset in its file.
    pub(crate) fn position(&self, offset: u64) -> DiskPosition {
        DiskPosition { segment: self.first, offset, generation: self.generation }
    }

    /// The offset of a position in its file. `None` if it is one of another file.
    pub(crate) fn offset_of(&self, position: DiskPosition) -> Option<u64> {
        let same = position.segment == self.first && position.generation == self.generation;
        same.then_some(position.offset)
    }
}

/// The segments of a log, the oldest first.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    list: VecDeque<Segment>,
    /// The times of the segments in the list.
    times: TimeIndex,
    /// The size of all segments together, in bytes.
    size: u64,
}

impl Segments {
    /// The segments `list` in `dir`. They must be in order.
    pub(crate) fn new(dir: PathBuf, list: VecDeque<Segment>) -> Self {
        let mut segments = Self { dir, list, times: TimeIndex::default(), size: 0 };
        segments.index_again();
        segments
    }

    /// The path of the segment that begins with `first`.
    pub(crate) fn path(&self, first: Seq) -> PathBuf {
        path_in(&self.dir, first)
    }

    /// The size of all segments together, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The number of segments.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The oldest segment.
    pub(crate) fn oldest(&self) -> Option<&Segment> {
        self.list.front()
    }

    /// The newest segment: the one that is written, unless the next extent begins another.
    pub(crate) fn newest(&self) -> Option<&Segment> {
        self.list.back()
    }

    /// Notes lines that were appended to the newest segment.
    pub(crate) fn extend_newest(&mut self, written: &Segment) {
        let Some(newest) = self.list.back_mut() else { return self.push(*written) };
        newest.last = written.last;
        newest.last_time = written.last_time;
        newest.size += written.size;
        newest.written = written.written;
        self.size += written.size;
        self.times.set_latest(written.last_time);
    }

    /// Adds a segment after all others.
    pub(crate) fn push(&mut self, segment: Segment) {
        self.times.push(segment.first_time, segment.last_time);
        self.size += segment.size;
        self.list.push_back(segment);
    }

    /// Removes the segment that begins with `first` from the catalog, because its file is gone.
    pub(crate) fn forget(&mut self, first: Seq) {
        let Some(at) = self.index_of(first) else { return };
        let removed = self.list.remove(at);
        self.size -= removed.map_or(0, |segment| segment.size);
        if at == 0 {
            self.times.pop_front();
        } else {
            // Linear, but another process has to remove a file each time.
            self.index_again();
        }
    }

    /// Notes what is left of a segment that another process has shortened.
    pub(crate) fn replace(&mut self, left: Segment) {
        if let Some(at) = self.index_of(left.first) {
            self.list[at] = Segment { written: self.list[at].written, ..left };
            self.index_again();
        }
    }

    /// `true` if these segments follow each other in the catalog, and are all older than the newest.
    pub(crate) fn has_before_newest(&self, old: &[Segment]) -> bool {
        let Some(at) = old.first().and_then(|first| self.index_of(first.first)) else {
            return false;
        };
        at + old.len() < self.list.len() && self.list.range(at..at + old.len()).eq(old)
    }

    /// Replaces these segments, which must follow each other, by one.
    pub(crate) fn join(&mut self, old: &[Segment], new: Segment) {
        if self.has_before_newest(old)
            && let Some(at) = self.index_of(new.first)
        {
            self.list.drain(at + 1..at + old.len());
            self.list[at] = new;
            self.index_again();
        }
    }

    /// Marks the segment that begins with `first` as what is left of a flood.
    pub(crate) fn keep(&mut self, first: Seq) {
        if let Some(at) = self.index_of(first) {
            self.list[at].is_kept = true;
        }
    }

    /// Unmarks all segments.
    pub(crate) fn keep_none(&mut self) {
        self.list.iter_mut().for_each(|segment| segment.is_kept = false);
    }

    /// `true` if the file of this segment was neither removed nor written again since.
    pub(crate) fn has(&self, segment: &Segment) -> bool {
        let found = self.index_of(segment.first).and_then(|at| self.list.get(at));
        found.is_some_and(|found| found.generation == segment.generation)
    }

    /// The index of the segment that begins with `first`.
    fn index_of(&self, first: Seq) -> Option<usize> {
        self.list.binary_search_by_key(&first, |segment| segment.first).ok()
    }

    fn index_again(&mut self) {
        self.times = TimeIndex::default();
        for segment in &self.list {
            self.times.push(segment.first_time, segment.last_time);
        }
        self.size = self.list.iter().map(|segment| segment.size).sum();
    }

    /// All segments, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.list.iter()
    }

    /// The first segment with the number `seq` or a later one.
    pub(crate) fn holding(&self, seq: Seq) -> Option<Segment> {
        self.list.get(self.list.partition_point(|segment| segment.last < seq)).copied()
    }

    /// The last segment with a number before `before`.
    pub(crate) fn holding_before(&self, before: Seq) -> Option<Segment> {
        let next = self.list.partition_point(|segment| segment.first < before);
        self.list.get(next.checked_sub(1)?).copied()
    }

    /// The date of a segment: the time of its last line. If that is later than `now`, the first time in history after
    /// it that is not, because everything after it was appended later. `None` if there is none.
    pub(crate) fn date_of(&self, segment: &Segment, now: Timestamp) -> Option<Timestamp> {
        if segment.last_time <= now {
            return Some(segment.last_time);
        }
        match self.index_of(segment.first)? {
            0 => Some(self.list.get(self.times.first_beginning_until(now)?)?.first_time),
            // Linear, but only after a file that cannot be removed, and while the clock is wrong.
            at => self.list.range(at..).map(|later| later.first_time).find(|time| *time <= now),
        }
    }

    /// The first segment with a line at `time` or later.
    pub(crate) fn since(&self, time: Timestamp) -> Option<Segment> {
        self.list.get(self.times.first_ending_since(time)?).copied()
    }

    /// The last segment with a line at `time` or earlier.
    pub(crate) fn until(&self, time: Timestamp) -> Option<Segment> {
        self.list.get(self.times.last_beginning_until(time)?).copied()
    }
}

/// The path of the segment in `dir` that begins with `first`.
pub(crate) fn path_in(dir: &Path, first: Seq) -> PathBuf {
    dir.join(name_of(first))
}

/// The name of the segment that begins with `first`. Names sort like the numbers.
pub(crate) fn name_of(first: Seq) -> String {
    format!("{:016}.jsonl", first.get())
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
            written: None,
            generation: 0,
            is_kept: false,
        }
    }

    #[test]
    fn finds_the_segment_of_a_number_or_time() {
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
        segments.extend_newest(&segment(32, 40, (4, 8)));
        assert_eq!(segments.newest(), Some(&Segment { size: 20, ..segment(30, 40, (3, 8)) }));
        segments.push(segment(41, 41, (8, 8)));
        assert_eq!((segments.len(), segments.size()), (4, 50));
        segments.forget(seq(2));
        segments.forget(seq(30));
        assert_eq!(first(segments.oldest().copied()), Some(20));
    }
}
