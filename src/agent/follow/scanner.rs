//! Where the lines of a follower are tested: on the worker threads, and with patterns that exceed its key's budget of time
//! on a thread of its own.
//!
//! A pattern may take some milliseconds for one event. A follower whose MATCH takes that long must not take them from
//! the clients that share its thread. It is then served more slowly, and alone.

use std::future::pending;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use crate::agent::limits::Scans;
use crate::agent::limits::turn::Turn;
use crate::sys::background;

/// The longest turn of a scan on a thread of its own.
const SLOW_TURN_MAX: Duration = Duration::from_millis(20);

/// Runs the scans of one follower.
pub(super) struct Scanner {
    scans: Scans,
    /// Without patterns, a line takes little time whatever is in it.
    has_patterns: bool,
}

impl Scanner {
    pub(super) fn new(scans: Scans, has_patterns: bool) -> Self {
        Self { scans, has_patterns }
    }

    /// Runs `scan` for one turn. Dropping the future drops what it finds.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        scan: impl FnOnce(Turn) -> T + Send + 'static,
    ) -> T {
        if self.has_patterns && self.scans.is_beyond_budget() {
            // Boxed: every follower would hold its state, and few get here.
            return Box::pin(self.run_apart(scan)).await;
        }
        let begin = self.has_patterns.then(Instant::now);
        let turn = Turn::begin();
        let scanned = scan(turn);
        if let Some(begin) = begin {
            self.scans.charge(begin.elapsed());
        }
        if turn.is_over() {
            yield_now().await;
        }
        scanned
    }

    async fn run_apart<T: Send + 'static>(
        &self,
        scan: impl FnOnce(Turn) -> T + Send + 'static,
    ) -> T {
        let _turn = self.scans.turn().await;
        match background::spawn(|| scan(Turn::of(SLOW_TURN_MAX))).await {
            Ok(scanned) => scanned,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime has ended.
                Err(_) => pending().await,
            },
        }
    }
}
