//! Quotas: connections in all and of one user, address or token; patterns; and the rate that the connections
//! of one user or token share.

mod rate;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::auth::tokens::TokenName;
use crate::event::Seq;
use crate::log::Log;

pub(crate) use rate::Rate;
pub use rate::{BURST_SECONDS, BYTES_PER_SECOND, EVENTS_PER_SECOND};

/// Concurrent connections.
pub const CONNECTIONS_MAX: usize = 4096;

/// Connections of [`CONNECTIONS_MAX`] that are reserved for root and the agent's own user.
pub const CONNECTIONS_RESERVED: usize = 64;

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
    own_uid: u32,
    log: Log,
    table: Mutex<Table>,
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

#[derive(Default)]
struct Entry {
    connections: usize,
    patterns: usize,
    /// Held while a pattern is compiled: one at a time for each key.
    compiling: Arc<tokio::sync::Mutex<()>>,
    rate: Option<Arc<Rate>>,
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

/// One connection of [`CONNECTIONS_MAX`]. Released on drop.
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

/// One follower, and the patterns that it holds. Released on drop.
pub(crate) struct Follower {
    limits: Arc<Limits>,
    key: QuotaKey,
    patterns: usize,
    number: u64,
    position: Arc<Position>,
}

/// How far a follower has read: written at each of its turns, read by the metrics.
#[derive(Debug)]
pub(crate) struct Position(AtomicU64);

impl Default for Position {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Position {
    /// Notes the last number that the follower has covered.
    pub(crate) fn set(&self, seq: Seq) {
        self.0.store(seq.get(), Ordering::Relaxed);
    }

    /// The last number that the follower has covered. `None` before it has read, and if it reads backwards.
    fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seq| *seq != u64::MAX)
    }
}

impl Limits {
    pub(crate) fn new(own_uid: u32, log: Log) -> Self {
        Self { own_uid, log, table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusts(&self, key: &QuotaKey) -> bool {
        matches!(key, QuotaKey::User(uid) if *uid == 0 || *uid == self.own_uid)
    }

    /// Takes one connection for this key.
    pub(crate) fn permit(self: &Arc<Self>, key: QuotaKey) -> Result<Permit, TooMany> {
        let mut table = self.table();
        let reserved = if self.trusts(&key) { 0 } else { CONNECTIONS_RESERVED };
        if table.connections >= CONNECTIONS_MAX - reserved {
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
            compiling: Arc::default(),
            rate: rated.then(|| Arc::new(Rate::new(self.log.clone()))),
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
    /// Counts this connection as a follower.
    pub(crate) fn follower(&self) -> Follower {
        self.share.follower()
    }
}

impl Share {
    /// Counts a follower whose patterns this key pays for.
    pub(crate) fn follower(&self) -> Follower {
        let Self { limits, key } = self;
        let position = Arc::new(Position::default());
        let mut table = limits.table();
        let number = table.next_follower;
        table.next_follower += 1;
        table.followers.insert(number, position.clone());
        drop(table);
        Follower { limits: limits.clone(), key: key.clone(), patterns: 0, number, position }
    }
}

impl Follower {
    /// Where its subscription notes how far it has read.
    pub(crate) fn position(&self) -> Arc<Position> {
        self.position.clone()
    }

    /// What its quota is counted by.
    pub(crate) fn key(&self) -> &QuotaKey {
        &self.key
    }

    /// Waits for the key's turn to compile patterns, which takes some milliseconds of a core: one at a time for
    /// each key, however many connections it has. The turn ends on drop.
    pub(crate) async fn compile_turn(&self) -> Option<OwnedMutexGuard<()>> {
        let entry = self.limits.table().keys.get(&self.key).map(|e| e.compiling.clone());
        Some(entry?.lock_owned().await)
    }

    /// Takes `patterns` regular expressions for this follower, which must hold none yet.
    pub(crate) fn hold(&mut self, patterns: usize) -> Result<(), TooMany> {
        if patterns == 0 || self.limits.trusts(&self.key) {
            return Ok(());
        }
        let mut table = self.limits.table();
        let in_all = table.patterns + patterns;
        let Some(entry) = table.keys.get_mut(&self.key) else { return Ok(()) };
        let of_one = entry.patterns + patterns;
        if in_all > PATTERNS_HELD_MAX || of_one > PATTERNS_OF_ONE_MAX {
            return Err(TooMany::Patterns);
        }
        entry.patterns = of_one;
        table.patterns = in_all;
        self.patterns = patterns;
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        table.followers.remove(&self.number);
        table.patterns -= self.patterns;
        if let Some(entry) = table.keys.get_mut(&self.key) {
            entry.patterns -= self.patterns;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        if let Some(entry) = table.keys.get_mut(&self.key) {
            entry.connections -= 1;
            // A rate that is not replenished is kept: reconnecting must not reset it.
            let replenished = entry.rate.as_ref().is_none_or(|rate| rate.is_full());
            if entry.connections == 0 && replenished {
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
