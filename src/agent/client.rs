//! A client that is known, over whichever transport it came.

use std::sync::Arc;

use super::access::Rights;
use super::limits::{QuotaKey, Rate, Share, Turns};
use crate::event::Origin;

/// Identity, rights and quota of one client.
pub(crate) struct Client {
    pub(crate) rights: Arc<Rights>,
    /// What is verified about it.
    pub(crate) origin: Origin,
    /// Its rate. `None` if it is not limited.
    pub(crate) rate: Option<Arc<Rate>>,
    /// What its quotas are counted by.
    pub(crate) quota_key: QuotaKey,
    /// Its token's share of all connections, for as long as it is connected.
    pub(crate) share: Option<Share>,
}

impl Client {
    /// The turns of its token. `None` for other clients.
    pub(crate) fn turns(&self) -> Option<Arc<Turns>> {
        self.share.as_ref().and_then(Share::turns)
    }
}
