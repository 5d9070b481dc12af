//! The signals that the agent handles.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use futures_core::Stream as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What a signal requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: reload the configuration.
    Reload,
    /// SIGTERM or SIGINT: drain, then end.
    Stop,
}

/// The stream of signals. While it exists, they do not kill the process.
pub struct Signals {
    inner: signal_hook_tokio::Signals,
}

impl Signals {
    /// Installs the handlers. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub fn new() -> io::Result<Self> {
        let inner = signal_hook_tokio::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        Ok(Self { inner })
    }

    /// Waits for the next signal. Several of one kind that arrive between two calls count as one. Never
    /// returns `None` while `self` exists. Cancel-safe.
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
    async fn maps_signals_to_requests() {
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
