//! The meaning of the command line: the request, and how lines are shown.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::args::{Args, Color, Lines};
use super::when::{self, BadTime};
use crate::client::Address;
use crate::event::{Cursor, Level, Timestamp};
use crate::filter::{Glob, KeyName, Match, MatchError};
use crate::render::Style;
use crate::wire::Tail;

/// The number of existing lines to show if no option sets a start.
pub const LINES_DEFAULT: u64 = 10;

/// The suffixes of unit names (systemd.unit(5)).
const UNIT_SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// What a plan needs beside the command line.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    /// The current time.
    pub(super) now: Timestamp,
    /// The local time zone.
    pub(super) tz: TimeZone,
    /// Whether stdout is a terminal.
    pub(super) terminal: bool,
    /// Whether the environment allows colors.
    pub(super) colors: bool,
    /// Whether stderr is a terminal.
    pub(super) hints: bool,
    /// The cursor in the cursor file, or that of the last start of the agent.
    pub(super) saved: Option<Cursor>,
    /// The agent, with its token.
    pub(super) agent: Address,
}

/// What to do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The first request. After a lost connection, a request resumes instead.
    pub(super) tail: Tail,
    /// How lines are shown.
    pub(super) style: Style,
    /// The number of events that are not shown before the first one that is.
    pub(super) skip: u64,
    /// Whether to show a summary instead.
    pub(super) stats: bool,
    /// The key whose values to show instead.
    pub(super) field: Option<KeyName>,
    /// The keys without which an event does not match, if a hint about them is wanted.
    pub(super) hints: Vec<KeyName>,
    /// Whether stdout is a terminal.
    pub(super) terminal: bool,
    /// Whether to suppress notices on stderr.
    pub(super) quiet: bool,
    /// Whether to print the last cursor.
    pub(super) show_cursor: bool,
    /// Where to save the cursor.
    pub(super) cursor_file: Option<PathBuf>,
    /// End after this number of events.
    pub(super) count: Option<u64>,
    /// End after the first event that matches.
    pub(super) until_match: Option<Match>,
    /// End after this duration.
    pub(super) timeout: Option<Duration>,
    /// The agent.
    pub(super) agent: Address,
}

/// Why a command line is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadPlan {
    /// `--since` is not a time.
    #[error("--since: {0}")]
    Since(BadTime),
    /// `--until` is not a time.
    #[error("--until: {0}")]
    Until(BadTime),
    /// `-n +N` with `-r`.
    #[error("-n +N: the events from the Nth on cannot be shown in reverse order: use -n N with -r")]
    FromReversed,
    /// `-F` as in journalctl. Holds the field.
    #[error("-F means -f, as in tail: to list the values of a field use --field {0}")]
    Field(String),
    /// It is not a MATCH.
    #[error("{0}")]
    Match(#[from] MatchError),
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// [`BadPlan`]
    pub(super) fn new(args: Args, environment: Environment) -> Result<Self, BadPlan> {
        let tz = if args.utc { TimeZone::UTC } else { environment.tz };
        let time = |text: &Option<String>| {
            text.as_deref().map(|text| when::parse(text, environment.now, &tz)).transpose()
        };
        let since = time(&args.since).map_err(BadPlan::Since)?;
        let until = time(&args.until).map_err(BadPlan::Until)?;
        let matching = match matching(&args) {
            Err(MatchError::NoOperator { word, .. }) if args.retry => {
                return Err(BadPlan::Field(word));
            }
            matching => matching?,
        };
        let skip = match args.lines {
            Some(Lines::From(_)) if args.reverse => return Err(BadPlan::FromReversed),
            Some(Lines::From(first)) => first - 1,
            _ => 0,
        };
        let hints = environment.hints && !args.quiet;
        // A request names the cursor before its first line.
        let at = args.cursor.map(|at| Cursor { seq: at.seq.previous(), ..at });
        let after = at.or(args.after_cursor).or(environment.saved);
        let mut tail = Tail {
            host: args
                .host
                .clone()
                .or_else(|| args.merge.then(Glob::any))
                .map(|host| host.to_string()),
            after,
            since,
            until,
            lines: lines(&args, after.is_some() || since.is_some() || args.boot),
            matching: (!matching.is_everything()).then(|| matching.to_string()),
            // Views are folded in the order of the log.
            reverse: args.reverse && !args.stats,
            follow: args.follow || args.retry,
            rate: None,
            before: None,
        };
        if tail.follow && tail.lines.is_none() && after.is_none() && since.is_none() {
            // Without a start, a follow would start now.
            tail.since = Some(Timestamp::MIN);
        }
        let color = match args.color {
            Color::Auto => environment.terminal && environment.colors,
            Color::Always => true,
            Color::Never => false,
        };
        let style = Style {
            format: args.output,
            this_year: Some(year(environment.now, &tz)),
            tz,
            hostname: !args.no_hostname,
            // Programs read pipes and files: nothing is truncated or escaped for the eye.
            all: args.all || !environment.terminal,
            exact: !environment.terminal,
            color,
        };
        Ok(Self {
            tail,
            style,
            skip,
            stats: args.stats,
            field: args.field,
            hints: if hints { matching.needed_keys() } else { Vec::new() },
            terminal: environment.terminal,
            quiet: args.quiet,
            show_cursor: args.show_cursor,
            cursor_file: args.cursor_file,
            count: args.count,
            until_match: args.until_match,
            timeout: args.timeout,
            agent: environment.agent,
        })
    }
}

