//! The origin of Unix socket peers, looked up once a connection, and the names of users. A name may come from a
//! directory service: it is looked up with a timeout.

use std::sync::Arc;
use std::time::Duration;

use super::lookup::Lookups;
use crate::event::Origin;
use crate::sys::peer::Peer;
use crate::sys::users::Names;

/// Timeout of the lookup of a user's name for an origin. A name that is not known by then is absent from the events.
pub const ORIGIN_WAIT_MAX: Duration = Duration::from_millis(50);

/// Timeout of such a lookup for what depends on the name: a session of the monitor.
const NAME_WAIT_MAX: Duration = Duration::from_millis(500);

/// The user database did not answer, so that the name is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user database did not answer in time: try again later")]
pub(crate) struct NameUnavailable;

/// Looks up peers and names.
pub(crate) struct Origins {
    names: Arc<Names>,
    lookups: Lookups,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { names: Arc::default(), lookups: Lookups::new() }
    }

    /// What is verified about a peer. The name is absent if it is not known within [`ORIGIN_WAIT_MAX`].
    pub(crate) async fn lookup(&self, peer: Peer) -> Origin {
        // On this thread: these files of procfs take some microseconds, and wait for nothing.
        let origin = peer.origin();
        let user = self.user(peer.uid).await;
        Origin { user, ..origin }
    }

    /// The name of a user for an origin. `None` if it is not known within [`ORIGIN_WAIT_MAX`].
    pub(crate) async fn user(&self, uid: u32) -> Option<String> {
        self.name_within(uid, ORIGIN_WAIT_MAX).await.ok().flatten()
    }

    /// The name of a user. `None` if the uid has no name.
    pub(crate) async fn name(&self, uid: u32) -> Result<Option<String>, NameUnavailable> {
        self.name_within(uid, NAME_WAIT_MAX).await
    }

    async fn name_within(
        &self,
        uid: u32,
        wait: Duration,
    ) -> Result<Option<String>, NameUnavailable> {
        if let Some(name) = self.names.known(uid) {
            return Ok(name);
        }
        let names = self.names.clone();
        let answer = self.lookups.run(wait, move || names.get(uid)).await;
        answer.and_then(Result::ok).ok_or(NameUnavailable)
    }

    /// Drops the cached user names.
    pub(crate) fn clear(&self) {
        self.names.clear();
    }
}
