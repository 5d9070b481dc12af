//! The command line of pulse-send, read into checked values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::priority::Priority;
use super::template::{Claim, parse_claim};
use crate::client::Server;
use crate::event::{BadField, BadTag, DRAFT_MAX, Tag, check_run, took};

/// The environment variable that gives the tag.
pub const TAG_VARIABLE: &str = "PULSED_TAG";

const EXIT_CODES: &str = "\
Exit status: 0 taken, 64 usage, 65 bad data, 69 agent not there, 74 not stored, 75 timed out,
77 not permitted; with --time that of CMD (126 and 127 if it cannot be run, 128+n if signal n
ended it).";

/// Send events to the pulsed agent, as logger(1) does to syslog
///
/// Without MESSAGE, each line of the standard input is an event.
#[derive(Debug, Parser)]
#[command(
    name = super::NAME,
    version,
    after_help = EXIT_CODES,
    override_usage = "pulse-send [OPTIONS] [--] [MESSAGE]…\n       pulse-send [OPTIONS] --time -- CMD…"
)]
pub(super) struct Args {
    /// The words of the message, or with --time the command
    #[arg(value_name = "MESSAGE")]
    pub(super) words: Vec<OsString>,

    /// What sends it, such as shop.query [env: PULSED_TAG] [default: your login name]
    #[arg(short, long, value_parser = parse_tag)]
    pub(super) tag: Option<Tag<'static>>,

    /// How serious it is, as LEVEL or facility.LEVEL [default: info]
    #[arg(short, long, value_name = "LEVEL", value_parser = Priority::parse)]
    pub(super) priority: Option<Priority>,

    /// A field: key=text, or key:=json for a number, true, false or null
    #[arg(short = 'F', long = "field", value_name = "KEY=VALUE", value_parser = parse_claim)]
    pub(super) fields: Vec<Claim>,

    /// What this event begins, or ends if it has a duration; with --time a name for CMD's run
    #[arg(long, value_name = "NAME", value_parser = parse_run)]
    pub(super) run: Option<String>,

    /// Send each line of FILE
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["words", "time"])]
    pub(super) file: Option<PathBuf>,

    /// Each message is a JSON object: tag level msg run fields time
    #[arg(long, conflicts_with = "time")]
    pub(super) json: bool,

    /// Skip empty lines
    #[arg(short = 'e', long)]
    pub(super) skip_empty: bool,

    /// Cut messages that are longer than SIZE bytes, instead of having them refused
    #[arg(short = 'S', long, value_parser = parse_size)]
    pub(super) size: Option<usize>,

    #[arg(help = "Take the level from a <N> in front of each line", long, conflicts_with = "json")]
    pub(super) prio_prefix: bool,

    /// Copy what is sent to stderr
    #[arg(short = 's', long)]
    pub(super) stderr: bool,

    /// Do everything but send
    #[arg(long)]
    pub(super) no_act: bool,

    /// The agent's socket [env: PULSED_SOCKET] [default: your own agent's, else the system's]
    #[arg(short = 'u', long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    /// An agent on another machine, by its TCP bridge, under TLS [default PORT: 7465]
    #[arg(short = 'n', long, value_name = "HOST[:PORT]", conflicts_with = "socket")]
    pub(super) server: Option<Server>,

    /// Trust only the certificates in FILE (PEM) to vouch for the server, not the system's
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(super) ca: Option<PathBuf>,

    /// The file that holds the token for the server [env: PULSED_TOKEN]
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(super) token_file: Option<PathBuf>,

    /// What to wait for [default: stored]
    #[arg(long, value_name = "WHAT")]
    pub(super) ack: Option<Ack>,

    /// How long each wait for the agent may last [default: 1s]
    #[arg(long, value_name = "DUR", value_parser = parse_timeout)]
    pub(super) timeout: Option<Duration>,

    /// Print where the last event landed
    #[arg(long)]
    pub(super) cursor: bool,

    /// Run CMD; send its begin, and its end with duration and exit status
    #[arg(long, requires = "words")]
    pub(super) time: bool,

    /// Accepted for logger's sake: the agent records who sends
    #[arg(short = 'i')]
    pub(super) pid: bool,

    /// As -i; a given ID becomes the field pid
    #[arg(
        long,
        value_name = "ID",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub(super) id: Option<String>,

    /// Accepted for logger's sake: nothing is ever sent as a datagram
    #[arg(short = 'T', long)]
    pub(super) tcp: bool,

    /// Accepted for logger's sake: errors are always told
    #[arg(
        long,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on",
        value_parser = ["on", "off", "auto"]
    )]
    pub(super) socket_errors: Option<String>,
}

