//! A subscription: what one follower asked for, resolved against its rights and the log.
//!
//! It has the shape of [`std::io::BufRead`]: [`fill`](Subscription::fill) yields what comes next,
//! [`consume`](Subscription::consume) moves past what the sink has delivered. Without a selection it yields the
//! log's shared blocks: no copy, no work per event. What was yielded and not consumed is yielded again. While its
//! follower waits, a subscription holds neither a block nor a buffer ([`release`](Subscription::release)).

use std::io::{self, IoSlice};

use super::forward::Forward;
use super::reverse::Reverse;
use super::selection::Selection;
use super::stage::Stage;
use crate::event::{Cursor, EventLine, Gap, Line, Seq};
use crate::log::{Chunk, Log, lines_of};

/// What comes next in a subscription.
pub(crate) enum Filled<'a> {
    /// Whole lines. A gap line that stands in the log comes alone.
    Lines(Lines<'a>),
    /// Events are missing here.
    Gap(Gap),
    /// Nothing matched up to here. Needs no `consume`.
    Progress(Cursor),
    /// There is nothing more now: [`Subscription::wait`].
    CaughtUp,
    /// The subscription is complete.
    End,
}

/// Whole lines, borrowed from the log or from the subscription.
pub(crate) enum Lines<'a> {
    /// The part of a chunk between two offsets, in bytes.
    Shared { chunk: &'a Chunk, from: usize, to: usize },
    /// Copies of the lines that were selected.
    Staged(&'a [u8]),
}

impl<'a> Lines<'a> {
    /// The size of all lines, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Shared { from, to, .. } => to - from,
            Self::Staged(bytes) => bytes.len(),
        }
    }

    /// The bytes from `offset` on, for one vectored write: a bounded number of slices.
    pub(crate) fn slices(&self, offset: usize) -> Vec<IoSlice<'a>> {
        match self {
            Self::Shared { chunk, from, to } => chunk.slices(from + offset, *to),
            Self::Staged(bytes) => vec![IoSlice::new(&bytes[offset..])],
        }
    }

    /// The rest of the line in which `offset` lies. Empty where a line begins.
    pub(crate) fn rest_of_line(&self, offset: usize) -> &'a [u8] {
        match self {
            Self::Shared { chunk, from, .. } => chunk.rest_of_line(from + offset),
            Self::Staged(bytes) if offset == 0 || bytes[offset - 1] == b'\n' => &[],
            Self::Staged(bytes) => {
                let rest = &bytes[offset..];
                &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)]
            }
        }
    }

    /// The lines, parsed. A damaged line of an edited history file is left out.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Line<'a>> + Send + 'a> {
        match self {
            Self::Shared { chunk, from, to } => {
                let to = *to;
                let within = chunk.lines_from(*from).take_while(move |placed| placed.end <= to);
                Box::new(within.map(|placed| placed.line))
            }
            Self::Staged(bytes) => Box::new(lines_of(bytes)),
        }
    }
}

/// What one follower asked for.
pub(crate) struct Subscription {
    log: Log,
    selection: Selection,
    direction: Direction,
    stage: Stage,
}

/// Which way a subscription reads.
pub(super) enum Direction {
    Forward(Forward),
    Reverse(Reverse),
}

impl Subscription {
    pub(super) fn new(log: Log, selection: Selection, direction: Direction) -> Self {
        Self { log, selection, direction, stage: Stage::default() }
    }

    /// What comes next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If history cannot be read, for a subscription in reverse. Forwards, that is a gap.
    pub(crate) async fn fill(&mut self) -> io::Result<Filled<'_>> {
        let (selection, stage) = (&mut self.selection, &mut self.stage);
        match &mut self.direction {
            Direction::Forward(forward) => Ok(forward.fill(&self.log, selection, stage).await),
            Direction::Reverse(reverse) => {
                reverse.fill(selection, stage).await?;
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
