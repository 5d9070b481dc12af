//! Values over time: one-minute buckets of the window, and a ring of shorter intervals.

use super::Period;
use super::text::ALLOCATION;
use crate::event::Timestamp;

/// The length of the window of a view, in minutes. Each has one bucket.
pub const WINDOW_MINUTES: usize = 15;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// A value of a bucket.
pub(super) trait Sum: Default {
    /// Adds the value of another bucket.
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

/// The minute of a time, counted from 1970.
pub(super) fn minute_of(time: Timestamp) -> i64 {
    time.micros().div_euclid(MINUTE)
}

/// The start of the window at `now`.
pub(super) fn window_start(now: Timestamp) -> Timestamp {
    Timestamp::from_micros((oldest_at(minute_of(now))) * MINUTE)
}

/// The oldest minute of a window whose newest minute is `newest`.
const fn oldest_at(newest: i64) -> i64 {
    newest - (WINDOW_MINUTES as i64 - 1)
}

/// The buckets of the minutes in the window that have a value.
#[derive(Clone, Debug)]
pub(super) struct Buckets<T> {
    /// In ascending order, at most [`WINDOW_MINUTES`].
    minutes: Vec<(i64, T)>,
    /// The sum of the buckets that left the window, for [`Period::Whole`].
    older: Option<Box<T>>,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self { minutes: Vec::new(), older: None }
    }
}

impl<T: Sum> Buckets<T> {
    /// The bucket of a time. Buckets that leave the window are dropped or, for [`Period::Whole`], summed
    /// up. A time before the window belongs to its oldest minute.
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

    /// The buckets of the period at `now`.
    pub(super) fn counted(&self, now: Timestamp, period: Period) -> impl Iterator<Item = &T> {
        let oldest = match period {
            Period::Recent => oldest_at(minute_of(now)),
            Period::Whole => i64::MIN,
        };
        let within = self.minutes.iter().filter(move |bucket| bucket.0 >= oldest);
        self.older.as_deref().into_iter().chain(within.map(|bucket| &bucket.1))
    }

    /// The sum of the period at `now`.
    pub(super) fn total(&self, now: Timestamp, period: Period) -> T {
        let mut total = T::default();
        self.counted(now, period).for_each(|bucket| total.add(bucket));
        total
    }

    /// The buckets of the window with their age in minutes. The current minute has age 0.
    pub(super) fn by_age(&self, now: Timestamp) -> impl Iterator<Item = (usize, &T)> {
        let now = minute_of(now);
        let age = move |minute: i64| usize::try_from((now - minute).max(0)).unwrap_or(usize::MAX);
        let all = self.minutes.iter().map(move |(minute, bucket)| (age(*minute), bucket));
        all.filter(|(age, _)| *age < WINDOW_MINUTES)
    }

    /// A number for each minute of the window, the oldest first. The last is the current minute.
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

/// The values of the last intervals of equal width.
#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    /// The width of an interval, in microseconds.
    width: i64,
    /// The number and the value of each interval, at its number modulo the length.
    intervals: Box<[(i64, T)]>,
}

impl<T: Copy + Default> Ring<T> {
    /// A ring of `count` intervals of `seconds` each.
    pub(super) fn new(count: usize, seconds: i64) -> Self {
        let never = (i64::MIN, T::default());
        Self { width: seconds * SECOND, intervals: vec![never; count].into() }
    }

    /// The value of the interval of a time. `None` if the ring has a later one in its place: the clock of another host is
    /// behind.
    pub(super) fn at(&mut self, time: Timestamp) -> Option<&mut T> {
        let number = time.micros().div_euclid(self.width);
        let index = number.rem_euclid(self.intervals.len() as i64) as usize;
        let interval = &mut self.intervals[index];
        if interval.0 < number {
            *interval = (number, T::default());
        }
        (interval.0 == number).then_some(&mut interval.1)
    }

    /// The values of the last `count` intervals up to `now`, the oldest first.
    pub(super) fn last(&self, count: usize, now: Timestamp) -> impl Iterator<Item = T> {
        let newest = now.micros().div_euclid(self.width);
        (newest - count as i64 + 1..=newest).map(|number| {
            let index = number.rem_euclid(self.intervals.len() as i64) as usize;
            let interval = self.intervals[index];
            if interval.0 == number { interval.1 } else { T::default() }
        })
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.intervals) + ALLOCATION
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
    fn bounds_the_window() {
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
    fn whole_period_sums_what_leaves_the_window() {
        let buckets = filled(Period::Whole, 0..1000);
        assert_eq!(buckets.total(at(5000), Period::Whole), 1000);
        assert_eq!(buckets.minutes.len(), WINDOW_MINUTES);
        assert_eq!(buckets.series(at(999), |n| *n), vec![1; WINDOW_MINUTES]);
    }

    #[test]
    fn late_values_belong_to_their_minute_or_the_oldest() {
        let buckets = filled(Period::Recent, [100, 98, 98, 20, 100]);
        let mut series = vec![0; WINDOW_MINUTES];
        (series[0], series[12], series[14]) = (1, 2, 2);
        assert_eq!(buckets.series(at(100), |n| *n), series);
        assert_eq!(
            buckets.series(at(99), |n| *n)[13..],
            [2, 2],
            "future minutes are the current one"
        );
    }

    #[test]
    fn ring_replaces_old_intervals() {
        let second = |n: i64| Timestamp::from_micros(n * SECOND);
        let mut ring: Ring<u32> = Ring::new(10, 1);
        (0..30).for_each(|n| *ring.at(second(n)).expect("newer") += 1);
        assert_eq!(ring.last(10, second(29)).collect::<Vec<_>>(), [1; 10]);
        assert_eq!(ring.last(10, second(34)).sum::<u32>(), 5);
        assert_eq!(ring.last(10, second(39)).sum::<u32>(), 0);
        assert!(ring.at(second(19)).is_none() && ring.at(second(20)).is_some());
    }
}
