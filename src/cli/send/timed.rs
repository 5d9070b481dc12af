//! `--time`: runs a command and sends its begin and its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use super::options::Options;
use super::report::report;
use super::run_events::{Done, RunEvents};
use super::timed_run::{End, How, NOT_FOUND, NOT_RUNNABLE, Plan};
use crate::sys::child::{self, Forwarder, Unforwarded};

/// Runs the command and returns its exit status: its exit code, 128+n if signal n ended it, 127 or 126 if it
/// could not be run. Trouble with the agent is one warning and changes nothing.
pub(super) fn run(options: Options, program: &OsStr, arguments: &[OsString]) -> u8 {
    let plan = Arc::new(Plan::new(options, program, arguments));
    plan.report_begin();
    if let Err(error) = child::keep_status() {
        report(format_args!("cannot handle SIGCHLD: {error}"));
    }
    let begun = Instant::now();
    // It is started before anything that concerns the agent: the command never waits for that.
    let mut spawned = Command::new(program).args(arguments).spawn();
    let took = begun.elapsed();
    let (sender, done) = channel();
    // Before the other threads, which inherit the blocked signals.
    let forwarder = spawned.as_ref().ok().and_then(|child| forward_signals(child, sender.clone()));
    let events = RunEvents::start(Arc::clone(&plan), sender, done);
    let events = events.map_err(|error| report(format_args!("cannot send events: {error}"))).ok();
    let end = match &mut spawned {
        Ok(child) => End { how: wait(child, forwarder), took: begun.elapsed() },
        Err(error) => End { how: not_run(program, error), took },
    };
    plan.options.echo(&plan.begin().draft);
    if let Some(events) = events {
        events.finish(end);
    }
    end.how.exit()
}

/// Forwards signals to the command. After its end they end our wait for the agent.
fn forward_signals(child: &Child, done: Sender<Done>) -> Option<Forwarder> {
    let pid = child.id();
    let unforwarded = move |signal| match signal {
        Unforwarded::Failed(signal, errno) => {
            report(format_args!("cannot forward {signal}: process {pid}: {}", errno.desc()));
        }
        // Without a receiver, nothing waits.
        Unforwarded::Ended(_) => drop(done.send(Done::Interrupted)),
    };
    let forwarder = Forwarder::start(child, unforwarded);
    forwarder.map_err(|error| report(format_args!("no signals: {error}"))).ok()
}

/// Waits for the end of the command.
fn wait(child: &mut Child, forwarder: Option<Forwarder>) -> How {
    match child::wait(child, forwarder) {
        Ok(status) => How::from(status),
        Err(error) => {
            let pid = child.id();
            if child::is_status_lost(&error) {
                report(format_args!("exit status lost: process {pid}: SIGCHLD is ignored"));
            } else {
                report(format_args!("cannot wait: process {pid}: {error}"));
            }
            How::Unknown
        }
    }
}

/// The end of a command that could not be started.
fn not_run(program: &OsStr, error: &io::Error) -> How {
    report(format_args!("cannot run: {}: {error}", program.display()));
    let found = error.kind() != io::ErrorKind::NotFound;
    How::NotRun(if found { NOT_RUNNABLE } else { NOT_FOUND })
}
