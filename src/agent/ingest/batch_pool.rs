//! Batch buffers: they belong to the threads, so that a client that waits has none.

use std::cell::RefCell;

use crate::event::Batch;

/// The largest buffer that is kept, in bytes.
const BUFFER_MAX: usize = 1 << 20;

/// Buffers that one thread keeps.
const BUFFERS_MAX: usize = 4;

thread_local! {
    static BUFFERS: RefCell<Vec<Batch>> = const { RefCell::new(Vec::new()) };
}

/// Gives a buffer to a batch that has none.
pub(super) fn lend(batch: &mut Batch) {
    if batch.kept() == 0
        && let Some(buffer) = BUFFERS.with_borrow_mut(Vec::pop)
    {
        *batch = buffer;
    }
}

/// Takes the buffer of an empty batch back.
pub(super) fn give_back(batch: &mut Batch) {
    let buffer = std::mem::take(batch);
    BUFFERS.with_borrow_mut(|buffers| {
        if buffer.kept() > 0 && buffer.kept() <= BUFFER_MAX && buffers.len() < BUFFERS_MAX {
            buffers.push(buffer);
        }
    });
}
