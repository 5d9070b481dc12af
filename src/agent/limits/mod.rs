//! Quotas: connections in all and of one user, address or token; patterns; and the rate and the turns that the
//! connections of one user or token share.

mod fair;
mod follower;
mod memory;
mod rate;
pub(crate) mod turn;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::tokens::TokenName;
use crate::log::Log;

pub use fair::{READY_OF_ONE_MAX, TIME_SHARE};
pub(crate) use fair::{Turns, fair};
use follower::Reads;
pub(crate) use follower::{Follower, Position, Reading, Scans};
pub use follower::{PARTS_OF_ONE_MAX, SCAN_SHARE, SLOW_SCANS_MAX};
use memory::Memory;
pub use memory::{HELD_FREE, HELD_MAX, HELD_OF_ONE_MAX};
pub(crate) use memory::{Held, ROOM_EVERY};
pub use rate::{BURST_OF_HISTORY, BURST_SECONDS, BYTES_PER_SECOND, EVENTS_PER_SECOND};
pub(crate) use rate::{Lease, Rate};
pub use turn::TURN_MAX;

/// Concurrent connections, unless the limit of open files allows fewer (`connections_within`).
pub const CONNECTIONS_MAX: usize = 4096;

/// Descriptors that are kept for everything but connections: history and its readers, lookups in procfs and in the user
/// database, tokens, certificates, listening sockets, refused connections. The agent uses some 40 of them, and
/// `LINGERING_MAX`.
pub const DESCRIPTORS_RESERVED: u64 = 256;

/// The descriptors that one connection takes at most: its socket, and while its origin is looked up, that of the
/// process or of the question to the kernel.
pub const DESCRIPTORS_OF_CONNECTION: u64 = 2;

/// The usual soft limit of open files, if the limit cannot be read.
pub(crate) const OPEN_FILES_USUAL: u64 = 1024;

/// How many connections a limit of open files allows besides [`DESCRIPTORS_RESERVED`]: at most [`CONNECTIONS_MAX`]. With
/// a very low limit, half of it is kept.
pub(crate) fn connections_within(open_files: u64) -> usize {
    let reserved = DESCRIPTORS_RESERVED.min(open_files / 2);
    let connections = (open_files - reserved) / DESCRIPTORS_OF_CONNECTION;
    usize::try_from(connections).unwrap_or(CONNECTIONS_MAX).clamp(1, CONNECTIONS_MAX)
}

/// Connections of [`CONNECTIONS_MAX`] that are reserved for root and the agent's own user. Of fewer connections, at most
/// half.
pub const CONNECTIONS_RESERVED: usize = 64;

/// Refused connections that are still read: further ones are closed at once. Of few connections, at most a quarter.
const LINGERING_MAX: usize = 64;

/// Concurrent connections of one other user, one address or one token.
pub const CONNECTIONS_OF_ONE_MAX: usize = 1024;

/// Concurrent TCP connections that have not authenticated yet.
pub const UNAUTHENTICATED_MAX: usize = 256;

/// Concurrent unauthenticated connections from one address.
pub const UNAUTHENTICATED_OF_ONE_MAX: usize = 64;

/// Regular expressions that all followers hold together. One may take some MiB; one follower's are bounded by
/// [`crate::filter::PATTERNS_MAX`].
pub const PATTERNS_HELD_MAX: usize = 128;

/// Regular expressions that the followers of one user, address or token hold together.
pub const PATTERNS_OF_ONE_MAX: usize = 64;

/// Quota keys without a connection that are remembered because their rate is not replenished yet.
const REMEMBERED_MAX: usize = 4096;

/// The quotas in use.
pub(crate) struct Limits {
    sizes: Sizes,
    log: Log,
    memory: Arc<Memory>,
    table: Mutex<Table>,
    scans: Arc<Semaphore>,
    lingering: Arc<Semaphore>,
}

/// What the quotas depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// The uid of the agent, which has no quota.
    pub(crate) own_uid: u32,
    /// The most connections: see [`connections_within`].
    pub(crate) connections_max: usize,
    /// The threads that serve clients.
    pub(crate) workers: usize,
    /// The most bytes of one burst.
    pub(crate) burst_max: u64,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    /// Those of them that follow.
    pub(crate) followers: usize,
}

#[derive(Default)]
struct Table {
    connections: usize,
    /// The positions of followers, by a number of their own.
    followers: HashMap<u64, Arc<Position>>,
    next_follower: u64,
    unauthenticated: usize,
    patterns: usize,
    keys: HashMap<QuotaKey, Entry>,
}

