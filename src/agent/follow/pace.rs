//! A pace for people: so many new events a second are shown, the others are counted.

use std::time::{Duration, Instant};

use crate::event::{Cursor, Line, Seq};
use crate::wire::Rate;

/// How often shares of the rate are handed out. The events of one share are consecutive, so that between two of
/// them there is at most one count.
const SHARE: Duration = Duration::from_millis(100);

/// The most that is shown at once after a pause, as a part of a second.
const BURST: f64 = 0.25;

/// How much of a rate is used.
pub(crate) struct Pace {
    rate: f64,
    /// Events up to here existed when the follower came: they are all shown.
    live_after: Seq,
    credit: f64,
    filled: Instant,
    skipped: Option<Skipped>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It is shown, after the report of events that were not.
    Shown(Option<Skipped>),
    /// It is only counted.
    Counted,
}

/// Events that were not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// How many.
    pub(crate) events: u64,
    /// The last number of them.
    pub(crate) last: Seq,
}

impl Skipped {
    /// The cursor after them. `log` is any cursor of the log.
    pub(crate) fn at(self, log: Cursor) -> Cursor {
        Cursor { seq: self.last, ..log }
    }
}

impl Pace {
    /// A pace for events after `live_after`.
    pub(crate) fn new(rate: Rate, live_after: Seq, now: Instant) -> Self {
        let rate = f64::from(rate.per_second());
        Self { rate, live_after, credit: Self::burst(rate), filled: now, skipped: None }
    }

    fn burst(rate: f64) -> f64 {
        (rate * BURST).max(1.0)
    }

    /// Decides whether a line is shown. Gaps always are.
    pub(crate) fn pass(&mut self, line: &Line<'_>, now: Instant) -> Passed {
        match line {
            Line::Event(event) if !self.admits(event.seq, now) => {
                self.skip(event.seq);
                Passed::Counted
            }
            Line::Event(_) | Line::Gap(_) => Passed::Shown(self.take_skipped()),
        }
    }

    /// `true` if an event with this number may be shown now.
    fn admits(&mut self, seq: Seq, now: Instant) -> bool {
        if seq <= self.live_after {
            return true;
        }
        let elapsed = now.saturating_duration_since(self.filled);
        if elapsed >= SHARE {
            self.filled = now;
            let credit = self.credit + elapsed.as_secs_f64() * self.rate;
            self.credit = credit.min(Self::burst(self.rate));
        }
        let admitted = self.credit >= 1.0;
        if admitted {
            self.credit -= 1.0;
        }
        admitted
    }

    /// Counts an event that is not shown.
    fn skip(&mut self, seq: Seq) {
        let before = self.skipped.map_or(0, |skipped| skipped.events);
        self.skipped = Some(Skipped { events: before + 1, last: seq });
    }

    /// The events that were skipped since the last call.
    pub(crate) fn take_skipped(&mut self) -> Option<Skipped> {
        self.skipped.take()
    }

    /// The events that were skipped, once it is time to report them.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Skipped> {
        if self.report_at().is_some_and(|at| now >= at) { self.take_skipped() } else { None }
    }

    /// When skipped events are to be reported at the latest, if there are any.
    pub(crate) fn report_at(&self) -> Option<Instant> {
        self.skipped.map(|_| self.filled + SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn shows_at_most_the_rate_and_counts_the_rest() {
        let begun = Instant::now();
        let mut pace = Pace::new(200.try_into().expect("valid"), seq(0), begun);
        let (mut shown, mut counted) = (0, 0);
        for n in 1..=100_000 {
            let now = begun + Duration::from_micros(n * 100);
            if pace.admits(seq(n), now) {
                shown += 1;
                counted += pace.take_skipped().map_or(0, |skipped| skipped.events);
            } else {
                pace.skip(seq(n));
            }
        }
        counted += pace.take_skipped().map_or(0, |skipped| skipped.events);
        assert_eq!(shown + counted, 100_000);
        assert!((1_900..=2_100).contains(&shown), "{shown} in ten seconds");
    }

    #[test]
    fn shows_everything_that_existed() {
        let now = Instant::now();
        let mut pace = Pace::new(1.try_into().expect("valid"), seq(5_000), now);
        assert!((1..=5_000).all(|n| pace.admits(seq(n), now)));
        assert!(pace.admits(seq(5_001), now));
        assert!(!pace.admits(seq(5_002), now));
        assert!(pace.admits(seq(5_003), now + Duration::from_secs(2)));
    }
}
