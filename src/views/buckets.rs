//! What happened when: one-minute buckets over the window, and a ring of finer ones.

use super::Period;
use super::text::ALLOCATION;
use crate::event::Timestamp;

/// The window of a view, in minutes: one bucket each.
pub const WINDOW_MINUTES: usize = 15;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// What can be summed up in a bucket.
pub(super) trait Sum: Default {
    /// Adds what another bucket holds.
    fn add(&mut self, other: &Self);

    /// Bytes on the heap.
    fn size(&self) -> usize {
        0
    }
}

impl Sum for u64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

/// The minute in which a moment lies, counted from 1970.
pub(super) fn minute_of(time: Timestamp) -> i64 {
    time.micros().div_euclid(MINUTE)
}

/// The first moment of the window that ends at `now`.
pub(super) fn window_start(now: Timestamp) -> Timestamp {
    Timestamp::from_micros((oldest_at(minute_of(now))) * MINUTE)
}

/// The oldest minute of the window that ends in the minute `newest`.
const fn oldest_at(newest: i64) -> i64 {
    newest - (WINDOW_MINUTES as i64 - 1)
}

/// A bucket for each minute of the window in which something happened.
#[derive(Clone, Debug)]
pub(super) struct Buckets<T> {
    /// By minute, ascending; at most [`WINDOW_MINUTES`].
    minutes: Vec<(i64, T)>,
    /// What left the window, where it still counts.
    older: Option<Box<T>>,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self { minutes: Vec::new(), older: None }
    }
}

impl<T: Sum> Buckets<T> {
    /// The bucket of a moment. What leaves the window for it is dropped or, for [`Period::Whole`],
    /// added up. A moment before the window counts in its oldest minute.
    pub(super) fn at(&mut self, time: Timestamp, period: Period) -> &mut T {
        let minute = minute_of(time);
        if self.minutes.last().is_some_and(|last| last.0 == minute) {
            let last = self.minutes.len() - 1;
            return &mut self.minutes[last].1;
        }
        let newest = self.minutes.last().map_or(minute, |last| last.0.max(minute));
        let oldest = oldest_at(newest);
        while self.minutes.first().is_some_and(|first| first.0 < oldest) {
            let (_, left) = self.minutes.remove(0);
            if period == Period::Whole {
                self.older.get_or_insert_default().add(&left);
            }
        }
        let minute = minute.max(oldest);
        let at = match self.minutes.binary_search_by_key(&minute, |bucket| bucket.0) {
            Ok(at) => at,
            Err(at) => {
                self.minutes.insert(at, (minute, T::default()));
                at
            }
        };
        &mut self.minutes[at].1
    }

    /// The buckets that count at `now`: those of the window, or all.
    pub(super) fn counted(&self, now: Timestamp, period: Period) -> impl Iterator<Item = &T> {
        let oldest = match period {
            Period::Recent => oldest_at(minute_of(now)),
            Period::Whole => i64::MIN,
        };
        let within = self.minutes.iter().filter(move |bucket| bucket.0 >= oldest);
        self.older.as_deref().into_iter().chain(within.map(|bucket| &bucket.1))
    }

    /// Everything that counts at `now`.
    pub(super) fn total(&self, now: Timestamp, period: Period) -> T {
        let mut total = T::default();
        self.counted(now, period).for_each(|bucket| total.add(bucket));
        total
    }

    /// How many minutes before `now`'s each bucket lies, and the bucket; 0 is the minute of `now`.
    /// Only those of the window.
    pub(super) fn by_age(&self, now: Timestamp) -> impl Iterator<Item = (usize, &T)> {
        let now = minute_of(now);
        let age = move |minute: i64| usize::try_from((now - minute).max(0)).unwrap_or(usize::MAX);
        let all = self.minutes.iter().map(move |(minute, bucket)| (age(*minute), bucket));
        all.filter(|(age, _)| *age < WINDOW_MINUTES)
    }

    /// A number for each minute of the window that ends at `now`, the oldest first.
    pub(super) fn series(&self, now: Timestamp, of: impl Fn(&T) -> u64) -> Vec<u64> {
        let mut series = vec![0; WINDOW_MINUTES];
        for (age, bucket) in self.by_age(now) {
            series[WINDOW_MINUTES - 1 - age] += of(bucket);
        }
        series
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let inside: usize = self.minutes.iter().map(|bucket| bucket.1.size()).sum();
        let older = self.older.as_ref().map_or(0, |older| size_of::<T>() + older.size());
        self.minutes.capacity() * size_of::<(i64, T)>() + inside + older + 2 * ALLOCATION
    }
}

