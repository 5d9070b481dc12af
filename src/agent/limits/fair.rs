//! Fair scheduling: the tasks of one quota key take turns on the worker threads, and pay for their time.
//!
//! A worker thread serves its tasks in the order in which they became ready. A client with a thousand busy
//! connections would make every other client wait for a thousand turns. So only a few tasks of a key are ready at a
//! time: [`fair`] lets a task be polled only once it is its turn among the tasks of its key. What a poll took is
//! charged to the key, whatever it consisted of. A key that uses more than its share of the threads has pauses between
//! its turns.
//!
//! A poll must be short for that: see [`Turn`](super::turn::Turn).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::PollSemaphore;

use super::turn::in_poll;

/// Tasks of one user, address or token that may be ready for a worker thread at the same time. Its others wait.
pub const READY_OF_ONE_MAX: usize = 4;

/// The share of the time of all worker threads that one user, address or token may use.
pub const TIME_SHARE: f64 = 0.5;

/// Unused time that a key keeps, in seconds of its share.
const BURST_SECONDS: f64 = 1.0;

/// The longest pause before a turn. The pauses of a key last as long as it is beyond its share.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The turns of one key.
pub(crate) struct Turns {
    ready: Arc<Semaphore>,
    time: Mutex<Time>,
}

/// A token bucket of seconds, which may be negative: what a poll takes is known only afterwards.
struct Time {
    left: f64,
    at: Instant,
    /// Seconds per second.
    rate: f64,
}

impl Turns {
    /// The turns of a key on so many worker threads.
    pub(crate) fn new(workers: usize) -> Self {
        let rate = TIME_SHARE * workers as f64;
        let time = Time { left: BURST_SECONDS * rate, at: Instant::now(), rate };
        Self { ready: Arc::new(Semaphore::new(READY_OF_ONE_MAX)), time: Mutex::new(time) }
    }

    /// `true` if no time is owed and nothing waits: the key can be forgotten.
    pub(crate) fn is_full(&self) -> bool {
        let mut time = self.time();
        time.refill(Instant::now());
        time.left >= time.burst()
    }

    /// Charges some time. Returns the pause before the next turn.
    fn charge(&self, from: Instant, to: Instant) {
        let mut time = self.time();
        time.refill(to);
        time.left -= to.saturating_duration_since(from).as_secs_f64();
    }

    /// The pause before a turn that begins now. `None` if the key is within its share.
    fn pause(&self) -> Option<Duration> {
        let mut time = self.time();
        if time.left >= 0.0 {
            return None;
        }
        time.refill(Instant::now());
        (time.left < 0.0).then(|| PAUSE_MAX.min(Duration::from_secs_f64(-time.left / time.rate)))
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Time {
    fn burst(&self) -> f64 {
        BURST_SECONDS * self.rate
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + seconds * self.rate).min(self.burst());
    }
}

/// Runs a task that takes turns with the others of its key. `None`: with no others.
pub(crate) async fn fair<F: Future>(turns: Option<Arc<Turns>>, task: F) -> F::Output {
    let mut task = pin!(task);
    let mut queue = turns.map(Queue::new);
    poll_fn(|context| {
        let Some(queue) = &mut queue else { return task.as_mut().poll(context) };
        let turn = ready!(queue.poll_turn(context));
        let begin = Instant::now();
        let polled = in_poll(begin, || task.as_mut().poll(context));
        queue.turns.charge(begin, Instant::now());
        drop(turn);
        polled
    })
    .await
}

/// The place of one task in the queue of its key.
struct Queue {
    turns: Arc<Turns>,
    ready: PollSemaphore,
    /// A turn that begins after a pause.
    pause: Option<(OwnedSemaphorePermit, Pin<Box<Sleep>>)>,
}

impl Queue {
    fn new(turns: Arc<Turns>) -> Self {
        Self { ready: PollSemaphore::new(turns.ready.clone()), turns, pause: None }
    }

    /// Waits for a turn. Its pause counts as a turn, so that a key beyond its share has few of them.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        if self.pause.is_none() {
            let turn = ready!(self.ready.poll_acquire(context));
            match (turn, self.turns.pause()) {
                (Some(turn), Some(pause)) => {
                    self.pause = Some((turn, Box::pin(tokio::time::sleep(pause))));
                }
                // The semaphore is never closed.
                (turn, _) => return Poll::Ready(turn),
            }
        }
        if let Some((_, pause)) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        Poll::Ready(self.pause.take().map(|(turn, _)| turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    }

    #[test]
    fn few_tasks_of_a_key_are_ready_at_a_time() {
        let (ready, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let turns = Arc::new(Turns::new(2));
        runtime().block_on(async {
            let mut tasks = Vec::new();
            for _ in 0..100 {
                let (ready, most) = (ready.clone(), most.clone());
                let turns = turns.clone();
                tasks.push(tokio::spawn(fair(Some(turns.clone()), async move {
                    for _ in 0..10 {
                        let waiting = READY_OF_ONE_MAX - turns.ready.available_permits();
                        most.fetch_max(waiting, Ordering::Relaxed);
                        ready.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })));
            }
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        assert_eq!(ready.load(Ordering::Relaxed), 1000);
        assert!(most.load(Ordering::Relaxed) <= READY_OF_ONE_MAX);
        assert_eq!(turns.ready.available_permits(), READY_OF_ONE_MAX);
    }

    #[test]
    fn pauses_beyond_the_share() {
        let turns = Arc::new(Turns::new(2));
        let begin = Instant::now();
        assert_eq!(turns.pause(), None);
        turns.charge(begin, begin + Duration::from_secs(1));
        assert_eq!(turns.pause(), None, "within the burst");
        let long = begin + Duration::from_secs(3);
        turns.time().at = long;
        turns.charge(begin, long);
        assert_eq!(turns.pause(), Some(PAUSE_MAX));
        assert!(!turns.is_full());
        turns.time().refill(long + Duration::from_secs(60));
        assert_eq!(turns.pause(), None);
        assert!(turns.is_full());
    }

    #[test]
    fn dropping_a_waiting_task_gives_its_turn_to_others() {
        let turns = Arc::new(Turns::new(1));
        runtime().block_on(async {
            let hold: Vec<_> = (0..READY_OF_ONE_MAX)
                .map(|_| turns.ready.clone().try_acquire_owned().expect("a turn"))
                .collect();
            let waiting = tokio::spawn(fair(Some(turns.clone()), async {}));
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            waiting.abort();
            drop(hold);
            fair(Some(turns.clone()), async {}).await;
        });
        assert_eq!(turns.ready.available_permits(), READY_OF_ONE_MAX);
    }
}
