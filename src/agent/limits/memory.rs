//! The memory for what clients have sent and the agent cannot use yet: unfinished lines, and lines behind a request
//! that waits. One budget for all connections. A connection that finds it used up is read in small pieces, or not at
//! all once it holds a long unfinished line.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::QuotaKey;

/// Bytes that all connections hold and that are not decoded yet. Threads that read at the same moment may exceed it
/// by one read each, root and the agent's own user at any time.
pub const HELD_MAX: usize = 32 << 20;

/// Of those, of one other user, one address or one token.
pub const HELD_OF_ONE_MAX: usize = HELD_MAX / 4;

/// What each connection may hold in any case, in bytes, without counting: clients with usual lines never wait for
/// others.
pub const HELD_FREE: usize = 4 << 10;

/// How often a connection with a long unfinished line asks for room for more of it.
pub(crate) const ROOM_EVERY: Duration = Duration::from_millis(250);

/// The memory in use.
#[derive(Debug, Default)]
pub(super) struct Memory {
    in_all: AtomicUsize,
    keys: Mutex<HashMap<QuotaKey, Arc<AtomicUsize>>>,
}

/// What one connection holds. Released on drop.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    key: QuotaKey,
    of_key: Arc<AtomicUsize>,
    /// Its user is root or the agent's own.
    trusted: bool,
    /// The bytes that count.
    counted: usize,
}

impl Memory {
    fn keys(&self) -> MutexGuard<'_, HashMap<QuotaKey, Arc<AtomicUsize>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For one connection of this key.
    pub(super) fn held(self: &Arc<Self>, key: QuotaKey, trusted: bool) -> Held {
        let of_key = self.keys().entry(key.clone()).or_default().clone();
        Held { memory: self.clone(), key, of_key, trusted, counted: 0 }
    }
}

impl Held {
    /// How many bytes may be read besides the `rest` that is held. 0 if that must wait.
    pub(crate) fn room(&self, rest: usize) -> usize {
        if self.trusted {
            return usize::MAX;
        }
        let in_all = HELD_MAX.saturating_sub(self.memory.in_all.load(Ordering::Relaxed));
        let of_key = HELD_OF_ONE_MAX.saturating_sub(self.of_key.load(Ordering::Relaxed));
        let room = in_all.min(of_key).saturating_sub(rest.saturating_sub(self.counted));
        // Not in pieces that are smaller than what is free.
        if room >= HELD_FREE { room } else { HELD_FREE.saturating_sub(rest) }
    }

    /// Waits until there is room besides the `rest` that is held.
    pub(crate) async fn wait_for_room(&self, rest: usize) {
        while self.room(rest) == 0 {
            tokio::time::sleep(ROOM_EVERY).await;
        }
    }

    /// Notes how many bytes are held now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let counted = if bytes > HELD_FREE { bytes } else { 0 };
        let before = std::mem::replace(&mut self.counted, counted);
        for counter in [&self.memory.in_all, &*self.of_key] {
            if counted > before {
                counter.fetch_add(counted - before, Ordering::Relaxed);
            } else if counted < before {
                counter.fetch_sub(before - counted, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
        let mut keys = self.memory.keys();
        // The table's and this one.
        if Arc::strong_count(&self.of_key) <= 2 {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(memory: &Arc<Memory>, uid: u32) -> Held {
        memory.held(QuotaKey::User(uid), uid == 0)
    }

    #[test]
    fn one_key_gets_a_quarter_and_small_rests_are_free() {
        let memory = Arc::new(Memory::default());
        let (mut large, mut small) = (user(&memory, 1), user(&memory, 1));
        assert_eq!(large.room(0), HELD_OF_ONE_MAX);
        large.set(HELD_OF_ONE_MAX - HELD_FREE);
        assert_eq!(large.room(HELD_OF_ONE_MAX - HELD_FREE), HELD_FREE);
        assert_eq!((small.room(0), small.room(1)), (HELD_FREE, HELD_FREE - 1));
        large.set(HELD_OF_ONE_MAX);
        assert_eq!(large.room(HELD_OF_ONE_MAX), 0);
        small.set(HELD_FREE);
        assert_eq!((small.room(0), small.room(HELD_FREE)), (HELD_FREE, 0));
        assert_eq!(memory.in_all.load(Ordering::Relaxed), HELD_OF_ONE_MAX);
        assert_eq!(user(&memory, 2).room(0), HELD_OF_ONE_MAX);
    }

    #[test]
    fn all_keys_share_the_budget_and_trusted_ones_exceed_it() {
        let memory = Arc::new(Memory::default());
        let mut hostile: Vec<_> = (1..=4).map(|uid| user(&memory, uid)).collect();
        hostile.iter_mut().for_each(|held| held.set(HELD_OF_ONE_MAX));
        let (other, mut root) = (user(&memory, 5), user(&memory, 0));
        assert_eq!(other.room(0), HELD_FREE);
        assert!(root.room(HELD_MAX) > HELD_MAX);
        root.set(HELD_MAX);
        // A client that is gone frees its share.
        hostile.pop();
        assert_eq!(other.room(0), HELD_FREE);
        drop(root);
        assert_eq!(other.room(0), HELD_OF_ONE_MAX);
        drop((hostile, other));
        assert_eq!((memory.in_all.load(Ordering::Relaxed), memory.keys().len()), (0, 0));
    }
}
