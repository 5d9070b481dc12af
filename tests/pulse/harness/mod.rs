//! The one harness: an agent in a directory of its own, a client that speaks the protocol by hand, and
//! the commands with their output caught.
//!
//! Nothing here sleeps to be right: everything waits for a condition, for [`PATIENCE`] at most, which
//! only a test that fails ever uses up.

mod agent;
mod client;
mod line;
mod other;
mod tool;

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use agent::{Agent, PULSED};
pub(crate) use client::Client;
pub(crate) use line::{FIRST, Gap, Item, assert_whole, begins_log, parse, seq_of};
pub(crate) use other::Via;
pub(crate) use tool::{Done, Running, Tool};

/// How long anything may take on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at that nobody tells about.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `look` finds something; `what` is what the test says if it never does.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether this test runs as root. Says loudly what is not tested if it does not.
pub(crate) fn as_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        // Not by a macro, whose output a test that passes does not show.
        let told = format!("\n*** NOT TESTED, because it takes root: {what} ***\n");
        let _ = std::io::stderr().write_all(told.as_bytes());
    }
    root
}
