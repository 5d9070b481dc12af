//! Buffers for reads and for decoding, which all connections share: an idle connection and an idle thread hold none.

use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::wire::REQUEST_MAX;

/// The size of a read buffer, in bytes: the most that one read returns.
pub(crate) const READ_SIZE: usize = 256 << 10;

/// The size of a decode buffer, in bytes: an unfinished line and one read.
const DECODE_SIZE: usize = READ_SIZE + REQUEST_MAX + (4 << 10);

/// The most buffers of each kind that are kept. A read needs one for the time of a system call, so that there is one
/// for each thread that serves live traffic. A decoder that gets none allocates what it needs.
const BUFFERS_MAX: usize = 4;

/// All are allocated at once, before the allocator has learned to place buffers of this size among small objects, which
/// they would keep from being returned to the kernel. Only what is used takes memory.
static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(|| {
    let read = (0..BUFFERS_MAX).map(|_| vec![0; READ_SIZE]).collect();
    let decode = (0..BUFFERS_MAX).map(|_| Vec::with_capacity(DECODE_SIZE)).collect();
    Mutex::new(Pool { read, decode, lent: 0 })
});

struct Pool {
    read: Vec<Vec<u8>>,
    decode: Vec<Vec<u8>>,
    /// Decode buffers that decoders have.
    lent: usize,
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A read buffer. Returned on drop.
pub(super) struct ReadBuffer(Vec<u8>);

impl ReadBuffer {
    pub(super) fn take() -> Self {
        let kept = pool().read.pop();
        Self(kept.unwrap_or_else(|| vec![0; READ_SIZE]))
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for ReadBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let mut pool = pool();
        if pool.read.len() < BUFFERS_MAX {
            pool.read.push(std::mem::take(&mut self.0));
        }
    }
}

/// The right to one decode buffer, whose memory a decoder has meanwhile. Drop frees the right alone.
pub(super) struct Lent(());

impl Lent {
    /// A decode buffer. `None` if all are lent.
    pub(super) fn take() -> Option<(Self, Vec<u8>)> {
        let mut pool = pool();
        if pool.lent == BUFFERS_MAX {
            return None;
        }
        pool.lent += 1;
        let kept = pool.decode.pop();
        drop(pool);
        Some((Self(()), kept.unwrap_or_else(|| Vec::with_capacity(DECODE_SIZE))))
    }

    /// Returns the buffer.
    pub(super) fn give_back(self, memory: Vec<u8>) {
        let mut pool = pool();
        if memory.capacity() <= DECODE_SIZE {
            pool.decode.push(memory);
        }
        // Drop locks it again.
        drop(pool);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        pool().lent -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_a_bounded_number_of_buffers() {
        let lent: Vec<_> = (0..BUFFERS_MAX).map(|_| Lent::take().expect("one more")).collect();
        assert!(Lent::take().is_none());
        for (lent, memory) in lent {
            lent.give_back(memory);
        }
        assert_eq!(pool().decode.len(), BUFFERS_MAX);
        let (lent, memory) = Lent::take().expect("all are back");
        drop((lent, memory));
        assert_eq!(pool().decode.len(), BUFFERS_MAX - 1);
        assert_eq!(pool().lent, 0);
        let read: Vec<_> = (0..2 * BUFFERS_MAX).map(|_| ReadBuffer::take()).collect();
        drop(read);
        assert_eq!(pool().read.len(), BUFFERS_MAX);
    }
}
