//! `SYNC replicated`: a sender waits until the stream of all hosts has its events.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::event::Seq;
use crate::wire::Code;

/// How long a sender waits for the engine.
pub const REPLICATED_WAIT_MAX: Duration = Duration::from_secs(10);

/// How far the engine has acknowledged, for those who wait.
#[derive(Debug, Default)]
pub(crate) struct Replicated(watch::Sender<Reached>);

#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// The last number that the engine has acknowledged. `None` until the stream has been read.
    acknowledged: Option<Seq>,
    /// The last number instead of which the stream has a gap, or will have one.
    left_out: Option<Seq>,
}

/// Why events are not known to be in the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReplicated {
    #[error("this agent replicates nothing: set nats.url in pulsed.toml(5)")]
    NotConfigured,
    #[error(
        "stored here, but not acknowledged by NATS within {} s: it is forwarded later{}",
        REPLICATED_WAIT_MAX.as_secs(),
        .0.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default()
    )]
    Late(Option<String>),
    #[error("the stream has a gap instead of some of these events")]
    LeftOut,
}

impl NotReplicated {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NotConfigured | Self::LeftOut => Code::NotStored,
            Self::Late(_) => Code::Later,
        }
    }
}

impl Replicated {
    /// Waits until the engine has acknowledged the events from `first` to `last`, which are stored.
    ///
    /// # Errors
    /// [`NotReplicated`], without the cause of a delay.
    pub(crate) async fn wait(&self, first: Seq, last: Seq) -> Result<(), NotReplicated> {
        let mut reached = self.0.subscribe();
        let acknowledged = reached.wait_for(|reached| reached.acknowledged >= Some(last));
        match timeout(REPLICATED_WAIT_MAX, acknowledged).await {
            // A later gap than theirs counts too: a claim is never stronger than what was checked.
            Ok(Ok(reached)) if reached.left_out >= Some(first) => Err(NotReplicated::LeftOut),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotReplicated::Late(None)),
        }
    }
}

#[cfg(any(feature = "nats", test))]
impl Replicated {
    /// Notes what the engine has. A stream that was deleted has less than before.
    pub(crate) fn set_acknowledged(&self, acknowledged: Seq) {
        self.0.send_modify(|reached| reached.acknowledged = Some(acknowledged));
    }

    /// Notes, before the number is acknowledged, that a gap stands for events up to it.
    pub(crate) fn note_left_out(&self, last: Seq) {
        self.0.send_modify(|reached| reached.left_out = reached.left_out.max(Some(last)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_last_number() {
        let replicated = Replicated::default();
        let wait = replicated.wait(seq(3), seq(5));
        assert_eq!(wait.await, Err(NotReplicated::Late(None)));
        replicated.set_acknowledged(seq(4));
        assert_eq!(replicated.wait(seq(3), seq(4)).await, Ok(()));
        let wait = replicated.wait(seq(3), seq(5));
        let (waited, ()) = tokio::join!(wait, async { replicated.set_acknowledged(seq(5)) });
        assert_eq!(waited, Ok(()));
    }

    #[tokio::test]
    async fn a_gap_is_no_event() {
        let replicated = Replicated::default();
        replicated.note_left_out(seq(5));
        replicated.set_acknowledged(seq(9));
        assert_eq!(replicated.wait(seq(5), seq(7)).await, Err(NotReplicated::LeftOut));
        assert_eq!(replicated.wait(seq(6), seq(7)).await, Ok(()));
    }
}
