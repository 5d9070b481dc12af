//! Search by time, where times may step back from one span to the next.

use crate::event::Timestamp;

/// The fewest spans that there is room for.
const CAPACITY_MIN: usize = 8;

/// Spans of time in log order: appended at the end, and removed at the beginning. Spans overlap in any way,
/// because the clock may step back between them.
///
/// A binary tree holds the earliest and the latest time below each node, so that a search takes logarithmic
/// time however often the clock stepped back.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeIndex {
    /// The root is node 1, and the children of node n are 2n and 2n + 1. The second half are the leaves.
    nodes: Vec<Span>,
    /// The leaf of the first span.
    begin: usize,
    /// The leaf after the last span.
    end: usize,
}

/// The earliest and the latest time of a span, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    earliest: i64,
    latest: i64,
}

impl Span {
    /// Contains no time. [`Timestamp`] is narrower than its integer.
    const EMPTY: Self = Self { earliest: i64::MAX, latest: i64::MIN };

    fn joined_with(self, other: Self) -> Self {
        Self { earliest: self.earliest.min(other.earliest), latest: self.latest.max(other.latest) }
    }
}

impl TimeIndex {
    /// Appends the span from `earliest` to `latest`. Takes amortised logarithmic time.
    pub(crate) fn push(&mut self, earliest: Timestamp, latest: Timestamp) {
        if self.end == self.capacity() {
            self.rebuild();
        }
        let span = Span { earliest: earliest.micros(), latest: latest.micros() };
        self.set(self.end, span);
        self.end += 1;
    }

    /// Sets the latest time of the last span.
    pub(crate) fn set_latest(&mut self, latest: Timestamp) {
        if self.begin < self.end {
            let last = self.end - 1;
            let span = Span { latest: latest.micros(), ..self.nodes[self.capacity() + last] };
            self.set(last, span);
        }
    }

    /// Removes the first span.
    pub(crate) fn pop_front(&mut self) {
        if self.begin < self.end {
            self.set(self.begin, Span::EMPTY);
            self.begin += 1;
        }
    }

    /// The index of the first span that ends at `time` or later.
    pub(crate) fn first_ending_since(&self, time: Timestamp) -> Option<usize> {
        self.find([0, 1], |span| span.latest >= time.micros())
    }

    /// The index of the last span that begins at `time` or earlier.
    pub(crate) fn last_beginning_until(&self, time: Timestamp) -> Option<usize> {
        self.find([1, 0], |span| span.earliest <= time.micros())
    }

    /// The index of the first span that begins at `time` or earlier.
    pub(crate) fn first_beginning_until(&self, time: Timestamp) -> Option<usize> {
        self.find([0, 1], |span| span.earliest <= time.micros())
    }

    /// The first leaf that matches, with the children of each node in this order. A node matches if a leaf
    /// below it does.
    fn find(&self, order: [usize; 2], matches: impl Fn(&Span) -> bool) -> Option<usize> {
        let mut node = 1;
        self.nodes.get(node).filter(|root| matches(root))?;
        while node < self.capacity() {
            let child = 2 * node + order[0];
            node = if matches(&self.nodes[child]) { child } else { 2 * node + order[1] };
        }
        Some(node - self.capacity() - self.begin)
    }

    fn capacity(&self) -> usize {
        self.nodes.len() / 2
    }

    fn set(&mut self, leaf: usize, span: Span) {
        let mut node = self.capacity() + leaf;
        self.nodes[node] = span;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].joined_with(self.nodes[2 * node + 1]);
        }
    }

    /// Moves the spans to the beginning of a tree of twice their number.
    fn rebuild(&mut self) {
        let from = self.capacity();
        let spans = self.nodes[from + self.begin..from + self.end].to_vec();
        let capacity = (2 * spans.len()).next_power_of_two().max(CAPACITY_MIN);
        self.nodes = vec![Span::EMPTY; 2 * capacity];
        (self.begin, self.end) = (0, spans.len());
        self.nodes[capacity..capacity + spans.len()].copy_from_slice(&spans);
        for node in (1..capacity).rev() {
            self.nodes[node] = self.nodes[2 * node].joined_with(self.nodes[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::{ProptestConfig, Strategy, prop_oneof, proptest};

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(i64, i64),
        Extend(i64),
        Pop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            5 => (0..40_i64, 0..9_i64).prop_map(|(at, len)| Step::Push(at, at + len)),
            1 => (0..9_i64).prop_map(Step::Extend),
            3 => proptest::strategy::Just(Step::Pop),
        ];
        proptest::collection::vec(step, 1..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn finds_what_a_linear_search_finds(steps in steps()) {
            let at = Timestamp::from_micros;
            let (mut index, mut spans) = (TimeIndex::default(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Push(earliest, latest) => {
                        index.push(at(earliest), at(latest));
                        spans.push_back((at(earliest), at(latest)));
                    }
                    Step::Extend(more) => if let Some((_, latest)) = spans.back_mut() {
                        *latest = latest.plus_micros(more);
                        index.set_latest(*latest);
                    },
                    Step::Pop => {
                        index.pop_front();
                        spans.pop_front();
                    }
                }
                for time in (-1..60).map(at).chain([Timestamp::MIN, Timestamp::MAX]) {
                    let since = spans.iter().position(|(_, latest)| *latest >= time);
                    assert_eq!(index.first_ending_since(time), since, "{time}: {spans:?}");
                    let until = spans.iter().rposition(|(earliest, _)| *earliest <= time);
                    assert_eq!(index.last_beginning_until(time), until, "{time}: {spans:?}");
                    let first = spans.iter().position(|(earliest, _)| *earliest <= time);
                    assert_eq!(index.first_beginning_until(time), first, "{time}: {spans:?}");
                }
            }
        }
    }

    #[test]
    fn room_follows_the_number_of_spans() {
        let mut index = TimeIndex::default();
        for n in 0..100_000 {
            index.push(Timestamp::from_micros(n), Timestamp::from_micros(n));
            if n >= 10 {
                index.pop_front();
            }
        }
        assert!(index.capacity() <= 4 * CAPACITY_MIN, "{}", index.capacity());
        assert_eq!(index.first_ending_since(Timestamp::from_micros(99_995)), Some(5));
    }
}
