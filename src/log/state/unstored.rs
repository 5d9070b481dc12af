//! The numbers that the window evicted before they were stored, so that no SYNC of them succeeds.

use std::collections::VecDeque;

use crate::event::Seq;

/// The maximum number of ranges. Each one takes a failure of the disk and its recovery.
const RANGES_MAX: usize = 4096;

/// Ranges of numbers, in order. An index of its own: no other kind of gap takes its place, so that what a
/// SYNC says of the disk is right however many of them there are.
#[derive(Debug, Default)]
pub(crate) struct Unstored {
    ranges: VecDeque<Range>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: Seq,
    last: Seq,
}

impl Unstored {
    /// Notes that the numbers from `first` to `last` were evicted before they were stored. Evictions are
    /// in order.
    pub(crate) fn note(&mut self, first: Seq, last: Seq) {
        match self.ranges.back_mut() {
            Some(newest) if newest.last.next() == first => newest.last = last,
            _ => self.ranges.push_back(Range { first, last }),
        }
        if self.ranges.len() > RANGES_MAX
            && let Some(oldest) = self.ranges.pop_front()
            && let Some(second) = self.ranges.front_mut()
        {
            // What was stored between the two is doubted too: a SYNC never claims too much.
            second.first = oldest.first;
        }
    }

    /// `true` if a number from `first` to `last` was evicted before it was stored.
    pub(crate) fn overlaps(&self, first: Seq, last: Seq) -> bool {
        let at = self.ranges.partition_point(|range| range.last < first);
        self.ranges.get(at).is_some_and(|range| range.first <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn adjacent_ranges_join() {
        let mut unstored = Unstored::default();
        assert!(!unstored.overlaps(seq(1), seq(100)));
        for n in (8..=14).chain(20..=29) {
            unstored.note(seq(n), seq(n));
        }
        assert_eq!(unstored.ranges.len(), 2);
        for (first, last, overlaps) in [
            (1, 7, false),
            (1, 8, true),
            (14, 14, true),
            (15, 19, false),
            (10, 25, true),
            (30, 90, false),
        ] {
            assert_eq!(unstored.overlaps(seq(first), seq(last)), overlaps, "{first} to {last}");
        }
    }

    #[test]
    fn beyond_the_bound_the_oldest_join() {
        let mut unstored = Unstored::default();
        for n in 1..=RANGES_MAX as u64 {
            unstored.note(seq(10 * n), seq(10 * n + 1));
        }
        assert!(!unstored.overlaps(seq(12), seq(19)));
        unstored.note(seq(1_000_000), seq(1_000_000));
        assert_eq!(unstored.ranges.len(), RANGES_MAX);
        assert!(unstored.overlaps(seq(12), seq(19)) && !unstored.overlaps(seq(22), seq(29)));
    }
}
