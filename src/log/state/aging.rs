//! How old the segments are, measured so that a wrong clock neither removes what is young nor keeps what is
//! old.
//!
//! A segment that this process wrote is as old as the time since its last write, by a clock that is never set.
//! One that was found at the start is as old as its lines say by the *trusted time*: the time of day, except
//! that a step forward counts only after it was held for [`HOLD_MIN`]. It is at least as old as this process.

use std::time::Duration;

use super::segments::{Segment, Segments};
use crate::event::Timestamp;
use crate::log::options::Options;

/// How long a clock must be seen ahead before segments are removed by it. At most twice as long.
pub const HOLD_MIN: Duration = Duration::from_secs(2 * 60 * 60);

/// A moment, by two clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time of day, which may be wrong.
    pub(crate) time: Timestamp,
    /// The time since some moment, also while the machine was suspended. Never set.
    pub(crate) uptime: Duration,
}

impl Moment {
    /// This moment by the clocks of the log.
    pub(crate) fn now(options: &Options) -> Self {
        Self { time: (options.clock)(), uptime: (options.uptime)() }
    }

    /// The time of day when the uptime was 0.
    fn offset(self) -> Timestamp {
        self.time.plus_micros(-micros(self.uptime))
    }
}

/// The trusted time of this process.
#[derive(Debug)]
pub(crate) struct Aging {
    /// The uptime at the start of the process.
    started: Duration,
    /// The trusted time when the uptime was 0.
    trusted: Timestamp,
    /// The earliest time of day when the uptime was 0, of all that were seen since `held_since`.
    earliest: Timestamp,
    held_since: Duration,
}

impl Aging {
    /// The trusted time begins with `last`, the last one of the process before, unless the time of day is
    /// earlier.
    pub(crate) fn new(now: Moment, last: Timestamp) -> Self {
        Self {
            started: now.uptime,
            trusted: last.min(now.time).plus_micros(-micros(now.uptime)),
            earliest: now.offset(),
            held_since: now.uptime,
        }
    }

    /// The trusted time. Looks at the clocks: a step back counts at once.
    pub(crate) fn trusted_time(&mut self, now: Moment) -> Timestamp {
        let offset = now.offset();
        if self.until_trusted(now).is_zero() {
            // The time of day was never earlier than this meanwhile.
            self.trusted = self.earliest;
            (self.earliest, self.held_since) = (offset, now.uptime);
        }
        self.earliest = self.earliest.min(offset);
        self.trusted = self.trusted.min(offset);
        self.trusted.plus_micros(micros(now.uptime))
    }

    /// The time until `oldest`, the oldest of these segments that can be removed, is older than `age`. Zero if it is.
    /// `None` if there is none. The clocks should be looked at again then.
    pub(crate) fn until_expired(
        &mut self,
        segments: &Segments,
        oldest: Option<&Segment>,
        age: Duration,
        now: Moment,
    ) -> Option<Duration> {
        let trusted = self.trusted_time(now);
        let oldest = oldest?;
        if let Some(written) = oldest.written {
            return Some(age.saturating_sub(now.uptime.saturating_sub(written)));
        }
        let by_lines = segments.date_of(oldest, now.time).map_or(0, |date| {
            u64::try_from(trusted.micros().saturating_sub(date.micros())).unwrap_or_default()
        });
        let since_start = now.uptime.saturating_sub(self.started);
        let left = age.saturating_sub(since_start.max(Duration::from_micros(by_lines)));
        Some(left.min(self.until_trusted(now)))
    }

