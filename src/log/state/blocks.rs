//! The memory of the window's lines: blocks of one size, used again in turn. A window that is full appends without
//! the allocator, whose arenas otherwise grow to several times the window.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::event::LINE_MAX;

/// The size of a block, in bytes. Every line fits into one.
pub(super) const BLOCK_SIZE: usize = 1 << 20;

const _: () = assert!(LINE_MAX < BLOCK_SIZE);

/// Blocks besides the window's size: the oldest lines of one may be evicted, another is being filled, and readers may
/// hold some whose lines are all evicted. A block beyond these is freed by its last reader.
pub(super) const BLOCKS_BESIDES: usize = 4;

/// The blocks that are full.
#[derive(Debug)]
pub(super) struct Blocks {
    /// An empty handle of each, the oldest first. A block of which this is the only handle can be used again.
    full: VecDeque<BytesMut>,
    full_max: usize,
}

impl Blocks {
    /// For a window of at most `size_max` bytes.
    pub(super) fn new(size_max: usize) -> Self {
        Self { full: VecDeque::new(), full_max: size_max.div_ceil(BLOCK_SIZE) + BLOCKS_BESIDES }
    }

    /// A block with room for `len` bytes: the oldest whose lines neither the window nor a reader holds, or a new one.
    /// Its memory is not touched.
    pub(super) fn take(&mut self, len: usize) -> BytesMut {
        let size = BLOCK_SIZE.max(len);
        // The window holds the rest: it evicts in the order of use.
        for at in 0..self.full.len().min(BLOCKS_BESIDES) {
            if self.full[at].try_reclaim(size)
                && let Some(block) = self.full.remove(at)
            {
                return block;
            }
        }
        BytesMut::with_capacity(size)
    }

    /// Keeps an empty handle of a block that is full.
    pub(super) fn keep(&mut self, block: BytesMut) {
        debug_assert!(block.is_empty(), "its lines are published");
        if self.full.len() == self.full_max {
            self.full.pop_front();
        }
        self.full.push_back(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(block: &mut BytesMut) -> bytes::Bytes {
        block.resize(BLOCK_SIZE, b'x');
        block.split().freeze()
    }

    #[test]
    fn reuses_the_oldest_free_block() {
        let mut blocks = Blocks::new(4 * BLOCK_SIZE);
        let mut lines = VecDeque::new();
        let mut places = Vec::new();
        for _ in 0..5 {
            let mut block = blocks.take(1);
            lines.push_back(fill(&mut block));
            places.push(lines[lines.len() - 1].as_ptr());
            blocks.keep(block);
        }
        // A reader still holds the oldest.
        let held = lines.pop_front();
        lines.pop_front();
        assert_eq!(fill(&mut blocks.take(1)).as_ptr(), places[1]);
        drop(held);
        assert_eq!(fill(&mut blocks.take(1)).as_ptr(), places[0]);
        // The window holds the others.
        assert!(blocks.take(1).capacity() == BLOCK_SIZE && blocks.full.len() == 3);
    }

    #[test]
    fn keeps_a_bounded_number_of_blocks() {
        let mut blocks = Blocks::new(4 * BLOCK_SIZE);
        let held: Vec<_> = (0..100)
            .map(|_| {
                let mut block = blocks.take(1);
                let lines = fill(&mut block);
                blocks.keep(block);
                lines
            })
            .collect();
        assert_eq!(blocks.full.len(), 4 + BLOCKS_BESIDES);
        drop(held);
        assert_eq!(blocks.take(2 * BLOCK_SIZE).capacity(), 2 * BLOCK_SIZE);
    }
}
