//! Durations: count, sum, maximum and percentiles, in bounded memory.
//!
//! Percentiles come from an exponential histogram, as in OpenTelemetry and Prometheus: bucket bounds
//! are powers of 2^(1/32), so a percentile is accurate to about one percent at any scale. Empty buckets
//! take no memory. Above its bound, a histogram merges neighbouring buckets, which doubles the error.
//!
//! Not a DDSketch, because a dense one takes 1 KiB for its first value. This takes 8 bytes, so that
//! each row can have a histogram for each minute of the window.

use serde::Serialize;

use super::buckets::Sum;

/// The most buckets of a sum of histograms: accurate to one percent within 16 octaves.
pub(super) const SUM_BUCKETS_MAX: usize = 512;

/// The buckets of an octave at full resolution.
const PER_OCTAVE: f64 = 32.0;

/// Shorter durations count as 0, in seconds.
const SHORTEST: f64 = 1e-9;

/// The index of [`SHORTEST`].
const INDEX_MIN: i16 = -957;

/// A histogram of durations.
#[derive(Clone, Debug, Default)]
struct Histogram {
    /// How often neighbouring buckets were merged.
    merges: u8,
    /// Index and count, in order of the index.
    buckets: Vec<(i16, u32)>,
}

impl Histogram {
    fn add(&mut self, seconds: f64, buckets_max: usize) {
        // Fits in i16: durations are bounded.
        let finest = (seconds.max(SHORTEST).log2() * PER_OCTAVE).floor() as i16;
        loop {
            let index = finest >> self.merges;
            match self.buckets.binary_search_by_key(&index, |bucket| bucket.0) {
                Ok(at) => return self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
                Err(at) if self.buckets.len() < buckets_max => {
                    return self.buckets.insert(at, (index, 1));
                }
                Err(_) => self.halve_resolution(),
            }
        }
    }

    fn add_count(&mut self, index: i16, count: u32) {
        match self.buckets.binary_search_by_key(&index, |bucket| bucket.0) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (index, count)),
        }
    }

    fn halve_resolution(&mut self) {
        self.merges += 1;
        self.buckets.iter_mut().for_each(|bucket| bucket.0 >>= 1);
        self.buckets.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 = if same { kept.1.saturating_add(later.1) } else { kept.1 };
            same
        });
    }

    fn merge(&mut self, other: &Self, buckets_max: usize) {
        while self.merges < other.merges {
            self.halve_resolution();
        }
        let shift = self.merges - other.merges;
        for (index, count) in &other.buckets {
            self.add_count(index >> shift, *count);
        }
        while self.buckets.len() > buckets_max {
            self.halve_resolution();
        }
    }

    /// The duration at a quantile from 0 to 1. `None` if the histogram is empty.
    fn quantile(&self, quantile: f64) -> Option<f64> {
        let count: u64 = self.buckets.iter().map(|bucket| u64::from(bucket.1)).sum();
        let rank = (quantile * count.checked_sub(1)? as f64) as u64;
        let mut seen = 0;
        let at = self.buckets.iter().find(|bucket| {
            seen += u64::from(bucket.1);
            seen > rank
        })?;
        Some(self.middle_of(at.0))
    }

    /// The geometric middle of a bucket, in seconds.
    fn middle_of(&self, index: i16) -> f64 {
        if index <= INDEX_MIN >> self.merges {
            return 0.0;
        }
        let width = f64::from(1u32 << self.merges.min(16));
        ((f64::from(index) + 0.5) * width / PER_OCTAVE).exp2()
    }
}

/// Durations of events.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations {
    pub(super) count: u64,
    /// The sum, in seconds.
    pub(super) total: f64,
    /// The maximum, in seconds.
    pub(super) max: f64,
    histogram: Histogram,
}

impl Durations {
    /// Adds a duration in seconds, with at most `buckets_max` buckets.
    pub(super) fn push(&mut self, seconds: f64, buckets_max: usize) {
        self.count += 1;
        self.total += seconds;
        self.max = self.max.max(seconds);
        self.histogram.add(seconds, buckets_max);
    }

    /// The duration at a quantile, to three digits. `None` if there is no duration.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        // The maximum is exact, a bucket is not.
        self.histogram.quantile(quantile).map(|seconds| round(seconds).min(self.max))
    }

    /// The durations for a snapshot. `None` if there are none.
    pub(super) fn shown(&self) -> Option<Took> {
        Some(Took {
            count: self.count,
            total: self.total,
            p50: self.quantile(0.5)?,
            p95: self.quantile(0.95)?,
            p99: self.quantile(0.99)?,
            max: self.max,
        })
    }
}

