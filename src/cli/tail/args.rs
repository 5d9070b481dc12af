//! The command line of pulse-tail.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::formats::Formats;
use super::report::NAME;
use crate::cli::connect::ConnectArgs;
use crate::event::duration::{self, Exact};
use crate::event::{Cursor, Level, UnknownLevel};
use crate::filter::{BadGlob, Glob, KEYS, KeyName, Match, MatchError};
use crate::render::Format;

/// The longest `--timeout`: 31 days.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Watch events as they are sent to the pulsed agent
///
/// Without -f, it prints the last 10 events and exits. Control characters in events are shown escaped.
/// In a pipe nothing is truncated, and -o cat prints messages as they were sent.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_long_help = after_help(), max_term_width = 100)]
#[command(after_help = "\
MATCH is key=value with one of = != ~ !~ > >= < <=; --help lists the keys.")]
pub(super) struct Args {
    /// Only events that match: tag=shop.* 'took>100ms' user=123 (see below)
    #[arg(value_name = "MATCH")]
    pub(super) matching: Vec<String>,

    /// Wait for new events; survives a restart of the agent
    #[arg(short, long, conflicts_with_all = ["reverse", "until"], help_heading = "What to show")]
    pub(super) follow: bool,

    /// As -f, as in tail: -f reconnects in any case
    #[arg(short = 'F', conflicts_with_all = ["reverse", "until"], help_heading = "What to show")]
    pub(super) retry: bool,

