//! Waiting for a command that shares our terminal.

use std::io;
use std::process::{Child, ExitStatus};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// Waits for the end of `child` and outlives it. SIGINT and SIGQUIT, which a terminal sends to both,
/// are left to the child; SIGTERM and SIGHUP, which may come to us alone, are passed on.
///
/// The signals are blocked only now, since a child inherits what is blocked; what the child has of
/// ignored signals (nohup(1)) stays as it was.
///
/// # Errors
/// What sigmask(2), kill(2) and wait(2) say.
pub fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let mut signals = SigSet::empty();
    for signal in
        [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP]
    {
        signals.add(signal);
    }
    signals.thread_block()?;
    loop {
        // First look, then wait: the child may have ended before SIGCHLD was blocked.
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let signal = signals.wait()?;
        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
            // Not reaped yet, so the number is still the child's.
            kill(Pid::from_raw(child.id().cast_signed()), signal)?;
        }
    }
}
