//! The newest part of the log, in memory: runs of finished lines.
//!
//! Lines are written into blocks, one behind the other, and published as runs: slices of a block that
//! never change again and that every reader shares. A block is given back when its last run is
//! dropped, by the window or by the last reader that still holds it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::event::{Batch, Gap, LINE_MAX, Seq, Stamp, Timestamp};

/// How many bytes of lines are allocated at once.
const BLOCK_SIZE: usize = 1 << 20;

/// The longest run, in bytes, but for its last line. Keeps what one reader takes at a time small.
pub(crate) const RUN_SIZE: usize = 256 << 10;

/// The most runs that are taken at a time: no system call takes more pieces (IOV_MAX of Linux).
pub(crate) const RUNS_MAX: usize = 1024;

/// What one run costs besides its bytes, in bytes: counted, so that many small runs stay in bounds.
const RUN_COST: usize = size_of::<Run>();

/// Some lines that were appended at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The first number it stands for.
    pub(crate) first: Seq,
    /// The last number it stands for: no number between is missing.
    pub(crate) last: Seq,
    /// The time in all of its lines.
    pub(crate) time: Timestamp,
    /// The lines.
    pub(crate) bytes: Bytes,
    /// Whether it is a gap line, which is always a run of its own.
    pub(crate) is_gap: bool,
}

impl Run {
    fn cost(&self) -> usize {
        self.bytes.len() + RUN_COST
    }
}

/// The runs from one number on up to the newest.
#[derive(Debug)]
pub(crate) struct Window {
    runs: VecDeque<Run>,
    /// The first number that is here, or the next one if nothing is.
    start: Seq,
    /// The next number.
    next: Seq,
    size: usize,
    size_max: usize,
    block: BytesMut,
}

impl Window {
    /// An empty window of at most `size_max` bytes whose first number will be `next`.
    pub(crate) fn new(next: Seq, size_max: usize) -> Self {
        Self { runs: VecDeque::new(), start: next, next, size: 0, size_max, block: BytesMut::new() }
    }

    /// The first number that is here, or the next one if nothing is.
    pub(crate) fn start(&self) -> Seq {
        self.start
    }

    /// The number that the next event gets.
    pub(crate) fn next(&self) -> Seq {
        self.next
    }

    /// How many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether `more` bytes of lines fit without dropping anything.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.size + more + RUN_COST <= self.size_max
    }

    /// The oldest run.
    pub(crate) fn oldest(&self) -> Option<&Run> {
        self.runs.front()
    }

    /// Drops the oldest run.
    pub(crate) fn drop_oldest(&mut self) {
        if let Some(run) = self.runs.pop_front() {
            self.size -= run.cost();
            self.start = run.last.next();
        }
    }

    /// Stamps and publishes a batch. Gives the size of its lines, in bytes.
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

    /// Sees to it that the block can take `len` more bytes; what is in it is published when the run
    /// or the block is full.
    fn make_room(&mut self, len: usize, first: Seq, time: Timestamp) {
        let space = self.block.capacity() - self.block.len();
        if space >= len && self.block.len() < RUN_SIZE {
            return;
        }
        self.publish(first, time, false);
        if space < len {
            self.block = BytesMut::with_capacity(BLOCK_SIZE.max(len));
        }
    }

    fn publish(&mut self, first: Seq, time: Timestamp, is_gap: bool) {
        if self.block.is_empty() {
            return;
        }
        let bytes = self.block.split().freeze();
        let run = Run { first, last: self.next.previous(), time, bytes, is_gap };
        self.size += run.cost();
        self.runs.push_back(run);
    }

    /// The place of the run that holds the number `seq`, which must not be before the start.
    fn index_of(&self, seq: Seq) -> usize {
        self.runs.partition_point(|run| run.last < seq)
    }

    /// Appends the runs from the number `from` on to `out`, at least one if there is any, and as many
    /// as fit into `size` bytes, [`RUNS_MAX`] at most. `from` must not be before the start. The first
    /// run may begin before `from`. A gap comes alone.
    pub(crate) fn runs_from(&self, from: Seq, size: usize, out: &mut Vec<Run>) {
        let mut taken = 0;
        for run in self.runs.range(self.index_of(from)..) {
            taken += run.bytes.len();
            if let Some(before) = out.last()
                && (taken > size || out.len() == RUNS_MAX || before.is_gap || run.is_gap)
            {
                return;
            }
            out.push(run.clone());
        }
    }

    /// The run that holds the number before `before`, if it is here.
    pub(crate) fn run_before(&self, before: Seq) -> Option<&Run> {
        if before <= self.start {
            return None;
        }
        self.runs.get(self.index_of(before.previous()))
    }

    /// The first number that was stamped at `time` or later, if one is here.
    pub(crate) fn first_since(&self, time: Timestamp) -> Option<Seq> {
        // Not a search by halves: a clock that stepped back leaves times that are not in order.
        self.runs.iter().find(|run| run.time >= time).map(|run| run.first)
    }

    /// The last run that was stamped at `time` or earlier, if one is here.
    pub(crate) fn last_until(&self, time: Timestamp) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.time <= time)
    }
}

