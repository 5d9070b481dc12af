//! Reading forwards: from a cursor to an end, or on with what comes.

use std::sync::Arc;

use super::filled::{Filled, Lines};
use super::scanner::Scanner;
use super::selection::Selection;
use super::stage::Stage;
use crate::agent::limits::turn::Turn;
use crate::event::{Cursor, Gap, Seq};
use crate::log::{Chunk, Log, Read, Reader};

/// Consecutive events without a match after which a subscription yields its progress.
pub const PASSED_OVER_MAX: u64 = 65_536;

/// Reads of the log after which the task yields to others.
const READS_MAX: u32 = 8;

/// A position in the log, and what was read there. The reader stands at the first line that is not consumed.
pub(super) struct Forward {
    reader: Reader,
    /// What the follower's cursor cannot reach, to be reported first.
    first_gap: Option<Gap>,
    /// The first number that was not there when the subscription began. Nothing from here on is yielded, unless
    /// following.
    end: Seq,
    follow: bool,
    /// The log gets what is before `end` later.
    waits: bool,
    /// Events without a match since the last line or progress.
    passed_over: u64,
    chunk: Option<Scanned>,
    reads: u32,
}

/// A chunk of which the first `offset` bytes are consumed or staged.
struct Scanned {
    chunk: Arc<Chunk>,
    offset: usize,
}

/// What one turn of a scan found.
struct Found {
    stage: Stage,
    offset: usize,
    /// Events without a match since the last line.
    passed_over: u64,
    /// The turn ended within the chunk.
    unfinished: bool,
}

impl Forward {
    pub(super) fn new(
        reader: Reader,
        first_gap: Option<Gap>,
        end: Seq,
        follow: bool,
        waits: bool,
    ) -> Self {
        Self { reader, first_gap, end, follow, waits, passed_over: 0, chunk: None, reads: 0 }
    }