/// What to wait for before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Ack {
    /// Nothing: a refusal is not noticed
    None,
    /// Written: survives the end of the agent
    Stored,
    /// On the disk: survives a power cut
    Synced,
}

fn parse_tag(text: &str) -> Result<Tag<'static>, BadTag> {
    Tag::new(text.to_owned())
}

fn parse_run(text: &str) -> Result<String, BadField> {
    check_run(text).map(|()| text.to_owned())
}

/// Why a number on the command line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadNumber {
    /// No size.
    #[error("use 1 to 65536 bytes, such as 1000 or 4KiB")]
    Size,
    /// No time to wait.
    #[error("use a duration such as 500ms or 2s, at most a day")]
    Timeout,
}

/// A number of bytes, with `k`, `K` or `KiB` for 1024, as logger has it.
fn parse_size(text: &str) -> Result<usize, BadNumber> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" | "KiB" => 1024,
        _ => return Err(BadNumber::Size),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let bytes = digits.parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
    bytes.filter(|n| plain && (1..=DRAFT_MAX).contains(n)).ok_or(BadNumber::Size)
}

/// The longest `--timeout`.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn parse_timeout(text: &str) -> Result<Duration, BadNumber> {
    let seconds = took::parse(text).filter(|seconds| *seconds <= TIMEOUT_MAX.as_secs_f64());
    let wait = seconds.map(Duration::from_secs_f64);
    // The kernel counts in microseconds, and to it none at all means for ever.
    wait.filter(|wait| wait.as_micros() > 0).ok_or(BadNumber::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;
    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([super::super::NAME].iter().chain(words))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn loggers_own_command_lines_are_understood() {
        let line = ["-i", "-T", "--id=77", "--socket-errors=on", "-t", "x", "-p", "local0.warn"];
        let args = parse(&[&line[..], &["-s", "-e", "-S", "2KiB", "hello", "world"]].concat())
            .expect("logger's");
        assert_eq!(args.words, ["hello", "world"]);
        assert_eq!(args.id.as_deref(), Some("77"));
        assert_eq!(args.size, Some(2048));
        // Neither takes the word that follows.
        let args = parse(&["--id", "hello", "--socket-errors", "world"]).expect("logger's");
        assert_eq!(args.words, ["hello", "world"]);
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for line in [
            &["-f", "x", "hello"][..],
            &["--time"],
            &["--json", "--prio-prefix"],
            &["--time", "--json", "ls"],
            &["--ack", "maybe", "x"],
            &["-t", "a b", "x"],
            &["-p", "loud", "x"],
            &["-F", "_pid=1", "x"],
            &["-F", "nothing", "x"],
            &["-F", "a:=[1]", "x"],
            &["--run", "", "x"],
            &["-n", "web1", "-u", "/s", "x"],
            &["-n", "web1:0", "x"],
            &["--ca", "x", "x"],
            &["--token-file", "x", "x"],
            &["--token", "x", "x"],
            &["--frobnicate"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn sizes_and_times_hold_their_bounds_from_both_sides() {
        for (text, size) in [("1", 1), ("65536", 65536), ("64KiB", 65536), ("1k", 1024)] {
            assert_eq!(parse_size(text), Ok(size));
        }
        for bad in ["0", "65537", "65KiB", "", "k", "+1", "1 k", "1.5k", "99999999999999999999k"] {
            assert_eq!(parse_size(bad), Err(BadNumber::Size), "{bad:?}");
        }
        for (text, micros) in [("1us", 1), ("500ms", 500_000), ("0.5", 500_000), ("2s", 2_000_000)]
        {
            assert_eq!(parse_timeout(text), Ok(Duration::from_micros(micros)));
        }
        assert_eq!(parse_timeout("86400"), Ok(TIMEOUT_MAX));
        for bad in ["0", "86401s", "10ns", "", "soon", "-1s"] {
            assert_eq!(parse_timeout(bad), Err(BadNumber::Timeout), "{bad:?}");
        }
    }

    #[test]
    fn help_and_usage_end_differently() {
        let end = |word: &str| crate::cli::parse::<Args>("x", ["x".into(), word.into()]).err();
        assert_eq!(end("--version"), Some(Exit::Done));
        assert_eq!(end("--frobnicate"), Some(Exit::Usage));
    }
}
