//! Lanes: reads of one lane follow each other, and lanes take turns.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A lane for reads of history. A thousand readers in one lane delay the reader in another one by a single read.
#[derive(Clone, Debug)]
pub struct Lane(Arc<Semaphore>);

impl Lane {
    /// A lane of its own.
    #[expect(clippy::new_without_default, reason = "two lanes are never equal")]
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Waits until the reads before this one in the lane are done.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Fails only if the semaphore is closed, which it never is.
        self.0.clone().acquire_owned().await.ok()
    }
}
