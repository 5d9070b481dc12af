//! A connection of the monitor, and who its peer is.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Monitor;
use crate::agent::limits::{Permit, QuotaKey, Rate, TooMany, Unauthenticated};
use crate::agent::services::Services;

/// What a request costs of its peer's rate, in bytes of events: whatever it is, it takes some time.
const REQUEST_COST: usize = 4 << 10;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A user of this machine, by loopback.
    Local {
        /// Verified by the kernel.
        uid: u32,
        address: IpAddr,
    },
    /// Another machine.
    Remote(IpAddr),
    /// A proxy, by the Unix socket. What it says of its own peer is trusted.
    Proxy {
        /// Verified by the kernel.
        uid: u32,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid, .. } => write!(f, "uid {uid}"),
            Self::Remote(address) => address.fmt(f),
            Self::Proxy { uid } => write!(f, "proxy of uid {uid}"),
        }
    }
}

impl Peer {
    /// The user who a session belongs to besides its own, because every local user can reach a loopback port.
    pub(super) fn local_uid(&self) -> Option<u32> {
        match self {
            Self::Local { uid, .. } => Some(*uid),
            Self::Remote(_) | Self::Proxy { .. } => None,
        }
    }

    /// What the peer's quotas are counted by.
    pub(super) fn quota_key(&self) -> QuotaKey {
        match self {
            Self::Local { uid, .. } | Self::Proxy { uid } => QuotaKey::User(*uid),
            Self::Remote(address) => QuotaKey::for_address(*address),
        }
    }
}

/// One connection.
pub(super) struct Conn {
    pub(super) services: Arc<Services>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) peer: Peer,
    pub(super) permit: Permit,
    /// The rate of the peer. `None` if it is not limited.
    rate: Option<Arc<Rate>>,
    /// It has or had a live response.
    live: AtomicBool,
    /// Until a request of another machine was authenticated.
    unauthenticated: Mutex<Option<Unauthenticated>>,
}

impl Conn {
    /// Counts a new connection of `peer`.
    ///
    /// # Errors
    /// [`TooMany`] if a limit is reached.
    pub(super) fn admit(
        services: &Arc<Services>,
        monitor: &Arc<Monitor>,
        peer: Peer,
    ) -> Result<Self, TooMany> {
        let key = peer.quota_key();
        let permit = services.limits.permit(key.clone())?;
        let unauthenticated = match &peer {
            Peer::Remote(_) => Some(services.limits.unauthenticated(&key)?),
            Peer::Local { .. } | Peer::Proxy { .. } => None,
        };
        let rate = services.limits.rate_of(&key);
        Ok(Self {
            services: services.clone(),
            rate,
            monitor: monitor.clone(),
            peer,
            permit,
            live: AtomicBool::new(false),
            unauthenticated: Mutex::new(unauthenticated),
        })
    }

    /// Charges a request to the peer. `false` if it is beyond the peer's rate: it then has waited.
    pub(super) async fn charge_request(&self) -> bool {
        let Some(rate) = &self.rate else { return true };
        if rate.charge_request(REQUEST_COST) {
            return true;
        }
        rate.cool_down(1).await;
        false
    }

    /// Notes that a live response begins.
    pub(super) fn note_live(&self) {
        self.live.store(true, Ordering::Relaxed);
    }

    /// `true` if it has or had a live response.
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Reports what may be an attack.
    pub(super) fn report(&self, why: &str) {
        self.monitor.report(&self.peer, why);
    }

    /// Notes that a request was authenticated.
    pub(super) fn note_authenticated(&self) {
        drop(self.unauthenticated.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
