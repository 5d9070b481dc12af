//! Batch buffers, which all clients share: a client that waits and a thread that is idle have none.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::event::Batch;

/// The size of a buffer, in bytes: what is collected before it is appended, and the longest line. A larger one is not
/// kept.
const BUFFER_SIZE: usize = 1 << 20;

/// The most buffers that are kept.
const BUFFERS_MAX: usize = 4;

/// All are allocated at once, before the allocator has learned to place buffers of this size among small objects, which
/// they would keep from being returned to the kernel. Only what is used takes memory.
static BUFFERS: LazyLock<Mutex<Vec<Batch>>> = LazyLock::new(|| {
    Mutex::new((0..BUFFERS_MAX).map(|_| Batch::with_capacity(BUFFER_SIZE)).collect())
});

fn buffers() -> MutexGuard<'static, Vec<Batch>> {
    BUFFERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a buffer to a batch that has none.
pub(super) fn lend(batch: &mut Batch) {
    if batch.kept() == 0
        && let Some(buffer) = buffers().pop()
    {
        *batch = buffer;
    }
}

/// Takes the buffer of an empty batch back.
pub(super) fn give_back(batch: &mut Batch) {
    let kept = batch.kept();
    if kept == 0 {
        return;
    }
    let buffer = std::mem::take(batch);
    let mut buffers = buffers();
    if kept <= BUFFER_SIZE && buffers.len() < BUFFERS_MAX {
        buffers.push(buffer);
    }
}
