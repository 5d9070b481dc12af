//! Turns: how long a task works before it lets the other tasks of its thread work.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The longest turn of a task. What it is at is finished: one line, one request.
pub const TURN_MAX: Duration = Duration::from_micros(500);

/// Units of work between two looks at the clock.
const CHECK_EVERY: usize = 16;

/// Bytes that count as one unit of work.
const UNIT_SIZE: usize = 1024;

thread_local! {
    /// When the poll of the task that this thread is at began. `None` outside of [`in_poll`].
    static POLL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs a poll of a task. Turns that begin within it began when it did, so that many short pieces of work in one poll
/// take no longer than a long one.
pub(super) fn in_poll<T>(begin: Instant, poll: impl FnOnce() -> T) -> T {
    /// Ends the poll also if it panics.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            POLL.set(None);
        }
    }
    POLL.set(Some(begin));
    let _end = End;
    poll()
}

/// A turn that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    begin: Instant,
    length: Duration,
    /// Units of work until the next look at the clock.
    left: usize,
}

impl Turn {
    /// Begins a turn on a worker thread: with the poll of its task.
    pub(crate) fn begin() -> Self {
        let begin = POLL.get().unwrap_or_else(Instant::now);
        Self { begin, length: TURN_MAX, left: CHECK_EVERY }
    }

    /// Begins a turn of another length, on a thread that may take it.
    pub(crate) fn of(length: Duration) -> Self {
        Self { begin: Instant::now(), length, left: CHECK_EVERY }
    }

    /// Notes some work on `bytes` bytes. `true` if the turn is over.
    pub(crate) fn note(&mut self, bytes: usize) -> bool {
        let units = 1 + bytes / UNIT_SIZE;
        if units < self.left {
            self.left -= units;
            return false;
        }
        self.left = CHECK_EVERY;
        self.is_over()
    }

    /// `true` if the turn is over.
    pub(crate) fn is_over(&self) -> bool {
        self.begin.elapsed() >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_ago() -> Instant {
        Instant::now().checked_sub(TURN_MAX).expect("some uptime")
    }

    #[test]
    fn ends_after_its_length_and_some_work() {
        let mut turn = Turn { begin: long_ago(), ..Turn::begin() };
        let over = (1..).find(|_| turn.note(0)).expect("an end");
        assert_eq!(over, CHECK_EVERY);
        let mut turn = Turn { begin: long_ago(), ..Turn::begin() };
        assert!(turn.note(CHECK_EVERY * UNIT_SIZE), "large pieces are looked at sooner");
        let far = Instant::now() + Duration::from_secs(3600);
        let mut turn = Turn { begin: far, ..Turn::begin() };
        assert!(!(0..1000).any(|_| turn.note(UNIT_SIZE)));
    }

    #[test]
    fn begins_with_the_poll() {
        assert!(!Turn::begin().is_over());
        in_poll(long_ago(), || assert!(Turn::begin().is_over()));
        assert!(!Turn::begin().is_over(), "the poll has ended");
    }
}
