//! Index of sequence numbers that carry no event, so that gaps report an exact loss count where it is
//! known.

use std::collections::VecDeque;

use crate::event::{Gap, Seq, Why};

/// The maximum number of gaps in the index. Nothing is known about numbers before the oldest one that
/// was dropped.
const GAPS_MAX: usize = 4096;

/// Every number from `from` on is an event, except in these gaps.
#[derive(Debug)]
pub(crate) struct GapIndex {
    from: Seq,
    gaps: VecDeque<Gap>,
}

impl GapIndex {
    /// An empty index, which knows nothing about numbers before `from`.
    pub(crate) fn starting_at(from: Seq) -> Self {
        Self { from, gaps: VecDeque::new() }
    }

    /// Adds a gap after all others.
    pub(crate) fn note(&mut self, gap: Gap) {
        self.gaps.push_back(gap);
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        if self.gaps.len() > GAPS_MAX
            && let Some(oldest) = self.gaps.pop_front()
        {
            self.from = oldest.before;
        }
    }

    /// Notes that the numbers from `first` to `last` were evicted before they were stored. Evictions are
    /// in order.
    pub(crate) fn note_unstored(&mut self, first: Seq, last: Seq) {
        let after = first.previous();
        let mut lost = self.events_between(after, last.next());
        let mut from = after;
        self.gaps.retain(|gap| {
            let joins = gap.why == Why::Storage && gap.before == first;
            if joins {
                from = gap.after;
                lost = lost.zip(gap.lost).map(|(a, b)| a + b);
            }
            !joins && (gap.first() > last || gap.last() < first)
        });
        let gap = Gap { after: from, before: last.next(), lost, why: Why::Storage };
        let at = self.gaps.partition_point(|other| other.after < gap.after);
        self.gaps.insert(at, gap);
        self.forget_oldest();
    }

    /// The number of events strictly between two numbers, including those that limits refused. `None` if
    /// it is not known.
    pub(crate) fn events_between(&self, after: Seq, before: Seq) -> Option<u64> {
        if after.next() < self.from {
            return None;
        }
        let mut lost = before.since(after).saturating_sub(1);
        for gap in self.within(after, before) {
            let numbers = gap.before.since(gap.after) - 1;
            let gap_lost = gap.lost?;
            // Each number was an event, so that a part of the gap is known too.
            if gap_lost == numbers {
                continue;
            }
            if gap.after < after || gap.before > before {
                return None;
            }
            lost = lost - numbers + gap_lost;
        }
        Some(lost)
    }

    /// `true` if no number from `first` to `last` was evicted before it was stored.
    pub(crate) fn all_stored(&self, first: Seq, last: Seq) -> bool {
        let mut within = self.within(first.previous(), last.next());
        first >= self.from && !within.any(|gap| gap.why == Why::Storage)
    }

    fn within(&self, after: Seq, before: Seq) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(move |gap| gap.last() > after && gap.first() < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    fn gap(after: u64, before: u64, lost: Option<u64>, why: Why) -> Gap {
        Gap { after: seq(after), before: seq(before), lost, why }
    }

    #[test]
    fn counts_events_where_it_can() {
        let mut gaps = GapIndex::starting_at(seq(10));
        gaps.note(gap(20, 22, Some(500), Why::Rate));
        gaps.note(gap(30, 32, Some(0), Why::Clock));
        assert_eq!(gaps.events_between(seq(9), seq(15)), Some(5));
        assert_eq!(gaps.events_between(seq(8), seq(15)), None);
        assert_eq!(gaps.events_between(seq(15), seq(35)), Some(19 - 2 + 500));
        gaps.note(gap(40, 100, None, Why::Restart));
        assert_eq!(gaps.events_between(seq(35), seq(40)), Some(4));
        assert_eq!(gaps.events_between(seq(35), seq(101)), None);
    }

    #[test]
    fn joins_unstored_numbers_to_one_gap() {
        let mut gaps = GapIndex::starting_at(seq(2));
        gaps.note(gap(10, 12, Some(7), Why::Rate));
        gaps.note(gap(50, 52, Some(1), Why::Rate));
        for n in 8..=14 {
            gaps.note_unstored(seq(n), seq(n));
        }
        assert_eq!(gaps.events_between(seq(7), seq(15)), Some(6 + 7));
        assert_eq!(gaps.gaps.len(), 2);
        assert!(!gaps.all_stored(seq(14), seq(20)));
        assert!(gaps.all_stored(seq(15), seq(60)));
        assert!(!gaps.all_stored(seq(1), seq(1)));
    }

    #[test]
    fn drops_the_oldest_beyond_its_bound() {
        let mut gaps = GapIndex::starting_at(seq(2));
        for n in 0..=GAPS_MAX as u64 {
            gaps.note(gap(10 * n + 5, 10 * n + 7, Some(3), Why::Rate));
        }
        assert_eq!(gaps.gaps.len(), GAPS_MAX);
        assert_eq!(gaps.events_between(seq(5), seq(9)), None);
        assert_eq!(gaps.events_between(seq(6), seq(9)), Some(2));
    }
}