/// What a quota is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum QuotaKey {
    /// A local user.
    User(u32),
    /// A machine, by its address.
    Address(IpAddr),
    /// A machine's connections that have not authenticated yet.
    Unauthenticated(IpAddr),
    /// A token.
    Token(TokenName),
}

impl QuotaKey {
    /// The machine at this address. Of an IPv6 address only the network counts, since a host chooses the 64
    /// interface bits itself (RFC 4291). All loopback addresses (RFC 1122) count as one, since any local user can
    /// use any of them.
    pub(crate) fn for_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            local if local.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        })
    }
}

struct Entry {
    connections: usize,
    patterns: usize,
    reads: Arc<Reads>,
    rate: Option<Arc<Rate>>,
    turns: Option<Arc<Turns>>,
}

impl Entry {
    /// `true` if nothing of it is in use or must be remembered: reconnecting must not reset a rate.
    fn is_idle(&self) -> bool {
        self.connections == 0
            && self.rate.as_ref().is_none_or(|rate| rate.is_full())
            && self.turns.as_ref().is_none_or(|turns| turns.is_full())
    }
}

/// The quota that a request exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("too many connections: try again later")]
    Connections,
    #[error("too many connections of your user: try again later")]
    OfUser,
    #[error("too many connections from your address: try again later")]
    OfAddress,
    #[error("too many connections with your token: try again later")]
    OfToken,
    #[error("too many followers with ~ at once: follow without it, or try again later")]
    Patterns,
}

/// One of all connections. Released on drop.
pub(crate) struct Permit {
    share: Share,
}

/// One connection of a key's quota. Released on drop.
pub(crate) struct Share {
    limits: Arc<Limits>,
    key: QuotaKey,
}

/// One unauthenticated connection. Released on drop.
pub(crate) struct Unauthenticated {
    limits: Arc<Limits>,
    _share: Share,
}

impl Limits {
    pub(crate) fn new(sizes: Sizes, log: Log) -> Self {
        let scans = Arc::new(Semaphore::new(SLOW_SCANS_MAX));
        let lingering = LINGERING_MAX.min(sizes.connections_max / 4);
        let lingering = Arc::new(Semaphore::new(lingering));
        Self { sizes, log, memory: Arc::default(), table: Mutex::default(), scans, lingering }
    }

