//! The command line of pulse-send, parsed into checked values.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory as _, Parser, ValueEnum};

use super::param::Param;
use super::priority::Priority;
use super::report::NAME;
use super::template::{Claim, parse_claim};
use crate::cli::connect::ConnectArgs;
use crate::cli::words::{self, Kind};
use crate::event::duration::{self, Exact};
use crate::event::{BadField, DRAFT_MAX, check_run, size};

/// The environment variable that holds the default tag.
pub const TAG_VARIABLE: &str = "PULSED_TAG";

const EXIT_CODES: &str = "\
Exit status: 0 accepted, 64 usage, 65 bad data, 69 agent unavailable, 74 not stored, 75 timed out or
over a limit, 77 not permitted; with --time that of CMD (126 and 127 if it cannot be run, 128+n if
signal n ended it).";

/// Send events to the pulsed agent, as logger(1) does to syslog
///
/// Without MESSAGE, each line of standard input is an event.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    after_help = EXIT_CODES,
    override_usage = "pulse-send [OPTIONS] [--] [MESSAGE]…\n       pulse-send [OPTIONS] --time CMD…",
    // The letters that logger has for them.
    mut_arg("socket", |arg| arg.short('u')),
    mut_arg("server", |arg| arg.short('n'))
)]
pub(super) struct Args {
    /// The words of the message, or with --time the command
    #[arg(value_name = "MESSAGE")]
    pub(super) words: Vec<OsString>,

    /// Name the source, such as shop.query [env: PULSED_TAG] [default: your login name]
    #[arg(short, long, value_parser = any_text())]
    pub(super) tag: Option<String>,

    /// Set the severity: LEVEL or facility.LEVEL [default: info]
    #[arg(short, long, value_name = "LEVEL", value_parser = any_text().map(|text| Priority::read(&text)))]
    pub(super) priority: Option<Priority>,

    /// Add a field: key=text, or key:=json for a number, true, false or null
    #[arg(short = 'F', long = "field", value_name = "KEY=VALUE", value_parser = parse_claim)]
    pub(super) fields: Vec<Claim>,

    /// Begin the run NAME, or end it if the event has a duration; with --time, name CMD's run
    #[arg(long, value_name = "NAME", value_parser = parse_run)]
    pub(super) run: Option<String>,

    /// Send each line of FILE
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["words", "time"])]
    pub(super) file: Option<PathBuf>,

    /// Read each message as a JSON object, with our keys or those of another logger
    #[arg(long, conflicts_with = "time")]
    pub(super) json: bool,

    /// Skip empty lines
    #[arg(short = 'e', long)]
    pub(super) skip_empty: bool,

    /// Cut messages longer than SIZE bytes
    #[arg(short = 'S', long, value_parser = parse_size)]
    pub(super) size: Option<usize>,

    #[arg(help = "Take the level from a <N> at the beginning of each line")]
    #[arg(long, conflicts_with = "json")]
    pub(super) prio_prefix: bool,

    /// Also print each message on stderr
    #[arg(short = 's', long)]
    pub(super) stderr: bool,

    /// Do everything except sending
    #[arg(long)]
    pub(super) no_act: bool,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,

    /// Choose what to wait for [default: stored]
    #[arg(long, value_name = "WHAT")]
    pub(super) ack: Option<Ack>,

    /// Limit each wait for the agent [default: 1s]
    #[arg(long, value_name = "DUR", value_parser = parse_timeout)]
    pub(super) timeout: Option<Duration>,

    /// Print the cursor of the last event
    #[arg(long)]
    pub(super) cursor: bool,

    /// Run CMD; send its begin, and its end with duration and exit status
    #[arg(long, requires = "words")]
    pub(super) time: bool,

    /// Accepted as in logger: the agent records the sender's pid in any case
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

    /// Accepted as in logger: events are never sent as datagrams
    #[arg(short = 'T', long)]
    pub(super) tcp: bool,

    /// Accepted as in logger: errors are always reported
    #[arg(
        long,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on",
        value_parser = ["on", "off", "auto"]
    )]
    pub(super) socket_errors: Option<String>,

    /// Accepted as in logger: events are never sent as datagrams
    #[arg(short = 'd', long)]
    pub(super) udp: bool,

    /// The port of the server; no effect without --server
    #[arg(short = 'P', long)]
    pub(super) port: Option<String>,

    /// Accepted as in logger: the agent has a protocol of its own
    #[arg(long)]
    pub(super) rfc3164: bool,

    /// Accepted as in logger: the agent has a protocol of its own
    #[arg(long, value_name = "PARTS", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "")]
    pub(super) rfc5424: Option<String>,

    /// Accepted as in logger: the agent has a protocol of its own
    #[arg(long)]
    pub(super) octet_count: bool,

    /// Add the field msgid
    #[arg(long, value_name = "MSGID")]
    pub(super) msgid: Option<String>,

    /// Accepted as in logger: the name of a field is that of its parameter
    #[arg(long, value_name = "SD-ID")]
    pub(super) sd_id: Vec<String>,

    /// Add a field, as -F: name="value"
    #[arg(long = "sd-param", value_name = "PARAM", value_parser = Param::parse)]
    pub(super) sd_params: Vec<Param>,
}

