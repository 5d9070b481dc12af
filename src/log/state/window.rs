//! The newest part of the log, in memory.
//!
//! Lines are encoded into blocks, one after the other, and published as extents: slices of a block
//! that are never modified again and that all readers share. A block is used again once its last extent
//! is dropped, by the window or by the last reader that holds it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::blocks::{BLOCK_SIZE, Blocks};
use super::time_index::TimeIndex;
use crate::event::{Batch, Gap, LINE_MAX, Seq, Stamp, Timestamp};
use crate::log::numbered::Numbered;

/// The size at which an extent is published, in bytes: its last line may exceed it. Bounds what one
/// reader holds at a time.
pub(crate) const EXTENT_SIZE: usize = 256 << 10;

/// The maximum number of extents in one read: no system call accepts more pieces (IOV_MAX of Linux).
pub(crate) const EXTENTS_MAX: usize = 1024;

/// The memory that an extent takes besides its bytes, in a queue that grows by doubling. Counted, so that
/// many small extents stay within the window's size.
const EXTENT_COST: usize = 2 * size_of::<Extent>();

/// The queue of extents is not shrunk below this capacity.
const EXTENTS_KEPT: usize = 4096;

/// Consecutive lines that were appended at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// The first number in it.
    pub(crate) first: Seq,
    /// The last number in it. No number between is missing, except in a log whose lines come with numbers.
    pub(crate) last: Seq,
    /// The time of all lines.
    pub(crate) time: Timestamp,
    /// The lines.
    pub(crate) bytes: Bytes,
    /// `true` if it is a gap line, which is always an extent of its own.
    pub(crate) is_gap: bool,
    /// Unused bytes at the end of its block, which it holds as well.
    pub(crate) spare: u32,
}

impl Extent {
    fn cost(&self) -> usize {
        self.bytes.len() + self.spare as usize + EXTENT_COST
    }
}

/// The lines from a number up to the newest one.
#[derive(Debug)]
pub(crate) struct Window {
    extents: VecDeque<Extent>,
    /// The first number of each era: the lines between two steps of the clock back, in which times never
    /// decrease.
    eras: VecDeque<Seq>,
    /// The times of the eras. The first one may begin later, because its oldest lines were evicted, and the
    /// last one has no end yet.
    era_times: TimeIndex,
    /// The first number in the window, or the next one if it is empty.
    start: Seq,
    /// The number of the next line.
    next: Seq,
    /// The size of the extents, in bytes.
    size: usize,
    size_max: usize,
    /// The block being filled, without what is published.
    block: BytesMut,
    /// The others.
    blocks: Blocks,
}

impl Window {
    /// An empty window of at most `size_max` bytes. Its first number will be `next`.
    pub(crate) fn new(next: Seq, size_max: usize) -> Self {
        Self {
            extents: VecDeque::new(),
            eras: VecDeque::new(),
            era_times: TimeIndex::default(),
            start: next,
            next,
            size: 0,
            size_max,
            block: BytesMut::with_capacity(BLOCK_SIZE),
            blocks: Blocks::new(size_max),
        }
    }

    /// The first number in the window, or the next one if it is empty.
    pub(crate) fn start(&self) -> Seq {
        self.start
    }

    /// The number of the next line.
    pub(crate) fn next(&self) -> Seq {
        self.next
    }

