//! What a follower holds of the quotas of its key: its patterns, and turns for what takes long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::{Limits, PATTERNS_HELD_MAX, PATTERNS_OF_ONE_MAX, QuotaKey, TooMany};
use crate::event::Seq;
use crate::log::Lane;

/// The share of a worker thread that the followers of one user, address or token may use to test lines with regular
/// expressions. Beyond it, they are served on a thread of their own.
pub const SCAN_SHARE: f64 = 0.2;

/// Unused time that they keep.
const SCAN_BURST: Duration = Duration::from_millis(50);

/// Followers beyond their time for matching that are served at the same time, on threads of their own. Of one user,
/// address or token it is one.
pub const SLOW_SCANS_MAX: usize = 2;

/// Parts of the stream of all hosts that the followers of one user, address or token read at a time. Root and the agent's
/// own user have no such bound.
pub const PARTS_OF_ONE_MAX: usize = 2;

/// The turns of one key's followers.
pub(super) struct Reads {
    /// Held while a pattern is compiled.
    compiling: Arc<Mutex<()>>,
    /// Held during a slow scan.
    scanning: Arc<Semaphore>,
    budget: std::sync::Mutex<Budget>,
    /// Held while a part of the stream of all hosts is read.
    parts: Arc<Semaphore>,
    /// `None` for root and the agent's own user: their reads of history do not wait for each other.
    lane: Option<Lane>,
}

impl Reads {
    pub(super) fn new(in_lane: bool) -> Self {
        let parts = if in_lane { PARTS_OF_ONE_MAX } else { Semaphore::MAX_PERMITS };
        Self {
            parts: Arc::new(Semaphore::new(parts)),
            compiling: Arc::default(),
            scanning: Arc::new(Semaphore::new(1)),
            budget: std::sync::Mutex::new(Budget {
                left: SCAN_BURST.as_secs_f64(),
                at: Instant::now(),
                beyond: false,
            }),
            lane: in_lane.then(Lane::new),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One follower, and the patterns that it holds. Released on drop.
pub(crate) struct Follower {
    limits: Arc<Limits>,
    key: QuotaKey,
    reads: Arc<Reads>,
    patterns: usize,
    number: u64,
    position: Arc<Position>,
}

/// How far a follower has read: written at each of its turns, read by the metrics.
#[derive(Debug)]
pub(crate) struct Position(AtomicU64);

impl Default for Position {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Position {
    /// Notes the last number that the follower has covered.
    pub(crate) fn set(&self, seq: Seq) {
        self.0.store(seq.get(), Ordering::Relaxed);
    }

    /// The last number that the follower has covered. `None` before it has read, and if it reads backwards.
    pub(super) fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seq| *seq != u64::MAX)
    }
}

impl Follower {
    pub(super) fn new(limits: Arc<Limits>, key: QuotaKey) -> Self {
        let position = Arc::new(Position::default());
        let mut table = limits.table();
        let known = table.keys.get(&key).map(|entry| entry.reads.clone());
        let reads = known.unwrap_or_else(|| Arc::new(Reads::new(true)));
        let number = table.next_follower;
        table.next_follower += 1;
        table.followers.insert(number, position.clone());
        drop(table);
        Self { limits, key, reads, patterns: 0, number, position }
    }

    /// What its quota is counted by.
    pub(crate) fn key(&self) -> &QuotaKey {
        &self.key
    }

    /// `true` for root and the agent's own user.
    pub(crate) fn is_trusted(&self) -> bool {
        self.limits.trusts(&self.key)
    }

    /// Waits for the key's turn to compile patterns, which takes some milliseconds of a core: one at a time for
    /// each key, however many connections it has. The turn ends on drop.
    pub(crate) async fn compile_turn(&self) -> OwnedMutexGuard<()> {
        self.reads.compiling.clone().lock_owned().await
    }

    /// What its subscriptions read with.
    pub(crate) fn reading(&self) -> Reading {
        Reading {
            position: self.position.clone(),
            lane: self.reads.lane.clone(),
            parts: self.reads.parts.clone(),
            scans: Scans { reads: self.reads.clone(), all: self.limits.scans.clone() },
        }
    }

    /// Takes `patterns` regular expressions for this follower, which must hold none yet.
    pub(crate) fn hold(&mut self, patterns: usize) -> Result<(), TooMany> {
        if patterns == 0 || self.limits.trusts(&self.key) {
            return Ok(());
        }
        let mut table = self.limits.table();
        let in_all = table.patterns + patterns;
        let Some(entry) = table.keys.get_mut(&self.key) else { return Ok(()) };
        let of_one = entry.patterns + patterns;
        if in_all > PATTERNS_HELD_MAX || of_one > PATTERNS_OF_ONE_MAX {
            return Err(TooMany::Patterns);
        }
        entry.patterns = of_one;
        table.patterns = in_all;
        self.patterns = patterns;
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        table.followers.remove(&self.number);
        table.patterns -= self.patterns;
        if let Some(entry) = table.keys.get_mut(&self.key) {
            entry.patterns -= self.patterns;
        }
    }
}

/// What the subscriptions of a follower read with.
#[derive(Clone)]
pub(crate) struct Reading {
    /// Where they note how far they have read.
    pub(crate) position: Arc<Position>,
    /// The lane for their reads of history.
    pub(crate) lane: Option<Lane>,
    /// The turns of their key to read a part of the stream of all hosts.
    pub(crate) parts: Arc<Semaphore>,
    /// The budget and the turns for their scans.
    pub(crate) scans: Scans,
}

/// What the followers of one key may take to test lines, and their turns beyond that.
#[derive(Clone)]
pub(crate) struct Scans {
    reads: Arc<Reads>,
    all: Arc<Semaphore>,
}

impl Scans {
    /// `true` if the worker threads must not be used.
    pub(crate) fn is_beyond_budget(&self) -> bool {
        self.reads.budget().is_beyond(Instant::now())
    }

    /// Charges a scan on a worker thread.
    pub(crate) fn charge(&self, took: Duration) {
        self.reads.budget().left -= took.as_secs_f64();
    }

    /// Waits for a turn on another thread, which ends on drop. Never `None`: the semaphores are not closed.
    pub(crate) async fn turn(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = self.reads.scanning.clone().acquire_owned().await.ok()?;
        Some([own, self.all.clone().acquire_owned().await.ok()?])
    }
}

/// A token bucket of seconds. Once it is empty, it stays beyond the budget until it is full again.
struct Budget {
    left: f64,
    at: Instant,
    beyond: bool,
}

impl Budget {
    fn is_beyond(&mut self, now: Instant) -> bool {
        let burst = SCAN_BURST.as_secs_f64();
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + seconds * SCAN_SHARE).min(burst);
        self.beyond = self.left < if self.beyond { burst } else { 0.0 };
        self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_recovers_once_it_is_full() {
        let begin = Instant::now();
        let mut budget = Budget { left: SCAN_BURST.as_secs_f64(), at: begin, beyond: false };
        assert!(!budget.is_beyond(begin));
        budget.left -= 2.0 * SCAN_BURST.as_secs_f64();
        assert!(budget.is_beyond(begin));
        let whole = 2.0 * SCAN_BURST.as_secs_f64() / SCAN_SHARE;
        let after = |part: f64| begin + Duration::from_secs_f64(whole * part);
        assert!(budget.is_beyond(after(0.9)));
        assert!(!budget.is_beyond(after(1.1)));
        budget.left -= SCAN_BURST.as_secs_f64() / 2.0;
        assert!(!budget.is_beyond(after(1.1)));
    }
}
