//! What is sent about a command: the event of its begin, and what its end adds.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use super::args::joined;
use super::options::Options;
use super::template::Message;
use crate::event::{Draft, Field, Level, RUN_MAX, Value};

/// The exit status of a shell when there is no such command, and when it cannot be run.
pub(super) const NOT_FOUND: u8 = 127;
pub(super) const NOT_RUNNABLE: u8 = 126;

/// What is sent about the command.
pub(super) struct Plan {
    pub(super) options: Options,
    /// The command line.
    text: String,
    /// The name of the run, unique within this connection: `--run`, else the program and our pid.
    run: String,
}

impl Plan {
    pub(super) fn new(options: Options, program: &OsStr, arguments: &[OsString]) -> Self {
        let words = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
        let run = run_name(&options, program);
        Self { text: joined(words), run, options }
    }

    /// The event of the begin.
    pub(super) fn begin(&self) -> Message<'_> {
        let mut message = self.options.template.plain(self.text.as_str().into());
        message.draft.run = Some(self.run.as_str().into());
        message
    }

    /// `true` if the end of the command decides the level of its event.
    pub(super) fn sets_level(&self) -> bool {
        self.options.template.priority.is_none()
    }

    /// `-S`, `-s`: reports what the begin will be.
    pub(super) fn report_begin(&self) {
        let begin = self.begin();
        if begin.cut {
            self.options.warn_cut();
        }
        self.options.echo(&begin.draft);
    }
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
    pub(super) how: How,
    pub(super) took: Duration,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
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
    /// The status as a shell has it. `None` if it is unknown.
    fn status(self) -> Option<u8> {
        match self {
            Self::Exited(code) | Self::NotRun(code) => Some(code),
            Self::Killed { signal } => Some(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
            Self::Unknown => None,
        }
    }

    /// Our own exit status.
    pub(super) fn exit(self) -> u8 {
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
