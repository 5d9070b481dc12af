//! The time of day.

use std::time::SystemTime;

use crate::event::Timestamp;

/// The current time of the system clock. A clock before 1970 counts as 1970.
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
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
