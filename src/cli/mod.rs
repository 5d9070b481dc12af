//! The three commands, and what they share: the command line, exit statuses, the report of an error.

mod connect;
#[cfg(feature = "agent")]
pub mod pulsed;
pub mod send;
#[cfg(feature = "tail")]
pub mod tail;
mod words;

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

use crate::render::escape;
use crate::sys::poll::Patient;
use crate::wire::Code;

/// The exit status of a command. 64 to 78 are those of sysexits(3), 124 is that of timeout(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: success.
    Done = 0,
    /// 1: pulse-tail: `--until-match` found nothing. pulsed: the agent failed.
    Failed = 1,
    /// 3: pulse-tail: events are missing, so `--until-match` cannot be answered.
    Unknowable = 3,
    /// 64: the command line is wrong.
    Usage = 64,
    /// 65: the input data is wrong.
    Data = 65,
    /// 69: there is no agent, or it closed the connection.
    Unavailable = 69,
    /// 74: an event was not stored, or a file or stdout failed.
    NotStored = 74,
    /// 75: the agent timed out or refused over a limit; may work later.
    Later = 75,
    /// 77: permission denied.
    Denied = 77,
    /// 78: the configuration is wrong. Only `pulsed` reads one.
    Config = 78,
    /// 124: `--timeout` of pulse-tail is over.
    TimedOut = 124,
}

impl Exit {
    /// All exit statuses.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Unknowable,
        Self::Usage,
        Self::Data,
        Self::Unavailable,
        Self::NotStored,
        Self::Later,
        Self::Denied,
        Self::Config,
        Self::TimedOut,
    ];

    /// The number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.number().into()
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::Usage => Self::Usage,
            Code::Data => Self::Data,
            Code::Unavailable => Self::Unavailable,
            Code::NotStored => Self::NotStored,
            Code::Later => Self::Later,
            Code::Denied => Self::Denied,
        }
    }
}

/// Why a command fails. Displayed as one line: what failed, the object, the cause.
pub trait Failure: fmt::Display {
    /// The exit status of the command.
    fn exit(&self) -> Exit;
}

/// Parses the command line, runs the command, and reports a failure on stderr.
pub fn main<A: clap::Parser, F: Failure>(
    command: &str,
    run: impl FnOnce(A) -> Result<ExitCode, F>,
) -> ExitCode {
    main_with(command, std::env::args_os(), run)
}

/// As [`main()`], with the words of the command line, which begins with the name of the command.
pub fn main_with<A: clap::Parser, F: Failure>(
    command: &str,
    words: impl IntoIterator<Item = OsString>,
    run: impl FnOnce(A) -> Result<ExitCode, F>,
) -> ExitCode {
    let arguments = match parse(command, words) {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    run(arguments).unwrap_or_else(|failure| {
        report(command, &failure);
        failure.exit().into()
    })
}

/// Parses a command line, which begins with the name of the command. Prints `--help` and `--version`, and
/// reports an error on stderr.
///
/// # Errors
/// The exit status: [`Exit::Done`] after `--help` and `--version`, [`Exit::Usage`] after an error.
pub fn parse<A: clap::Parser>(
    command: &str,
    words: impl IntoIterator<Item = OsString>,
) -> Result<A, Exit> {
    // Freeing this piece by piece takes a tenth of a short run, and the process ends soon.
    let mut grammar = ManuallyDrop::new(A::command());
    let parsed = grammar
        .try_get_matches_from_mut(words)
        .and_then(|mut matches| A::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| {
        if error.use_stderr() {
            report(command, one_line(&error.render().to_string()));
            return Exit::Usage;
        }
        // A closed stdout is no error.
        let _ = error.print();
        Exit::Done
    })
}

/// Prints one line on stderr, after the name of the command. Control characters are escaped. A failed write
/// is ignored: there is no other place to report it.
pub fn report(command: &str, text: impl fmt::Display) {
    let _ = Patient(std::io::stderr().lock()).write_all(line(command, text).as_bytes());
}

fn line(command: &str, text: impl fmt::Display) -> String {
    format!("{command}: {}\n", escape(&text.to_string()))
}

/// Puts clap's error on one line, without the usage at its end.
fn one_line(rendered: &str) -> String {
    let text = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts: Vec<String> = text
        .split("\n\n")
        .take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"))
        .map(words)
        .collect();
    parts.push("see --help".to_owned());
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_have_their_documented_numbers() {
        let numbers = Exit::ALL.map(Exit::number);
        assert_eq!(numbers, [0, 1, 3, 64, 65, 69, 74, 75, 77, 78, 124]);
        for code in Code::ALL {
            assert_eq!(Exit::from(code).number(), code.number());
        }
    }

    #[test]
    fn clap_errors_become_one_line() {
        let line = one_line("error: no 'x' found\n\n  tip: use\n  'y'\n\nUsage: z\n\nFor more …");
        assert_eq!(line, "no 'x' found; tip: use 'y'; see --help");
    }

    #[test]
    fn reports_are_one_escaped_line() {
        let hostile = "a\u{1b}[2J\nb\u{202e}\u{9b}é";
        assert_eq!(line("x", hostile), "x: a\\x1b[2J\\nb\\u{202e}\\u{9b}é\n");
    }
}
