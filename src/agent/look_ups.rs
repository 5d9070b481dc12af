//! Questions to databases that may take long: a few at a time, each waited for within a bound.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// How many questions are asked at the same time; others wait for their turn.
const AT_ONCE_MAX: usize = 8;

/// Turns at asking.
pub(crate) struct LookUps {
    turns: Arc<Semaphore>,
}

impl LookUps {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }

    /// Asks on a thread that may wait. None if the turn and the answer take longer than `wait` together. A turn
    /// is over when the database has answered, even if nobody waits for that any more: else one that is
    /// silent would soon have every thread that there is.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        wait: Duration,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let asked = async {
            let turn = self.turns.clone().acquire_owned().await.ok()?;
            let question = move || {
                let _turn = turn;
                question()
            };
            tokio::task::spawn_blocking(question).await.ok()
        };
        tokio::time::timeout(wait, asked).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_database_that_is_silent_is_asked_no_more_than_so_often() {
        let look_ups = LookUps::new();
        let mut silent = Vec::new();
        for _ in 0..AT_ONCE_MAX {
            let (answer, waiting) = mpsc::channel::<()>();
            let asked = look_ups.ask(Duration::from_millis(1), move || waiting.recv());
            assert_eq!(asked.await, None);
            silent.push(answer);
        }
        assert_eq!(look_ups.ask(Duration::from_millis(1), || 7).await, None, "nobody has a turn");
        // One answer is enough for a turn.
        silent.pop();
        assert_eq!(look_ups.ask(LONG, || 7).await, Some(7));
    }
}
