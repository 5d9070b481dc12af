//! Reading in reverse: from an end to the oldest line, the newest first.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::scanner::Scanner;
use super::selection::Selection;
use super::stage::Stage;
use crate::agent::limits::turn::Turn;
use crate::event::{Line, Seq};
use crate::log::{Backward, split_last_line};

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
        selection: &Arc<Selection>,
        scanner: &Scanner,
        stage: &mut Stage,
    ) -> io::Result<()> {
        while stage.is_empty() && !self.done {
            if self.block.is_empty() {
                match self.backward.read().await? {
                    Some(block) => self.block = block,
                    None => self.done = true,
                }
            }
            let scan = Scan {
                block: self.block.clone(),
                oldest: self.oldest,
                left: self.left,
                selection: selection.clone(),
            };
            let found = scanner.run(move |turn| scan.run(turn)).await;
            (*stage, self.block, self.done) = (found.stage, found.rest, self.done || found.done);
        }
        Ok(())
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

/// A turn of a scan of some lines, the last one first.
struct Scan {
    block: Bytes,
    oldest: Seq,
    left: u64,
    selection: Arc<Selection>,
}

/// What it found.
struct Found {
    stage: Stage,
    /// The lines that are not scanned.
    rest: Bytes,
    /// Nothing before them is wanted.
    done: bool,
}

impl Scan {
    fn run(mut self, mut turn: Turn) -> Found {
        let (mut stage, mut done) = (Stage::default(), false);
        while !stage.is_full() && !self.block.is_empty() {
            let line = split_last_line(&mut self.block);
            let over = turn.note(line.len());
            let text = std::str::from_utf8(&line).ok();
            if self.selection.ruled_out(&line).is_some_and(|seq| seq >= self.oldest) {
                // Not wanted.
            } else if let Some(line) = text.and_then(Line::parse) {
                if line.last_seq() < self.oldest || stage.events() >= self.left {
                    done = true;
                    break;
                }
                stage.add(&line, &self.selection);
            }
            if over {
                break;
            }
        }
        Found { stage, rest: self.block, done }
    }
}
