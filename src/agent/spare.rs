//! Memory for batches: it belongs to the thread, so that a connection that waits has none.

use std::cell::RefCell;

use crate::event::Batch;

/// How large a batch may be that is kept, in bytes.
const BATCH_KEPT_MAX: usize = 1 << 20;

/// How many empty batches a thread keeps for connections that have something to send.
const BATCHES_KEPT: usize = 4;

thread_local! {
    static BATCHES: RefCell<Vec<Batch>> = const { RefCell::new(Vec::new()) };
}

/// Gives a batch that has none memory.
pub(crate) fn lend(batch: &mut Batch) {
    if batch.kept() == 0
        && let Some(kept) = BATCHES.with_borrow_mut(Vec::pop)
    {
        *batch = kept;
    }
}

/// Takes the memory of an empty batch back.
pub(crate) fn give_back(batch: &mut Batch) {
    let given = std::mem::take(batch);
    BATCHES.with_borrow_mut(|kept| {
        if given.kept() > 0 && given.kept() <= BATCH_KEPT_MAX && kept.len() < BATCHES_KEPT {
            kept.push(given);
        }
    });
}