/// The year of a time.
pub(super) fn year(time: Timestamp, tz: &TimeZone) -> i16 {
    let time = jiff::Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    tz.to_datetime(time).year()
}

fn lines(args: &Args, has_start: bool) -> Option<u64> {
    match args.lines {
        Some(Lines::All | Lines::From(_)) => None,
        Some(Lines::Last(lines)) => Some(lines),
        None if has_start => None,
        // A summary covers everything that exists, or with follow everything that arrives.
        None if args.field.is_some() => None,
        None if args.stats => (args.follow || args.retry).then_some(0),
        None => Some(LINES_DEFAULT),
    }
}

/// Joins the MATCH and those that the options write.
fn matching(args: &Args) -> Result<Match, MatchError> {
    let mut words: Vec<String> = args.tags.iter().map(|tag| format!("tag={tag}")).collect();
    if let Some(levels) = args.priority {
        words.push(format!("level>={}", levels.mildest));
        if levels.worst != Level::Emerg {
            words.push(format!("level<={}", levels.worst));
        }
    }
    words.extend(units(&args.units));
    words.extend(args.grep.iter().map(|regex| format!("msg~{regex}")));
    words.extend(args.slower.iter().map(|seconds| format!("took>{seconds}")));
    Match::from_args(&args.matching)?.with(&Match::from_args(&words)?)
}

/// Writes the terms for `--unit`. With a glob among them, one regular expression holds all, because several
/// would all have to match.
fn units(units: &[String]) -> Vec<String> {
    let named = |unit: &String| {
        let whole = UNIT_SUFFIXES.iter().any(|suffix| unit.ends_with(suffix));
        if whole { unit.clone() } else { format!("{unit}.service") }
    };
    let names: Vec<String> = units.iter().map(named).collect();
    if !names.iter().any(|name| name.contains(['*', '?'])) {
        return names.iter().map(|name| format!("_unit={name}")).collect();
    }
    let patterns: Vec<String> = names
        .iter()
        .map(|name| regex::escape(name).replace("\\*", ".*").replace("\\?", "."))
        .collect();
    vec![format!("_unit~(?-i)^({})$", patterns.join("|"))]
}

#[cfg(test)]
mod tests {
    use super::super::report::NAME;
    use super::*;
    use clap::Parser as _;

    fn plan_with(words: &[&str], saved: Option<Cursor>) -> Result<Plan, BadPlan> {
        let args = Args::try_parse_from([NAME].iter().chain(words)).expect("sound");
        let environment = Environment {
            now: "2026-11-22T17:32:05Z".parse().expect("a time"),
            tz: TimeZone::posix("CET-1").expect("a zone"),
            terminal: true,
            hints: false,
            colors: true,
            saved,
            agent: Address::Local(None),
        };
        Plan::new(args, environment)
    }

    fn tail_of(words: &[&str]) -> Tail {
        plan_with(words, None).expect("sound").tail
    }

    fn match_of(words: &[&str]) -> String {
        tail_of(words).matching.unwrap_or_default()
    }

    fn cursor(text: &str) -> Option<Cursor> {
        Some(text.parse().expect("a cursor"))
    }

