//! One fold: a source whose sink is the views.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Mutex, watch};
use tokio::task::block_in_place;

use super::shared::{Numbers, Shared, Versioned};
use super::turn::turn;
use crate::agent::follow::filled::Filled;
use crate::agent::follow::source::{Broken, LineSource};
use crate::agent::ingest::runs::Runs;
use crate::event::Line;
use crate::log::{Log, lines_of};
use crate::views::{Permits, Snapshot, ViewName, Views};
use crate::wire::Code;

/// How long a fold may be behind the log before it jumps to the newest event.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// How long a fold that was woken waits for more events. Snapshots are taken once a second, so that a fold that ran for
/// each event would only take time from the senders.
const GATHER: Duration = Duration::from_millis(20);

/// The views of one MATCH and scope.
pub(super) struct Fold {
    log: Log,
    /// The open runs of the log that is folded. `None` for the stream of all hosts, whose open runs are not known.
    runs: Option<Arc<Runs>>,
    /// Locked for one turn of folding, or while a snapshot is taken. A snapshot of full views takes some
    /// milliseconds, so both wait asynchronously.
    views: Mutex<Views>,
    snapshots: [Shared; ViewName::ALL.len()],
    progress: watch::Sender<Progress>,
}

/// How far a fold is.
#[derive(Clone, Debug)]
enum Progress {
    /// It reads what was there before.
    Begun,
    /// It has reached the newest event, or has jumped to it.
    Ready,
    Ended(FoldEnded),
}

/// Why a fold of the stream of all hosts has ended.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct FoldEnded {
    pub(crate) code: Code,
    why: String,
}

impl Fold {
    pub(super) fn new(log: Log, runs: Option<Arc<Runs>>, numbers: &Numbers) -> Self {
        let snapshots = ViewName::ALL.map(|_| Shared::new(numbers.clone()));
        let (views, progress) = (Mutex::new(Views::new()), watch::Sender::new(Progress::Begun));
        Self { log, runs, views, snapshots, progress }
    }

    /// Folds what the source yields, without end unless it breaks.
    pub(super) async fn run(&self, mut source: impl LineSource) {
        let mut behind_since = Instant::now();
        loop {
            let is_opening = source.is_opening();
            let filled = match source.fill().await {
                Ok(filled) => filled,
                Err(broken) => {
                    let (code, why) = (broken.code(), broken.to_string());
                    self.progress.send_replace(Progress::Ended(FoldEnded { code, why }));
                    return;
                }
            };
            if is_opening {
                behind_since = Instant::now();
            }
            match filled {
                Filled::Lines(lines) => {
                    let len = lines.len();
                    let gap = self.fold(lines.iter()).await;
                    source.consume(len);
                    if gap {
                        self.seed(&mut source).await;
                    }
                }
                Filled::Gap(gap) => {
                    let mut line = Vec::new();
                    source.encode_gap(gap, &mut line);
                    source.consume_through(gap.last());
                    self.fold(lines_of(&line)).await;
                    self.seed(&mut source).await;
                }
                Filled::Progress(_) => {}
                Filled::CaughtUp => {
                    source.release();
                    if self.set_ready() {
                        self.seed(&mut source).await;
                    }
                    source.wait().await;
                    tokio::time::sleep(GATHER).await;
                    behind_since = Instant::now();
                    continue;
                }
                Filled::End => return,
            }
            if behind_since.elapsed() > BEHIND_MAX {
                source.jump();
                let before = std::mem::take(&mut *self.views.lock().await);
                drop(before);
                self.seed(&mut source).await;
                // A fold that never catches up under load still has watchers to serve.
                self.set_ready();
                behind_since = Instant::now();
            }
            tokio::task::yield_now().await;
        }
    }

    /// `true` if it was not ready before.
    fn set_ready(&self) -> bool {
        !matches!(self.progress.send_replace(Progress::Ready), Progress::Ready)
    }

    /// Folds in turns. Returns `true` if there was a gap, which makes open runs unknown.
    async fn fold<'a>(&self, lines: impl Iterator<Item = Line<'a>>) -> bool {
        let mut gap = false;
        // The clock of another host may be ahead, and would make everything of the others old.
        let latest = self.runs.is_none().then(|| self.log.now());
        let mut lines = lines.map(|line| match latest {
            Some(latest) => line.at_latest(latest),
            None => line,
        });
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
    async fn seed(&self, source: &mut impl LineSource) {
        let Some(runs) = &self.runs else { return };
        let begins = runs.begin_lines(self.log.host());
        let mut lines = lines_of(&begins);
        loop {
            let mut views = self.views.lock().await;
            let more = turn(&mut lines, |line| {
                if let Line::Event(begin) = line
                    && source.wants(begin)
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
    ///
    /// # Errors
    /// Why it has ended.
    pub(super) async fn ready(&self) -> Result<(), FoldEnded> {
        let mut progress = self.progress.subscribe();
        match progress.wait_for(|progress| !matches!(progress, Progress::Begun)).await.as_deref() {
            Ok(Progress::Ended(ended)) => Err(ended.clone()),
            // Fails only if the fold is gone, which its watchers hold.
            Ok(Progress::Begun | Progress::Ready) | Err(_) => Ok(()),
        }
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
