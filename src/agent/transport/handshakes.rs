//! TLS handshakes, on a thread of their own. Each costs a signature, up to many milliseconds with a large key, and every
//! host that reaches a port can ask for them. So they take at most [`HANDSHAKES_PERCENT`] of one core, by what each
//! one has cost, and none of the time of the threads that serve clients.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::sys::clock;

/// The most that all TLS handshakes take of the time of one core, in percent.
pub const HANDSHAKES_PERCENT: u32 = 25;

/// Pauses that are owed are taken once they add up to this: shorter ones are inexact, and cheap handshakes that come
/// one by one are not delayed.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The thread of the handshakes.
#[derive(Default)]
pub(crate) struct Handshakes {
    /// Started with the first handshake.
    runtime: Mutex<Option<Runtime>>,
    owed: Arc<Mutex<Owed>>,
}

impl Handshakes {
    /// Runs a handshake. Dropping the returned future ends it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        handshake: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let owed = self.owed.clone();
        let paced = async move {
            let mut handshake = pin!(handshake);
            poll_fn(|context| {
                let before = clock::of_thread();
                let polled = handshake.as_mut().poll(context);
                let cost = clock::of_thread().saturating_sub(before);
                // Other handshakes wait: that is what the pause is for.
                if let Some(pause) = owed.lock().unwrap_or_else(PoisonError::into_inner).add(cost) {
                    thread::sleep(pause);
                }
                polled
            })
            .await
        };
        let task = AbortOnDropHandle::new(self.handle()?.spawn(paced));
        task.await.map_err(io::Error::other)
    }

    fn handle(&self) -> io::Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        // The sockets are registered with the agent's runtime: this one needs no driver.
        let started = Builder::new_multi_thread().worker_threads(1).thread_name("tls").build()?;
        Ok(runtime.insert(started).handle().clone())
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            // Waits for nothing, so it may run on any thread.
            runtime.shutdown_background();
        }
    }
}

/// Pauses that handshakes owe for the time that they took.
#[derive(Default)]
struct Owed(Duration);

impl Owed {
    /// Adds the pause for `cost`. Returns what is owed once that is at least [`PAUSE_MIN`]. The caller then pauses.
    fn add(&mut self, cost: Duration) -> Option<Duration> {
        self.0 += cost * (100 - HANDSHAKES_PERCENT) / HANDSHAKES_PERCENT;
        (self.0 >= PAUSE_MIN).then(|| std::mem::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn pauses_are_proportional_to_the_cost() {
        let mut owed = Owed::default();
        let (millis, micros) = (Duration::from_millis, Duration::from_micros);
        assert_eq!(owed.add(millis(8)), Some(millis(24)));
        // Small costs add up.
        assert_eq!(owed.add(micros(300)), None);
        assert_eq!(owed.add(micros(300)), Some(micros(1800)));
        assert_eq!(owed.add(micros(300)), None);
    }

    /// Uses a processor for a while.
    fn work(time: Duration) {
        let begun = clock::of_thread();
        while clock::of_thread() - begun < time {}
    }

    #[tokio::test]
    async fn handshakes_take_at_most_their_share_of_a_core() {
        let handshakes = Handshakes::default();
        let (begun, each) = (Instant::now(), Duration::from_millis(5));
        let one = || handshakes.run(async move { work(each) });
        let all = tokio::join!(one(), one(), one(), one());
        assert!([all.0, all.1, all.2, all.3].iter().all(Result::is_ok));
        assert!(begun.elapsed() >= each * 4 * 100 / HANDSHAKES_PERCENT, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_dropped_handshake_ends() {
        let handshakes = Handshakes::default();
        let (alive, mut gone) = tokio::sync::oneshot::channel::<()>();
        let silent = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        };
        let timed_out = tokio::time::timeout(Duration::from_millis(10), handshakes.run(silent));
        assert!(timed_out.await.is_err());
        assert!((&mut gone).await.is_err());
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_handshake() {
        let handshakes = Handshakes::default();
        assert!(handshakes.run(async { panic!("one fails") }).await.is_err());
        assert_eq!(handshakes.run(async { 7 }).await.expect("served"), 7);
    }
}
