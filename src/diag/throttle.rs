//! The same thing again and again is said seldom.

use std::fmt;
use std::time::{Duration, Instant};

/// Lets one diagnostic of its kind through at once, then one in each stretch of time, and counts the
/// others. The clock is an argument.
#[derive(Clone, Debug)]
pub struct Throttle {
    every: Duration,
    last: Option<Instant>,
    left_out: u64,
}

/// How many diagnostics of one kind were not said since the last one that was. Shown as
/// ` (12 more like this were left out)`, or as nothing when there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut(pub u64);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " ({n} more like this were left out)"),
        }
    }
}

impl Throttle {
    /// At most one in each `every`.
    pub const fn new(every: Duration) -> Self {
        Self { every, last: None, left_out: 0 }
    }

    /// Asks whether this one may be said. If so, tells how many were left out before it.
    pub fn pass(&mut self, now: Instant) -> Option<LeftOut> {
        let too_soon =
            self.last.is_some_and(|last| now.saturating_duration_since(last) < self.every);
        if too_soon {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(LeftOut(std::mem::take(&mut self.left_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn one_at_once_then_one_in_each_stretch() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Duration::from_secs(1));
        let mut at = |millis| throttle.pass(start + Duration::from_millis(millis));
        assert_eq!(at(0), Some(LeftOut(0)));
        assert_eq!(at(0), None);
        assert_eq!(at(999), None);
        assert_eq!(at(1000), Some(LeftOut(2)));
        assert_eq!(at(1999), None);
        assert_eq!(at(9000), Some(LeftOut(1)));
        assert_eq!(LeftOut(0).to_string(), "");
        assert_eq!(LeftOut(2).to_string(), " (2 more like this were left out)");
    }

    proptest! {
        #[test]
        fn each_is_said_or_counted(steps in prop::collection::vec(0u64..900, 1..60)) {
            let every = Duration::from_secs(1);
            let mut throttle = Throttle::new(every);
            let (mut now, mut said, mut counted) = (Instant::now(), Vec::new(), 0);
            for step in &steps {
                now += Duration::from_millis(*step);
                if let Some(LeftOut(n)) = throttle.pass(now) {
                    said.push(now);
                    counted += n;
                }
            }
            prop_assert!(said.windows(2).all(|pair| pair[1] - pair[0] >= every));
            counted += throttle.left_out;
            prop_assert_eq!(said.len() as u64 + counted, steps.len() as u64);
        }
    }
}
