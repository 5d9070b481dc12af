//! Memory for reads of segment files. Large buffers are used again: allocated anew, each would be cleared first, and the
//! allocator would keep it in the arena of whichever thread reads history.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The size of a large buffer, in bytes: the most that one read returns, except of a file that no agent has written. It
/// exceeds the longest line, so that each read has a whole one.
pub(super) const CHUNK_SIZE: usize = 512 << 10;

/// The most large buffers that are kept. One follower that reads history has one.
const KEPT_MAX: usize = 4;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Vec<u8>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that were read from a file.
pub(crate) struct ReadBuffer {
    memory: Vec<u8>,
    /// How many bytes of it were read.
    len: usize,
}

impl ReadBuffer {
    /// A buffer that `fill` has read into. It gets `size` bytes, whatever they contain, and returns how many it read.
    pub(super) fn filled<E>(
        size: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let mut buffer = Self { memory: memory(size), len: 0 };
        buffer.len = fill(&mut buffer.memory[..size])?;
        Ok(buffer)
    }

    /// Leaves the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// At least `size` bytes. Those of a short read are not worth a lock.
fn memory(size: usize) -> Vec<u8> {
    if size <= CHUNK_SIZE / 8 || size > CHUNK_SIZE {
        return vec![0; size];
    }
    let again = kept().pop();
    again.unwrap_or_else(|| vec![0; CHUNK_SIZE])
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        if self.memory.len() == CHUNK_SIZE {
            let mut kept = kept();
            if kept.len() < KEPT_MAX {
                kept.push(std::mem::take(&mut self.memory));
            }
        }
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<ReadBuffer> for Bytes {
    fn from(buffer: ReadBuffer) -> Self {
        Self::from_owner(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn filled(size: usize, byte: u8) -> ReadBuffer {
        let fill = |bytes: &mut [u8]| {
            assert_eq!(bytes.len(), size);
            bytes.fill(byte);
            Ok::<usize, Infallible>(bytes.len() - 1)
        };
        ReadBuffer::filled(size, fill).expect("infallible")
    }

    #[test]
    fn keeps_a_bounded_number_of_large_buffers() {
        for size in [0, 1, CHUNK_SIZE / 8, CHUNK_SIZE / 8 + 1, CHUNK_SIZE, CHUNK_SIZE + 1] {
            if size > 0 {
                let mut buffer = filled(size, 7);
                assert_eq!(*buffer, vec![7; size - 1]);
                buffer.truncate(3);
                assert_eq!(Bytes::from(buffer), vec![7; 3.min(size - 1)]);
            }
        }
        let used: Vec<_> = (0..2 * KEPT_MAX).map(|n| filled(CHUNK_SIZE, n as u8)).collect();
        for (n, buffer) in used.iter().enumerate() {
            assert!(buffer.iter().all(|byte| usize::from(*byte) == n));
        }
        drop(used);
        let kept = kept();
        assert!(kept.len() <= KEPT_MAX && kept.iter().all(|memory| memory.len() == CHUNK_SIZE));
    }
}