/// Ends the options before the first argument if one of them is `--time`: what follows the name of a command
/// belongs to the command, as with time(1) and nice(1).
pub(super) fn end_options_at_command(mut words: Vec<OsString>) -> Vec<OsString> {
    if !words.iter().any(|word| word == "--time") {
        return words;
    }
    let kinds = words::kinds(&Args::command(), &words);
    let command = kinds.iter().position(|kind| *kind == Kind::Argument);
    let is_time = |(kind, word): (&Kind, &OsString)| *kind == Kind::Option && word == "--time";
    if let Some(at) = command
        && kinds[..at].iter().zip(&words).any(is_time)
    {
        // A second -- would be the name of the command.
        if words[at] != "--" {
            words.insert(at, "--".into());
        }
    }
    words
}

/// What to wait for before the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Ack {
    /// Nothing: a refusal goes unnoticed
    None,
    /// Written to history: survives the end of the agent
    Stored,
    /// On disk: survives a power cut
    Synced,
    /// In the stream of all hosts: survives this machine
    Replicated,
}

/// Joins the words of a message with spaces, as logger does. Invalid UTF-8 becomes U+FFFD.
pub(super) fn joined<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    words.map(OsStr::to_string_lossy).collect::<Vec<Cow<'_, str>>>().join(" ")
}

/// Any text: what the agent repairs is no error. Invalid UTF-8 becomes U+FFFD.
fn any_text() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|text| text.to_string_lossy().into_owned())
}

fn parse_run(text: &str) -> Result<String, BadField> {
    check_run(text).map(|()| text.to_owned())
}

/// Why a number on the command line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadNumber {
    /// It is not a size, or out of bounds.
    #[error("use 1 to {DRAFT_MAX} bytes, such as 1000 or 4KiB")]
    Size,
    /// It is not a duration, or out of bounds.
    #[error("use a duration such as 500ms or 1m30s, at most {}h", TIMEOUT_MAX.as_secs() / 3600)]
    Timeout,
}

/// Parses the size of a message.
fn parse_size(text: &str) -> Result<usize, BadNumber> {
    let bytes = size::parse(text).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.filter(|bytes| (1..=DRAFT_MAX).contains(bytes)).ok_or(BadNumber::Size)
}

