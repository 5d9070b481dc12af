//! The origin of Unix socket peers: looked up once a connection, with a timeout.

use std::sync::Arc;
use std::time::Duration;

use super::lookup::Lookups;
use crate::event::Origin;
use crate::sys::peer::Peer;
use crate::sys::users::Names;

/// Timeout of an origin lookup. What is not known by then is absent from the events.
pub const ORIGIN_WAIT_MAX: Duration = Duration::from_millis(50);

/// Looks up peers.
pub(crate) struct Origins {
    names: Arc<Names>,
    lookups: Lookups,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { names: Arc::default(), lookups: Lookups::new() }
    }

    /// What is verified about a peer, within [`ORIGIN_WAIT_MAX`].
    pub(crate) async fn lookup(&self, peer: Peer) -> Origin {
        if self.names.knows(peer.uid) {
            // Only procfs is left to read. The worker's other tasks move to another thread meanwhile, which is
            // faster than handing this one over.
            return tokio::task::block_in_place(|| peer.origin(&self.names));
        }
        let credentials = Origin { pid: peer.pid, uid: Some(peer.uid), ..Origin::default() };
        let names = self.names.clone();
        let looked_up = self.lookups.run(ORIGIN_WAIT_MAX, move || peer.origin(&names)).await;
        looked_up.unwrap_or(credentials)
    }

    /// Drops the cached user names.
    pub(crate) fn clear(&self) {
        self.names.clear();
    }
}
