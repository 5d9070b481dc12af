//! Spaces out expensive operations: at most one start per interval.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Assigns start times that are at least an interval apart. The first caller after a pause starts at once.
pub(crate) struct Pacer {
    every: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, next: Mutex::new(None) }
    }

    /// The start time of a caller that asks at `now`. Unused turns are not saved up.
    pub(crate) fn turn(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.every);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spaced_and_first_is_immediate() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let pacer = Pacer::new(Duration::from_millis(2));
        assert_eq!(
            [pacer.turn(at(0)), pacer.turn(at(0)), pacer.turn(at(1))],
            [at(0), at(2), at(4)]
        );
        // A pause does not save up turns.
        assert_eq!([pacer.turn(at(100)), pacer.turn(at(101))], [at(100), at(102)]);
    }
}