    /// Its size, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// `true` if `more` bytes of lines fit without an eviction.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.size + more + EXTENT_COST <= self.size_max
    }

    /// The oldest extent.
    pub(crate) fn oldest(&self) -> Option<&Extent> {
        self.extents.front()
    }

    /// Evicts the oldest extent.
    pub(crate) fn evict_oldest(&mut self) {
        if let Some(extent) = self.extents.pop_front() {
            self.size -= extent.cost();
            self.start = extent.last.next();
            if self.extents.is_empty() || self.eras.get(1) == Some(&self.start) {
                self.eras.pop_front();
                self.era_times.pop_front();
            }
        }
        let capacity = self.extents.capacity();
        if capacity > EXTENTS_KEPT && self.extents.len() < capacity / 4 {
            self.extents.shrink_to(capacity / 2);
        }
    }

    /// Stamps and publishes a batch. Returns the size of its lines, in bytes.
    pub(crate) fn push_batch(&mut self, batch: &Batch, time: Timestamp, stamp: &Stamp) -> u64 {
        let mut first = self.next;
        let mut size = 0;
        for body in batch.bodies() {
            self.make_room(stamp.line_len_max(body.len()), first, time);
            if self.block.is_empty() {
                first = self.next;
            }
            let before = self.block.len();
            stamp.line(self.next, body, |piece| self.block.extend_from_slice(piece));
            size += self.block.len() - before;
            self.next = self.next.next();
        }
        self.publish(first, time, false);
        size as u64
    }

    /// Publishes a gap line. The numbers of the gap must be the next ones.
    pub(crate) fn push_gap(&mut self, gap: Gap, time: Timestamp, host: &str) {
        debug_assert_eq!(gap.first(), self.next, "numbers have no holes");
        let mut line = Vec::new();
        gap.encode(time, host, &mut line);
        self.make_room(line.len(), gap.first(), time);
        self.block.extend_from_slice(&line);
        self.next = gap.before;
        self.publish(gap.first(), time, true);
    }

    /// Publishes lines that come with numbers. Returns their size, in bytes.
    pub(crate) fn push_numbered(&mut self, lines: &Numbered) -> u64 {
        let (time, mut first) = (lines.time, self.next);
        for line in lines.iter() {
            debug_assert!(line.first >= self.next, "numbers ascend");
            if line.is_gap {
                self.publish(first, time, false);
            }
            self.make_room(line.bytes.len(), first, time);
            if self.block.is_empty() {
                first = line.first;
            }
            self.block.extend_from_slice(line.bytes);
            self.next = line.last.next();
            if line.is_gap {
                self.publish(first, time, true);
            }
        }
        self.publish(first, time, false);
        self.next = self.next.max(lines.next);
        lines.size() as u64
    }

    /// The first number of a line from `next` on that a reader can read or has to miss. `next` itself, unless there are
    /// no lines with that number, because lines came with others.
    pub(crate) fn after_hole(&self, next: Seq) -> Seq {
        if next < self.start {
            return next;
        }
        match self.extents.get(self.index_of(next)) {
            Some(extent) => next.max(extent.first),
            None => next.max(self.next),
        }
    }

    /// Makes room for `len` more bytes in the block. Publishes what is in it when the extent or the
    /// block is full.
    fn make_room(&mut self, len: usize, first: Seq, time: Timestamp) {
        let space = self.block.capacity() - self.block.len();
        if space >= len && self.block.len() < EXTENT_SIZE {
            return;
        }
        self.publish(first, time, false);
        if space < len {
            if let Some(last) = self.extents.back_mut() {
                last.spare += space as u32;
                self.size += space;
            }
            let next = self.blocks.take(len);
            self.blocks.keep(std::mem::replace(&mut self.block, next));
        }
    }

    fn publish(&mut self, first: Seq, time: Timestamp, is_gap: bool) {
        if self.block.is_empty() {
            return;
        }
        let bytes = self.block.split().freeze();
        let extent = Extent { first, last: self.next.previous(), time, bytes, is_gap, spare: 0 };
        self.size += extent.cost();
        self.note_era(first, time);
        self.extents.push_back(extent);
    }

    /// Begins an era with the next extent if the clock stepped back.
    fn note_era(&mut self, first: Seq, time: Timestamp) {
        match self.extents.back() {
            Some(newest) if newest.time <= time => return,
            Some(newest) => self.era_times.set_latest(newest.time),
            None => {}
        }
        self.eras.push_back(first);
        self.era_times.push(time, Timestamp::MAX);
    }

    /// The indices of the first extent of an era, and of the one after its last.
    fn extents_of(&self, era: usize) -> (usize, usize) {
        let end = self.eras.get(era + 1).map_or(self.extents.len(), |next| self.index_of(*next));
        (self.index_of(self.eras[era]), end)
    }

    /// The index of the first extent of an era that is not `earlier`, or of the one after its last.
    fn era_partition_point(&self, era: usize, earlier: impl Fn(Timestamp) -> bool) -> usize {
        let (mut low, mut high) = self.extents_of(era);
        while low < high {
            let middle = low + (high - low) / 2;
            if earlier(self.extents[middle].time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The index of the extent with the number `seq`, or of the first one if that was evicted.
    fn index_of(&self, seq: Seq) -> usize {
        self.extents.partition_point(|extent| extent.last < seq)
    }

    /// Appends the extents from the number `from` on to `out`: at least one if there is any, and as
    /// many as fit into `size` bytes, at most [`EXTENTS_MAX`]. `from` must not be before the start.
    /// The first extent may begin before `from`. A gap is returned alone.
    pub(crate) fn extents_from(&self, from: Seq, size: usize, out: &mut Vec<Extent>) {
        let mut total = 0;
        for extent in self.extents.range(self.index_of(from)..) {
            total += extent.bytes.len();
            if let Some(before) = out.last()
                && (total > size || out.len() == EXTENTS_MAX || before.is_gap || extent.is_gap)
            {
                return;
            }
            out.push(extent.clone());
        }
    }

    /// The extent with the number before `before`. `None` if it is not in the window.
    pub(crate) fn extent_before(&self, before: Seq) -> Option<&Extent> {
        if before <= self.start {
            return None;
        }
        let end = self.extents.partition_point(|extent| extent.first < before);
        self.extents.get(end.checked_sub(1)?)
    }

    /// The first number that was stamped at `time` or later. `None` if there is none in the window.
    pub(crate) fn first_since(&self, time: Timestamp) -> Option<Seq> {
        let era = self.era_times.first_ending_since(time)?;
        let found = self.era_partition_point(era, |at| at < time);
        // Only the last era can end earlier: its end is not known.
        Some(self.extents.get(found)?.first)
    }

    /// The last extent that was stamped at `time` or earlier. `None` if there is none in the window.
    pub(crate) fn last_until(&self, time: Timestamp) -> Option<&Extent> {
        let era = self.era_times.last_beginning_until(time)?;
        // Only the first era can begin later: a part of it may be evicted.
        self.extents.get(self.era_partition_point(era, |at| at <= time).checked_sub(1)?)
    }
}

/// The minimum size of a window, in bytes: one block and the longest line.
pub const WINDOW_SIZE_MIN: usize = BLOCK_SIZE + LINE_MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::event::{Draft, Line};

    fn batch(messages: &[String]) -> Batch {
        let mut batch = Batch::default();
        for msg in messages {
            batch.push(&Draft { msg: msg.into(), ..Draft::default() }, "t", b"");
        }
        batch
    }

    fn stamp() -> Stamp {
        Stamp::new(Timestamp::default(), "h")
    }

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        let text = std::str::from_utf8(bytes).expect("utf-8");
        text.lines().map(|line| Line::parse(line).expect("a line").first_seq().get()).collect()
    }

    #[test]
    fn extents_hold_every_number_once_in_order() {
        let mut window = Window::new(Seq::BEFORE_FIRST, 64 << 20);
        let messages: Vec<String> =
            (0..9000).map(|n| format!("{n} {}", "x".repeat(n % 900))).collect();
        for part in messages.chunks(700) {
            window.push_batch(&batch(part), Timestamp::default(), &stamp());
        }
        let mut extents = Vec::new();
        window.extents_from(Seq::BEFORE_FIRST, usize::MAX, &mut extents);
        assert!(extents.iter().all(|extent| extent.bytes.len() < EXTENT_SIZE + 2000));
        let all: Vec<u64> = extents
            .iter()
            .flat_map(|extent| {
                let numbers = numbers(&extent.bytes);
                assert_eq!(numbers.first(), Some(&extent.first.get()));
                assert_eq!(numbers.last(), Some(&extent.last.get()));
                numbers
            })
            .collect();
        assert_eq!(all, (1..=9000).collect::<Vec<u64>>());
        let from = Seq::new(4321).expect("small");
        extents.clear();
        window.extents_from(from, 1, &mut extents);
        assert_eq!(extents.len(), 1);
        assert!(extents[0].first <= from && from <= extents[0].last);
        let before = window.extent_before(from.next()).map(|extent| extent.first);
        assert_eq!(before, Some(extents[0].first));
        assert!(window.extent_before(Seq::BEFORE_FIRST).is_none());
    }

    #[test]
    fn evicts_the_oldest_and_its_size() {
        let mut window = Window::new(Seq::BEFORE_FIRST, 10_000);
        for n in 0..3 {
            window.push_batch(&batch(&[format!("{n}")]), Timestamp::from_micros(n), &stamp());
        }
        let full = window.size();
        window.evict_oldest();
        assert_eq!(window.start().get(), 2);
        assert!(window.size() < full);
        assert_eq!(window.first_since(Timestamp::from_micros(2)), Seq::new(3));
        window.evict_oldest();
        window.evict_oldest();
        assert_eq!((window.size(), window.start()), (0, window.next()));
        assert!(
            window.has_room(10_000 - EXTENT_COST) && !window.has_room(10_000 - EXTENT_COST + 1)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn finds_times_as_a_linear_search(times in proptest::collection::vec((0..30_i64, 0..3_u8), 1..80)) {
            let mut window = Window::new(Seq::BEFORE_FIRST, 64 << 20);
            for (time, evicted) in times {
                let at = Timestamp::from_micros(time);
                window.push_batch(&batch(&["x".into()]), at, &stamp());
                (0..evicted / 2).for_each(|_| window.evict_oldest());
                for time in (-1..31).map(Timestamp::from_micros) {
                    let since = window.extents.iter().find(|extent| extent.time >= time);
                    assert_eq!(window.first_since(time), since.map(|extent| extent.first));
                    let until = window.extents.iter().rev().find(|extent| extent.time <= time);
                    let found = window.last_until(time).map(|extent| extent.first);
                    assert_eq!(found, until.map(|extent| extent.first));
                }
            }
        }
    }

    #[test]
    fn longest_line_gets_a_block_of_its_own() {
        let mut window = Window::new(Seq::BEFORE_FIRST, WINDOW_SIZE_MIN);
        let long = "\u{1}".repeat(crate::event::DRAFT_MAX);
        window.push_batch(&batch(&["a".into(), long, "b".into()]), Timestamp::default(), &stamp());
        let mut extents = Vec::new();
        window.extents_from(Seq::BEFORE_FIRST, usize::MAX, &mut extents);
        let all: Vec<u64> = extents.iter().flat_map(|extent| numbers(&extent.bytes)).collect();
        assert_eq!(all, [1, 2, 3]);
    }
}
