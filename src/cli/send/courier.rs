//! Brings many events over a connection that may break: what is not acknowledged is held, and sent
//! again. So an event may come twice, and never goes in silence.

use std::thread;
use std::time::{Duration, Instant};

use super::outbox::{Outbox, Settled, TooLong};
use super::{Common, SendError, Trouble, say};
use crate::client::Connection;
use crate::event::Draft;
use crate::wire::Code;

/// After so many events the agent is asked what became of them, even if there are more to come.
pub const SYNC_EVENTS: u64 = 1000;

/// The most that is held for an agent that does not answer, in bytes.
pub const HELD_MAX: usize = 1024 * 1024;

/// The first pause between two attempts to reach the agent; the very first attempt comes at once.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest pause between two attempts: each is twice the one before.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Events on their way, and what is to be told about them.
pub(super) struct Courier<'a> {
    common: &'a Common,
    outbox: Outbox,
    link: Link,
    /// Events that were given to us.
    events: u64,
    refused: u64,
    /// The first failure that another attempt would not mend.
    failure: Option<(Code, String)>,
    /// Whether that was told already.
    told: bool,
    dropped: u64,
    cursor: Option<String>,
}

enum Link {
    /// `--no-act`.
    NoAct,
    Up(Connection),
    /// Nothing is sent any more: the agent knows us, and will not have us.
    Over {
        why: Trouble,
        /// Whether that was told already.
        told: bool,
    },
    Down {
        why: Trouble,
        /// When to try again, and how long to wait after that.
        next: Instant,
        pause: Duration,
        /// Dropped since the agent went away.
        dropped: u64,
    },
}

impl<'a> Courier<'a> {
    /// An agent that is not there to begin with is an error.
    pub(super) fn new(common: &'a Common) -> Result<Self, Trouble> {
        let link = if common.no_act { Link::NoAct } else { Link::Up(common.open()?) };
        Ok(Self::with(common, link))
    }

    /// An agent that is not there to begin with is as one that goes away.
    pub(super) fn patient(common: &'a Common) -> Self {
        Self::new(common).unwrap_or_else(|why| {
            let (next, pause) = (Instant::now(), Duration::ZERO);
            Self::with(common, Link::Down { why, next, pause, dropped: 0 })
        })
    }

