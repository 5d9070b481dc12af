//! What one follower asked for of all hosts: parts of the stream until the shared log has what comes next, and then that
//! log.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::opening::{Opened, Step, Wanted};
use super::{AllHosts, NoHosts, Stream, Watching};
use crate::agent::follow::filled::Filled;
use crate::agent::follow::resolve::matching;
use crate::agent::follow::selection::Visible;
use crate::agent::follow::source::LineSource;
use crate::agent::limits::Follower;
use crate::event::{Cursor, EventLine, Gap, Seq};
use crate::wire::Tail;

/// What one follower asked for.
pub(crate) struct HostsSubscription {
    wanted: Arc<Wanted>,
    state: State,
    /// Sees the log that is shared replaced.
    stream: watch::Receiver<Stream>,
    _watching: Watching,
}

enum State {
    /// The step that is being opened, and what was covered before it.
    Opening(Opening, Seq),
    Open(Box<Opened>),
}

type Opening = Pin<Box<dyn Future<Output = Result<Opened, NoHosts>> + Send>>;

impl HostsSubscription {
    /// Resolves a request. Waits for the stream for at most [`super::STREAM_WAIT_MAX`]. The patterns of its MATCH are
    /// charged to `follower`.
    ///
    /// # Errors
    /// [`NoHosts`]
    pub(crate) async fn open(
        hosts: &Arc<AllHosts>,
        tail: &Tail,
        visible: Visible,
        follower: &mut Follower,
    ) -> Result<Self, NoHosts> {
        let watching = hosts.watch();
        let stream = hosts.stream.subscribe();
        let matching = matching(tail, follower).await?;
        let reading = follower.reading();
        let wanted = Wanted::find(hosts.clone(), tail.clone(), visible, matching, reading).await?;
        let first = wanted.first_step()?;
        let wanted = Arc::new(wanted);
        let state = State::opening(&wanted, first);
        Ok(Self { wanted, state, stream, _watching: watching })
    }

    /// The newest number that the shared log has.
    pub(crate) fn newest(&self) -> Seq {
        self.wanted.newest()
    }

    fn is_replaced(&mut self) -> bool {
        self.stream.borrow_and_update().generation != self.wanted.generation()
    }
}

impl State {
    fn opening(wanted: &Arc<Wanted>, step: Step) -> Self {
        let covered = wanted.covered_before(step);
        Self::Opening(Box::pin(wanted.clone().open(step)), covered)
    }
}

impl LineSource for HostsSubscription {
    type Broken = NoHosts;

    fn is_opening(&self) -> bool {
        match &self.state {
            State::Opening(..) => true,
            State::Open(opened) => opened.next.is_some(),
        }
    }

    async fn fill(&mut self) -> Result<Filled<'_>, NoHosts> {
        if self.is_replaced() {
            return Err(NoHosts::Replaced);
        }
        if let State::Open(opened) = &self.state
            && let Some(step) = opened.next
        {
            self.state = State::opening(&self.wanted, step);
        }
        if let State::Opening(opening, covered) = &mut self.state {
            let progress = Filled::Progress(self.wanted.cursor(*covered));
            self.state = State::Open(Box::new(opening.await?));
            return Ok(progress);
        }
        match &mut self.state {
            State::Open(opened) => opened.fill(&self.wanted).await,
            State::Opening(_, covered) => Ok(Filled::Progress(self.wanted.cursor(*covered))),
        }
    }

    fn consume(&mut self, len: usize) {
        if let State::Open(opened) = &mut self.state {
            opened.subscription.consume(len);
        }
    }

    fn consume_through(&mut self, seq: Seq) {
        if let State::Open(opened) = &mut self.state {
            opened.subscription.consume_through(seq);
        }
    }

    async fn wait(&mut self) {
        let State::Open(opened) = &self.state else { return };
        let generation = self.wanted.generation();
        tokio::select! {
            () = opened.subscription.wait() => {}
            // Fails only if the sender is gone, which `_watching` holds.
            _ = self.stream.wait_for(|stream| stream.generation != generation) => {}
        }
    }

    fn release(&mut self) {
        if let State::Open(opened) = &mut self.state {
            opened.subscription.release();
        }
    }

    fn jump(&mut self) {
        self.state = State::opening(&self.wanted, Step::After(self.newest()));
    }

    fn follows(&self) -> bool {
        self.wanted.follows()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn wants(&self, event: &EventLine<'_>) -> bool {
        matches!(&self.state, State::Open(opened) if opened.subscription.wants(event))
    }

    fn position(&self) -> Cursor {
        match &self.state {
            State::Opening(_, covered) => self.wanted.cursor(*covered),
            State::Open(opened) => opened.position(&self.wanted),
        }
    }

    fn encode_gap(&self, gap: Gap, out: &mut Vec<u8>) {
        self.wanted.encode_gap(gap, out);
    }
}
