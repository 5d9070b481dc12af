//! Durations by tag, for the metrics: cumulative counts, from the first scrape on and while scrapes go on.
//!
//! It is a follower of the log like any other: no client waits for it, and it costs nothing unless it is scraped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::conn::Conn;
use crate::access::TagScope;
use crate::agent::follow::filled::Filled;
use crate::agent::follow::subscription::Subscription;
use crate::event::Line;
use crate::wire::Tail;

/// The upper bounds of the buckets, in seconds. One more has no bound.
pub(super) const BOUNDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Tags that have a name in the metrics: the first ones that come. All others count as one.
pub const METRIC_TAGS_MAX: usize = 50;

/// How long durations are counted after the last scrape.
pub const METRICS_KEPT_FOR: Duration = Duration::from_secs(600);

/// How long the counting may be behind the log before it jumps to the newest event.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// The durations of one tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// Events of each bucket: not cumulative.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    /// The sum of the durations, in seconds.
    pub(super) sum: f64,
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum += seconds;
    }
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) tags: HashMap<Box<str>, Histogram>,
    /// The tags beyond [`METRIC_TAGS_MAX`].
    pub(super) other: Histogram,
    /// Numbers that were jumped over.
    pub(super) skipped: u64,
}

impl Counted {
    /// Counts an event's duration. An abandoned run's is the agent's guess, not a measurement.
    fn line(&mut self, line: &Line<'_>) {
        let Line::Event(event) = line else { return };
        let Some(seconds) = event.took.filter(|_| !event.abandoned) else { return };
        if let Some(histogram) = self.tags.get_mut(event.tag) {
            histogram.add(seconds);
        } else if self.tags.len() < METRIC_TAGS_MAX {
            self.tags.entry(event.tag.into()).or_default().add(seconds);
        } else {
            self.other.add(seconds);
        }
    }
}

/// The durations that are counted.
#[derive(Default)]
pub(super) struct Durations {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counted: Counted,
    /// `None` while nothing is counted.
    scraped: Option<Instant>,
}

impl Durations {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted. The first call starts the counting.
    pub(super) async fn scrape(self: &Arc<Self>, conn: &Conn) -> Counted {
        if let Some(counted) = self.note_scrape() {
            return counted;
        }
        let log = &conn.services.log;
        let tail = Tail { follow: true, ..Tail::default() };
        let mut follower = conn.permit.follower();
        // Without patterns and a cursor, nothing can be refused.
        let opened = Subscription::open(log, &tail, &TagScope::All, &mut follower).await;
        let Ok(subscription) = opened else { return Counted::default() };
        let first = self.state().scraped.replace(Instant::now()).is_none();
        if first {
            tokio::spawn(self.clone().run(subscription));
        }
        self.state().counted.clone()
    }

    fn note_scrape(&self) -> Option<Counted> {
        let mut state = self.state();
        let scraped = state.scraped.as_mut()?;
        *scraped = Instant::now();
        Some(state.counted.clone())
    }

    /// Counts until there was no scrape for [`METRICS_KEPT_FOR`].
    async fn run(self: Arc<Self>, subscription: Subscription) {
        tokio::select! {
            () = self.count(subscription) => {}
            () = self.unscraped() => {}
        }
        *self.state() = State::default();
    }

    async fn unscraped(&self) {
        loop {
            let scraped = self.state().scraped;
            let left = scraped.and_then(|at| METRICS_KEPT_FOR.checked_sub(at.elapsed()));
            let Some(left) = left else { return };
            tokio::time::sleep(left).await;
        }
    }

    async fn count(&self, mut subscription: Subscription) {
        let mut behind_since = Instant::now();
        // Forwards, history that cannot be read is a gap.
        while let Ok(filled) = subscription.fill().await {
            match filled {
                Filled::Lines(lines) => {
                    let len = lines.len();
                    {
                        let mut state = self.state();
                        lines.iter().for_each(|line| state.counted.line(&line));
                    }
                    subscription.consume(len);
                }
                Filled::Gap(gap) => subscription.consume_through(gap.last()),
                Filled::Progress(_) => {}
                Filled::CaughtUp => {
                    subscription.release();
                    subscription.wait().await;
                    behind_since = Instant::now();
                    continue;
                }
                Filled::End => return,
            }
            if behind_since.elapsed() > BEHIND_MAX {
                let before = subscription.position().seq;
                subscription.jump();
                self.state().counted.skipped += subscription.position().seq.since(before);
                behind_since = Instant::now();
            }
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_bounded_number_of_tags() {
        let mut counted = Counted::default();
        for n in 0..=METRIC_TAGS_MAX {
            let line = format!(
                r#"{{"seq":{},"time":"2026-11-22T17:32:05.123456Z","host":"h","tag":"t{n}","level":"info","took":0.001}}"#,
                n + 2
            );
            counted.line(&Line::parse(&line).expect("an event line"));
        }
        assert_eq!(counted.tags.len(), METRIC_TAGS_MAX);
        assert_eq!((counted.tags["t0"].buckets[0], counted.other.buckets[0]), (1, 1));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        for seconds in [0.0, 0.001, 0.0011, 300.0, 300.1] {
            histogram.add(seconds);
        }
        assert_eq!(histogram.buckets[..2], [2, 1]);
        assert_eq!(histogram.buckets[BOUNDS.len() - 1..], [1, 1]);
    }
}