    fn until_trusted(&self, now: Moment) -> Duration {
        HOLD_MIN.saturating_sub(now.uptime.saturating_sub(self.held_since))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Seq;

    const HOUR: i64 = 3600 * 1_000_000;
    const AGE: Duration = Duration::from_hours(168);

    /// The time of day and the uptime, in hours after an arbitrary start.
    fn moment(time: i64, uptime: u64) -> Moment {
        Moment { time: at(time), uptime: Duration::from_hours(uptime) }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros((500_000 + hours) * HOUR)
    }

    fn found(times: &[(i64, i64)]) -> Segments {
        let segment = |(n, (first, last)): (usize, &(i64, i64))| Segment {
            first: Seq::new(10 * n as u64).expect("small"),
            last: Seq::new(10 * n as u64 + 9).expect("small"),
            first_time: at(*first),
            last_time: at(*last),
            size: 1,
            written: None,
            generation: 0,
            is_kept: false,
        };
        Segments::new("/x".into(), times.iter().enumerate().map(segment).collect())
    }

    fn is_expired(aging: &mut Aging, segments: &Segments, now: Moment) -> bool {
        aging
            .until_expired(segments, segments.oldest(), AGE, now)
            .is_some_and(|left| left.is_zero())
    }

    #[test]
    fn step_forward_counts_after_it_was_held() {
        let segments = found(&[(0, 1), (2, 3)]);
        let mut aging = Aging::new(moment(4, 0), at(4));
        assert!(!is_expired(&mut aging, &segments, moment(500, 0)));
        // Back within the time: as if nothing had happened.
        assert_eq!(aging.trusted_time(moment(5, 1)), at(5));
        assert_eq!(aging.trusted_time(moment(506, 2)), at(6));
        assert_eq!(aging.trusted_time(moment(507, 3)), at(7));
        assert!(!is_expired(&mut aging, &segments, moment(507, 3)));
        assert!(is_expired(&mut aging, &segments, moment(508, 4)), "held for two hours");
        assert_eq!(aging.trusted_time(moment(9, 5)), at(9), "a step back counts at once");
    }

    #[test]
    fn downtime_counts_after_the_hold() {
        let segments = found(&[(0, 1)]);
        let mut aging = Aging::new(moment(300, 7), at(2));
        assert!(!is_expired(&mut aging, &segments, moment(301, 8)));
        let left = aging.until_expired(&segments, segments.oldest(), AGE, moment(301, 8));
        assert_eq!(left, Some(Duration::from_hours(1)), "the clocks must be looked at");
        assert!(is_expired(&mut aging, &segments, moment(302, 9)));
    }

    #[test]
    fn lines_of_the_future_have_the_age_of_their_neighbours() {
        let segments = found(&[(9000, 9001), (9001, 9500), (3, 4), (5, 6)]);
        let mut aging = Aging::new(moment(10, 0), at(10));
        assert!(!is_expired(&mut aging, &segments, moment(170, 160)));
        assert!(is_expired(&mut aging, &segments, moment(171, 161)));
        // Without a neighbour, they are as old as the process.
        let segments = found(&[(9000, 9001)]);
        let mut aging = Aging::new(moment(10, 0), at(10));
        assert!(!is_expired(&mut aging, &segments, moment(177, 167)));
        assert!(is_expired(&mut aging, &segments, moment(178, 168)));
    }

    #[test]
    fn clock_that_starts_in_1970_expires_nothing() {
        let segments = found(&[(0, 1), (2, 3)]);
        let early = |uptime| Moment { time: Timestamp::from_micros(0), ..moment(0, uptime) };
        let mut aging = Aging::new(early(0), at(3));
        assert!(!is_expired(&mut aging, &segments, early(0)));
        for uptime in 1..20 {
            assert!(!is_expired(&mut aging, &segments, moment(4, uptime)));
        }
    }

    #[test]
    fn own_segments_need_no_time_of_day() {
        let mut segments = found(&[]);
        let own = Segment {
            written: Some(Duration::from_hours(9)),
            ..*found(&[(0, 1)]).oldest().expect("one")
        };
        segments.push(own);
        let mut aging = Aging::new(moment(0, 8), at(0));
        for hours in [-100_000, 0, 100_000] {
            assert!(!is_expired(&mut aging, &segments, moment(hours, 9 + 167)));
            assert!(is_expired(&mut aging, &segments, moment(hours, 9 + 168)));
        }
    }
}
