//! pulse-tail: shows events as they arrive, as `journalctl -f` and tail(1) do.
//!
//! `args` is the command line, `plan` its meaning, `follow` reads from the agent, and `output` writes to
//! stdout. `probe` asks the agent what the plan or a hint needs, `values` are those of `--field`. The position in the log (`resume_position`) outlives connections and, in a `cursor_file`, the
//! command.

mod args;
mod cursor_file;
mod error;
mod follow;
mod formats;
mod habits;
mod output;
mod plan;
mod probe;
mod report;
mod resume_position;
mod screen;
mod stats;
mod values;
mod web;
mod when;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _, stderr, stdout};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use crate::cli::{self, Exit};
use crate::sys::clock;
use crate::sys::interrupt::Interrupt;
use crate::sys::poll::Patient;
use crate::sys::zone;
use args::Args;
use error::TailError;
use follow::Follow;
use plan::{Environment, Plan};

// Bounds and defaults that the manual names.
pub use args::TIMEOUT_MAX;
pub use plan::LINES_DEFAULT;
pub use probe::{ANSWER_WAIT, HINT_EVENTS, SILENCE_MAX};
pub use report::NAME;
pub use values::{VALUES_BYTES_MAX, VALUES_MAX};

/// Returns the command line's definition, for completions and for tests of the manual.
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Runs the command.
pub fn main() -> ExitCode {
    let words = habits::translate(std::env::args_os().collect());
    if let Some(hint) = habits::instead(&words) {
        report::report(hint);
        return Exit::Usage.into();
    }
    cli::main_with(NAME, words, run)
}

fn run(args: Args) -> Result<ExitCode, TailError> {
    let agent = args.connect.address(None)?;
    let saved = match &args.cursor_file {
        Some(path) => cursor_file::read(path)?,
        None if args.boot => probe::last_start(&agent)?,
        None => None,
    };
    let environment = Environment {
        now: clock::now(),
        tz: zone::local(),
        terminal: stdout().is_terminal(),
        colors: wants_colors(),
        hints: stderr().is_terminal(),
        saved,
        agent,
    };
    if args.web {
        let link = web::link(&environment.agent)?;
        let mut out = unbuffered_stdout().map_err(TailError::Output)?;
        out.write_all(format!("{link}\n").as_bytes()).map_err(TailError::Output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::new(args, environment)?;
    let interrupt = Interrupt::catch().map_err(TailError::Signals)?;
    if plan.tail.follow {
        interrupt.watch_output(stdout().as_fd()).map_err(TailError::Signals)?;
    }
    let out = unbuffered_stdout().map_err(TailError::Output)?;
    Ok(Follow::new(&plan, &interrupt, out).run()?.into())
}

/// Standard output without std's buffer, whose flush is not repeatable after an error.
fn unbuffered_stdout() -> io::Result<Patient<File>> {
    Ok(Patient(File::from(stdout().as_fd().try_clone_to_owned()?)))
}

/// `true` unless the environment disables colors (<https://no-color.org>).
fn wants_colors() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}
