//! The time of day.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_recent() {
        let written: Timestamp = "2025-01-01T00:00:00Z".parse().expect("a time");
        assert!(now() > written);
    }
}
