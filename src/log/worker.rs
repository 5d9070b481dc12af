//! A thread of the log that a stop waits for with a bound: a disk that hangs must not make the agent hang.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a stop waits for a disk that makes no progress.
pub const CLOSE_STALL_MAX: Duration = Duration::from_secs(20);

/// How long a stop waits for the disk in all. Well below the time after which systemd kills a service that stops (90 s).
pub const CLOSE_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often a stop looks for progress.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A thread. It is not waited for when this is dropped.
pub(crate) struct Worker {
    /// Disconnected once the thread has ended, also by a panic.
    ended: Receiver<Infallible>,
}

/// When a stop gives up.
pub(crate) struct Patience<T> {
    begin: Instant,
    progress: T,
    progressed: Instant,
    stall_max: Duration,
    wait_max: Duration,
}

impl<T: PartialEq> Patience<T> {
    /// Begins with this progress.
    pub(crate) fn new(progress: T) -> Self {
        Self::with_bounds(progress, CLOSE_STALL_MAX, CLOSE_WAIT_MAX)
    }

    fn with_bounds(progress: T, stall_max: Duration, wait_max: Duration) -> Self {
        let now = Instant::now();
        Self { begin: now, progress, progressed: now, stall_max, wait_max }
    }

    /// `true` if it is over, because the progress has not changed or because all took too long.
    fn is_over(&mut self, progress: T) -> bool {
        if progress != self.progress {
            (self.progress, self.progressed) = (progress, Instant::now());
        }
        self.progressed.elapsed() >= self.stall_max || self.begin.elapsed() >= self.wait_max
    }
}

impl Worker {
    /// Starts a thread.
    pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (ends, ended) = mpsc::channel();
        let work = move || {
            let _ends: mpsc::Sender<Infallible> = ends;
            work();
        };
        thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(Self { ended })
    }

    /// Waits until the thread has ended. `false` if the patience is over before.
    pub(crate) fn join<T: PartialEq>(
        &self,
        patience: &mut Patience<T>,
        progress: impl Fn() -> T,
    ) -> bool {
        loop {
            match self.ended.recv_timeout(POLL_INTERVAL) {
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) if patience.is_over(progress()) => return false,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(never) => match never {},
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn waits_for_the_end_also_by_a_panic() {
        for work in [|| (), || panic!("a test of a panic")] {
            let worker = Worker::spawn("test", work).expect("started");
            assert!(worker.join(&mut Patience::with_bounds(0, LONG, LONG), || 0));
        }
    }

    #[test]
    fn gives_up_without_progress_and_in_the_end_with_it() {
        let (release, hangs) = mpsc::channel::<()>();
        let worker = Worker::spawn("test", move || {
            let _ = hangs.recv();
        })
        .expect("started");
        let short = Duration::from_millis(300);
        assert!(!worker.join(&mut Patience::with_bounds(0, short, LONG), || 0));
        let steps = AtomicU64::new(0);
        let steps = || steps.fetch_add(1, Ordering::Relaxed);
        let begin = Instant::now();
        assert!(!worker.join(&mut Patience::with_bounds(0, LONG, short), steps));
        assert!(begin.elapsed() >= short);
        drop(release);
        assert!(worker.join(&mut Patience::with_bounds(0, LONG, LONG), || 0));
    }
}
