//! pulse-send: sends events, as logger(1) does. Connect, one write, one read, exit: no runtime, and
//! nothing at start that a single event does not need.
//!
//! `args` is the command line, `options` its meaning, `template` makes a draft of each message. A single
//! message goes through an `outbox`. The lines of an input (`stream`) and the begin and end of a command
//! (`timed`, which runs it, `timed_run` and `run_events`) go through a `delivery`, which reconnects (`link`).

mod args;
mod delivery;
mod error;
mod lines;
mod link;
mod options;
mod outbox;
mod param;
mod priority;
mod report;
mod run_events;
mod stream;
mod template;
mod timed;
mod timed_run;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use crate::cli::{self, Exit};
use crate::event::Cursor;
use args::{Args, end_options_at_command, joined};
use error::SendError;
use options::Options;
use outbox::Outbox;

// Bounds and defaults that the manual names.
pub use args::{TAG_VARIABLE, TIMEOUT_MAX};
pub use delivery::{HELD_MAX, SYNC_EVENTS};
pub use options::TIMEOUT_DEFAULT;
pub use report::NAME;

/// Returns the command line's definition, for completions and for tests of the manual.
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Runs the command.
pub fn main() -> ExitCode {
    let words = end_options_at_command(std::env::args_os().collect());
    cli::main_with(NAME, words, run)
}

fn run(args: Args) -> Result<ExitCode, SendError> {
    let options = Options::new(&args)?;
    let cursor = match args.words.split_first() {
        Some((program, arguments)) if args.time => {
            return Ok(timed::run(options, program, arguments).into());
        }
        Some(_) => {
            let lossy = args.words.iter().any(|word| word.to_str().is_none());
            once(&options, joined(args.words.iter().map(|word| word.as_os_str())), lossy)?
        }
        None => match &args.file {
            None => stream::run(&options, stdin()?, "stdin")?,
            Some(path) => {
                let name = path.display().to_string();
                match File::open(path) {
                    Ok(file) => stream::run(&options, file, &name)?,
                    Err(source) => return Err(SendError::Input { name, source }),
                }
            }
        },
    };
    options.print(cursor)?;
    Ok(Exit::Done.into())
}

/// Standard input without std's buffer, which poll(2) cannot see.
fn stdin() -> Result<File, SendError> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    input.map(File::from).map_err(|source| SendError::Input { name: "stdin".into(), source })
}

/// Sends one event: one write, one read. One that belongs to a run detaches it.
fn once(options: &Options, text: String, lossy: bool) -> Result<Option<Cursor>, SendError> {
    let mut message = options.template.message(text.into());
    message.lossy = lossy;
    let mut outbox = Outbox::new(options.ack);
    outbox.push(&message);
    if message.cut {
        options.warn_cut();
    }
    options.echo(&message.draft);
    if options.no_act {
        return Ok(None);
    }
    let mut agent = options.connect()?;
    let result = outbox.sync(&mut agent)?;
    if let Some(refusal) = result.refusal {
        return Err(SendError::Refused(refusal.at(agent.at())));
    }
    if message.draft.run.is_some() {
        // Without the agent the run is unknown anyway.
        let _ = agent.quit();
    }
    Ok(result.cursor)
}
