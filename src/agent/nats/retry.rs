//! How long the forwarder waits before it connects again.

use std::time::Duration;

use crate::sys::random;

/// The shortest wait.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The wait after what only an operator can change.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// Waits that double.
#[derive(Debug, Default)]
pub(super) struct Retry {
    last: Option<Duration>,
}

impl Retry {
    /// The next wait: the shortest if the engine has acknowledged something since the last one. A part of it is
    /// random, so that the agents of many machines do not come at once when their engine returns.
    pub(super) fn next(&mut self, refused: bool, acknowledged: bool) -> Duration {
        let doubled = self.last.filter(|_| !acknowledged).map_or(WAIT_MIN, |last| last * 2);
        let wait = doubled.min(WAIT_MAX);
        self.last = Some(wait);
        let wait = if refused { REFUSED_WAIT } else { wait };
        let part = f64::from(random::number().unwrap_or_default()) / f64::from(u32::MAX);
        wait.mul_f64(1.0 - part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut retry = Retry::default();
        let mut expected = WAIT_MIN;
        for _ in 0..20 {
            let wait = retry.next(false, false);
            assert!((expected / 2..=expected).contains(&wait), "{wait:?}");
            expected = (expected * 2).min(WAIT_MAX);
        }
        assert!(retry.next(true, false) >= REFUSED_WAIT / 2);
        assert!(retry.next(false, true) <= WAIT_MIN);
    }
}
