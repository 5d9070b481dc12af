//! Who may have how much: connections in all, of one user, one address, one token; and who shares a rate.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard};

use super::rate::Rate;
use super::tokens::TokenName;
use crate::log::Log;

/// The most connections at a time.
pub const CONNECTIONS_MAX: usize = 4096;

/// How many of them only root and the agent's own user may have.
pub const CONNECTIONS_KEPT: usize = 64;

/// The most connections of one other user, one address or one token.
pub const CONNECTIONS_OF_ONE_MAX: usize = 1024;

/// The most TCP connections that have not said a good token yet.
pub const STRANGERS_MAX: usize = 256;

/// The most of them from one address.
pub const STRANGERS_OF_ONE_MAX: usize = 64;

/// The most regular expressions that all who follow hold together. One may take some MiB of memory, and one
/// follower's are bounded by [`crate::filter::PATTERNS_MAX`].
pub const PATTERNS_HELD_MAX: usize = 128;

/// The most of them of one user or one address.
pub const PATTERNS_OF_ONE_MAX: usize = 64;

/// How many users, addresses and tokens are remembered beyond those that are connected: those who were too
/// fast lately.
const REMEMBERED_MAX: usize = 4096;

/// Who is connected.
pub(crate) struct Limits {
    own_uid: u32,
    log: Log,
    table: Mutex<Table>,
    /// The last connection has ended.
    gone: Notify,
}

#[derive(Default)]
struct Table {
    connections: usize,
    followers: usize,
    strangers: usize,
    patterns: usize,
    parties: HashMap<Party, Entry>,
}

/// Whose connections are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// A local user.
    User(u32),
    /// A machine.
    Address(IpAddr),
    /// The part of a machine's connections that has not said a token yet.
    Stranger(IpAddr),
    /// Whoever has this token.
    Token(TokenName),
}

impl Party {
    /// The machine at this address. Of an IPv6 address only the network counts: who has one has as many
    /// addresses as they like (RFC 4291: 64 bits are the interface's). So has each user of this machine of
    /// loopback addresses (RFC 1122): they are one.
    pub(crate) fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            own if own.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        })
    }
}

#[derive(Default)]
struct Entry {
    connections: usize,
    patterns: usize,
    /// Whoever has it makes regular expressions of what was typed.
    compiling: Arc<tokio::sync::Mutex<()>>,
    rate: Option<Arc<Rate>>,
}

/// Why a connection is refused.
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
    #[error("too many followers with ~ at once: follow without, or try again later")]
    Patterns,
}

/// The right to one connection; given back when it is dropped.
pub(crate) struct Permit {
    share: Share,
}

/// One of the connections of a party.
pub(crate) struct Share {
    limits: Arc<Limits>,
    party: Party,
}

/// The right to a TCP connection without a token.
pub(crate) struct Stranger {
    limits: Arc<Limits>,
    _share: Share,
}

/// Counts a follower as long as it lives, and what it holds.
pub(crate) struct Follows {
    limits: Arc<Limits>,
    party: Party,
    patterns: usize,
}

