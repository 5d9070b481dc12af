//! A summary of events: how many, how fast, which, how long they took, and what runs now.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use sketches_ddsketch::{Config, DDSketch};

use crate::event::{EventLine, Level, Line, Timestamp};
use crate::render::{Took, escape};

/// The most tags that are counted by themselves; the events of others are counted as one.
pub const TAGS_MAX: usize = 1000;

/// The most runs that are remembered at a time; later ones are not shown.
pub const RUNNING_MAX: usize = 10_000;

/// How many tags, and how many runs, are shown: so that all fits a terminal of 24 lines.
const SHOWN_MAX: usize = 8;

/// How long "now" is, in seconds, for the rate.
const WINDOW: usize = 10;

const SECOND: i64 = 1_000_000;

/// What the tags beyond [`TAGS_MAX`] are called. No tag looks so.
const OTHER: &str = "(other tags)";

/// The summary so far.
#[derive(Default)]
pub(super) struct Stats {
    events: u64,
    gaps: u64,
    /// Events missing in them; at least so many, where one of them does not say.
    lost: u64,
    lost_unknown: bool,
    levels: [u64; Level::ALL.len()],
    tags: HashMap<String, Counted>,
    all: Counted,
    /// By process and name, since names are only unique within a connection.
    running: HashMap<(String, String), Running>,
    /// The time of the first and the last event.
    span: Option<(Timestamp, Timestamp)>,
    /// How many events there were in which second of the last ones.
    seconds: [(i64, u64); WINDOW],
}

struct Counted {
    events: u64,
    took: DDSketch,
}

impl Default for Counted {
    fn default() -> Self {
        Self { events: 0, took: DDSketch::new(Config::defaults()) }
    }
}

struct Running {
    begun: Timestamp,
    tag: String,
    msg: String,
}

impl Stats {
    /// Counts a line.
    pub(super) fn add(&mut self, line: &Line<'_>) {
        match line {
            Line::Event(event) => self.event(event),
            Line::Gap(told) => {
                self.gaps += 1;
                self.lost += told.gap.lost.unwrap_or_default();
                self.lost_unknown |= told.gap.lost.is_none();
            }
        }
    }

    fn event(&mut self, event: &EventLine<'_>) {
        self.events += 1;
        self.levels[event.level as usize] += 1;
        self.all.add(event.took);
        match self.tags.get_mut(event.tag) {
            Some(counted) => counted.add(event.took),
            None => {
                let tag = if self.tags.len() < TAGS_MAX { event.tag } else { OTHER };
                self.tags.entry(tag.into()).or_default().add(event.took);
            }
        }
        let (first, last) = self.span.unwrap_or((event.time, event.time));
        self.span = Some((first.min(event.time), last.max(event.time)));
        let second = event.time.micros().div_euclid(SECOND);
        let place = &mut self.seconds[second.rem_euclid(WINDOW as i64) as usize];
        if place.0 != second {
            *place = (second, 0);
        }
        place.1 += 1;
        self.run(event);
    }

    fn run(&mut self, event: &EventLine<'_>) {
        let Some(run) = event.run else { return };
        let pid = event.origin_part("pid").map(|pid| pid.text().into_owned());
        let key = (pid.unwrap_or_default(), run.text().into_owned());
        if event.took.is_some() {
            self.running.remove(&key);
        } else if self.running.len() < RUNNING_MAX {
            self.running.entry(key).or_insert_with(|| Running {
                begun: event.time,
                tag: event.tag.into(),
                msg: event.msg_text().into_owned(),
            });
        }
    }

    /// Whether it looks different when time passes though nothing comes.
    pub(super) fn moves(&self, now: Timestamp) -> bool {
        !self.running.is_empty() || self.rate_at(now) > 0.0
    }

    /// Events a second, over the last [`WINDOW`] seconds.
    fn rate_at(&self, now: Timestamp) -> f64 {
        let Some((first, _)) = self.span else { return 0.0 };
        let now = now.micros().div_euclid(SECOND);
        let recent = self.seconds.iter().filter(|(second, _)| now - second < WINDOW as i64);
        let events: u64 = recent.map(|(_, events)| events).sum();
        // There may not have been so many seconds yet.
        let seconds = now - first.micros().div_euclid(SECOND) + 1;
        events as f64 / seconds.clamp(1, WINDOW as i64) as f64
    }