/// A window is never smaller than one block and the longest line.
pub const WINDOW_SIZE_MIN: usize = BLOCK_SIZE + LINE_MAX;

#[cfg(test)]
mod tests {
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
    fn runs_hold_every_number_once_in_order() {
        let mut window = Window::new(Seq::BEFORE_FIRST, 64 << 20);
        let messages: Vec<String> =
            (0..9000).map(|n| format!("{n} {}", "x".repeat(n % 900))).collect();
        for part in messages.chunks(700) {
            window.push_batch(&batch(part), Timestamp::default(), &stamp());
        }
        let mut runs = Vec::new();
        window.runs_from(Seq::BEFORE_FIRST, usize::MAX, &mut runs);
        assert!(runs.iter().all(|run| run.bytes.len() < RUN_SIZE + 2000));
        let all: Vec<u64> = runs
            .iter()
            .flat_map(|run| {
                let numbers = numbers(&run.bytes);
                assert_eq!(numbers.first(), Some(&run.first.get()));
                assert_eq!(numbers.last(), Some(&run.last.get()));
                numbers
            })
            .collect();
        assert_eq!(all, (1..=9000).collect::<Vec<u64>>());
        let from = Seq::new(4321).expect("small");
        runs.clear();
        window.runs_from(from, 1, &mut runs);
        assert_eq!(runs.len(), 1);
        assert!(runs[0].first <= from && from <= runs[0].last);
        assert_eq!(window.run_before(from.next()).map(|run| run.first), Some(runs[0].first));
        assert!(window.run_before(Seq::BEFORE_FIRST).is_none());
    }

    #[test]
    fn the_oldest_go_first_and_their_size_with_them() {
        let mut window = Window::new(Seq::BEFORE_FIRST, 10_000);
        for n in 0..3 {
            window.push_batch(&batch(&[format!("{n}")]), Timestamp::from_micros(n), &stamp());
        }
        let full = window.size();
        window.drop_oldest();
        assert_eq!(window.start().get(), 2);
        assert!(window.size() < full);
        assert_eq!(window.first_since(Timestamp::from_micros(2)), Seq::new(3));
        window.drop_oldest();
        window.drop_oldest();
        assert_eq!((window.size(), window.start()), (0, window.next()));
        assert!(window.has_room(10_000 - RUN_COST) && !window.has_room(10_000 - RUN_COST + 1));
    }

    #[test]
    fn the_longest_line_has_room_in_a_block_of_its_own() {
        let mut window = Window::new(Seq::BEFORE_FIRST, WINDOW_SIZE_MIN);
        let long = "\u{1}".repeat(crate::event::DRAFT_MAX);
        window.push_batch(&batch(&["a".into(), long, "b".into()]), Timestamp::default(), &stamp());
        let mut runs = Vec::new();
        window.runs_from(Seq::BEFORE_FIRST, usize::MAX, &mut runs);
        let all: Vec<u64> = runs.iter().flat_map(|run| numbers(&run.bytes)).collect();
        assert_eq!(all, [1, 2, 3]);
    }
}