impl Sum for Durations {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total += other.total;
        self.max = self.max.max(other.max);
        self.histogram.merge(&other.histogram, SUM_BUCKETS_MAX);
    }

    fn size(&self) -> usize {
        self.histogram.buckets.capacity() * size_of::<(i16, u32)>()
    }
}

/// Rounds to three digits: a histogram is no more accurate.
fn round(seconds: f64) -> f64 {
    format!("{seconds:.2e}").parse().unwrap_or(seconds)
}

/// The durations of events, in seconds. Percentiles are accurate to about one percent, those of a shape
/// whose durations vary widely to about four.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Took {
    /// The number of events with a duration.
    pub count: u64,
    /// The sum.
    pub total: f64,
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum, exact.
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::duration::SECONDS_MAX;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    const MAX: usize = 64;

    fn of(all: impl IntoIterator<Item = f64>) -> Durations {
        let mut durations = Durations::default();
        all.into_iter().for_each(|seconds| durations.push(seconds, MAX));
        durations
    }

    #[test]
    fn percentiles_are_accurate() {
        let took = of((1..=100).map(|ms| f64::from(ms) / 1e3));
        let mut total = Durations::default();
        total.add(&took);
        let took = total.shown().expect("some");
        assert_eq!((took.count, took.max), (100, 0.1));
        for (found, exact) in [(took.p50, 0.05), (took.p95, 0.095), (took.p99, 0.099)] {
            assert!((found / exact - 1.0).abs() < 0.025, "{took:?}");
        }
        let same = of([0.04; 9]).shown().expect("some");
        assert!(same.p50 <= 0.04 && same.p50 > 0.0395, "{same:?}");
    }

    #[test]
    fn covers_the_whole_scale() {
        let ends = of([0.0, 0.0, SECONDS_MAX]);
        assert_eq!((ends.quantile(0.5), ends.max), (Some(0.0), SECONDS_MAX));
        assert!((ends.quantile(1.0).expect("some") / SECONDS_MAX - 1.0).abs() < 0.02);
        assert_eq!(of([]).shown(), None);
        assert_eq!((SHORTEST.log2() * PER_OCTAVE).floor(), f64::from(INDEX_MIN));
        assert!(SECONDS_MAX.log2() * PER_OCTAVE < f64::from(i16::MAX));
    }

    #[test]
    fn bounds_buckets() {
        let spread = |count: usize| of((0..count).map(|n| ((n as f64 + 0.5) / PER_OCTAVE).exp2()));
        let full = spread(MAX);
        assert_eq!((full.histogram.buckets.len(), full.histogram.merges), (MAX, 0));
        let over = spread(MAX + 1);
        assert!(over.histogram.buckets.len() <= MAX && over.histogram.merges == 1);
        assert_eq!(over.histogram.buckets.capacity(), MAX);
        // Almost eight octaves: the buckets are four times as wide, so the error is at most 4.4 percent.
        let wide = of((0..1000).map(|n| 1e-3 * (f64::from(n) * 0.0078).exp2()));
        assert!(wide.histogram.buckets.len() <= MAX && wide.histogram.merges == 2);
        let exact = 1e-3 * (499.0f64 * 0.0078).exp2();
        let found = wide.quantile(0.5).expect("some");
        assert!((found / exact - 1.0).abs() < 0.045, "{found} {exact}");
        let mut sum = Durations::default();
        sum.add(&of((0..MAX).map(|n| 1e-3 + n as f64 * 1e-4)));
        sum.add(&wide);
        assert_eq!((sum.histogram.merges, sum.count), (2, 1064));
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_its_bucket(
            mut all in prop::collection::vec(1e-6f64..1e3, 1..60),
            quantile in 0.0f64..1.0,
        ) {
            let found = of(all.iter().copied()).quantile(quantile).expect("some");
            all.sort_by(f64::total_cmp);
            let exact = all[(quantile * (all.len() - 1) as f64) as usize];
            prop_assert!((found / exact - 1.0).abs() < 0.02, "{} {}", found, exact);
        }

        #[test]
        fn a_sum_equals_one_histogram(
            a in prop::collection::vec(1e-4f64..1.0, 0..30),
            b in prop::collection::vec(1e-4f64..1.0, 0..30),
        ) {
            let (mut sum, together) = (of(a.clone()), of(a.into_iter().chain(b.clone())));
            sum.add(&of(b));
            prop_assert_eq!(sum.histogram.buckets, together.histogram.buckets);
            prop_assert_eq!((sum.count, sum.max), (together.count, together.max));
        }
    }
}