    /// The summary as lines of text, terminal-safe. With a moment, as of then; without, as of the
    /// last event.
    pub(super) fn text(&self, now: Option<Timestamp>) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(now, &mut out);
        out
    }

    fn write(&self, now: Option<Timestamp>, out: &mut String) -> std::fmt::Result {
        let (first, last) = self.span.unwrap_or_default();
        write!(out, "{} events", self.events)?;
        if let Some(now) = now {
            write!(out, ", {:.1}/s now", self.rate_at(now))?;
        }
        let seconds = (last.micros() - first.micros()) as f64 / SECOND as f64;
        if seconds >= 1.0 {
            write!(out, ", {:.1}/s over {}", self.events as f64 / seconds, Took(seconds.round()))?;
        }
        if self.gaps > 0 {
            let plural = if self.gaps == 1 { "" } else { "s" };
            let or_more = if self.lost_unknown { " or more" } else { "" };
            write!(out, ", {} gap{plural} with {}{or_more} missing", self.gaps, self.lost)?;
        }
        out.push_str("\nlevels:");
        for (level, count) in Level::ALL.into_iter().zip(self.levels).filter(|(_, n)| *n > 0) {
            write!(out, " {level} {count}")?;
        }
        out.push('\n');
        self.write_tags(out)?;
        self.write_running(now.unwrap_or(last), out)
    }

    fn write_tags(&self, out: &mut String) -> std::fmt::Result {
        if self.events == 0 {
            return Ok(());
        }
        writeln!(
            out,
            "{:<24} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "tag", "events", "p50", "p95", "p99", "longest"
        )?;
        // By name where the counts are the same, so that lines do not jump about.
        let mut tags: Vec<_> = self.tags.iter().collect();
        tags.sort_by(|(a, x), (b, y)| y.events.cmp(&x.events).then_with(|| a.cmp(b)));
        for (tag, counted) in tags.iter().take(SHOWN_MAX) {
            counted.write(&escape(tag), out)?;
        }
        if tags.len() > SHOWN_MAX {
            writeln!(out, "… and {} more", tags.len() - SHOWN_MAX)?;
        }
        if tags.len() > 1 {
            self.all.write("all", out)?;
        }
        Ok(())
    }

    fn write_running(&self, now: Timestamp, out: &mut String) -> std::fmt::Result {
        if self.running.is_empty() {
            return Ok(());
        }
        writeln!(out, "begun and not ended: {}", self.running.len())?;
        // The oldest first: that is what one looks for.
        let oldest: BTreeMap<_, _> =
            self.running.iter().map(|(key, running)| ((running.begun, key), running)).collect();
        for ((begun, (_, run)), running) in oldest.iter().take(SHOWN_MAX) {
            let seconds = (now.micros() - begun.micros()).max(0) as f64 / SECOND as f64;
            let so_far = Took((seconds * 10.0).round() / 10.0);
            let (tag, run, msg) = (escape(&running.tag), escape(run), escape(&running.msg));
            writeln!(out, "{so_far:>10}  {tag}  {run}  {msg}")?;
        }
        Ok(())
    }
}

impl Counted {
    fn add(&mut self, took: Option<f64>) {
        self.events += 1;
        if let Some(seconds) = took {
            self.took.add(seconds);
        }
    }

    fn write(&self, name: &str, out: &mut String) -> std::fmt::Result {
        write!(out, "{name:<24} {:>10}", self.events)?;
        let longest = self.took.max();
        for quantile in [0.5, 0.95, 0.99] {
            // The sketch is right within a hundredth, the longest exactly.
            let within = |seconds: f64| longest.map_or(seconds, |longest| seconds.min(longest));
            let seconds = self.took.quantile(quantile).ok().flatten().map(within);
            write!(out, " {:>10}", shown(seconds))?;
        }
        writeln!(out, " {:>10}", shown(longest))
    }
}

