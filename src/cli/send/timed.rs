//! `--time`: runs a command and sends its begin and its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::args::joined;
use super::delivery::Delivery;
use super::options::Options;
use super::report::report;
use super::template::Message;
use crate::event::{Draft, Field, Level, RUN_MAX, Value};
use crate::sys::child::{self, Forwarder};

/// The exit status of a shell when there is no such command, and when it cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

/// Runs the command and returns its exit status: its exit code, 128+n if signal n ended it, 127 or 126 if it
/// could not be run. Trouble with the agent is one warning and changes nothing.
pub(super) fn run(options: &Options, program: &OsStr, arguments: &[OsString]) -> u8 {
    let text = joined(std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str)));
    let mut message = options.template.plain(text.as_str().into());
    if message.cut {
        options.warn_cut();
    }
    message.draft.run = Some(run_name(options, program).into());
    let mut delivery = Delivery::unconnected(options);
    push(&mut delivery, options, &message);

    let begun = Instant::now();
    // It is started before there is a connection: the command never waits for the agent.
    let end = match Command::new(program).args(arguments).spawn() {
        Ok(mut child) => accompany(&mut child, &mut delivery, begun),
        Err(error) => End { how: How::not_run(program, &error), took: begun.elapsed() },
    };
    end.describe(&mut message.draft, options.template.priority.is_none());
    push(&mut delivery, options, &message);
    delivery.flush(Duration::ZERO);
    match delivery.outcome() {
        Ok(cursor) => options.print(cursor.as_deref()),
        Err(warning) => report(warning),
    }
    end.how.exit()
}

/// Waits for the command. Meanwhile another thread keeps its begin written on an open connection: a
/// connection that closes first means that we were killed.
fn accompany(child: &mut Child, delivery: &mut Delivery<'_>, begun: Instant) -> End {
    // Its thread and the next one inherit the blocked signals.
    let forwarder = Forwarder::start(child);
    let forwarder = forwarder.map_err(|error| report(format_args!("no signals: {error}"))).ok();
    thread::scope(|scope| {
        let running = io::pipe().and_then(|(ended, running)| {
            let keep = move || {
                if let Err(error) = delivery.keep_written(ended.as_fd()) {
                    report(format_args!("cannot watch the connection: {error}"));
                }
            };
            thread::Builder::new().name("delivery".into()).spawn_scoped(scope, keep)?;
            Ok(running)
        });
        let how = How::wait(child, forwarder);
        let took = begun.elapsed();
        match running {
            // Closing it ends the other thread.
            Ok(running) => drop(running),
            Err(error) => report(format_args!("cannot watch the connection: {error}")),
        }
        End { how, took }
    })
}

/// The name of the run, unique within this connection: `--run`, else the program and our pid.
fn run_name(options: &Options, program: &OsStr) -> String {
    options.template.run.clone().unwrap_or_else(|| {
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let id = format!(".{}", std::process::id());
        name.chars().take(RUN_MAX - id.len()).chain(id.chars()).collect()
    })
}

fn push(delivery: &mut Delivery<'_>, options: &Options, message: &Message<'_>) {
    options.echo(&message.draft);
    delivery.push(message);
}

/// The end of the command.
struct End {
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
    fn describe(&self, draft: &mut Draft<'_>, sets_level: bool) {
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
