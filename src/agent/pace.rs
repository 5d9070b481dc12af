//! How often something is begun that costs much: never more often than so, however many want it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Gives turns, at least so far apart. Whoever asks when nobody did lately has theirs at once.
pub(crate) struct Pace {
    every: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, next: Mutex::new(None) }
    }

    /// When the next turn is, for somebody who asks at `now`; they must take it.
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
    fn turns_are_apart_and_the_first_is_at_once() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let pace = Pace::new(Duration::from_millis(2));
        assert_eq!([pace.turn(at(0)), pace.turn(at(0)), pace.turn(at(1))], [at(0), at(2), at(4)]);
        // What nobody took is not saved up.
        assert_eq!([pace.turn(at(100)), pace.turn(at(101))], [at(100), at(102)]);
    }
}