/// Three digits: a sketch knows no more.
fn shown(seconds: Option<f64>) -> String {
    seconds.map_or_else(
        || "-".into(),
        |seconds| {
            let rounded: f64 = format!("{seconds:.2e}").parse().unwrap_or(seconds);
            Took(rounded).to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, tag: &str, more: &str) -> String {
        format!(
            concat!(
                r#"{{"seq":1,"time":"2026-11-22T17:32:{:02}.000000Z","host":"web1","tag":"{}","#,
                r#""level":"info"{},"origin":{{"pid":812}}}}"#
            ),
            second, tag, more
        )
    }

    fn add(stats: &mut Stats, line: &str) {
        stats.add(&Line::parse(line).expect("a line"));
    }

    fn at(second: u32) -> Timestamp {
        format!("2026-11-22T17:32:{second:02}Z").parse().expect("a time")
    }

    #[test]
    fn durations_are_told_by_tag_within_a_hundredth() {
        let mut stats = Stats::default();
        for ms in 1..=100 {
            add(
                &mut stats,
                &line(ms / 10, "shop.query", &format!(r#","took":{}"#, ms as f64 / 1e3)),
            );
        }
        add(&mut stats, &line(10, "cron", r#","msg":"no duration""#).replace("info", "err"));
        let text = stats.text(None);
        assert!(
            text.starts_with("101 events, 10.1/s over 10s\nlevels: err 1 info 100\n"),
            "{text}"
        );
        let row = |name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>())
        };
        let query = row("shop.query").expect("shown");
        assert_eq!((query[0].as_str(), query[4].as_str()), ("100", "100ms"));
        for (at, exact) in [(1, 50.0), (2, 95.0), (3, 99.0)] {
            let ms: f64 = query[at].strip_suffix("ms").and_then(|n| n.parse().ok()).expect("ms");
            assert!((ms / exact - 1.0).abs() < 0.025, "{query:?}");
        }
        assert_eq!(row("cron"), Some(["1", "-", "-", "-", "-"].map(str::to_owned).into()));
        assert_eq!(row("all").map(|all| all[0].clone()), Some("101".to_owned()));
    }

    #[test]
    fn what_has_begun_runs_until_it_took_something() {
        let mut stats = Stats::default();
        add(&mut stats, &line(1, "job", r#","msg":"building","run":"a""#));
        add(&mut stats, &line(2, "job", r#","msg":"sending\u001b[2J","run":"b""#));
        add(&mut stats, &line(3, "job", r#","msg":"still","run":"a""#));
        add(&mut stats, &line(3, "job", r#","run":"a","took":2"#).replace("812", "813"));
        let text = stats.text(Some(at(5)));
        assert!(text.contains("begun and not ended: 2\n"), "{text}");
        assert!(text.contains("4s  job  a  building\n"), "{text}");
        assert!(text.ends_with("3s  job  b  sending\\x1b[2J\n"), "{text}");
        assert!(stats.moves(at(59)));
        for run in ["a", "b"] {
            add(&mut stats, &line(6, "job", &format!(r#","run":"{run}","took":2"#)));
        }
        assert!(!stats.text(Some(at(6))).contains("not ended"));
        assert!(stats.moves(at(6)), "there is a rate");
        assert!(!stats.moves(at(59)));
    }

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let mut stats = Stats::default();
        assert!(stats.text(Some(at(0))).contains(", 0.0/s now"));
        add(&mut stats, &line(0, "a", ""));
        assert!(stats.text(Some(at(1))).contains(", 0.5/s now"));
        for second in 0..30 {
            for _ in 0..2 {
                add(&mut stats, &line(second, "a", ""));
            }
        }
        assert!(stats.text(Some(at(29))).contains(", 2.0/s now"));
        assert!(stats.text(Some(at(34))).contains(", 1.0/s now"));
        assert!(stats.text(Some(at(39))).contains(", 0.0/s now"));
    }

    #[test]
    fn gaps_are_counted() {
        let mut stats = Stats::default();
        let gap = concat!(
            r#"{"gap":{"after":1,"before":9,"lost":7,"why":"rate"},"#,
            r#""time":"2026-11-22T17:32:05.000000Z","host":"web1"}"#
        );
        add(&mut stats, gap);
        assert!(stats.text(None).starts_with("0 events, 1 gap with 7 missing\n"));
        add(&mut stats, &gap.replace("\"lost\":7,", ""));
        assert!(stats.text(None).starts_with("0 events, 2 gaps with 7 or more missing\n"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut stats = Stats::default();
        for n in 0..TAGS_MAX + 5 {
            add(&mut stats, &line(1, &format!("t{n}"), ""));
        }
        assert_eq!(stats.tags.len(), TAGS_MAX + 1);
        assert_eq!(stats.tags.get(OTHER).map(|counted| counted.events), Some(5));
        for n in 0..RUNNING_MAX + 5 {
            add(&mut stats, &line(1, "t0", &format!(r#","run":"{n}""#)));
        }
        assert_eq!(stats.running.len(), RUNNING_MAX);
        assert!(stats.text(None).lines().count() <= 24);
    }
}
