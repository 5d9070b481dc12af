//! Lookups in databases that may be slow: a few at a time, each with a timeout.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Concurrent lookups; others wait for a permit.
const CONCURRENT_MAX: usize = 8;

/// Runs lookups on blocking threads.
pub(crate) struct Lookups {
    permits: Arc<Semaphore>,
}

impl Lookups {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(CONCURRENT_MAX)) }
    }

    /// `None` if permit and answer take longer than `wait` together. The permit is held until the database
    /// answers, even if the caller has given up: otherwise a silent one would occupy every blocking thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        wait: Duration,
        lookup: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let answer = async {
            let permit = self.permits.clone().acquire_owned().await.ok()?;
            let lookup = move || {
                let _permit = permit;
                lookup()
            };
            tokio::task::spawn_blocking(lookup).await.ok()
        };
        tokio::time::timeout(wait, answer).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn silent_database_occupies_bounded_permits() {
        let lookups = Lookups::new();
        let mut silent = Vec::new();
        for _ in 0..CONCURRENT_MAX {
            let (answer, waiting) = mpsc::channel::<()>();
            let asked = lookups.run(Duration::from_millis(1), move || waiting.recv());
            assert_eq!(asked.await, None);
            silent.push(answer);
        }
        assert_eq!(lookups.run(Duration::from_millis(1), || 7).await, None, "no permit is left");
        // One answer frees a permit.
        silent.pop();
        assert_eq!(lookups.run(LONG, || 7).await, Some(7));
    }
}
