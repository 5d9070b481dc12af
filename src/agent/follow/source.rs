//! What sinks read: lines in order, from one log or from one part of a stream after another.

use std::error::Error;

use super::filled::Filled;
use super::resolve::Refusal;
use super::subscription::Subscription;
use crate::event::{Cursor, EventLine, Gap, Seq};
use crate::wire::Code;

/// Why a source can yield no more.
pub(crate) trait Broken: Error + Send + Sync + 'static {
    /// The code on the wire.
    fn code(&self) -> Code;

    /// `true` if there is another source now in its place.
    fn is_replaced(&self) -> bool {
        false
    }
}

impl Broken for Refusal {
    fn code(&self) -> Code {
        Self::code(self)
    }
}

/// What one follower asked for. The methods are those of [`Subscription`].
pub(crate) trait LineSource: Send {
    /// Why it can yield no more.
    type Broken: Broken;

    /// `true` if the next [`Self::fill`] waits for something other than a disk.
    fn is_opening(&self) -> bool;

    /// What comes next. Dropping the future loses nothing. It must not be called again after an error.
    fn fill(&mut self) -> impl Future<Output = Result<Filled<'_>, Self::Broken>> + Send;

    /// Moves past the first `len` bytes of the lines that [`Self::fill`] yielded, which must be whole lines.
    fn consume(&mut self, len: usize);

    /// Moves past the line or gap that ends with the number `seq`.
    fn consume_through(&mut self, seq: Seq);

    /// Waits until there may be more to read.
    fn wait(&mut self) -> impl Future<Output = ()> + Send;

    /// Frees everything that was read and not consumed: it is read again.
    fn release(&mut self);

    /// Moves to the newest event, past everything that was not consumed.
    fn jump(&mut self);

    /// `true` if it has no end.
    fn follows(&self) -> bool;

    /// `true` if it yields every line of one log as it is, without end, so that others may get the same bytes.
    fn is_shared(&self) -> bool;

    /// `true` if this event is selected.
    fn wants(&self, event: &EventLine<'_>) -> bool;

    /// The last number that it has covered.
    fn position(&self) -> Cursor;

    /// Appends a gap line for a gap that [`Self::fill`] yielded.
    fn encode_gap(&self, gap: Gap, out: &mut Vec<u8>);
}

impl LineSource for Subscription {
    type Broken = Refusal;

    fn is_opening(&self) -> bool {
        false
    }

    async fn fill(&mut self) -> Result<Filled<'_>, Refusal> {
        Ok(self.fill().await?)
    }

    fn consume(&mut self, len: usize) {
        self.consume(len);
    }

    fn consume_through(&mut self, seq: Seq) {
        self.consume_through(seq);
    }

    async fn wait(&mut self) {
        Self::wait(self).await;
    }

    fn release(&mut self) {
        self.release();
    }

    fn jump(&mut self) {
        self.jump();
    }

    fn follows(&self) -> bool {
        self.follows()
    }

    fn is_shared(&self) -> bool {
        self.follows() && self.is_everything()
    }

    fn wants(&self, event: &EventLine<'_>) -> bool {
        self.wants(event)
    }

    fn position(&self) -> Cursor {
        self.position()
    }

    fn encode_gap(&self, gap: Gap, out: &mut Vec<u8>) {
        self.encode_gap(gap, out);
    }
}