/// Numbers for the last few seconds or for stretches of some seconds, each replaced by the one that
/// is a round later.
#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    /// How long each stretch is, in microseconds.
    width: i64,
    stretches: Box<[(i64, T)]>,
}

impl<T: Copy + Default> Ring<T> {
    /// `count` stretches of `seconds` each.
    pub(super) fn new(count: usize, seconds: i64) -> Self {
        let never = (i64::MIN, T::default());
        Self { width: seconds * SECOND, stretches: vec![never; count].into() }
    }

    /// That of a moment.
    pub(super) fn at(&mut self, time: Timestamp) -> &mut T {
        let number = time.micros().div_euclid(self.width);
        let index = number.rem_euclid(self.stretches.len() as i64) as usize;
        let stretch = &mut self.stretches[index];
        if stretch.0 != number {
            *stretch = (number, T::default());
        }
        &mut stretch.1
    }

    /// The last `count` of them up to `now`, the oldest first.
    pub(super) fn last(&self, count: usize, now: Timestamp) -> impl Iterator<Item = T> {
        let newest = now.micros().div_euclid(self.width);
        (newest - count as i64 + 1..=newest).map(|number| {
            let index = number.rem_euclid(self.stretches.len() as i64) as usize;
            let stretch = self.stretches[index];
            if stretch.0 == number { stretch.1 } else { T::default() }
        })
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.stretches) + ALLOCATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * MINUTE + 5)
    }

    fn filled(period: Period, minutes: impl IntoIterator<Item = i64>) -> Buckets<u64> {
        let mut buckets = Buckets::default();
        minutes.into_iter().for_each(|minute| *buckets.at(at(minute), period) += 1);
        buckets
    }

    #[test]
    fn the_window_holds_its_bound_from_both_sides() {
        let window = WINDOW_MINUTES as i64;
        let buckets = filled(Period::Recent, 100..100 + window);
        assert_eq!(buckets.total(at(100 + window - 1), Period::Recent), WINDOW_MINUTES as u64);
        assert_eq!(buckets.total(at(100 + window), Period::Recent), WINDOW_MINUTES as u64 - 1);
        let buckets = filled(Period::Recent, 0..1000);
        assert_eq!(buckets.minutes.len(), WINDOW_MINUTES);
        assert_eq!(buckets.total(at(5000), Period::Recent), 0);
        assert_eq!(buckets.series(at(1000), |n| *n).iter().sum::<u64>(), WINDOW_MINUTES as u64 - 1);
        assert_eq!(window_start(at(1000)), Timestamp::from_micros((1001 - window) * MINUTE));
    }

    #[test]
    fn the_whole_period_keeps_what_leaves_the_window() {
        let buckets = filled(Period::Whole, 0..1000);
        assert_eq!(buckets.total(at(5000), Period::Whole), 1000);
        assert_eq!(buckets.minutes.len(), WINDOW_MINUTES);
        assert_eq!(buckets.series(at(999), |n| *n), vec![1; WINDOW_MINUTES]);
    }

    #[test]
    fn late_ones_count_in_their_minute_or_in_the_oldest() {
        let buckets = filled(Period::Recent, [100, 98, 98, 20, 100]);
        let mut series = vec![0; WINDOW_MINUTES];
        (series[0], series[12], series[14]) = (1, 2, 2);
        assert_eq!(buckets.series(at(100), |n| *n), series);
        assert_eq!(buckets.series(at(99), |n| *n)[13..], [2, 2], "what is ahead counts as now");
    }

    #[test]
    fn a_ring_forgets_what_is_a_round_older() {
        let second = |n: i64| Timestamp::from_micros(n * SECOND);
        let mut ring: Ring<u32> = Ring::new(10, 1);
        (0..30).for_each(|n| *ring.at(second(n)) += 1);
        assert_eq!(ring.last(10, second(29)).collect::<Vec<_>>(), [1; 10]);
        assert_eq!(ring.last(10, second(34)).sum::<u32>(), 5);
        assert_eq!(ring.last(10, second(39)).sum::<u32>(), 0);
        *ring.at(second(3)) += 7;
        assert_eq!(ring.last(4, second(4)).collect::<Vec<_>>(), [0, 0, 7, 0]);
    }
}
