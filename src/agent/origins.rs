//! Who connected through the Unix socket: looked up once a connection, by a few at a time, within a bound.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::event::Origin;
use crate::sys::peer::Peer;
use crate::sys::users::Names;

/// How long the look-up of who connected may take.
pub const ORIGIN_WAIT_MAX: Duration = Duration::from_millis(50);

/// How many peers are looked up at the same time; others wait for their turn.
const LOOK_UPS_MAX: usize = 8;

/// Looks peers up.
pub(crate) struct Origins {
    names: Arc<Names>,
    turns: Semaphore,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { names: Arc::default(), turns: Semaphore::new(LOOK_UPS_MAX) }
    }

    /// Finds out what can be vouched for about a peer, within [`ORIGIN_WAIT_MAX`].
    pub(crate) async fn of(&self, peer: Peer) -> Origin {
        if self.names.knows(peer.uid) {
            // What is left to read is the kernel's, and others go on meanwhile: to wake another thread
            // would take longer.
            return tokio::task::block_in_place(|| peer.origin(&self.names));
        }
        // Too slow: only what the kernel said at once.
        let at_once = Origin { pid: peer.pid, uid: Some(peer.uid), ..Origin::default() };
        let looked_up = tokio::time::timeout(ORIGIN_WAIT_MAX, self.look_up(peer)).await;
        looked_up.ok().flatten().unwrap_or(at_once)
    }

    /// Asks for the name of a peer's user too, on a thread that may wait.
    async fn look_up(&self, peer: Peer) -> Option<Origin> {
        let _turn = self.turns.acquire().await.ok()?;
        let names = self.names.clone();
        tokio::task::spawn_blocking(move || peer.origin(&names)).await.ok()
    }

    /// Forgets the names of users: they are looked up again.
    pub(crate) fn clear(&self) {
        self.names.clear();
    }
}