    fn with(common: &'a Common, link: Link) -> Self {
        Self {
            common,
            outbox: Outbox::new(common.ack),
            link,
            events: 0,
            refused: 0,
            failure: None,
            told: false,
            dropped: 0,
            cursor: None,
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// [`TooLong`]; it is not taken then.
    pub(super) fn push(&mut self, draft: &Draft<'_>) -> Result<(), TooLong> {
        let before = self.outbox.size();
        self.outbox.push(draft)?;
        self.events += 1;
        if let Link::Over { .. } = self.link {
            self.outbox.take_back(before);
            self.drop_one();
            return Ok(());
        }
        if self.outbox.size() > HELD_MAX {
            self.outbox.take_back(before);
            self.settle();
            if self.outbox.events() > 0 {
                self.drop_one();
            } else {
                self.outbox.push(draft)?;
            }
        }
        if self.outbox.events() >= SYNC_EVENTS {
            self.settle();
        }
        Ok(())
    }

    /// Counts something that cannot even be sent.
    pub(super) fn refuse(&mut self, why: String) {
        self.events += 1;
        self.refused += 1;
        self.failure.get_or_insert((Code::Data, why));
    }

    /// When to call [`Self::settle`] even if nothing else happens: while the agent is away and something
    /// is held for it.
    pub(super) fn retry_in(&self) -> Option<Duration> {
        match &self.link {
            Link::Down { next, .. } if self.outbox.events() > 0 => {
                Some(next.saturating_duration_since(Instant::now()))
            }
            _ => None,
        }
    }

    /// Sends on without asking.
    pub(super) fn write(&mut self) {
        if let Link::Up(agent) = &mut self.link
            && let Err(error) = self.outbox.write(agent)
        {
            self.lose(error.into());
        }
    }

    /// Sends everything and waits until the agent has said what became of it. Does nothing if it is
    /// too early to try again.
    pub(super) fn settle(&mut self) {
        self.tell_failure();
        // An agent that was started anew is found by the second attempt.
        for _ in 0..2 {
            if self.outbox.events() == 0 || !self.connect() {
                return;
            }
            let settled = match &mut self.link {
                Link::NoAct => {
                    self.outbox.forget();
                    return;
                }
                Link::Up(agent) => self.outbox.settle(agent),
                Link::Down { .. } | Link::Over { .. } => return,
            };
            match settled {
                Ok(settled) => return self.note(settled),
                Err(trouble) => self.lose(trouble),
            }
        }
    }

    /// Delivers what is left, and goes on trying for so long. Gives where the last event landed.
    ///
    /// # Errors
    /// What went wrong on the whole.
    pub(super) fn finish(mut self, patience: Duration) -> Result<Option<String>, SendError> {
        let end = Instant::now() + patience;
        self.told = true;
        self.settle();
        while let Some(wait) = self.retry_in() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(wait.min(left));
            self.settle();
        }
        let refusal = self.failure.take().map(|(code, why)| match self.refused {
            0 => SendError::Failed { code, why },
            refused => SendError::SomeRefused { refused, events: self.events, code, why },
        });
        let lost = self.outbox.events() + self.dropped;
        match (lost, self.link) {
            (0, _) => refusal.map_or(Ok(self.cursor), Err),
            (_, link) => {
                if let Some(refusal) = refusal {
                    say(refusal);
                }
                let why = match link {
                    Link::Down { why, .. } | Link::Over { why, .. } => Some(Box::new(why)),
                    Link::NoAct | Link::Up(_) => None,
                };
                Err(SendError::Lost { lost, why })
            }
        }
    }

    /// Whether there is a connection now.
    fn connect(&mut self) -> bool {
        let (next, dropped) = match &self.link {
            Link::NoAct | Link::Up(_) => return true,
            Link::Over { .. } => return false,
            Link::Down { next, dropped, .. } => (next, dropped),
        };
        let dropped = *dropped;
        if Instant::now() < *next {
            return false;
        }
        match self.common.open() {
            Ok(agent) => {
                if dropped > 0 {
                    let at = agent.at();
                    say(format_args!("{dropped} events dropped: {at}: the agent was away"));
                }
                self.link = Link::Up(agent);
                true
            }
            Err(trouble) => {
                self.lose(trouble);
                false
            }
        }
    }

    /// The agent is away: everything that is held will be sent again.
    fn lose(&mut self, why: Trouble) {
        if why.is_final() {
            // The input is read on all the same: whoever writes it is not to be ended by this.
            self.dropped += self.outbox.events();
            self.outbox.forget();
            self.link = Link::Over { why, told: false };
            return;
        }
        self.outbox.again();
        let now = Instant::now();
        self.link = match self.link {
            Link::Down { pause, dropped, .. } => {
                let pause = (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
                Link::Down { why, next: now + pause, pause, dropped }
            }
            Link::Up(_) | Link::NoAct | Link::Over { .. } => {
                // An agent that is there and too slow is not helped by more at once.
                let pause = if why.code() == Code::Later { PAUSE_MAX } else { Duration::ZERO };
                Link::Down { why, next: now + pause, pause, dropped: 0 }
            }
        };
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
        let (why, first) = match &mut self.link {
            Link::Over { why, told } => (why, !std::mem::replace(told, true)),
            Link::Down { why, dropped, .. } => {
                *dropped += 1;
                (why, *dropped == 1)
            }
            Link::NoAct | Link::Up(_) => return,
        };
        if first {
            say(format_args!("dropping events: {why}"));
        }
    }

    fn note(&mut self, settled: Settled) {
        self.refused += settled.refused;
        self.cursor = settled.cursor.or(self.cursor.take());
        if let (None, Some((code, why))) = (&self.failure, settled.failure) {
            let whence = match &self.link {
                Link::Up(agent) => format!("{}: {why}", agent.at()),
                Link::NoAct | Link::Down { .. } | Link::Over { .. } => why,
            };
            self.failure = Some((code, whence));
        }
    }

    /// The first failure is told as soon as the input pauses: the end may be days away.
    fn tell_failure(&mut self) {
        if let Some((_, why)) = &self.failure
            && !std::mem::replace(&mut self.told, true)
        {
            say(format_args!("not taken: {why}"));
        }
    }
}
