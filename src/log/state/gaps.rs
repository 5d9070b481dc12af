//! Index of sequence numbers that carry no event, so that gaps report an exact loss count where it is
//! known.

use std::collections::VecDeque;

use crate::event::{Gap, Seq};

/// The maximum number of gaps in the index. Nothing is known about numbers before the oldest one that
/// was dropped.
const GAPS_MAX: usize = 4096;

/// Every number from `from` on is an event, except in these gaps.
#[derive(Debug)]
pub(crate) struct GapIndex {
    from: Seq,
    gaps: VecDeque<Noted>,
    /// The totals of all gaps that were ever noted.
    totals: Totals,
}

#[derive(Debug)]
struct Noted {
    gap: Gap,
    /// The totals of all gaps before this one, so that no count takes a sum over many.
    before: Totals,
}

/// Sums over gaps.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    numbers: u64,
    lost: u64,
    /// Gaps whose count of lost events is not known.
    unknown: u64,
}

impl GapIndex {
    /// An empty index, which knows nothing about numbers before `from`.
    pub(crate) fn starting_at(from: Seq) -> Self {
        Self { from, gaps: VecDeque::new(), totals: Totals::default() }
    }

    /// Adds a gap after all others.
    pub(crate) fn note(&mut self, gap: Gap) {
        self.gaps.push_back(Noted { gap, before: self.totals });
        self.totals.numbers += numbers(&gap);
        self.totals.lost = self.totals.lost.saturating_add(gap.lost.unwrap_or_default());
        self.totals.unknown += u64::from(gap.lost.is_none());
        if self.gaps.len() > GAPS_MAX
            && let Some(oldest) = self.gaps.pop_front()
        {
            self.from = oldest.gap.before;
        }
    }

    /// The number of events strictly between two numbers, including those that limits refused. `None` if
    /// it is not known.
    pub(crate) fn events_between(&self, after: Seq, before: Seq) -> Option<u64> {
        if after.next() < self.from {
            return None;
        }
        let all = before.since(after).saturating_sub(1);
        let first = self.gaps.partition_point(|noted| noted.gap.last() <= after);
        let end = self.gaps.partition_point(|noted| noted.gap.first() < before);
        let Some(last) = end.checked_sub(1).filter(|last| first <= *last) else { return Some(all) };
        // If each number was an event, a part of the gap is known too.
        let cut = |gap: &Gap| gap.after < after || gap.before > before;
        let is_known = |gap: &Gap| !cut(gap) || gap.lost == Some(numbers(gap));
        if ![first, last].iter().all(|at| is_known(&self.gaps[*at].gap)) {
            return None;
        }
        let from = self.gaps[first].before;
        let to = self.gaps.get(end).map_or(self.totals, |noted| noted.before);
        if from.unknown < to.unknown {
            return None;
        }
        // Wrapping: gaps that are cut have as many numbers as events, whatever is within.
        let (numbers, lost) = (to.numbers - from.numbers, to.lost - from.lost);
        Some(all.wrapping_sub(numbers).wrapping_add(lost))
    }
}

fn numbers(gap: &Gap) -> u64 {
    gap.before.since(gap.after).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::event::Why;

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

    /// As [`GapIndex::events_between`], gap by gap.
    fn linear(gaps: &[Gap], from: Seq, after: Seq, before: Seq) -> Option<u64> {
        if after.next() < from {
            return None;
        }
        let mut lost = before.since(after).saturating_sub(1);
        for gap in gaps.iter().filter(|gap| gap.last() > after && gap.first() < before) {
            let gap_lost = gap.lost?;
            if gap_lost == numbers(gap) {
                continue;
            }
            if gap.after < after || gap.before > before {
                return None;
            }
            lost = lost - numbers(gap) + gap_lost;
        }
        Some(lost)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn counts_as_a_linear_search(
            parts in proptest::collection::vec((0..4_u64, 1..4_u64, any::<Option<u8>>(), any::<bool>()), 0..12)
        ) {
            let (mut index, mut list, mut at) = (GapIndex::starting_at(seq(3)), Vec::new(), 3);
            for (events, count, lost, each) in parts {
                let lost = lost.map(|lost| if each { count } else { u64::from(lost) });
                let one = gap(at + events, at + events + count + 1, lost, Why::Rate);
                index.note(one);
                list.push(one);
                at += events + count;
            }
            for after in 1..at + 4 {
                for before in after + 1..at + 6 {
                    let (after, before) = (seq(after), seq(before));
                    let expected = linear(&list, seq(3), after, before);
                    assert_eq!(index.events_between(after, before), expected, "{after} {before} {list:?}");
                }
            }
        }
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
