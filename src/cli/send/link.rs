//! The connection of a delivery: lost, waited for, and opened again.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use super::error::Trouble;
use super::options::Options;
use super::report::report;
use crate::client::Connection;
use crate::wire::Code;

/// The first pause between two attempts to connect. The attempt right after a loss has none.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest pause between two attempts; each is twice the one before. A connection that lasted as long
/// resets the pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The state of the connection.
#[derive(Debug)]
pub(super) enum Link {
    /// `--no-act`.
    NoAct,
    /// The first attempt is still to come.
    New,
    /// Connected.
    Up(Up),
    /// The agent is away.
    Down(Down),
    /// The agent refused the token. Another attempt would not help.
    Refused {
        /// Why.
        why: Trouble,
        /// Whether dropping events was reported.
        reported: bool,
    },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Up {
    agent: Connection,
    since: Instant,
    /// The pause before the next attempt if this connection does not last.
    pause: Duration,
}

/// The wait for an agent that is away.
#[derive(Debug)]
pub(super) struct Down {
    why: Trouble,
    /// When the next attempt is due.
    next: Instant,
    /// The pause before it.
    pause: Duration,
    /// Events dropped since the agent went away.
    dropped: u64,
}

impl Link {
    /// Returns the connection, opened now if an attempt is due. `None` if it is too early, or there is to be
    /// none.
    ///
    /// # Errors
    /// [`Trouble`] of the attempt. The caller passes it to [`Self::lose`].
    pub(super) fn connect(
        &mut self,
        options: &Options,
    ) -> Result<Option<&mut Connection>, Trouble> {
        let since = Instant::now();
        match self {
            Self::NoAct | Self::Refused { .. } | Self::Up(_) => {}
            Self::New => {
                let agent = options.connect()?;
                *self = Self::Up(Up { agent, since, pause: Duration::ZERO });
            }
            Self::Down(down) if since < down.next => {}
            Self::Down(down) => {
                let agent = options.connect()?;
                if down.dropped > 0 {
                    let (dropped, at) = (down.dropped, agent.at());
                    report(format_args!("{dropped} events dropped: {at}: the agent was away"));
                }
                *self = Self::Up(Up { agent, since, pause: longer(down.pause) });
            }
        }
        Ok(self.agent())
    }

    /// The connection, if there is one.
    pub(super) const fn agent(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Up(up) => Some(&mut up.agent),
            _ => None,
        }
    }

    /// The connection's descriptor, if there is one.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Up(up) => Some(up.agent.as_fd()),
            _ => None,
        }
    }

    /// Records that the connection, or the attempt to open one, failed. Schedules the next attempt.
    pub(super) fn lose(&mut self, why: Trouble) {
        let now = Instant::now();
        let (pause, dropped) = match self {
            _ if why.is_final() => {
                *self = Self::Refused { why, reported: false };
                return;
            }
            Self::Down(down) => (longer(down.pause), down.dropped),
            // An agent that is overloaded gets time.
            _ if why.code() == Code::Later => (PAUSE_MAX, 0),
            Self::Up(up) if up.since.elapsed() < PAUSE_MAX => (up.pause, 0),
            Self::Up(_) => (Duration::ZERO, 0),
            Self::New | Self::NoAct | Self::Refused { .. } => (PAUSE_MIN, 0),
        };
        *self = Self::Down(Down { why, next: now + pause, pause, dropped });
    }

    /// The time to the next attempt. `None` unless the agent is away.
    pub(super) fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Down(down) => Some(down.next.saturating_duration_since(Instant::now())),
            _ => None,
        }
    }

    /// Makes the next attempt due now.
    pub(super) fn retry_now(&mut self) {
        if let Self::Down(down) = self {
            down.next = Instant::now();
        }
    }

    /// Counts an event that does not fit the outbox; the first one is reported.
    pub(super) fn drop_one(&mut self) {
        let (why, first) = match self {
            Self::Refused { why, reported } => (why, !std::mem::replace(reported, true)),
            Self::Down(down) => {
                down.dropped += 1;
                (&mut down.why, down.dropped == 1)
            }
            Self::NoAct | Self::New | Self::Up(_) => return,
        };
        if first {
            report(format_args!("dropping events: {why}"));
        }
    }

    /// Why there is no connection.
    pub(super) fn into_trouble(self) -> Option<Trouble> {
        match self {
            Self::Down(Down { why, .. }) | Self::Refused { why, .. } => Some(why),
            Self::NoAct | Self::New | Self::Up(_) => None,
        }
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Address, ClientError};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    fn trouble() -> Trouble {
        let at = crate::client::Where::Socket("/s".into());
        ClientError::Closed { at }.into()
    }

    fn pause(link: &Link) -> Option<Duration> {
        match link {
            Link::Down(down) => Some(down.pause),
            _ => None,
        }
    }

    #[test]
    fn pauses_double_up_to_their_bound() {
        let mut link = Link::New;
        let mut expected = PAUSE_MIN;
        for _ in 0..9 {
            link.lose(trouble());
            assert_eq!(pause(&link), Some(expected));
            expected = (expected * 2).min(PAUSE_MAX);
        }
        assert_eq!(pause(&link), Some(PAUSE_MAX));
    }

    fn connection(path: &Path) -> Connection {
        let address = Address::Local(Some(path.to_owned()));
        Connection::open(&address, Duration::from_secs(10)).expect("it listens")
    }

    #[test]
    fn retries_at_once_unless_connections_keep_failing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let _listener = UnixListener::bind(&path).expect("bound");
        let up = |pause, lasted| {
            let since = Instant::now().checked_sub(lasted).expect("a running machine");
            Link::Up(Up { agent: connection(&path), since, pause })
        };
        for (before, lasted, after) in [
            (Duration::ZERO, Duration::ZERO, Duration::ZERO),
            (PAUSE_MIN, Duration::ZERO, PAUSE_MIN),
            (PAUSE_MIN, PAUSE_MAX, Duration::ZERO),
        ] {
            let mut link = up(before, lasted);
            link.lose(trouble());
            assert_eq!(pause(&link), Some(after));
        }
        let mut link = up(Duration::ZERO, PAUSE_MAX);
        let at = crate::client::Where::Socket(path.clone());
        link.lose(ClientError::TimedOut { at, timeout: PAUSE_MIN }.into());
        assert_eq!(pause(&link), Some(PAUSE_MAX), "an overloaded agent gets time");
    }
}