impl Limits {
    pub(crate) fn new(own_uid: u32, log: Log) -> Self {
        Self { own_uid, log, table: Mutex::default(), gone: Notify::new() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusts(&self, party: &Party) -> bool {
        matches!(party, Party::User(uid) if *uid == 0 || *uid == self.own_uid)
    }

    /// Asks for one more connection of this party.
    pub(crate) fn permit(self: &Arc<Self>, party: Party) -> Result<Permit, TooMany> {
        let mut table = self.table();
        let kept = if self.trusts(&party) { 0 } else { CONNECTIONS_KEPT };
        if table.connections >= CONNECTIONS_MAX - kept {
            return Err(TooMany::Connections);
        }
        let share = self.count(&mut table, party)?;
        table.connections += 1;
        Ok(Permit { share })
    }

    /// Asks for one more TCP connection without a token from this address. It has a permit.
    pub(crate) fn stranger(self: &Arc<Self>, address: &Party) -> Result<Stranger, TooMany> {
        let Party::Address(address) = address else { return Err(TooMany::Connections) };
        let mut table = self.table();
        if table.strangers >= STRANGERS_MAX {
            return Err(TooMany::Connections);
        }
        let share = self.count(&mut table, Party::Stranger(*address))?;
        table.strangers += 1;
        Ok(Stranger { limits: self.clone(), _share: share })
    }

    /// Counts a connection, which has a permit already, for another party too.
    pub(crate) fn share(self: &Arc<Self>, party: Party) -> Result<Share, TooMany> {
        self.count(&mut self.table(), party)
    }

    fn count(self: &Arc<Self>, table: &mut Table, party: Party) -> Result<Share, TooMany> {
        if table.parties.len() >= CONNECTIONS_MAX + REMEMBERED_MAX {
            table.parties.retain(|_, entry| entry.connections > 0);
        }
        let trusted = self.trusts(&party);
        let rated = !trusted && matches!(party, Party::User(_) | Party::Token(_));
        let entry = table.parties.entry(party.clone()).or_insert_with(|| Entry {
            connections: 0,
            patterns: 0,
            compiling: Arc::default(),
            rate: rated.then(|| Arc::new(Rate::new(self.log.clone()))),
        });
        let (most, too_many) = match party {
            Party::User(_) if trusted => (usize::MAX, TooMany::OfUser),
            Party::User(_) => (CONNECTIONS_OF_ONE_MAX, TooMany::OfUser),
            Party::Address(_) => (CONNECTIONS_OF_ONE_MAX, TooMany::OfAddress),
            Party::Stranger(_) => (STRANGERS_OF_ONE_MAX, TooMany::OfAddress),
            Party::Token(_) => (CONNECTIONS_OF_ONE_MAX, TooMany::OfToken),
        };
        if entry.connections >= most {
            return Err(too_many);
        }
        entry.connections += 1;
        Ok(Share { limits: self.clone(), party })
    }

    /// How fast this party may send; none if nobody asks.
    pub(crate) fn rate_of(&self, party: &Party) -> Option<Arc<Rate>> {
        self.table().parties.get(party).and_then(|entry| entry.rate.clone())
    }

    /// How many connections there are, and how many of them follow.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let table = self.table();
        (table.connections, table.followers)
    }

    /// Waits until no connection is left.
    pub(crate) async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.table().connections == 0 {
                return;
            }
            gone.await;
        }
    }
}

impl Permit {
    /// Counts this connection as a follower.
    pub(crate) fn follows(&self) -> Follows {
        let Share { limits, party } = &self.share;
        limits.table().followers += 1;
        Follows { limits: limits.clone(), party: party.clone(), patterns: 0 }
    }
}

impl Follows {
    /// The turn to make regular expressions, which takes some milliseconds of a core and a thread: one after the
    /// other of one party, however many connections it has. Over when it is dropped.
    pub(crate) async fn turn_to_compile(&self) -> Option<OwnedMutexGuard<()>> {
        let entry = self.limits.table().parties.get(&self.party).map(|e| e.compiling.clone());
        Some(entry?.lock_owned().await)
    }

    /// Asks to hold so many regular expressions, in the place of none.
    pub(crate) fn hold(&mut self, patterns: usize) -> Result<(), TooMany> {
        if patterns == 0 || self.limits.trusts(&self.party) {
            return Ok(());
        }
        let mut table = self.limits.table();
        let in_all = table.patterns + patterns;
        let Some(entry) = table.parties.get_mut(&self.party) else { return Ok(()) };
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

impl Drop for Follows {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        table.followers -= 1;
        table.patterns -= self.patterns;
        if let Some(entry) = table.parties.get_mut(&self.party) {
            entry.patterns -= self.patterns;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        if let Some(entry) = table.parties.get_mut(&self.party) {
            entry.connections -= 1;
            // A rate that has refused lately is kept: a new connection does not wash it clean.
            let clean = entry.rate.as_ref().is_none_or(|rate| rate.is_full());
            if entry.connections == 0 && clean {
                table.parties.remove(&self.party);
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.limits.table().strangers -= 1;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let limits = &self.share.limits;
        let mut table = limits.table();
        table.connections -= 1;
        let none_left = table.connections == 0;
        drop(table);
        if none_left {
            limits.gone.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_one_party_however_many_addresses_it_has() {
        let party = |text: &str| Party::address(text.parse().expect("an address"));
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::2:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("127.0.0.1", "127.1.2.3", true),
            ("127.0.0.1", "::1", true),
            ("127.0.0.1", "192.0.2.1", false),
        ] {
            assert_eq!(party(one) == party(other), same, "{one} {other}");
        }
    }
}
