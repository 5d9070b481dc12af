//! Somebody who came in, by whichever door.

use std::sync::Arc;

use super::access::Rights;
use super::limits::Share;
use super::rate::Rate;
use crate::event::Origin;

/// Who somebody is, what they may do, and how much of it.
pub(crate) struct Guest {
    pub(crate) rights: Rights,
    /// What is vouched for about them.
    pub(crate) origin: Origin,
    /// How fast they may send; none if nobody asks.
    pub(crate) rate: Option<Arc<Rate>>,
    /// Their token's share of all connections, as long as they are here.
    pub(crate) _share: Option<Share>,
}
