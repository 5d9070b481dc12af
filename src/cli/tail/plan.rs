//! From the command line to what is asked of the agent and how it is shown.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::args::{Args, Color, Lines};
use super::when::{self, BadMoment};
use crate::client::Address;
use crate::event::{Cursor, Level, Timestamp};
use crate::filter::{Match, MatchError};
use crate::render::Style;
use crate::wire::Tail;

/// How many lines are shown of what is there already, if nothing says where to begin.
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

/// What the command line does not say.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// The moment of the start.
    pub(super) now: Timestamp,
    /// The reader's zone.
    pub(super) tz: TimeZone,
    /// Whether stdout is a terminal.
    pub(super) terminal: bool,
    /// Whether that one wants colours, as far as the environment says.
    pub(super) colors: bool,
    /// What the cursor file held.
    pub(super) kept: Option<Cursor>,
    /// The agent, with its token, which does not stand on the command line.
    pub(super) agent: Address,
}

/// What to do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The first request. Later ones of the same run begin elsewhere.
    pub(super) tail: Tail,
    /// How lines are shown.
    pub(super) style: Style,
    /// Whether to sum up instead.
    pub(super) stats: bool,
    /// Whether stdout is a terminal.
    pub(super) terminal: bool,
    /// Whether to be silent on stderr.
    pub(super) quiet: bool,
    /// Whether to print the last cursor.
    pub(super) show_cursor: bool,
    /// Where to keep the place.
    pub(super) cursor_file: Option<PathBuf>,
    /// End after so many events.
    pub(super) count: Option<u64>,
    /// End after one of these.
    pub(super) until_match: Option<Match>,
    /// End after this time.
    pub(super) timeout: Option<Duration>,
    /// The agent.
    pub(super) agent: Address,
}

/// Why a command line makes no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadPlan {
    /// No moment.
    #[error("--since: {0}")]
    Since(BadMoment),
    /// No moment.
    #[error("--until: {0}")]
    Until(BadMoment),
    /// No MATCH.
    #[error("{0}")]
    Match(#[from] MatchError),
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// What of the command line makes no sense.
    pub(super) fn new(args: Args, around: Surroundings) -> Result<Self, BadPlan> {
        let tz = if args.utc { TimeZone::UTC } else { around.tz };
        let moment = |text: &Option<String>| {
            text.as_deref().map(|text| when::parse(text, around.now, &tz)).transpose()
        };
        let since = moment(&args.since).map_err(BadPlan::Since)?;
        let until = moment(&args.until).map_err(BadPlan::Until)?;
        let matching = matching(&args)?;
        // The agent begins behind a cursor.
        let at = args.cursor.map(|at| Cursor { seq: at.seq.previous(), ..at });
        let after = at.or(args.after_cursor).or(around.kept);
        let mut tail = Tail {
            after,
            since,
            until,
            lines: lines(&args, after.is_some() || since.is_some()),
            matching: (!matching.is_everything()).then(|| matching.to_string()),
            reverse: args.reverse,
            follow: args.follow,
        };
        if tail.follow && tail.lines.is_none() && after.is_none() && since.is_none() {
            // Without any beginning, a follow would begin now.
            tail.since = Some(Timestamp::MIN);
        }
        let color = match args.color {
            Color::Auto => around.terminal && around.colors,
            Color::Always => true,
            Color::Never => false,
        };
        let (format, hostname, all) = (args.output, !args.no_hostname, args.all);
        Ok(Self {
            tail,
            style: Style { format, tz, hostname, all, color },
            stats: args.stats,
            terminal: around.terminal,
            quiet: args.quiet,
            show_cursor: args.show_cursor,
            cursor_file: args.cursor_file,
            count: args.count,
            until_match: args.until_match,
            timeout: args.timeout,
            agent: around.agent,
        })
    }
}

fn lines(args: &Args, begun: bool) -> Option<u64> {
    match args.lines {
        Some(Lines::All) => None,
        Some(Lines::Last(lines)) => Some(lines),
        None if begun => None,
        // A summary is one of all that is there, or else of what comes.
        None if args.stats => args.follow.then_some(0),
        None => Some(LINES_DEFAULT),
    }
}

/// What is typed as MATCH, and what the options write.
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

/// Whole names are compared. Where there is a glob among them, one regular expression has them all:
/// two would both have to hold.
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
    use super::*;
    use clap::Parser as _;

    fn plan_with(words: &[&str], kept: Option<Cursor>) -> Result<Plan, BadPlan> {
        let args = Args::try_parse_from([super::super::NAME].iter().chain(words)).expect("sound");
        let around = Surroundings {
            now: "2026-11-22T17:32:05Z".parse().expect("a time"),
            tz: TimeZone::posix("CET-1").expect("a zone"),
            terminal: true,
            colors: true,
            kept,
            agent: Address::Local(None),
        };
        Plan::new(args, around)
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
    fn where_to_begin() {
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
        assert_eq!(tail_of(&["--stats", "-f"]), Tail { follow: true, ..last(0) });

        let after = |text| Tail { after: cursor(text), ..Tail::default() };
        assert_eq!(tail_of(&["-c", "7f3a9c21-1042"]), after("7f3a9c21-1041"));
        assert_eq!(tail_of(&["-c", "7f3a9c21-0"]), after("7f3a9c21-0"));
        assert_eq!(tail_of(&["--after-cursor", "7f3a9c21-1042"]), after("7f3a9c21-1042"));
        let and_last = Tail { lines: Some(2), ..after("7f3a9c21-1042") };
        assert_eq!(tail_of(&["--after-cursor", "7f3a9c21-1042", "-n2"]), and_last);
        let kept = plan_with(&["--cursor-file", "x", "-f"], cursor("7f3a9c21-7"));
        let follow = Tail { follow: true, ..after("7f3a9c21-7") };
        assert_eq!(kept.expect("sound").tail, follow);
    }

    #[test]
    fn times_are_the_readers_unless_utc_is_asked_for() {
        let since = |words: &[&str]| tail_of(words).since.map(|time| time.to_string());
        let told = Some("2026-11-22T16:00:00.000000Z".to_owned());
        assert_eq!(since(&["-S", "17:00"]), told);
        assert_eq!(since(&["-S", "16:00", "--utc"]), told);
        assert_eq!(tail_of(&["-S", "17:00"]).lines, None);
        for (option, name) in [("-S", "--since"), ("-U", "--until")] {
            let error = plan_with(&[option, "soon"], None).expect_err("no time");
            assert!(error.to_string().starts_with(&format!("{name}: not a time: \"soon\"")));
        }
    }

    #[test]
    fn five_options_only_write_a_match() {
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
    fn colours_are_for_terminals_unless_they_are_asked_for() {
        let colored = |words: &[&str]| plan_with(words, None).expect("sound").style.color;
        assert!(colored(&[]));
        assert!(colored(&["--color", "always"]));
        assert!(!colored(&["--color", "never"]));
    }
}