    pub(super) async fn fill<'a>(
        &'a mut self,
        log: &Log,
        selection: &mut Arc<Selection>,
        scanner: &Scanner,
        stage: &'a mut Stage,
    ) -> Filled<'a> {
        if let Some(gap) = self.first_gap {
            return Filled::Gap(selection.gap(gap));
        }
        loop {
            if self.chunk.is_some() && selection.is_everything() {
                return self.shared_lines();
            }
            let unfinished = self.scan(selection, scanner, stage).await;
            if !stage.is_empty() {
                return Filled::Lines(Lines::Staged(stage.bytes()));
            }
            if self.passed_over >= PASSED_OVER_MAX {
                self.passed_over = 0;
                return Filled::Progress(Cursor { seq: self.reader.seen(), ..log.newest() });
            }
            if !self.follow && self.reader.seen().next() >= self.end {
                return Filled::End;
            }
            if unfinished {
                continue;
            }
            match self.read(selection).await {
                Read::Lines(chunk) => {
                    self.chunk = Some(Scanned { chunk: Arc::new(chunk), offset: 0 });
                }
                Read::Gap(gap) => return Filled::Gap(selection.gap(self.clip(gap))),
                Read::End if self.follow => return Filled::CaughtUp,
                Read::End if self.waits && self.reader.seen().next() < self.end => {
                    return Filled::CaughtUp;
                }
                Read::End => return Filled::End,
            }
        }
    }

    async fn read(&mut self, selection: &mut Arc<Selection>) -> Read {
        // A follower far behind must not keep the thread from others.
        self.reads = self.reads.wrapping_add(1);
        if self.reads.is_multiple_of(READS_MAX) {
            tokio::task::yield_now().await;
        }
        // From here on everything is live: a clock that steps back must not hide it.
        if selection.since.is_some() && self.reader.seen().next() >= self.end {
            Arc::make_mut(selection).since = None;
        }
        self.reader.read().await
    }

    /// The rest of the chunk, as it is.
    fn shared_lines(&self) -> Filled<'_> {
        let Some(Scanned { chunk, offset }) = &self.chunk else { return Filled::CaughtUp };
        let to = if self.follow { chunk.len() } else { chunk.len_before(self.end) };
        match *offset {
            from if from < to => Filled::Lines(Lines::Shared { chunk, from, to }),
            _ => Filled::End,
        }
    }

    /// Stages what is wanted of the chunk, for one turn. Where nothing is, moves past it. `true` if the chunk is not
    /// scanned to its end.
    async fn scan(
        &mut self,
        selection: &Arc<Selection>,
        scanner: &Scanner,
        stage: &mut Stage,
    ) -> bool {
        let Some(Scanned { chunk, offset }) = &mut self.chunk else { return false };
        if !stage.is_empty() {
            return true;
        }
        let end = if self.follow { Seq::MAX } else { self.end };
        let (shared, selection, from) = (chunk.clone(), selection.clone(), *offset);
        let (empty, passed_over) = (std::mem::take(stage), self.passed_over);
        let found = scanner
            .run(move |turn| scan(&shared, from, end, &selection, empty, passed_over, turn))
            .await;
        (*stage, *offset, self.passed_over) = (found.stage, found.offset, found.passed_over);
        if stage.is_empty() {
            self.advance();
            if !found.unfinished {
                self.chunk = None;
            }
        }
        found.unfinished
    }

    /// A gap that reaches past the end of a subscription is none of its business from there on.
    fn clip(&self, mut gap: Gap) -> Gap {
        if !self.follow && gap.before > self.end && gap.after < self.end {
            gap.before = self.end;
        }
        gap
    }

    pub(super) fn consume(&mut self, len: usize, stage: &Stage) {
        if stage.is_empty() {
            if let Some(Scanned { offset, .. }) = &mut self.chunk {
                *offset += len;
            }
            self.advance();
        } else if len == stage.bytes().len() {
            self.advance();
        } else {
            // The rest is read again.
            self.chunk = None;
            if let Some(line) = stage.line_ending_at(len) {
                self.reader.seek(line.last.next());
            }
        }
    }

    /// Moves the reader to what was scanned.
    fn advance(&mut self) {
        if let Some(Scanned { chunk, offset }) = &self.chunk {
            self.reader.advance(chunk, *offset);
            if *offset == chunk.len() {
                self.chunk = None;
            }
        }
    }

    pub(super) fn consume_through(&mut self, seq: Seq) {
        // The reader stands after the first gap already.
        if self.first_gap.take().is_none() {
            self.chunk = None;
            self.reader.seek(seq.next());
        }
    }

    pub(super) async fn wait(&self) {
        self.reader.wait().await;
    }

    pub(super) fn release(&mut self) {
        self.chunk = None;
    }

    pub(super) fn follows(&self) -> bool {
        self.follow
    }

    pub(super) fn position(&self) -> Seq {
        if self.follow || self.waits { self.reader.seen() } else { self.end.previous() }
    }
}

/// Stages what is wanted of a chunk from an offset on, for one turn.
fn scan(
    chunk: &Chunk,
    mut offset: usize,
    end: Seq,
    selection: &Selection,
    mut stage: Stage,
    mut passed_over: u64,
    mut turn: Turn,
) -> Found {
    let mut unfinished = false;
    let mut lines = chunk.unparsed_lines_from(offset);
    while !unfinished && !stage.is_full() {
        let Some(line) = lines.next() else {
            offset = chunk.len();
            break;
        };
        let is_added = if let Some(seq) = selection.ruled_out(line.bytes) {
            if seq >= end {
                break;
            }
            false
        } else {
            let Some(placed) = line.parse() else { continue };
            if placed.line.first_seq() >= end {
                break;
            }
            stage.add(&placed.line, selection)
        };
        unfinished = turn.note(line.end - offset);
        offset = line.end;
        passed_over = if is_added { 0 } else { passed_over + 1 };
    }
    Found { stage, offset, passed_over, unfinished }
}
