//! The time of day, and the time of a processor.

#[cfg(feature = "agent")]
use std::time::Duration;
use std::time::SystemTime;

#[cfg(feature = "agent")]
use nix::time::{ClockId, clock_gettime};

use crate::event::Timestamp;

/// The current time of the system clock. A clock before 1970 counts as 1970.
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}

/// The time since the boot, also that during which the machine was suspended. Setting the clock does not
/// change it.
#[cfg(feature = "agent")]
pub fn uptime() -> Duration {
    // Every Linux has this clock. If it stood still, history would not age.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// How much time of a processor this thread has used. Only the difference of two values has a meaning.
#[cfg(feature = "agent")]
pub(crate) fn of_thread() -> Duration {
    // Fails for a clock that the kernel does not have. Linux has this one since 2.6.12.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_recent() {
        let written: Timestamp = "2025-01-01T00:00:00Z".parse().expect("a time");
        assert!(now() > written);
    }

    #[test]
    #[cfg(feature = "agent")]
    fn a_thread_that_sleeps_uses_no_processor() {
        let before = of_thread();
        while of_thread() == before {}
        let (asleep, used) = (Duration::from_millis(50), of_thread());
        std::thread::sleep(asleep);
        assert!(of_thread() - used < asleep);
    }
}
