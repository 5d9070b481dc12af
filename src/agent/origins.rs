//! Who connected through the Unix socket: looked up once a connection, by a few at a time, within a bound.

use std::sync::Arc;
use std::time::Duration;

use super::look_ups::LookUps;
use crate::event::Origin;
use crate::sys::peer::Peer;
use crate::sys::users::Names;

/// How long the look-up of who connected may take.
pub const ORIGIN_WAIT_MAX: Duration = Duration::from_millis(50);

/// Looks peers up.
pub(crate) struct Origins {
    names: Arc<Names>,
    look_ups: LookUps,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { names: Arc::default(), look_ups: LookUps::new() }
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
        let names = self.names.clone();
        let looked_up = self.look_ups.ask(ORIGIN_WAIT_MAX, move || peer.origin(&names)).await;
        looked_up.unwrap_or(at_once)
    }

    /// Forgets the names of users: they are looked up again.
    pub(crate) fn clear(&self) {
        self.names.clear();
    }
}
