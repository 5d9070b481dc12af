//! The test harness: an agent in a directory of its own, a client that speaks the protocol byte by byte, and
//! the commands with their output captured.
//!
//! Nothing here sleeps to be right: each wait polls for a condition, for at most [`TIMEOUT`].

mod agent;
mod client;
mod hostile;
mod line;
mod other;
mod tool;

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use agent::{Agent, HOST, PULSED, optimized};
pub(crate) use client::Client;
pub(crate) use hostile::hostile;
pub(crate) use line::{FIRST, Gap, Item, assert_contiguous, begins_log, parse, seq_of};
pub(crate) use other::Relay;
pub(crate) use tool::{Output, Running, Tool};

/// The most that any step may take, on a machine that is busy with other work.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a condition is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Polls until `condition` returns a value. Panics with `what` after [`TIMEOUT`].
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {TIMEOUT:?}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// `true` if this test runs as root. Otherwise reports on stderr that `what` is not tested.
pub(crate) fn as_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        report(&format!("\n*** NOT TESTED, because it needs root: {what} ***\n"));
    }
    root
}

/// Writes to stderr, also from a test that passes: cargo captures what the print macros write.
pub(crate) fn report(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