    /// Only the last N, all, or +N: from the Nth on [default: 10; all with a cursor or --since]
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_lines)]
    #[arg(allow_hyphen_values = true)]
    #[arg(help_heading = "What to show")]
    pub(super) lines: Option<Lines>,

    /// Newest first
    #[arg(short, long, help_heading = "What to show")]
    pub(super) reverse: bool,

    /// Only events from TIME on: "2026-11-22 17:00", 17:00, yesterday, -5min, "10 minutes ago"
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(help_heading = "What to show")]
    pub(super) since: Option<String>,

    /// Only events until TIME
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(help_heading = "What to show")]
    pub(super) until: Option<String>,

    /// Only events since the agent last started
    #[arg(short, long, help_heading = "What to show")]
    #[arg(conflicts_with_all = ["since", "cursor", "after_cursor", "cursor_file"])]
    pub(super) boot: bool,

    /// Start at the event at CURSOR
    #[arg(short, long, help_heading = "What to show")]
    #[arg(conflicts_with_all = ["since", "after_cursor", "cursor_file"])]
    pub(super) cursor: Option<Cursor>,

    /// Start after the event at CURSOR
    #[arg(long, value_name = "CURSOR", help_heading = "What to show")]
    #[arg(conflicts_with_all = ["since", "cursor_file"])]
    pub(super) after_cursor: Option<Cursor>,

    /// Start after the cursor in FILE, if it exists, and save the cursor there
    #[arg(long, value_name = "FILE", help_heading = "What to show")]
    pub(super) cursor_file: Option<PathBuf>,

    /// Only these tags; * matches any text (repeatable)
    #[arg(short, long = "tag", value_name = "TAG-GLOB", help_heading = "Which events")]
    pub(super) tags: Vec<String>,

    /// Only LEVEL and worse, or a range: err..alert
    #[arg(short, long, value_name = "LEVEL", value_parser = parse_levels)]
    #[arg(help_heading = "Which events")]
    pub(super) priority: Option<Levels>,

    /// Only these systemd units; * matches any text (repeatable)
    #[arg(short, long = "unit", value_name = "UNIT", help_heading = "Which events")]
    pub(super) units: Vec<String>,

    /// Only messages that match REGEX; case-insensitive unless it has a capital letter
    #[arg(short, long, value_name = "REGEX", allow_hyphen_values = true)]
    #[arg(help_heading = "Which events")]
    pub(super) grep: Option<String>,

    /// Only events that took longer than DUR: 100ms, 1m30s
    #[arg(long, value_name = "DUR", value_parser = parse_slower, help_heading = "Which events")]
    pub(super) slower: Option<String>,

    /// Events of all hosts, from the stream to which their agents forward
    #[arg(short, long, conflicts_with_all = ["reverse", "boot"], help_heading = "Which events")]
    pub(super) merge: bool,

    /// Only events of HOST, from that stream; * matches any text
    #[arg(short = 'M', long, value_name = "HOST", value_parser = parse_host)]
    #[arg(conflicts_with_all = ["reverse", "boot"], help_heading = "Which events")]
    pub(super) host: Option<Glob>,

    /// Print events in FORMAT
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats, default_value = "short")]
    #[arg(help_heading = "How to show it")]
    pub(super) output: Format,

    /// Show times in UTC
    #[arg(long, help_heading = "How to show it")]
    pub(super) utc: bool,

    /// Omit the host name
    #[arg(long, help_heading = "How to show it")]
    pub(super) no_hostname: bool,

    /// Show long messages and values in full
    #[arg(short, long, help_heading = "How to show it")]
    pub(super) all: bool,

    /// Print no notices on stderr
    #[arg(short, long, help_heading = "How to show it")]
    pub(super) quiet: bool,

    /// Color by level [auto: on a terminal, unless NO_COLOR is set]
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "How to show it")]
    pub(super) color: Color,

    /// Print the last cursor at the end
    #[arg(long, help_heading = "How to show it")]
    pub(super) show_cursor: bool,

    /// Show a summary instead: rate, tags, levels, durations, what is running now
    #[arg(long, help_heading = "How to show it")]
    pub(super) stats: bool,

    /// Print the different values of NAME instead, a field or a key of MATCH
    #[arg(long, value_name = "NAME", value_parser = KeyName::parse)]
    #[arg(help_heading = "How to show it", conflicts_with = "stats")]
    pub(super) field: Option<KeyName>,

    /// Accepted as in journalctl: there is no pager
    #[arg(long, help_heading = "How to show it")]
    pub(super) no_pager: bool,

    /// Accepted as in journalctl: the newest events are shown last in any case
    #[arg(short = 'e', long, help_heading = "How to show it")]
    pub(super) pager_end: bool,

    /// Print a link that signs you in to the monitor, once and within a minute
    #[arg(long, help_heading = "How to show it")]
    #[arg(conflicts_with_all = ["matching", "follow", "retry", "stats", "field"])]
    #[arg(conflicts_with_all = ["count", "until_match"])]
    pub(super) web: bool,

    /// Exit after N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = "When to end")]
    pub(super) count: Option<u64>,

    /// Exit with 0 after the first of these events that matches; with 1 if none does
    #[arg(long, value_name = "MATCH", value_parser = parse_match, help_heading = "When to end")]
    pub(super) until_match: Option<Match>,

    /// Exit with 124 after DUR
    #[arg(long, value_name = "DUR", value_parser = parse_timeout, help_heading = "When to end")]
    pub(super) timeout: Option<Duration>,

    #[command(flatten, next_help_heading = "Where the agent is")]
    pub(super) connect: ConnectArgs,
}

/// How many of the existing events to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// All of them.
    All,
    /// At most this number, the newest.
    Last(u64),
    /// Those from this one on, from 1.
    From(u64),
}

/// A range of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Levels {
    /// The most severe level.
    pub(super) worst: Level,
    /// The least severe level.
    pub(super) mildest: Level,
}

/// When to use colors.
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
    /// It is not a number of lines.
    #[error("use a number, +N for those from the Nth on, or all")]
    Lines,
    /// It is not a duration.
    #[error("use a duration such as 100ms or 1m30s, or a number of seconds")]
    Slower,
    /// It is not a duration, or out of bounds.
    #[error("use a duration such as 500ms or 2m, at most {} days", TIMEOUT_MAX.as_secs() / 86_400)]
    Timeout,
}

