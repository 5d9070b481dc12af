//! The three commands, and what they have in common: how they end, and how they say why.

#[cfg(feature = "agent")]
pub mod agent;
pub mod send;
#[cfg(feature = "tail")]
pub mod tail;

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

use crate::wire::Code;

/// How a command ends. 64 to 78 are those of sysexits(3), 124 is that of timeout(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: done.
    Done = 0,
    /// 1: what was waited for never came; or `pulsed` failed.
    Failed = 1,
    /// 3: a gap makes the answer unknowable.
    Unknowable = 3,
    /// 64: the command line is wrong.
    Usage = 64,
    /// 65: bad data.
    Data = 65,
    /// 69: the agent is not there.
    Unavailable = 69,
    /// 74: not stored.
    NotStored = 74,
    /// 75: timed out while waiting for the agent, or refused by a limit; may work later.
    Later = 75,
    /// 77: not permitted.
    Denied = 77,
    /// 78: the configuration is bad (only `pulsed` reads one).
    Config = 78,
    /// 124: the time that was asked for is over.
    TimedOut = 124,
}

impl Exit {
    /// All of them.
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

/// Why a command fails: one line that says what, where and why, and how the command then ends.
pub trait Failure: fmt::Display {
    /// How it ends.
    fn exit(&self) -> Exit;
}

/// Reads the command line, runs the command, and says on stderr why it failed.
pub fn main<A: clap::Parser, F: Failure>(
    command: &str,
    run: impl FnOnce(A) -> Result<ExitCode, F>,
) -> ExitCode {
    let arguments = match parse(command, std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    run(arguments).unwrap_or_else(|failure| {
        say(command, &failure);
        failure.exit().into()
    })
}

/// Reads a command line, the name of the command first. `--help` and `--version` are printed here
/// and end well; what is wrong is said in one line and ends with [`Exit::Usage`].
///
/// # Errors
/// How the command ends then.
pub fn parse<A: clap::Parser>(
    command: &str,
    words: impl IntoIterator<Item = OsString>,
) -> Result<A, Exit> {
    // The command ends soon: to free this piece by piece would be a tenth of a short run.
    let mut grammar = ManuallyDrop::new(A::command());
    let parsed = grammar
        .try_get_matches_from_mut(words)
        .and_then(|mut matches| A::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| {
        if error.use_stderr() {
            say(command, one_line(&error.render().to_string()));
            return Exit::Usage;
        }
        // Who closed our stdout does not want the help any more.
        let _ = error.print();
        Exit::Done
    })
}

/// Says one line on stderr, behind the name of the command. Never fails: there is nobody left to
/// tell. Nothing in it drives a terminal.
pub fn say(command: &str, text: impl fmt::Display) {
    let line = format!("{command}: {}\n", Plain(&text.to_string()));
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// What clap says about a command line, without its last part: how the command is used.
fn one_line(rendered: &str) -> String {
    let text = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts: Vec<String> = text
        .split("\n\n")
        .take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"))
        .map(words)
        .collect();
    parts.push("--help shows what there is".to_owned());
    parts.join("; ")
}

/// Text of unknown origin on one line of a terminal: control and bidirectional formatting characters
/// are shown escaped.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}');
            if c.is_control() || bidi {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_have_their_documented_numbers() {
        let numbers = Exit::ALL.map(Exit::number);
        assert_eq!(numbers, [0, 1, 3, 64, 65, 69, 74, 75, 77, 78, 124]);
        for code in Code::ALL {
            assert_eq!(Exit::from(code).number(), code.number());
        }
    }

    #[test]
    fn a_complaint_is_one_line_and_drives_no_terminal() {
        let line = one_line("error: no 'x' found\n\n  tip: use\n  'y'\n\nUsage: z\n\nFor more …");
        assert_eq!(line, "no 'x' found; tip: use 'y'; --help shows what there is");
        let hostile = "a\u{1b}[2J\nb\u{202e}\u{9b}é";
        assert_eq!(Plain(hostile).to_string(), "a\\u{1b}[2J\\nb\\u{202e}\\u{9b}é");
    }
}