    /// Takes one of the refused connections that are still read. `None` if there are enough.
    pub(crate) fn linger(&self) -> Option<OwnedSemaphorePermit> {
        self.lingering.clone().try_acquire_owned().ok()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusts(&self, key: &QuotaKey) -> bool {
        matches!(key, QuotaKey::User(uid) if *uid == 0 || *uid == self.sizes.own_uid)
    }

    /// Takes one connection for this key.
    pub(crate) fn permit(self: &Arc<Self>, key: QuotaKey) -> Result<Permit, TooMany> {
        let mut table = self.table();
        let reserved = CONNECTIONS_RESERVED.min(self.sizes.connections_max / 2);
        let reserved = if self.trusts(&key) { 0 } else { reserved };
        if table.connections >= self.sizes.connections_max - reserved {
            return Err(TooMany::Connections);
        }
        let share = self.count(&mut table, key)?;
        table.connections += 1;
        Ok(Permit { share })
    }

    /// Takes one unauthenticated connection for an address that has a permit.
    pub(crate) fn unauthenticated(
        self: &Arc<Self>,
        address: &QuotaKey,
    ) -> Result<Unauthenticated, TooMany> {
        let QuotaKey::Address(address) = address else { return Err(TooMany::Connections) };
        let mut table = self.table();
        if table.unauthenticated >= UNAUTHENTICATED_MAX {
            return Err(TooMany::Connections);
        }
        let share = self.count(&mut table, QuotaKey::Unauthenticated(*address))?;
        table.unauthenticated += 1;
        Ok(Unauthenticated { limits: self.clone(), _share: share })
    }

    /// Counts a connection that has a permit for another key too.
    pub(crate) fn share(self: &Arc<Self>, key: QuotaKey) -> Result<Share, TooMany> {
        self.count(&mut self.table(), key)
    }

    fn count(self: &Arc<Self>, table: &mut Table, key: QuotaKey) -> Result<Share, TooMany> {
        if table.keys.len() >= CONNECTIONS_MAX + REMEMBERED_MAX {
            table.keys.retain(|_, entry| entry.connections > 0);
        }
        let trusted = self.trusts(&key);
        let rated = !trusted && !matches!(key, QuotaKey::Unauthenticated(_));
        let entry = table.keys.entry(key.clone()).or_insert_with(|| Entry {
            connections: 0,
            patterns: 0,
            reads: Arc::new(Reads::new(!trusted)),
            rate: rated.then(|| Arc::new(Rate::new(self.log.clone(), self.sizes.burst_max))),
            turns: rated.then(|| Arc::new(Turns::new(self.sizes.workers))),
        });
        let (most, too_many) = match key {
            QuotaKey::User(_) if trusted => (usize::MAX, TooMany::OfUser),
            QuotaKey::User(_) => (CONNECTIONS_OF_ONE_MAX, TooMany::OfUser),
            QuotaKey::Address(_) => (CONNECTIONS_OF_ONE_MAX, TooMany::OfAddress),
            QuotaKey::Unauthenticated(_) => (UNAUTHENTICATED_OF_ONE_MAX, TooMany::OfAddress),
            QuotaKey::Token(_) => (CONNECTIONS_OF_ONE_MAX, TooMany::OfToken),
        };
        if entry.connections >= most {
            return Err(too_many);
        }
        entry.connections += 1;
        Ok(Share { limits: self.clone(), key })
    }

    /// The rate of this key. `None` if it is not limited.
    pub(crate) fn rate_of(&self, key: &QuotaKey) -> Option<Arc<Rate>> {
        self.table().keys.get(key).and_then(|entry| entry.rate.clone())
    }

    fn turns_of(&self, key: &QuotaKey) -> Option<Arc<Turns>> {
        self.table().keys.get(key).and_then(|entry| entry.turns.clone())
    }

    /// What one connection of this key holds of the memory for undecoded bytes: nothing yet.
    pub(crate) fn held(&self, key: &QuotaKey) -> Held {
        self.memory.held(key.clone(), self.trusts(key))
    }

    /// The connections in use.
    pub(crate) fn counts(&self) -> Counts {
        let table = self.table();
        Counts { connections: table.connections, followers: table.followers.len() }
    }

    /// The position of the follower that is furthest behind. `None` without followers.
    pub(crate) fn furthest_follower(&self) -> Option<u64> {
        self.table().followers.values().filter_map(|position| position.get()).min()
    }
}

impl Permit {
    /// The turns of its key. `None` if its tasks need not take turns.
    pub(crate) fn turns(&self) -> Option<Arc<Turns>> {
        self.share.turns()
    }

    /// Counts this connection as a follower.
    pub(crate) fn follower(&self) -> Follower {
        self.share.follower()
    }
}

impl Share {
    /// The turns of its key. `None` if its tasks need not take turns.
    pub(crate) fn turns(&self) -> Option<Arc<Turns>> {
        self.limits.turns_of(&self.key)
    }

    /// Counts a follower whose patterns this key pays for.
    pub(crate) fn follower(&self) -> Follower {
        Follower::new(self.limits.clone(), self.key.clone())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        if let Some(entry) = table.keys.get_mut(&self.key) {
            entry.connections -= 1;
            if entry.is_idle() {
                table.keys.remove(&self.key);
            }
        }
    }
}

impl Drop for Unauthenticated {
    fn drop(&mut self) {
        self.limits.table().unauthenticated -= 1;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.share.limits.table().connections -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        let enough = CONNECTIONS_MAX as u64 * DESCRIPTORS_OF_CONNECTION + DESCRIPTORS_RESERVED;
        for (open_files, connections) in [
            (u64::MAX, CONNECTIONS_MAX),
            (enough, CONNECTIONS_MAX),
            (enough - 2, CONNECTIONS_MAX - 1),
            (1024, 384),
            (512, 128),
            (80, 20),
            (0, 1),
        ] {
            assert_eq!(connections_within(open_files), connections, "{open_files}");
        }
    }

    #[test]
    fn a_machine_is_one_party_however_many_addresses_it_has() {
        let key = |text: &str| QuotaKey::for_address(text.parse().expect("an address"));
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::2:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("127.0.0.1", "127.1.2.3", true),
            ("127.0.0.1", "::1", true),
            ("127.0.0.1", "192.0.2.1", false),
        ] {
            assert_eq!(key(one) == key(other), same, "{one} {other}");
        }
    }
}