    #[test]
    fn chooses_the_start() {
        let last = |lines| Tail { lines: Some(lines), ..Tail::default() };
        assert_eq!(tail_of(&[]), last(10));
        assert_eq!(tail_of(&["-n", "3"]), last(3));
        assert_eq!(tail_of(&["-n", "all"]), Tail::default());
        assert_eq!(tail_of(&["-r"]), Tail { reverse: true, ..last(10) });
        assert_eq!(tail_of(&["-f"]), Tail { follow: true, ..last(10) });
        assert_eq!(tail_of(&["-f", "-n0"]), Tail { follow: true, ..last(0) });
        let all = Tail { follow: true, since: Some(Timestamp::MIN), ..Tail::default() };
        assert_eq!(tail_of(&["-f", "-n", "all"]), all);
        assert_eq!(tail_of(&["--stats"]), Tail::default());
        assert_eq!(tail_of(&["--stats", "-r"]), Tail::default());
        assert_eq!(tail_of(&["--stats", "-f"]), Tail { follow: true, ..last(0) });

        let of = |host: &str| Tail { host: Some(host.to_owned()), ..last(10) };
        assert_eq!(tail_of(&["-m"]), of("*"));
        assert_eq!(tail_of(&["-M", "web*"]), of("web*"));
        assert_eq!(tail_of(&["-mM", "web2"]), of("web2"));

        let after = |text| Tail { after: cursor(text), ..Tail::default() };
        assert_eq!(tail_of(&["-c", "7f3a9c21-1042"]), after("7f3a9c21-1041"));
        assert_eq!(tail_of(&["-c", "7f3a9c21-0"]), after("7f3a9c21-0"));
        assert_eq!(tail_of(&["--after-cursor", "7f3a9c21-1042"]), after("7f3a9c21-1042"));
        let and_last = Tail { lines: Some(2), ..after("7f3a9c21-1042") };
        assert_eq!(tail_of(&["--after-cursor", "7f3a9c21-1042", "-n2"]), and_last);
        let saved = plan_with(&["--cursor-file", "x", "-f"], cursor("7f3a9c21-7"));
        let follow = Tail { follow: true, ..after("7f3a9c21-7") };
        assert_eq!(saved.expect("sound").tail, follow);
    }

    #[test]
    fn times_are_local_unless_utc() {
        let since = |words: &[&str]| tail_of(words).since.map(|time| time.to_string());
        let expected = Some("2026-11-22T16:00:00.000000Z".to_owned());
        assert_eq!(since(&["-S", "17:00"]), expected);
        assert_eq!(since(&["-S", "16:00", "--utc"]), expected);
        assert_eq!(tail_of(&["-S", "17:00"]).lines, None);
        for (option, name) in [("-S", "--since"), ("-U", "--until")] {
            let error = plan_with(&[option, "soon"], None).expect_err("no time");
            assert!(error.to_string().starts_with(&format!("{name}: not a time: \"soon\"")));
        }
    }

    #[test]
    fn five_options_write_a_match() {
        for (words, written) in [
            (&["-t", "shop.*"][..], "tag=shop.*"),
            (&["-p", "warning"], "level>=warning"),
            (&["-p", "err..notice"], "level>=notice level<=err"),
            (&["-u", "nginx"], "_unit=nginx.service"),
            (&["-u", "a.socket"], "_unit=a.socket"),
            (&["-u", "php*"], "_unit~(?-i)^(php.*\\.service)$"),
            (&["-u", "a?", "-u", "b"], "_unit~(?-i)^(a.\\.service|b\\.service)$"),
            (&["-g", "two words"], "msg~\"two words\""),
            (&["--slower", "100ms"], "took>100ms"),
            (&["-t", "a", "user=1"], "user=1 tag=a"),
            (&["-t", "a", "user=1", "+", "user=2"], "user=1 tag=a + user=2 tag=a"),
        ] {
            assert_eq!(match_of(words), written, "{words:?}");
        }
        let many = Match::parse(&match_of(&["-t", "a", "-t", "b"])).expect("sound");
        assert_eq!(many, Match::parse("tag=a tag=b").expect("sound"));
        assert_eq!(tail_of(&[]).matching, None);
        assert!(plan_with(&["-g", "("], None).is_err());
        assert!(plan_with(&["nonsense"], None).is_err());
    }

    #[test]
    fn colors_are_for_terminals_by_default() {
        let colored = |words: &[&str]| plan_with(words, None).expect("sound").style.color;
        assert!(colored(&[]));
        assert!(colored(&["--color", "always"]));
        assert!(!colored(&["--color", "never"]));
    }
}
