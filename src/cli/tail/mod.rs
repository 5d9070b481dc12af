//! pulse-tail: shows events as they come, as `journalctl -f` and tail(1) do.
//!
//! `args` is what is typed, `plan` what is meant, `follow` reads it from the agent, and `output` shows
//! it. The place in the log (`place`) outlives connections and, in a file (`cursor_file`, `keeper`),
//! the command itself.

mod args;
mod cursor_file;
mod error;
mod follow;
mod keeper;
mod output;
mod place;
mod plan;
mod stats;
mod when;

use std::io::{IsTerminal as _, stdout};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use crate::cli;
use crate::client::Address;
use crate::sys::clock;
use crate::sys::interrupt::Interrupt;
use crate::sys::zone;
use args::Args;
use error::TailError;
use follow::Follow;
use plan::{Plan, Surroundings};

// Bounds and defaults that the manual names.
pub use args::TIMEOUT_MAX;
pub use plan::LINES_DEFAULT;
pub use stats::{RUNNING_MAX, TAGS_MAX};

/// What the command is called, on the command line and in front of its errors.
pub const NAME: &str = "pulse-tail";

/// The command line, for the completions and for the tests that hold the manual to it.
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Runs the command.
pub fn main() -> ExitCode {
    cli::main(NAME, run)
}

fn run(args: Args) -> Result<ExitCode, TailError> {
    let kept = match &args.cursor_file {
        Some(path) => cursor_file::read(path)?,
        None => None,
    };
    let around = Surroundings {
        now: clock::now(),
        tz: zone::local(),
        terminal: stdout().is_terminal(),
        colors: wants_colors(),
        kept,
        agent: Address::new(
            args.socket.as_deref(),
            args.server.as_ref(),
            args.ca.as_deref(),
            args.token_file.as_deref(),
        )?,
    };
    let plan = Plan::new(args, around)?;
    let interrupt = Interrupt::catch().map_err(TailError::Signals)?;
    if plan.tail.follow {
        interrupt.when_unread(stdout().as_fd()).map_err(TailError::Signals)?;
    }
    let out = stdout().lock();
    Ok(Follow::new(&plan, &interrupt, out).run()?.into())
}

/// What the environment says (<https://no-color.org>).
fn wants_colors() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}
