//! What is known about the numbers of a log that stand for no event: so that a gap can tell how many
//! events are missing, and keeps silent where nobody can know.

use std::collections::VecDeque;

use crate::event::{Gap, Seq, Why};

/// How many gaps are remembered. What lies before the oldest of them is then no longer known.
const GAPS_MAX: usize = 4096;

/// Every number from one on is an event, except in these gaps.
#[derive(Debug)]
pub(crate) struct Known {
    from: Seq,
    gaps: VecDeque<Gap>,
}

impl Known {
    /// Nothing is known before `from`.
    pub(crate) fn from(from: Seq) -> Self {
        Self { from, gaps: VecDeque::new() }
    }

    /// Notes a gap behind all others.
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

    /// Notes that the numbers from `first` to `last` went without being stored, in the order in which
    /// they go.
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
        let place = self.gaps.partition_point(|other| other.after < gap.after);
        self.gaps.insert(place, gap);
        self.forget_oldest();
    }

    /// How many events are missing for a reader to whom nothing strictly between the two is given.
    pub(crate) fn events_between(&self, after: Seq, before: Seq) -> Option<u64> {
        if after.next() < self.from {
            return None;
        }
        let mut lost = before.since(after).saturating_sub(1);
        for gap in self.within(after, before) {
            let numbers = gap.before.since(gap.after) - 1;
            let told = gap.lost?;
            // Where each number was an event, each number counts, whichever part is meant.
            if told == numbers {
                continue;
            }
            if gap.after < after || gap.before > before {
                return None;
            }
            lost = lost - numbers + told;
        }
        Some(lost)
    }

    /// Whether nothing from `first` to `last` went without being stored, as far as anybody knows.
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
    fn counts_events_and_keeps_silent_where_it_cannot_know() {
        let mut known = Known::from(seq(10));
        known.note(gap(20, 22, Some(500), Why::Rate));
        known.note(gap(30, 32, Some(0), Why::Clock));
        assert_eq!(known.events_between(seq(9), seq(15)), Some(5));
        assert_eq!(known.events_between(seq(8), seq(15)), None);
        assert_eq!(known.events_between(seq(15), seq(35)), Some(19 - 2 + 500));
        known.note(gap(40, 100, None, Why::Restart));
        assert_eq!(known.events_between(seq(35), seq(40)), Some(4));
        assert_eq!(known.events_between(seq(35), seq(101)), None);
    }

    #[test]
    fn what_went_unstored_is_one_gap_and_remembered() {
        let mut known = Known::from(seq(2));
        known.note(gap(10, 12, Some(7), Why::Rate));
        known.note(gap(50, 52, Some(1), Why::Rate));
        for n in 8..=14 {
            known.note_unstored(seq(n), seq(n));
        }
        assert_eq!(known.events_between(seq(7), seq(15)), Some(6 + 7));
        assert_eq!(known.gaps.len(), 2);
        assert!(!known.all_stored(seq(14), seq(20)));
        assert!(known.all_stored(seq(15), seq(60)));
        assert!(!known.all_stored(seq(1), seq(1)));
    }

    #[test]
    fn remembers_a_bounded_number_of_gaps() {
        let mut known = Known::from(seq(2));
        for n in 0..=GAPS_MAX as u64 {
            known.note(gap(10 * n + 5, 10 * n + 7, Some(3), Why::Rate));
        }
        assert_eq!(known.gaps.len(), GAPS_MAX);
        assert_eq!(known.events_between(seq(5), seq(9)), None);
        assert_eq!(known.events_between(seq(6), seq(9)), Some(2));
    }
}
