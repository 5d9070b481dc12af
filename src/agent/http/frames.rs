//! Server-Sent Events frames of the log's lines, encoded once for all followers that want every line.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::event::{Cursor, Line, LogId, Seq};

/// Encoded frames that are kept for followers that come a moment later, in bytes.
const KEPT_MAX: usize = 2 << 20;

/// Encoded bytes after which a block ends.
pub(super) const BLOCK_SIZE: usize = 64 << 10;

/// Frames of consecutive lines.
#[derive(Clone)]
pub(super) struct Block {
    /// The number before the first line.
    pub(super) after: Seq,
    /// The last number of the last line.
    pub(super) last: Seq,
    pub(super) bytes: Bytes,
}

/// What is known of the lines after a number.
pub(super) enum Known {
    /// Their frames.
    Block(Block),
    /// A block has frames of lines before and after it: encode up to its last number, to go on with the others.
    Within(Seq),
    /// Nothing.
    Nothing,
}

/// The newest blocks, in order.
#[derive(Default)]
pub(super) struct Frames {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    blocks: VecDeque<Block>,
    bytes: usize,
}

impl Frames {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the lines after `seen`.
    pub(super) fn after(&self, seen: Seq) -> Known {
        let kept = self.kept();
        let at = kept.blocks.partition_point(|block| block.last <= seen);
        match kept.blocks.get(at) {
            Some(block) if block.after == seen => Known::Block(block.clone()),
            Some(block) if block.after < seen => Known::Within(block.last),
            _ => Known::Nothing,
        }
    }

    /// Keeps a block for the others, if it is newer than all that are kept.
    pub(super) fn keep(&self, block: &Block) {
        let mut kept = self.kept();
        if kept.blocks.back().is_some_and(|newest| block.after < newest.last) {
            return;
        }
        kept.bytes += block.bytes.len();
        kept.blocks.push_back(block.clone());
        while kept.bytes > KEPT_MAX {
            let Some(oldest) = kept.blocks.pop_front() else { return };
            kept.bytes -= oldest.bytes.len();
        }
    }
}

/// Appends a line as a frame (the HTML standard, section 9.2.6): its name if it has one, its cursor, itself.
pub(super) fn encode(line: &Line<'_>, name: Option<&str>, log: LogId, out: &mut Vec<u8>) {
    push_name(name, out);
    out.extend_from_slice(b"id: ");
    Cursor { log, seq: line.last_seq() }.encode(out);
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(line.text().as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// Appends a JSON object as a frame, with the cursor that a reader has reached by it.
pub(super) fn encode_object(
    object: &str,
    name: Option<&str>,
    at: Option<&Cursor>,
    out: &mut Vec<u8>,
) {
    push_name(name, out);
    if let Some(at) = at {
        out.extend_from_slice(format!("id: {at}\n").as_bytes());
    }
    out.extend_from_slice(format!("data: {}\n\n", object.trim_end()).as_bytes());
}

fn push_name(name: Option<&str>, out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(after: u64, last: u64, size: usize) -> Block {
        let seq = |n| Seq::new(n).expect("small");
        Block { after: seq(after), last: seq(last), bytes: vec![0; size].into() }
    }

    #[test]
    fn followers_meet_at_the_blocks() {
        let frames = Frames::default();
        frames.keep(&block(0, 10, 1));
        frames.keep(&block(10, 12, 1));
        frames.keep(&block(5, 12, 1));
        let after = |n| match frames.after(Seq::new(n).expect("small")) {
            Known::Block(block) => (true, block.last.get()),
            Known::Within(last) => (false, last.get()),
            Known::Nothing => (false, 0),
        };
        assert_eq!(
            [after(0), after(4), after(10), after(12)],
            [(true, 10), (false, 10), (true, 12), (false, 0)]
        );
    }

    #[test]
    fn keeps_a_bounded_number_of_bytes() {
        let frames = Frames::default();
        for n in 0..100 {
            frames.keep(&block(n, n + 1, KEPT_MAX / 10));
        }
        let kept = frames.kept();
        assert!(kept.bytes <= KEPT_MAX && kept.blocks.len() == 10);
    }
}
