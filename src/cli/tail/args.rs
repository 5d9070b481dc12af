//! The command line of pulse-tail.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, ValueEnum};

use crate::client::Server;
use crate::event::{Cursor, Level, UnknownLevel, took};
use crate::filter::{KEYS, Match, MatchError};
use crate::render::Format;

/// The longest `--timeout`: 31 days. Who wants more wants none.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Watch what the pulsed agent is told, as it is told
///
/// Without -f it prints the last 10 events and ends. Everything that an event says is shown with
/// control characters escaped, wherever the output goes.
#[derive(Debug, Parser)]
#[command(name = super::NAME, version, after_long_help = after_help(), max_term_width = 100)]
#[command(after_help = "\
MATCH is key=value with one of = != ~ !~ > >= < <=; --help tells the keys.")]
pub(super) struct Args {
    /// Only events that match: tag=shop.* 'took>100ms' user=123 (see below)
    #[arg(value_name = "MATCH")]
    pub(super) matching: Vec<String>,

    /// Go on with what comes; survives a restart of the agent
    #[arg(short, long, conflicts_with_all = ["reverse", "until"], help_heading = "What to show")]
    pub(super) follow: bool,

    /// Only the last N, or all [default: 10; all with a cursor or --since]
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_lines)]
    #[arg(help_heading = "What to show")]
    pub(super) lines: Option<Lines>,

    /// The newest first
    #[arg(short, long, help_heading = "What to show")]
    pub(super) reverse: bool,

    /// Nothing before TIME: "2026-11-22 17:00", 17:00, yesterday, -5min, "10 minutes ago"
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(help_heading = "What to show")]
    pub(super) since: Option<String>,

    /// Nothing after TIME
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(help_heading = "What to show")]
    pub(super) until: Option<String>,

    /// Begin with the event at CURSOR
    #[arg(short, long, help_heading = "What to show")]
    #[arg(conflicts_with_all = ["since", "after_cursor", "cursor_file"])]
    pub(super) cursor: Option<Cursor>,

    /// Begin behind the event at CURSOR
    #[arg(long, value_name = "CURSOR", help_heading = "What to show")]
    #[arg(conflicts_with_all = ["since", "cursor_file"])]
    pub(super) after_cursor: Option<Cursor>,

    /// Begin behind the cursor in FILE if it is there, and keep the place in it
    #[arg(long, value_name = "FILE", help_heading = "What to show")]
    pub(super) cursor_file: Option<PathBuf>,

    /// Only these tags; * stands for any text (repeatable)
    #[arg(short, long = "tag", value_name = "TAG-GLOB", help_heading = "Which events")]
    pub(super) tags: Vec<String>,

    /// Only LEVEL and worse, or a range: err..alert
    #[arg(short, long, value_name = "LEVEL", value_parser = parse_levels)]
    #[arg(help_heading = "Which events")]
    pub(super) priority: Option<Levels>,

    /// Only these systemd units; * stands for any text (repeatable)
    #[arg(short, long = "unit", value_name = "UNIT", help_heading = "Which events")]
    pub(super) units: Vec<String>,

    /// Only messages with this in them; without regard to case unless it has a capital
    #[arg(short, long, value_name = "REGEX", allow_hyphen_values = true)]
    #[arg(help_heading = "Which events")]
    pub(super) grep: Option<String>,

    /// Only what took longer: 100ms, 1.5s
    #[arg(long, value_name = "DUR", value_parser = parse_slower, help_heading = "Which events")]
    pub(super) slower: Option<String>,

    /// What each event becomes
    #[arg(short, long, value_name = "FORMAT", value_parser = formats(), default_value = "short")]
    #[arg(help_heading = "How to show it")]
    pub(super) output: Format,

    /// Times in UTC
    #[arg(long, help_heading = "How to show it")]
    pub(super) utc: bool,

    /// Leave the host out
    #[arg(long, help_heading = "How to show it")]
    pub(super) no_hostname: bool,

    /// Show long messages and values in full
    #[arg(short, long, help_heading = "How to show it")]
    pub(super) all: bool,

    /// No notices on stderr
    #[arg(short, long, help_heading = "How to show it")]
    pub(super) quiet: bool,

    /// Colours by level [auto: on a terminal, unless NO_COLOR is set]
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "How to show it")]
    pub(super) color: Color,

    /// Print the last cursor at the end
    #[arg(long, help_heading = "How to show it")]
    pub(super) show_cursor: bool,

    /// Sum up instead: rate, tags, levels, durations, what runs now
    #[arg(long, help_heading = "How to show it")]
    pub(super) stats: bool,

    /// End after N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = "When to end")]
    pub(super) count: Option<u64>,

    /// End with 0 after the first of these events that matches; with 1 if there is none
    #[arg(long, value_name = "MATCH", value_parser = parse_match, help_heading = "When to end")]
    pub(super) until_match: Option<Match>,

    /// End with 124 after DUR
    #[arg(long, value_name = "DUR", value_parser = parse_timeout, help_heading = "When to end")]
    pub(super) timeout: Option<Duration>,

    /// The agent's socket [env: PULSED_SOCKET] [default: your own agent's, else the system's]
    #[arg(long, value_name = "PATH", help_heading = "Where the agent is")]
    pub(super) socket: Option<PathBuf>,

    /// An agent on another machine, by its TCP bridge, under TLS [default PORT: 7465]
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "socket")]
    #[arg(help_heading = "Where the agent is")]
    pub(super) server: Option<Server>,

    /// Trust only the certificates in FILE (PEM) to vouch for the server, not the system's
    #[arg(long, value_name = "FILE", requires = "server", help_heading = "Where the agent is")]
    pub(super) ca: Option<PathBuf>,

    /// The file that holds the token for the server [env: PULSED_TOKEN]
    #[arg(long, value_name = "FILE", requires = "server", help_heading = "Where the agent is")]
    pub(super) token_file: Option<PathBuf>,
}

