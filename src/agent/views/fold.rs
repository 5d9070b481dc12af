//! One fold: a subscription whose sink is the views.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use crate::agent::follow::filled::Filled;
use crate::agent::follow::subscription::Subscription;
use crate::agent::ingest::runs::Runs;
use crate::event::Line;
use crate::log::{Log, lines_of};
use crate::views::{Permits, ViewName, Views};

/// How long a fold may be behind the log before it jumps to the newest event.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// How old a snapshot may be that watchers share.
const SHARED_FOR: Duration = Duration::from_millis(150);

/// The views of one MATCH and scope.
pub(super) struct Fold {
    log: Log,
    runs: Arc<Runs>,
    state: Mutex<State>,
    /// `true` once the fold has reached the newest event, or has jumped to it.
    ready: watch::Sender<bool>,
}

struct State {
    views: Views,
    snapshots: [Option<Encoded>; ViewName::ALL.len()],
}

struct Encoded {
    at: Instant,
    line: Bytes,
}

impl Fold {
    pub(super) fn new(log: Log, runs: Arc<Runs>) -> Self {
        let state = State { views: Views::new(), snapshots: Default::default() };
        Self { log, runs, state: Mutex::new(state), ready: watch::Sender::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds what the subscription yields, without end.
    pub(super) async fn run(&self, mut subscription: Subscription) {
        let mut behind_since = Instant::now();
        loop {
            // Forwards, history that cannot be read is a gap.
            let Ok(filled) = subscription.fill().await else { return };
            match filled {
                Filled::Lines(lines) => {
                    let len = lines.len();
                    let gap = self.fold(lines.iter());
                    subscription.consume(len);
                    if gap {
                        self.seed(&subscription);
                    }
                }
                Filled::Gap(gap) => {
                    let mut line = Vec::new();
                    subscription.encode_gap(gap, &mut line);
                    subscription.consume_through(gap.last());
                    self.fold(lines_of(&line));
                    self.seed(&subscription);
                }
                Filled::Progress(_) => {}
                Filled::CaughtUp => {
                    subscription.release();
                    if !self.ready.send_replace(true) {
                        self.seed(&subscription);
                    }
                    subscription.wait().await;
                    behind_since = Instant::now();
                    continue;
                }
                Filled::End => return,
            }
            if behind_since.elapsed() > BEHIND_MAX {
                subscription.jump();
                self.state().views = Views::new();
                self.seed(&subscription);
                // A fold that never catches up under load still has watchers to serve.
                self.ready.send_replace(true);
                behind_since = Instant::now();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns `true` if there was a gap, which makes open runs unknown.
    fn fold<'a>(&self, lines: impl Iterator<Item = Line<'a>>) -> bool {
        let mut state = self.state();
        let mut gap = false;
        for line in lines {
            gap |= matches!(line, Line::Gap(_));
            state.views.line(&line);
        }
        gap
    }

    /// Adds the runs that the intake knows to be open: their begins may lie before what was folded.
    fn seed(&self, subscription: &Subscription) {
        let begins = self.runs.begin_lines(self.log.host());
        let mut state = self.state();
        for line in lines_of(&begins) {
            if let Line::Event(begin) = &line
                && subscription.wants(begin)
            {
                state.views.seed_event(begin);
            }
        }
    }

    /// Waits until the fold has something to show: at most about [`BEHIND_MAX`].
    pub(super) async fn ready(&self) {
        // Fails only if the fold is gone, which its watchers hold.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// A view as it is now, as one JSON line.
    pub(super) fn snapshot(&self, name: ViewName) -> Bytes {
        let mut state = self.state();
        let now = Instant::now();
        let shared = state.snapshots[name as usize].as_ref();
        if let Some(shared) = shared.filter(|shared| now - shared.at < SHARED_FOR) {
            return shared.line.clone();
        }
        let snapshot = state.views.snapshot(name, &Permits::All, self.log.now());
        let mut line = serde_json::to_vec(&snapshot).unwrap_or_default();
        line.push(b'\n');
        let line = Bytes::from(line);
        state.snapshots[name as usize] = Some(Encoded { at: now, line: line.clone() });
        line
    }
}
