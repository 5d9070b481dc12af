//! One fold: a subscription whose sink is the views.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Mutex, watch};
use tokio::task::block_in_place;

use super::shared::{Numbers, Shared, Versioned};
use super::turn::turn;
use crate::agent::follow::filled::Filled;
use crate::agent::follow::subscription::Subscription;
use crate::agent::ingest::runs::Runs;
use crate::event::Line;
use crate::log::{Log, lines_of};
use crate::views::{Permits, Snapshot, ViewName, Views};

/// How long a fold may be behind the log before it jumps to the newest event.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// How long a fold that was woken waits for more events. Snapshots are taken once a second, so that a fold that ran for
/// each event would only take time from the senders.
const GATHER: Duration = Duration::from_millis(20);

/// The views of one MATCH and scope.
pub(super) struct Fold {
    log: Log,
    runs: Arc<Runs>,
    /// Locked for one turn of folding, or while a snapshot is taken. A snapshot of full views takes some
    /// milliseconds, so both wait asynchronously.
    views: Mutex<Views>,
    snapshots: [Shared; ViewName::ALL.len()],
    /// `true` once the fold has reached the newest event, or has jumped to it.
    ready: watch::Sender<bool>,
}

impl Fold {
    pub(super) fn new(log: Log, runs: Arc<Runs>, numbers: &Numbers) -> Self {
        let snapshots = ViewName::ALL.map(|_| Shared::new(numbers.clone()));
        let (views, ready) = (Mutex::new(Views::new()), watch::Sender::new(false));
        Self { log, runs, views, snapshots, ready }
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
                    let gap = self.fold(lines.iter()).await;
                    subscription.consume(len);
                    if gap {
                        self.seed(&subscription).await;
                    }
                }
                Filled::Gap(gap) => {
                    let mut line = Vec::new();
                    subscription.encode_gap(gap, &mut line);
                    subscription.consume_through(gap.last());
                    self.fold(lines_of(&line)).await;
                    self.seed(&subscription).await;
                }
                Filled::Progress(_) => {}
                Filled::CaughtUp => {
                    subscription.release();
                    if !self.ready.send_replace(true) {
                        self.seed(&subscription).await;
                    }
                    subscription.wait().await;
                    tokio::time::sleep(GATHER).await;
                    behind_since = Instant::now();
                    continue;
                }
                Filled::End => return,
            }
            if behind_since.elapsed() > BEHIND_MAX {
                subscription.jump();
                let before = std::mem::take(&mut *self.views.lock().await);
                drop(before);
                self.seed(&subscription).await;
                // A fold that never catches up under load still has watchers to serve.
                self.ready.send_replace(true);
                behind_since = Instant::now();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Folds in turns. Returns `true` if there was a gap, which makes open runs unknown.
    async fn fold<'a>(&self, mut lines: impl Iterator<Item = Line<'a>>) -> bool {
        let mut gap = false;
        loop {
            let mut views = self.views.lock().await;
            let more = turn(&mut lines, |line| {
                gap |= matches!(line, Line::Gap(_));
                views.line(line);
            });
            drop(views);
            if !more {
                return gap;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Adds the runs that the intake knows to be open: their begins may lie before what was folded.
    async fn seed(&self, subscription: &Subscription) {
        let begins = self.runs.begin_lines(self.log.host());
        let mut lines = lines_of(&begins);
        loop {
            let mut views = self.views.lock().await;
            let more = turn(&mut lines, |line| {
                if let Line::Event(begin) = line
                    && subscription.wants(begin)
                {
                    views.seed_event(begin);
                }
            });
            drop(views);
            if !more {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the fold has something to show: at most about [`BEHIND_MAX`].
    pub(super) async fn ready(&self) {
        // Fails only if the fold is gone, which its watchers hold.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// A view as it is now, as one JSON line without a version.
    pub(super) async fn line(&self, name: ViewName) -> Bytes {
        self.snapshots[name as usize].line(self.snapshot(name)).await
    }

    /// A view as it is now, after the version `seen`.
    pub(super) async fn next(&self, name: ViewName, seen: Option<u64>) -> Versioned {
        self.snapshots[name as usize].next(seen, self.snapshot(name)).await
    }

    async fn snapshot(&self, name: ViewName) -> Snapshot {
        let views = self.views.lock().await;
        block_in_place(|| views.snapshot(name, &Permits::All, self.log.now()))
    }
}
