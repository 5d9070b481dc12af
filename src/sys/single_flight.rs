//! Work that may block for long, such as access to a file that hangs: on one blocking thread at most, and never
//! awaited for longer than a caller is ready to wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// One piece of work that runs on demand. Callers that ask while it runs share the run that follows.
pub(crate) struct SingleFlight {
    shared: Arc<Shared>,
}

struct Shared {
    work: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
    /// The number of the newest request that a finished run has served.
    served: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Counts the requests.
    requested: u64,
    /// The start of the current run. `None` if no thread is at work.
    running: Option<Instant>,
}

impl SingleFlight {
    pub(crate) fn new(work: impl Fn() + Send + Sync + 'static) -> Self {
        let (work, state, served) = (Box::new(work), Mutex::default(), watch::Sender::new(0));
        Self { shared: Arc::new(Shared { work, state, served }) }
    }

    /// Requests a run that begins from now on. Does not wait.
    pub(crate) fn request(&self) {
        self.enqueue();
    }

    /// Requests a run that begins from now on, and waits for its end. `false` if that takes longer than `wait`. Does
    /// not wait while the current run has lasted longer than that.
    pub(crate) async fn run(&self, wait: Duration) -> bool {
        let mut served = self.shared.served.subscribe();
        let request = self.enqueue();
        if self.stuck_for().is_some_and(|stuck| stuck >= wait) {
            return false;
        }
        let run = served.wait_for(|served| *served >= request);
        tokio::time::timeout(wait, run).await.is_ok()
    }

    /// How long the current run has lasted. `None` if there is none.
    pub(crate) fn stuck_for(&self) -> Option<Duration> {
        self.shared.state().running.map(|since| since.elapsed())
    }

    fn enqueue(&self) -> u64 {
        let mut state = self.shared.state();
        state.requested += 1;
        if state.running.is_none() {
            state.running = Some(Instant::now());
            let shared = self.shared.clone();
            drop(tokio::task::spawn_blocking(move || shared.run()));
        }
        state.requested
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves requests until there are no more. A run that panics serves none, and the next request gets another run.
    fn run(&self) {
        let mut tried = *self.served.borrow();
        loop {
            {
                let mut state = self.state();
                if state.requested == tried {
                    state.running = None;
                    return;
                }
                state.running = Some(Instant::now());
                tried = state.requested;
            }
            if catch_unwind(AssertUnwindSafe(|| (self.work)())).is_ok() {
                self.served.send_replace(tried);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn each_caller_sees_a_run_that_began_after_its_request() {
        let (runs, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = counted.clone();
        let flight = SingleFlight::new(move || {
            count.store(runs.load(Ordering::SeqCst), Ordering::SeqCst);
            runs.fetch_add(1, Ordering::SeqCst);
        });
        for n in 0..100 {
            assert!(flight.run(LONG).await);
            assert!(counted.load(Ordering::SeqCst) >= n);
        }
        while flight.stuck_for().is_some() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_stuck_run_holds_one_thread_and_no_caller() {
        let (answer, waiting) = mpsc::channel::<()>();
        let waiting = Mutex::new(waiting);
        let begun = Arc::new(AtomicUsize::new(0));
        let count = begun.clone();
        let flight = SingleFlight::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = waiting.lock().expect("no panic").recv();
        });
        let short = Duration::from_millis(1);
        for n in 0.. {
            assert!(!flight.run(short).await);
            if n >= 100 && begun.load(Ordering::SeqCst) > 0 {
                break;
            }
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        // The stuck run ends, and one more serves all that asked meanwhile.
        drop(answer);
        assert!(flight.run(LONG).await);
        assert!(begun.load(Ordering::SeqCst) <= 3);
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_run() {
        let runs = AtomicUsize::new(0);
        let flight = SingleFlight::new(move || {
            assert!(runs.fetch_add(1, Ordering::SeqCst) > 0, "the first run fails");
        });
        // A panic that is being reported does not keep the requests that come meanwhile from their run.
        assert!(!flight.run(Duration::from_millis(1)).await);
        assert!(flight.run(LONG).await);
    }
}
