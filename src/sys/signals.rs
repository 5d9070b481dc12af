//! The signals that the agent obeys.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_core::Stream as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: finish what came, then end.
    Stop,
}

/// The signals, one after the other. From here on they no longer end the process by themselves.
pub struct Signals {
    inner: signal_hook_tokio::Signals,
}

impl Signals {
    /// Begins to listen. Needs a tokio runtime around it.
    pub fn new() -> io::Result<Self> {
        let inner = signal_hook_tokio::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        Ok(Self { inner })
    }

    /// Waits for the next one. Signals of one kind that come faster than they are taken count as
    /// one. None never comes while this is held. Loses nothing when it is dropped unfinished.
    pub async fn next(&mut self) -> Option<Signal> {
        let signal = poll_fn(|cx| Pin::new(&mut self.inner).poll_next(cx)).await?;
        Some(if signal == SIGHUP { Signal::Reload } else { Signal::Stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal;

    #[tokio::test]
    async fn each_signal_has_its_meaning() {
        let mut signals = Signals::new().expect("signals");
        for (sent, meant) in [
            (signal::SIGHUP, Signal::Reload),
            (signal::SIGTERM, Signal::Stop),
            (signal::SIGINT, Signal::Stop),
        ] {
            signal::raise(sent).expect("raised");
            assert_eq!(signals.next().await, Some(meant));
        }
    }
}
