//! How far the followers of a run are, and how far the senders will go.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::BenchError;
use crate::systems::WAIT_MAX;

/// What senders and the reader of a run share. Senders wait for followers, so that no system has to drop anything.
pub(crate) struct Progress {
    /// How many messages all senders have begun to send.
    sent: AtomicU64,
    /// How many of them the slowest follower has passed.
    passed: AtomicU64,
    /// How far the senders may be ahead.
    ahead: u64,
    /// How many senders have more to send.
    sending: AtomicUsize,
    failed: AtomicBool,
    /// The count at which waiting senders go on.
    wake_at: AtomicU64,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Progress {
    pub(crate) fn new(senders: usize, ahead: u64) -> Self {
        Self {
            sent: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            ahead,
            sending: AtomicUsize::new(senders),
            failed: AtomicBool::new(false),
            wake_at: AtomicU64::new(u64::MAX),
            lock: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    /// Announces a batch before it is sent, after a wait until the slowest follower is near enough. A wait lasts until
    /// half of the distance is left, so that the sender is not woken at each read. The last batch of a sender says so.
    pub(crate) fn announce(&self, batch: u64, last: bool) -> Result<(), BenchError> {
        let sent = self.sent.fetch_add(batch, Ordering::SeqCst);
        if last {
            self.sending.fetch_sub(1, Ordering::SeqCst);
        }
        if sent <= self.passed.load(Ordering::SeqCst) + self.ahead {
            return Ok(());
        }
        let (enough, since) = (sent - self.ahead / 2, Instant::now());
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.passed.load(Ordering::SeqCst) < enough {
            if self.failed.load(Ordering::SeqCst) || since.elapsed() >= WAIT_MAX {
                let passed = self.passed.load(Ordering::SeqCst);
                return Err(BenchError::Failed(format!(
                    "events lost: {sent} sent, {passed} received"
                )));
            }
            self.wake_at.fetch_min(enough, Ordering::SeqCst);
            // The reader may have passed before it could see the mark.
            if self.passed.load(Ordering::SeqCst) < enough {
                let (again, _) = self
                    .woken
                    .wait_timeout(guard, WAIT_MAX / 100)
                    .unwrap_or_else(PoisonError::into_inner);
                guard = again;
            }
        }
        Ok(())
    }

    /// The slowest follower is here.
    pub(crate) fn pass(&self, passed: u64) {
        self.passed.store(passed, Ordering::SeqCst);
        if passed >= self.wake_at.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The run has failed: senders need not wait.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.wake_at.store(u64::MAX, Ordering::SeqCst);
        self.woken.notify_all();
    }

    /// How many messages a follower has received at the end. `None` while senders have more to send.
    pub(crate) fn total(&self) -> Option<u64> {
        (self.sending.load(Ordering::SeqCst) == 0).then(|| self.sent.load(Ordering::SeqCst))
    }
}
