//! Rate-limits repeated diagnostics.

use std::fmt;
use std::time::{Duration, Instant};

/// Passes one diagnostic of a kind at once, then one per interval, and counts the others. The clock is an
/// argument.
///
/// ```
/// use std::time::{Duration, Instant};
/// use pulsed::diag::{Suppressed, Throttle};
///
/// let (mut throttle, now) = (Throttle::new(Duration::from_secs(1)), Instant::now());
/// assert_eq!(throttle.pass(now), Some(Suppressed(0)));
/// assert_eq!(throttle.pass(now), None);
/// assert_eq!(throttle.pass(now + Duration::from_secs(1)), Some(Suppressed(1)));
/// ```
#[derive(Clone, Debug)]
pub struct Throttle {
    interval: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

/// How many diagnostics of a kind were suppressed after the last one that passed. Displayed as
/// ` (12 similar messages suppressed)`, or as nothing if there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed(pub u64);

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " ({n} similar messages suppressed)"),
        }
    }
}

impl Throttle {
    /// Passes at most one diagnostic per `interval`.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, last: None, suppressed: 0 }
    }

    /// Returns the number of suppressed diagnostics if this one may pass. `None` if it is suppressed.
    pub fn pass(&mut self, now: Instant) -> Option<Suppressed> {
        let too_soon =
            self.last.is_some_and(|last| now.saturating_duration_since(last) < self.interval);
        if too_soon {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(Suppressed(std::mem::take(&mut self.suppressed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn passes_one_at_once_then_one_per_interval() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Duration::from_secs(1));
        let mut at = |millis| throttle.pass(start + Duration::from_millis(millis));
        assert_eq!(at(0), Some(Suppressed(0)));
        assert_eq!(at(0), None);
        assert_eq!(at(999), None);
        assert_eq!(at(1000), Some(Suppressed(2)));
        assert_eq!(at(1999), None);
        assert_eq!(at(9000), Some(Suppressed(1)));
        assert_eq!(Suppressed(0).to_string(), "");
        assert_eq!(Suppressed(2).to_string(), " (2 similar messages suppressed)");
    }

    proptest! {
        #[test]
        fn each_passes_or_is_counted(steps in prop::collection::vec(0u64..900, 1..60)) {
            let interval = Duration::from_secs(1);
            let mut throttle = Throttle::new(interval);
            let (mut now, mut passed, mut counted) = (Instant::now(), Vec::new(), 0);
            for step in &steps {
                now += Duration::from_millis(*step);
                if let Some(Suppressed(n)) = throttle.pass(now) {
                    passed.push(now);
                    counted += n;
                }
            }
            prop_assert!(passed.windows(2).all(|pair| pair[1] - pair[0] >= interval));
            counted += throttle.suppressed;
            prop_assert_eq!(passed.len() as u64 + counted, steps.len() as u64);
        }
    }
}
