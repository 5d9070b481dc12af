//! Reading in reverse: from an end to the oldest line, the newest first.

use std::io;

use bytes::Bytes;

use super::selection::Selection;
use super::stage::Stage;
use crate::event::{Line, Seq};
use crate::log::Backward;

/// A position in the log, and the lines before it that were read.
pub(super) struct Reverse {
    backward: Backward,
    /// Nothing from here on is yielded.
    end: Seq,
    /// Nothing before this is yielded.
    oldest: Seq,
    /// Events still to be yielded.
    left: u64,
    /// Everything from here on is consumed.
    consumed: Seq,
    /// Lines that were read and not scanned, in the order of the log.
    block: Bytes,
    /// Nothing is left to read.
    done: bool,
}

impl Reverse {
    pub(super) fn new(backward: Backward, oldest: Seq, end: Seq, lines: Option<u64>) -> Self {
        let left = lines.unwrap_or(u64::MAX);
        Self { backward, end, oldest, left, consumed: end, block: Bytes::new(), done: false }
    }

    /// Stages the next lines. Nothing is staged once all are consumed.
    pub(super) async fn fill(
        &mut self,
        selection: &Selection,
        stage: &mut Stage,
    ) -> io::Result<()> {
        while stage.is_empty() && !self.done {
            if self.block.is_empty() {
                tokio::task::yield_now().await;
                match self.backward.read().await? {
                    Some(block) => self.block = block,
                    None => self.done = true,
                }
            }
            self.scan(selection, stage);
        }
        Ok(())
    }

    fn scan(&mut self, selection: &Selection, stage: &mut Stage) {
        while !stage.is_full() && !self.block.is_empty() {
            let line = self.take_last_line();
            let text = std::str::from_utf8(&line).ok();
            let Some(line) = text.and_then(Line::parse) else { continue };
            if line.last_seq() < self.oldest || stage.events() >= self.left {
                self.done = true;
                return;
            }
            stage.add(&line, selection);
        }
    }

    fn take_last_line(&mut self) -> Bytes {
        let body = self.block.strip_suffix(b"\n").unwrap_or(&self.block);
        let start = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
        self.block.split_off(start)
    }

    pub(super) fn consume(&mut self, len: usize, stage: &Stage) {
        if let Some(line) = stage.line_ending_at(len) {
            self.consumed = line.first;
            self.left = self.left.saturating_sub(line.events);
        }
        if len < stage.bytes().len() {
            self.release();
        }
    }

    /// Forgets what was read and not consumed.
    pub(super) fn release(&mut self) {
        self.block = Bytes::new();
        self.done = false;
        self.backward.seek(self.consumed);
    }

    pub(super) fn position(&self) -> Seq {
        self.end.previous()
    }
}
