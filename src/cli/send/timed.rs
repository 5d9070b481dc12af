//! `--time`: runs a command and sends its begin and its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::args::joined;
use super::options::Options;
use super::report::report;
use super::run_events::{Done, RunEvents};
use crate::event::{Draft, Field, Level, RUN_MAX, Value};
use crate::sys::child::{self, Forwarder, Unforwarded};

/// The exit status of a shell when there is no such command, and when it cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

/// What is sent about the command.
pub(super) struct Plan {
    pub(super) options: Options,
    /// The command line.
    text: String,
    /// The name of the run, unique within this connection: `--run`, else the program and our pid.
    run: String,
}

impl Plan {
    fn new(options: Options, program: &OsStr, arguments: &[OsString]) -> Self {
        let words = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
        let run = run_name(&options, program);
        Self { text: joined(words), run, options }
    }

    /// The draft of the begin.
    pub(super) fn begin(&self) -> Draft<'_> {
        let message = self.options.template.plain(self.text.as_str().into());
        Draft { run: Some(self.run.as_str().into()), ..message.draft }
    }

    /// `true` if the end of the command decides the level of its event.
    pub(super) fn sets_level(&self) -> bool {
        self.options.template.priority.is_none()
    }

    /// `-S`, `-s`: reports what the begin will be.
    fn report_begin(&self) {
        if self.options.template.plain(self.text.as_str().into()).cut {
            self.options.warn_cut();
        }
        self.options.echo(&self.begin());
    }
}

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
        Ok(child) => End { how: How::wait(child, forwarder), took: begun.elapsed() },
        Err(error) => End { how: How::not_run(program, error), took },
    };
    plan.options.echo(&plan.begin());
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

/// The name of the run: `--run`, else the program and our pid.
fn run_name(options: &Options, program: &OsStr) -> String {
    options.template.run.clone().unwrap_or_else(|| {
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let id = format!(".{}", std::process::id());
        name.chars().take(RUN_MAX - id.len()).chain(id.chars()).collect()
    })
}

/// The end of the command.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    how: How,
    took: Duration,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Exited(u8),
    Killed {
        signal: i32,
    },
    /// The shell's status for the reason.
    NotRun(u8),
    /// The kernel kept no status.
    Unknown,
}

impl End {
    /// Makes the draft that of the end.
    pub(super) fn describe(&self, draft: &mut Draft<'_>, sets_level: bool) {
        draft.took = Some(self.took.as_micros() as f64 / 1e6);
        if self.how != How::Exited(0) && sets_level {
            draft.level = Level::Warning;
        }
        if let Some(status) = self.how.status() {
            set(draft, "status", i32::from(status));
        }
        if let How::Killed { signal } = self.how {
            set(draft, "signal", signal);
        }
    }
}

impl How {
    fn wait(child: &mut Child, forwarder: Option<Forwarder>) -> Self {
        match child::wait(child, forwarder) {
            Ok(status) => Self::from(status),
            Err(error) => {
                let pid = child.id();
                if child::is_status_lost(&error) {
                    report(format_args!("exit status lost: process {pid}: SIGCHLD is ignored"));
                } else {
                    report(format_args!("cannot wait: process {pid}: {error}"));
                }
                Self::Unknown
            }
        }
    }

    fn not_run(program: &OsStr, error: &io::Error) -> Self {
        report(format_args!("cannot run: {}: {error}", program.display()));
        let found = error.kind() != io::ErrorKind::NotFound;
        Self::NotRun(if found { NOT_RUNNABLE } else { NOT_FOUND })
    }

    /// The status as a shell has it. `None` if it is unknown.
    fn status(self) -> Option<u8> {
        match self {
            Self::Exited(code) | Self::NotRun(code) => Some(code),
            Self::Killed { signal } => Some(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
            Self::Unknown => None,
        }
    }

    /// Our own exit status.
    fn exit(self) -> u8 {
        self.status().unwrap_or(NOT_RUNNABLE)
    }
}

impl From<ExitStatus> for How {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, Some(signal)) => Self::Killed { signal },
            (None, None) => Self::Unknown,
        }
    }
}

fn set(draft: &mut Draft<'_>, name: &'static str, number: i32) {
    draft.fields.retain(|field| field.name != name);
    let value = Value::Number(number.to_string().into());
    draft.fields.push(Field { name: name.into(), value });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_signal_of_an_end() {
        let how = |raw| How::from(ExitStatus::from_raw(raw));
        assert_eq!((how(3 << 8), how(3 << 8).exit()), (How::Exited(3), 3));
        assert_eq!((how(9), how(9).exit()), (How::Killed { signal: 9 }, 137));
    }
}