fn parse_lines(text: &str) -> Result<Lines, BadValue> {
    if text == "all" {
        return Ok(Lines::All);
    }
    let from = text.strip_prefix('+');
    // tail takes -n -5 as well.
    let digits = from.or(text.strip_prefix('-')).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| plain).ok_or(BadValue::Lines)?;
    Ok(if from.is_some() { Lines::From(number.max(1)) } else { Lines::Last(number) })
}

fn parse_levels(text: &str) -> Result<Levels, UnknownLevel> {
    let Some((a, b)) = text.split_once("..") else {
        return Ok(Levels { worst: Level::Emerg, mildest: Level::from_typed(text)? });
    };
    // In either order, as in journalctl. The worst level is the smallest.
    let (a, b) = (Level::from_typed(a)?, Level::from_typed(b)?);
    Ok(Levels { worst: a.min(b), mildest: a.max(b) })
}

/// Checks a duration and keeps it as typed, for the MATCH.
fn parse_slower(text: &str) -> Result<String, BadValue> {
    duration::parse(text).map(|_| text.to_owned()).ok_or(BadValue::Slower)
}

fn parse_timeout(text: &str) -> Result<Duration, BadValue> {
    let timeout = duration::parse_exact(text).and_then(Exact::duration);
    timeout.filter(|timeout| !timeout.is_zero() && *timeout <= TIMEOUT_MAX).ok_or(BadValue::Timeout)
}

fn parse_host(text: &str) -> Result<Glob, BadGlob> {
    Glob::new(text)
}

fn parse_match(text: &str) -> Result<Match, MatchError> {
    Match::parse(text)
}

/// The keys of MATCH and the exit statuses.
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
         Exit status: 0 success; 1 no event matched --until-match; 3 unknown whether one did, because\n\
         events are missing; 64 usage, 65 no such cursor, 69 agent unavailable, 74 cannot read or\n\
         write, 75 timed out, 77 not permitted, 124 --timeout is over.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([NAME].iter().chain(words))
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
    fn accepts_usual_command_lines() {
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
    fn accepts_lines_as_tail_does() {
        for (text, lines) in [
            ("5", Lines::Last(5)),
            ("-5", Lines::Last(5)),
            ("-0", Lines::Last(0)),
            ("+1", Lines::From(1)),
            ("+0", Lines::From(1)),
            ("+50", Lines::From(50)),
            ("all", Lines::All),
        ] {
            for words in [vec!["-n", text], vec!["--lines", text], vec![&*format!("-n{text}")]] {
                assert_eq!(parse(&words).expect("sound").lines, Some(lines), "{words:?}");
            }
        }
    }

    #[test]
    fn rejects_contradictions_and_bad_values() {
        for line in [
            &["-f", "-r"][..],
            &["-f", "-U", "now"],
            &["-c", "x"],
            &["-c", "7f3a9c21-1", "-S", "now"],
            &["-c", "7f3a9c21-1", "--after-cursor", "7f3a9c21-1"],
            &["--cursor-file", "x", "--after-cursor", "7f3a9c21-1"],
            &["-n", "some"],
            &["-n", "+-5"],
            &["-n", "--5"],
            &["-n", "+"],
            &["-n", "-"],
            &["-n", "5f"],
            &["-F", "-r"],
            &["-b", "-S", "now"],
            &["-b", "-c", "7f3a9c21-1"],
            &["--field", "_nope"],
            &["--field", "a b"],
            &["--field", "user", "--stats"],
            &["--web", "-F"],
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
            &["--web", "-f"],
            &["-m", "-r"],
            &["-M", "web2", "-b"],
            &["-M", "no host"],
            &["--web", "tag=shop.*"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        for timeout in ["2678400s", "31d", "2m", "1min 30.5s", "90"] {
            assert!(parse(&["--timeout", timeout]).is_ok(), "{timeout}");
        }
        for slower in ["1m", "1min30s", "1.5 s", "0.25", "2h0m0s"] {
            let args = parse(&["--slower", slower]).expect("sound");
            assert_eq!(args.slower.as_deref(), Some(slower));
        }
    }
}