/// How many of what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// No matter how many.
    All,
    /// The last so many.
    Last(u64),
}

/// From one level to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Levels {
    /// The worst.
    pub(super) worst: Level,
    /// The least serious.
    pub(super) mildest: Level,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Why a value on the command line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadValue {
    /// No number of lines.
    #[error("use a number, or all")]
    Lines,
    /// No duration.
    #[error("use a duration such as 100ms or 2s, or a number of seconds")]
    Slower,
    /// No time to wait.
    #[error("use a duration such as 500ms or 30s, at most 31 days")]
    Timeout,
}

fn parse_lines(text: &str) -> Result<Lines, BadValue> {
    if text == "all" {
        return Ok(Lines::All);
    }
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).map(Lines::Last).ok_or(BadValue::Lines)
}

fn parse_levels(text: &str) -> Result<Levels, UnknownLevel> {
    let Some((a, b)) = text.split_once("..") else {
        return Ok(Levels { worst: Level::Emerg, mildest: Level::from_typed(text)? });
    };
    // Either way round, as journalctl has it. The worst is the smallest.
    let (a, b) = (Level::from_typed(a)?, Level::from_typed(b)?);
    Ok(Levels { worst: a.min(b), mildest: a.max(b) })
}

/// Stays a text: what is typed is what the MATCH shows.
fn parse_slower(text: &str) -> Result<String, BadValue> {
    took::parse(text).map(|_| text.to_owned()).ok_or(BadValue::Slower)
}

fn parse_timeout(text: &str) -> Result<Duration, BadValue> {
    let seconds = took::parse(text).filter(|s| *s > 0.0 && *s <= TIMEOUT_MAX.as_secs_f64());
    seconds.map(Duration::from_secs_f64).ok_or(BadValue::Timeout)
}

fn parse_match(text: &str) -> Result<Match, MatchError> {
    Match::parse(text)
}

fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| PossibleValue::new(format.name()).help(format.doc()));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Format>())
}

/// The keys of MATCH, from the one table of them, and how the command ends.
fn after_help() -> String {
    let mut text = String::from(
        "MATCH is key=value with one of = != ~ !~ > >= < <=. The same key twice with = is or,\n\
         different keys are and, a + alone between groups is or. Keys:\n",
    );
    for known in &KEYS {
        text.push_str(&format!("  {:11}{}\n", known.name, known.doc));
    }
    text.push_str(
        "  NAME       the field NAME; fields.NAME reaches any field\n\n\
         Exit status: 0 done; 1 what --until-match waited for never came; 3 nor can anybody know,\n\
         because events are missing; 64 usage, 65 no such cursor, 69 agent not there, 74 cannot\n\
         read or write, 75 the agent took too long, 77 not permitted, 124 --timeout is over.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([super::super::NAME].iter().chain(words))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
        let help = Args::command().render_long_help().to_string();
        for known in &KEYS {
            assert!(help.contains(known.name), "{}", known.name);
        }
    }

    #[test]
    fn what_people_type_is_understood() {
        let args = parse(&["-fn0", "-t", "shop.*", "-t", "cron", "-p", "4", "tag=a", "+", "x>1"])
            .expect("sound");
        assert!(args.follow);
        assert_eq!(args.lines, Some(Lines::Last(0)));
        assert_eq!(args.tags, ["shop.*", "cron"]);
        assert_eq!(args.matching, ["tag=a", "+", "x>1"]);
        let levels = Levels { worst: Level::Emerg, mildest: Level::Warning };
        assert_eq!(args.priority, Some(levels));
        let args = parse(&["-S", "-5min", "-U", "-1min", "-n", "all", "-p", "notice..err"])
            .expect("sound");
        assert_eq!(args.since.as_deref(), Some("-5min"));
        assert_eq!(args.lines, Some(Lines::All));
        let levels = Levels { worst: Level::Err, mildest: Level::Notice };
        assert_eq!(args.priority, Some(levels));
        assert_eq!(parse(&["--timeout", "1.5s"]).map(|a| a.timeout).ok().flatten(), {
            Some(Duration::from_millis(1500))
        });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            &["-f", "-r"][..],
            &["-f", "-U", "now"],
            &["-c", "x"],
            &["-c", "7f3a9c21-1", "-S", "now"],
            &["-c", "7f3a9c21-1", "--after-cursor", "7f3a9c21-1"],
            &["--cursor-file", "x", "--after-cursor", "7f3a9c21-1"],
            &["-n", "-1"],
            &["-n", "+5"],
            &["-n", "some"],
            &["-p", "loud"],
            &["-p", "err..loud"],
            &["--slower", "long"],
            &["--timeout", "0"],
            &["--timeout", "2678401s"],
            &["--count", "0"],
            &["-o", "xml"],
            &["--until-match", "nonsense"],
            &["--server", "web1", "--socket", "/s"],
            &["--server", "web1:0"],
            &["--ca", "x"],
            &["--token-file", "x"],
            &["--web"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        assert!(parse(&["--timeout", "2678400s"]).is_ok());
    }
}
