//! A subscription: what one follower asked for, resolved against its rights and the log.
//!
//! It has the shape of [`std::io::BufRead`]: [`fill`](Subscription::fill) yields what comes next,
//! [`consume`](Subscription::consume) moves past what the sink has delivered. Without a selection it yields the
//! log's shared blocks: no copy, no work per event. What was yielded and not consumed is yielded again. While its
//! follower waits, a subscription holds neither a block nor a buffer ([`release`](Subscription::release)).

use std::io;
use std::sync::Arc;

use super::filled::{Filled, Lines};
use super::forward::Forward;
use super::reverse::Reverse;
use super::scanner::Scanner;
use super::selection::Selection;
use super::stage::Stage;
use crate::agent::limits::Position;
use crate::event::{Cursor, EventLine, Gap, Seq};
use crate::log::Log;

/// What one follower asked for.
pub(crate) struct Subscription {
    log: Log,
    selection: Arc<Selection>,
    scanner: Scanner,
    direction: Direction,
    stage: Stage,
    /// Where it notes how far it has read.
    noted: Arc<Position>,
    /// It is the only reader of a log that keeps what was not read.
    releases: bool,
}

/// Which way a subscription reads.
pub(super) enum Direction {
    Forward(Forward),
    Reverse(Reverse),
}

impl Subscription {
    pub(super) fn new(
        log: Log,
        selection: Arc<Selection>,
        scanner: Scanner,
        direction: Direction,
        noted: Arc<Position>,
    ) -> Self {
        let stage = Stage::default();
        Self { log, selection, scanner, direction, stage, noted, releases: false }
    }

    /// The same for the only reader of a log that keeps what was not read: it may evict the rest.
    #[must_use]
    pub(crate) fn releasing(self) -> Self {
        Self { releases: true, ..self }
    }

    /// What comes next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If history cannot be read, for a subscription in reverse. Forwards, that is a gap.
    pub(crate) async fn fill(&mut self) -> io::Result<Filled<'_>> {
        let Self { log, selection, scanner, stage, .. } = self;
        match &mut self.direction {
            Direction::Forward(forward) => {
                self.noted.set(forward.position());
                if self.releases {
                    log.release_before(forward.position().next());
                }
                Ok(forward.fill(log, selection, scanner, stage).await)
            }
            Direction::Reverse(reverse) => {
                reverse.fill(selection, scanner, stage).await?;
                let lines = Filled::Lines(Lines::Staged(stage.bytes()));
                Ok(if stage.is_empty() { Filled::End } else { lines })
            }
        }
    }

    /// Moves past the first `len` bytes of the lines that [`Self::fill`] yielded, which must be whole lines.
    pub(crate) fn consume(&mut self, len: usize) {
        match &mut self.direction {
            Direction::Forward(forward) => forward.consume(len, &self.stage),
            Direction::Reverse(reverse) => reverse.consume(len, &self.stage),
        }
        self.stage.clear();
    }

    /// Moves past the line or gap that ends with the number `seq`.
    pub(crate) fn consume_through(&mut self, seq: Seq) {
        if let Direction::Forward(forward) = &mut self.direction {
            forward.consume_through(seq);
        }
        self.stage.clear();
    }

    /// Waits until there may be more to read.
    pub(crate) async fn wait(&self) {
        if let Direction::Forward(forward) = &self.direction {
            forward.wait().await;
        }
    }

    /// Frees everything that was read and not consumed: it is read again. Call it before a wait.
    pub(crate) fn release(&mut self) {
        self.stage = Stage::default();
        match &mut self.direction {
            Direction::Forward(forward) => forward.release(),
            Direction::Reverse(reverse) => reverse.release(),
        }
    }

    /// Moves to the newest event, past everything that was not consumed.
    pub(crate) fn jump(&mut self) {
        self.consume_through(self.log.newest().seq);
    }

    /// `true` if it has no end.
    pub(crate) fn follows(&self) -> bool {
        matches!(&self.direction, Direction::Forward(forward) if forward.follows())
    }

    /// `true` if every line is yielded as it is.
    pub(crate) fn is_everything(&self) -> bool {
        self.selection.is_everything()
    }

    /// `true` if this event is selected.
    pub(crate) fn wants(&self, event: &EventLine<'_>) -> bool {
        self.selection.wants(event)
    }

    /// The last number that this subscription has covered. A subscription with an end covers everything before it.
    pub(crate) fn position(&self) -> Cursor {
        let seq = match &self.direction {
            Direction::Forward(forward) => forward.position(),
            Direction::Reverse(reverse) => reverse.position(),
        };
        Cursor { seq, ..self.log.newest() }
    }

    /// Appends a gap line for a gap that [`Self::fill`] yielded.
    pub(crate) fn encode_gap(&self, gap: Gap, out: &mut Vec<u8>) {
        gap.encode(self.log.now(), self.log.host(), out);
    }
}