/// The longest `--timeout`.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn parse_timeout(text: &str) -> Result<Duration, BadNumber> {
    let wait = duration::parse_exact(text).and_then(Exact::duration);
    // The kernel counts microseconds, and 0 of them mean no timeout.
    wait.filter(|wait| wait.as_micros() > 0 && *wait <= TIMEOUT_MAX).ok_or(BadNumber::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([NAME].iter().chain(words))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn accepts_command_lines_of_logger() {
        let line = ["-i", "-T", "--id=77", "--socket-errors=on", "-t", "x", "-p", "local0.warn"];
        let args = parse(&[&line[..], &["-s", "-e", "-S", "2KiB", "hello", "world"]].concat())
            .expect("logger's");
        assert_eq!(args.words, ["hello", "world"]);
        assert_eq!(args.id.as_deref(), Some("77"));
        assert_eq!(args.size, Some(2048));
        // Neither consumes the word that follows.
        let args = parse(&["--id", "hello", "--socket-errors", "world"]).expect("logger's");
        assert_eq!(args.words, ["hello", "world"]);
    }

    #[test]
    fn accepts_what_scripts_for_logger_carry() {
        let line = ["--rfc5424=notime,nohost", "--rfc3164", "--octet-count", "-d", "-P", "514"];
        let more =
            ["--msgid", "ID47", "--sd-id", "zoo@1", "--sd-param", "tiger=\"hungry\"", "hello"];
        let args = parse(&[&line[..], &more].concat()).expect("logger's");
        assert_eq!(args.words, ["hello"]);
        assert_eq!((args.port.as_deref(), args.msgid.as_deref()), (Some("514"), Some("ID47")));
        assert_eq!(args.sd_params, [Param::parse("tiger=hungry").expect("a parameter")]);
        let args = parse(&["--rfc5424", "hello"]).expect("logger's");
        assert_eq!(args.words, ["hello"]);
        assert!(parse(&["--sd-param", "x"]).is_err());
    }

    #[test]
    fn options_end_at_a_command() {
        for (line, ended) in [
            ("x --time ls -l", "x --time -- ls -l"),
            ("x --time -- ls -l", "x --time -- ls -l"),
            ("x -t a --time ls --time", "x -t a --time -- ls --time"),
            ("x --time -t a ls -t b", "x --time -t a -- ls -t b"),
            ("x --time -sta ls -n 1", "x --time -sta -- ls -n 1"),
            ("x --time --id ls --help", "x --time --id -- ls --help"),
            ("x --time --rfc5424 ls -d", "x --time --rfc5424 -- ls -d"),
            ("x -F a=b --time --ack none ls --ack", "x -F a=b --time --ack none -- ls --ack"),
            ("x --time - -x", "x --time -- - -x"),
            ("x ls --time", "x ls --time"),
            ("x -t --time hello -s", "x -t --time hello -s"),
            ("x -- --time ls -l", "x -- --time ls -l"),
            ("x hello -t a", "x hello -t a"),
            ("x --time", "x --time"),
            ("x --time --help", "x --time --help"),
        ] {
            let words = line.split(' ').map(Into::into).collect();
            let words: Vec<_> = end_options_at_command(words);
            assert_eq!(words.join(OsStr::new(" ")), ended, "{line}");
        }
    }

    #[test]
    fn rejects_contradictions() {
        for line in [
            &["-f", "x", "hello"][..],
            &["--time"],
            &["--json", "--prio-prefix"],
            &["--time", "--json", "ls"],
            &["--ack", "maybe", "x"],
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
    fn sizes_and_timeouts_keep_their_bounds() {
        for (text, size) in
            [("1", 1), ("65536", 65536), ("64KiB", 65536), ("1k", 1024), ("1 K", 1024)]
        {
            assert_eq!(parse_size(text), Ok(size));
        }
        for bad in ["0", "65537", "65KiB", "", "k", "+1", "1  k", "1.5k", "99999999999999999999k"] {
            assert_eq!(parse_size(bad), Err(BadNumber::Size), "{bad:?}");
        }
        for (text, micros) in [("1us", 1), ("500ms", 500_000), ("0.5", 500_000), ("2s", 2_000_000)]
        {
            assert_eq!(parse_timeout(text), Ok(Duration::from_micros(micros)));
        }
        for most in ["86400", "24h", "1d", "23h59m60s", "24 hours"] {
            assert_eq!(parse_timeout(most), Ok(TIMEOUT_MAX), "{most}");
        }
        assert_eq!(parse_timeout("1min 30.5s"), Ok(Duration::from_millis(90_500)));
        for bad in ["0", "86401s", "24h1us", "10ns", "", "soon", "-1s", "1 h and 1 s", "1h "] {
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
