//! Delivers many events over a connection that may break. Unacknowledged events are held and sent again, so
//! an event can arrive twice, and each loss is reported.

use std::io;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{Refusal, SendError, Trouble};
use super::link::Link;
use super::options::Options;
use super::outbox::{self, Outbox};
use super::report::report;
use super::template::Message;
use crate::event::Cursor;
use crate::sys::poll::{self, Woken};

/// A SYNC is sent after this many events, even if more input is waiting.
pub const SYNC_EVENTS: u64 = 1000;

/// The most that is held for an agent that does not answer, in bytes.
pub const HELD_MAX: usize = 1024 * 1024;

/// Events under way, and what became of the others.
pub(super) struct Delivery<'a> {
    options: &'a Options,
    outbox: Outbox,
    link: Link,
    /// All events, including those that could not be sent.
    events: u64,
    refused: u64,
    /// The first refusal. Sending the event again would not help.
    refusal: Option<Refusal>,
    /// Whether that was reported before the end.
    reported: bool,
    dropped: u64,
    cursor: Option<Cursor>,
    /// Whether an event belonged to a run.
    has_runs: bool,
}

impl<'a> Delivery<'a> {
    /// Connects.
    ///
    /// # Errors
    /// [`Trouble`] if there is no agent to begin with.
    pub(super) fn connected(options: &'a Options) -> Result<Self, Trouble> {
        let mut delivery = Self::unconnected(options);
        delivery.link.connect(options)?;
        Ok(delivery)
    }

    /// Connects later: an absent agent is no error.
    pub(super) fn unconnected(options: &'a Options) -> Self {
        Self {
            options,
            outbox: Outbox::new(options.ack),
            link: if options.no_act { Link::NoAct } else { Link::New },
            events: 0,
            refused: 0,
            refusal: None,
            reported: false,
            dropped: 0,
            cursor: None,
            has_runs: false,
        }
    }

    /// Adds an event. Drops it if the agent is away and [`HELD_MAX`] is reached.
    pub(super) fn push(&mut self, message: &Message<'_>) {
        let before = self.outbox.size();
        self.outbox.push(message);
        self.events += 1;
        self.has_runs |= message.draft.run.is_some();
        if let Link::Refused { .. } = self.link {
            self.outbox.pop(before);
            self.drop_one();
            return;
        }
        if self.outbox.size() > HELD_MAX {
            self.outbox.pop(before);
            self.sync();
            if self.outbox.events() > 0 {
                self.drop_one();
            } else {
                self.outbox.push(message);
            }
        }
        if self.outbox.events() >= SYNC_EVENTS {
            self.sync();
        }
    }

    /// When to call [`Self::sync`] even without new events. `None` unless events are held for an agent that
    /// is away.
    pub(super) fn retry_in(&self) -> Option<Duration> {
        self.link.retry_in().filter(|_| self.outbox.events() > 0)
    }

    /// Writes to the agent, if connected, without waiting for an answer.
    pub(super) fn write(&mut self) {
        if let Some(agent) = self.link.agent()
            && let Err(error) = self.outbox.write(agent)
        {
            self.lose(error);
        }
    }

    /// Writes everything and waits for the acknowledgement. Does nothing if the next attempt to connect is
    /// not due.
    pub(super) fn sync(&mut self) {
        self.report_refusal();
        // The first attempt may find that the agent was restarted. The second reaches the new one.
        for _ in 0..2 {
            if self.outbox.events() == 0 {
                return;
            }
            match self.try_sync() {
                Ok(()) => return,
                Err(trouble) => self.lose(trouble),
            }
        }
    }

    fn try_sync(&mut self) -> Result<(), Trouble> {
        if let Link::NoAct = self.link {
            self.outbox.clear();
            return Ok(());
        }
        let Some(agent) = self.link.connect(self.options)? else { return Ok(()) };
        let result = self.outbox.sync(agent)?;
        self.refused += result.refused;
        self.cursor = result.cursor.or(self.cursor.take());
        if self.refusal.is_none() {
            self.refusal = result.refusal.map(|refusal| refusal.at(agent.at()));
        }
        Ok(())
    }

    /// Keeps the events written, without waiting for their acknowledgement, until `ended` can be read:
    /// connects, and when the connection is lost connects again and writes all of them again.
    ///
    /// # Errors
    /// Those of poll(2).
    pub(super) fn keep_written(&mut self, ended: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            match self.link.connect(self.options).map(drop) {
                Ok(()) => self.write(),
                Err(trouble) => self.lose(trouble),
            }
            let wait = self.retry_in();
            let socket = self.link.socket();
            match poll::input_or_hang_up(ended, socket, wait)? {
                Woken::Input => return Ok(()),
                Woken::TimedOut => {}
                Woken::HangUp => {
                    if let Some(trouble) = self.link.agent().map(outbox::read_closed) {
                        self.lose(trouble);
                    }
                }
            }
        }
    }

    /// Delivers what is left. Tries for at least one attempt, and until `patience` is over.
    pub(super) fn flush(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        // The outcome reports the refusal.
        self.reported = true;
        self.link.retry_now();
        self.sync();
        while let Some(wait) = self.retry_in() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(wait.min(left));
            self.sync();
        }
    }

    /// Leaves the runs that were begun open: a clean end of the connection does not abandon them.
    pub(super) fn detach_runs(&mut self) {
        if self.has_runs
            && let Some(agent) = self.link.agent()
        {
            // Without the agent its runs are unknown anyway.
            let _ = agent.quit();
        }
    }

    /// Returns the cursor of the last event.
    ///
    /// # Errors
    /// [`SendError`] if events were refused or lost.
    pub(super) fn outcome(mut self) -> Result<Option<Cursor>, SendError> {
        let refusal = self.refusal.take().map(|refusal| match self.refused {
            0 => SendError::Refused(refusal),
            refused => SendError::SomeRefused { refused, events: self.events, refusal },
        });
        let lost = self.outbox.events() + self.dropped;
        if lost == 0 {
            return refusal.map_or(Ok(self.cursor), Err);
        }
        if let Some(refusal) = refusal {
            report(refusal);
        }
        Err(SendError::Lost { lost, why: self.link.into_trouble().map(Box::new) })
    }

    /// The agent is away. Everything that is held will be sent again, unless it will refuse us again.
    fn lose(&mut self, why: Trouble) {
        if why.is_final() {
            // The input is still read to its end: its writer must not be stopped by SIGPIPE.
            self.dropped += self.outbox.events();
            self.outbox.clear();
        } else {
            self.outbox.rewind();
        }
        self.link.lose(why);
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
        self.link.drop_one();
    }

    /// Reports the first refusal as soon as the input pauses: its end may be days away.
    fn report_refusal(&mut self) {
        if let Some(Refusal { why, .. }) = &self.refusal
            && !std::mem::replace(&mut self.reported, true)
        {
            report(format_args!("event refused: {why}"));
        }
    }
}
