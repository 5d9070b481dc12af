//! Who may have how much: connections in all and of one user, and how fast a user may send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::log::Log;

/// The most connections at a time.
pub const CONNECTIONS_MAX: usize = 4096;

/// How many of them only root and the agent's own user may have.
pub const CONNECTIONS_KEPT: usize = 64;

/// The most connections of one other user.
pub const CONNECTIONS_OF_USER_MAX: usize = 1024;

/// How many events a second one other user may send.
pub const EVENTS_PER_SECOND: f64 = 50_000.0;

/// How many bytes a second one other user may send.
pub const BYTES_PER_SECOND: f64 = 16.0 * 1024.0 * 1024.0;

/// How much may come at once: so many seconds' worth.
pub const BURST_SECONDS: f64 = 10.0;

/// How long refused events may stay untold.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Who is connected.
pub(crate) struct Limits {
    own_uid: u32,
    log: Log,
    users: Mutex<Users>,
    /// The last connection has ended.
    gone: Notify,
}

#[derive(Default)]
struct Users {
    connections: usize,
    followers: usize,
    by_uid: HashMap<u32, User>,
}

struct User {
    connections: usize,
    rate: Option<Arc<Rate>>,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("too many connections: try again later")]
    Connections,
    #[error("too many connections of your user: try again later")]
    OfUser,
}

/// The right to one connection; given back when it is dropped.
pub(crate) struct Permit {
    limits: Arc<Limits>,
    uid: u32,
}

/// Counts a follower as long as it lives.
pub(crate) struct Follows(Arc<Limits>);

/// How fast a user may send: two leaking buckets, shared by all connections of that user.
pub(crate) struct Rate {
    log: Log,
    state: Mutex<RateState>,
}

struct RateState {
    events: f64,
    bytes: f64,
    at: Instant,
    /// Refused and not told yet.
    refused: u64,
    /// A task will tell them.
    will_tell: bool,
}

impl Limits {
    pub(crate) fn new(own_uid: u32, log: Log) -> Self {
        Self { own_uid, log, users: Mutex::default(), gone: Notify::new() }
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own_uid
    }

    /// Asks for one more connection of this user.
    pub(crate) fn permit(self: &Arc<Self>, uid: u32) -> Result<Permit, TooMany> {
        let mut users = self.users();
        let trusted = self.trusts(uid);
        let in_all = if trusted { CONNECTIONS_MAX } else { CONNECTIONS_MAX - CONNECTIONS_KEPT };
        if users.connections >= in_all {
            return Err(TooMany::Connections);
        }
        if users.by_uid.len() >= CONNECTIONS_MAX {
            users.by_uid.retain(|_, user| user.connections > 0);
        }
        let user = users.by_uid.entry(uid).or_insert_with(|| User {
            connections: 0,
            rate: (!trusted).then(|| Arc::new(Rate::new(self.log.clone()))),
        });
        if !trusted && user.connections >= CONNECTIONS_OF_USER_MAX {
            return Err(TooMany::OfUser);
        }
        user.connections += 1;
        users.connections += 1;
        Ok(Permit { limits: self.clone(), uid })
    }

    /// How fast this user may send; none if nobody asks.
    pub(crate) fn rate_of(&self, uid: u32) -> Option<Arc<Rate>> {
        self.users().by_uid.get(&uid).and_then(|user| user.rate.clone())
    }

    /// How many connections there are, and how many of them follow.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let users = self.users();
        (users.connections, users.followers)
    }

    /// Waits until no connection is left.
    pub(crate) async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.users().connections == 0 {
                return;
            }
            gone.await;
        }
    }
}

impl Permit {
    /// Counts this connection as a follower.
    pub(crate) fn follows(&self) -> Follows {
        self.limits.users().followers += 1;
        Follows(self.limits.clone())
    }
}

impl Drop for Follows {
    fn drop(&mut self) {
        self.0.users().followers -= 1;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut users = self.limits.users();
        users.connections -= 1;
        let none_left = users.connections == 0;
        if let Some(user) = users.by_uid.get_mut(&self.uid) {
            user.connections -= 1;
            // A rate that has refused lately is kept: a new connection does not wash it clean.
            let clean = user.rate.as_ref().is_none_or(|rate| rate.is_full());
            if user.connections == 0 && clean {
                users.by_uid.remove(&self.uid);
            }
        }
        drop(users);
        if none_left {
            self.limits.gone.notify_waiters();
        }
    }
}

impl Rate {
    fn new(log: Log) -> Self {
        let state = RateState {
            events: EVENTS_PER_SECOND * BURST_SECONDS,
            bytes: BYTES_PER_SECOND * BURST_SECONDS,
            at: Instant::now(),
            refused: 0,
            will_tell: false,
        };
        Self { log, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, RateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one event of so many bytes may be taken in now.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let mut state = self.state();
        state.refill(Instant::now());
        if state.events < 1.0 || state.bytes < bytes as f64 {
            state.refused += 1;
            return false;
        }
        state.events -= 1.0;
        state.bytes -= bytes as f64;
        true
    }

    fn is_full(&self) -> bool {
        let mut state = self.state();
        state.refill(Instant::now());
        state.refused == 0 && state.events >= EVENTS_PER_SECOND * BURST_SECONDS
    }

    /// Sees to it that what was refused is told in the log: within [`TELL_AFTER`], many at a time.
    pub(crate) fn tell_soon(self: &Arc<Self>) {
        let mut state = self.state();
        if state.refused == 0 || state.will_tell {
            return;
        }
        state.will_tell = true;
        drop(state);
        let rate = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(TELL_AFTER).await;
            let refused = {
                let mut state = rate.state();
                state.will_tell = false;
                std::mem::take(&mut state.refused)
            };
            rate.log.append_refused(refused);
        });
    }
}

impl RateState {
    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let fill = |level: f64, rate: f64| (level + seconds * rate).min(rate * BURST_SECONDS);
        self.events = fill(self.events, EVENTS_PER_SECOND);
        self.bytes = fill(self.bytes, BYTES_PER_SECOND);
    }
}
