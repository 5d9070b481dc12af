//! The summary of `--stats`: the rates, queries and running views as text.

use std::fmt::Write as _;

use crate::event::{Line, Timestamp};
use crate::render::{Took, escape};
use crate::views::{self, Permits, QueriesSnapshot, RatesSnapshot, RunRow, RunState, Views};

/// The most tags that are shown. With [`RUNS_SHOWN_MAX`] and [`SHAPES_SHOWN_MAX`], a summary fits a terminal of
/// 24 lines.
const TAGS_SHOWN_MAX: usize = 8;

/// The most runs that are shown.
const RUNS_SHOWN_MAX: usize = 4;

/// The most shapes that are shown.
const SHAPES_SHOWN_MAX: usize = 4;

/// The summary of the lines so far.
pub(super) struct Stats {
    views: Views,
    /// The time of the last line.
    last: Timestamp,
}

impl Stats {
    /// A summary of all lines. If it is `live`, of the last [`views::WINDOW_MINUTES`], like the monitor.
    pub(super) fn new(live: bool) -> Self {
        let views = if live { Views::new() } else { Views::of_all_lines() };
        Self { views, last: Timestamp::default() }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, line: &Line<'_>) {
        self.views.line(line);
        self.last = self.last.max(line.time());
    }

    /// `true` if it changes while only time passes.
    pub(super) fn moves(&self, now: Timestamp) -> bool {
        let rate = self.views.rates(&Permits::All, now).now;
        rate.is_some_and(|rate| rate > 0.0)
            || !self.views.running(&Permits::All, now).runs.is_empty()
    }

    /// The summary, safe for a terminal, at `now` or at the time of the last line.
    pub(super) fn text(&self, now: Option<Timestamp>) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(now, &mut out);
        out
    }

    fn write(&self, now: Option<Timestamp>, out: &mut String) -> std::fmt::Result {
        let at = now.unwrap_or(self.last);
        let rates = self.views.rates(&Permits::All, at);
        write_head(&rates, now.is_some(), out)?;
        write_tags(&rates, out)?;
        write_shapes(self.views.queries(&Permits::All, at), out)?;
        self.write_running(at, out)
    }

    fn write_running(&self, now: Timestamp, out: &mut String) -> std::fmt::Result {
        let running = self.views.running(&Permits::All, now);
        if running.runs.is_empty() {
            return Ok(());
        }
        write!(out, "running now: {}", running.running)?;
        for (count, state) in [(running.abandoned, "abandoned"), (running.unknown, "unknown")] {
            if count > 0 {
                write!(out, ", {count} {state}")?;
            }
        }
        out.push('\n');
        running.runs.iter().take(RUNS_SHOWN_MAX).try_for_each(|run| write_run(run, out))
    }
}

/// Writes the totals and the levels.
fn write_head(rates: &RatesSnapshot, live: bool, out: &mut String) -> std::fmt::Result {
    write!(out, "{} events", rates.events)?;
    if let Some(now) = rates.now.filter(|_| live) {
        write!(out, ", {now:.1}/s now")?;
    }
    if let (Some(first), Some(last)) = (rates.first, rates.last) {
        let seconds = (last.micros() - first.micros()) as f64 / 1e6;
        if seconds >= 1.0 {
            let rate = rates.events as f64 / seconds;
            write!(out, ", {rate:.1}/s over {}", Took(seconds.round()))?;
        }
    }
    let gaps: u64 = rates.gaps.iter().map(|gap| gap.gaps).sum();
    if gaps > 0 {
        let lost: u64 = rates.gaps.iter().map(|gap| gap.lost).sum();
        let plural = if gaps == 1 { "" } else { "s" };
        let or_more = if rates.gaps.iter().any(|gap| gap.unknown) { " or more" } else { "" };
        write!(out, ", {gaps} gap{plural} with {lost}{or_more} missing")?;
    }
    out.push_str("\nlevels:");
    for level in rates.levels.iter().filter(|level| level.events > 0) {
        write!(out, " {} {}", level.level, level.events)?;
    }
    out.push('\n');
    Ok(())
}

fn write_tags(rates: &RatesSnapshot, out: &mut String) -> std::fmt::Result {
    if rates.events == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "{:<24} {:>10} {}",
        "tag",
        "events",
        took_columns("p50", "p95", "p99", "longest")
    )?;
    for row in rates.tags.iter().take(TAGS_SHOWN_MAX) {
        writeln!(out, "{:<24} {:>10} {}", escape(&row.tag), row.events, durations(row.took))?;
    }
    let more = rates.tags.len() as u64 + rates.rest.map_or(0, |rest| rest.entries);
    if more > TAGS_SHOWN_MAX as u64 {
        writeln!(out, "… and {} more", more - TAGS_SHOWN_MAX as u64)?;
    }
    if more > 1 {
        writeln!(out, "{:<24} {:>10} {}", "all", rates.events, durations(rates.took))?;
    }
    Ok(())
}

/// Writes the slowest shapes, by their 95th percentile.
fn write_shapes(queries: QueriesSnapshot, out: &mut String) -> std::fmt::Result {
    let mut shapes = queries.shapes;
    if shapes.is_empty() {
        return Ok(());
    }
    shapes.sort_by(|a, b| b.took.p95.total_cmp(&a.took.p95));
    let columns = took_columns("p50", "p95", "p99", "longest");
    writeln!(out, "{:>10} {columns}  slowest", "events")?;
    for row in shapes.iter().take(SHAPES_SHOWN_MAX) {
        let (tag, shape) = (escape(&row.tag), escape(&row.shape));
        writeln!(out, "{:>10} {}  {tag}  {shape}", row.took.count, durations(Some(row.took)))?;
    }
    Ok(())
}

fn write_run(run: &RunRow, out: &mut String) -> std::fmt::Result {
    let age = Took((run.age * 10.0).round() / 10.0);
    let state = match run.state {
        RunState::Running => "",
        RunState::Abandoned => "abandoned  ",
        RunState::Unknown => "unknown  ",
    };
    let msg = run.msg.as_deref().unwrap_or_default();
    let (tag, name, msg) = (escape(&run.tag), escape(&run.run), escape(msg));
    writeln!(out, "{age:>10}  {state}{tag}  {name}  {msg}")
}

fn took_columns(p50: &str, p95: &str, p99: &str, max: &str) -> String {
    format!("{p50:>10} {p95:>10} {p99:>10} {max:>10}")
}

fn durations(took: Option<views::Took>) -> String {
    match took {
        Some(took) => {
            let [p50, p95, p99, max] = [took.p50, took.p95, took.p99, took.max].map(duration);
            took_columns(&p50, &p95, &p99, &max)
        }
        None => took_columns("-", "-", "-", "-"),
    }
}

/// Rounds to three digits: percentiles are no more accurate.
fn duration(seconds: f64) -> String {
    let rounded: f64 = format!("{seconds:.2e}").parse().unwrap_or(seconds);
    Took(rounded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, tag: &str, more: &str) -> String {
        format!(
            concat!(
                r#"{{"seq":1,"time":"2026-11-22T17:32:{:02}.000000Z","host":"web1","tag":"{}","#,
                r#""level":"info"{},"origin":{{"pid":812,"uid":33,"conn":7}}}}"#
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
    fn shows_durations_by_tag() {
        let mut stats = Stats::new(false);
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
    fn lists_a_run_until_it_ends() {
        let mut stats = Stats::new(false);
        add(&mut stats, &line(1, "job", r#","msg":"building","run":"a""#));
        add(&mut stats, &line(2, "job", r#","msg":"sending\u001b[2J","run":"b""#));
        add(&mut stats, &line(3, "job", r#","msg":"still","run":"a""#));
        add(
            &mut stats,
            &line(3, "job", r#","run":"a","took":2"#).replace("\"conn\":7", "\"conn\":8"),
        );
        let text = stats.text(Some(at(5)));
        assert!(text.contains("running now: 2\n"), "{text}");
        assert!(text.contains("4s  job  a  still\n"), "{text}");
        assert!(text.ends_with("3s  job  b  sending\\x1b[2J\n"), "{text}");
        assert!(stats.moves(at(59)));
        for run in ["a", "b"] {
            add(&mut stats, &line(6, "job", &format!(r#","run":"{run}","took":2"#)));
        }
        assert!(!stats.text(Some(at(6))).contains("running now"));
        assert!(stats.moves(at(6)), "there is a rate");
        assert!(!stats.moves(at(59)));
    }

    #[test]
    fn rate_covers_the_last_seconds() {
        let mut stats = Stats::new(false);
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
    fn counts_gaps() {
        let mut stats = Stats::new(false);
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
    fn marks_abandoned_and_unknown_runs() {
        let mut stats = Stats::new(true);
        add(&mut stats, &line(1, "job", r#","msg":"dies","run":"a""#));
        add(&mut stats, &line(2, "job", r#","msg":"posted","run":"b""#).replace(",\"conn\":7", ""));
        add(&mut stats, &line(3, "job", r#","msg":"runs","run":"c""#));
        add(&mut stats, &line(4, "job", r#","msg":"dies","run":"a","took":3,"abandoned":true"#));
        let text = stats.text(Some(at(10)));
        let rows = "running now: 1, 1 abandoned, 1 unknown\n        \
                    3s  abandoned  job  a  dies\n        \
                    8s  unknown  job  b  posted\n        \
                    7s  job  c  runs\n";
        assert!(text.ends_with(rows), "{text}");
        assert!(!text.contains("slowest"), "an abandoned run is no query: {text}");
    }

    #[test]
    fn lists_the_slowest_shapes() {
        let mut stats = Stats::new(false);
        for ms in 1..=100 {
            for (msg, factor) in [("SELECT a FROM t WHERE id =", 1), ("login \\u001b[2J of", 10)] {
                let took = f64::from(ms * factor) / 1e3;
                let more = format!(r#","msg":"{msg} {ms}","took":{took}"#);
                add(&mut stats, &line(1, "shop", &more));
            }
        }
        let text = stats.text(None);
        let (_, shapes) = text.split_once("  slowest\n").expect("listed");
        let rows: Vec<Vec<&str>> =
            shapes.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0][5..], ["shop", "login", "\\x1b[?", "of", "?"], "{text}");
        assert_eq!(rows[1][5..], ["shop", "SELECT", "a", "FROM", "t", "WHERE", "id", "=", "?"]);
        assert_eq!([rows[0][0], rows[0][4], rows[1][4]], ["100", "1s", "100ms"]);
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn live_summary_covers_the_window() {
        let late = line(1, "a", "").replace("T17:32", "T18:32");
        for (live, head) in [(true, "1 events"), (false, "2 events, 0.0/s over 3600s\n")] {
            let mut stats = Stats::new(live);
            add(&mut stats, &line(1, "a", ""));
            add(&mut stats, &late);
            let text = stats.text(None);
            assert!(text.starts_with(head), "{text}");
        }
    }

    #[test]
    fn bounds_the_summary_to_a_terminal() {
        let mut stats = Stats::new(true);
        for n in 0..views::ENTRIES_MAX + 5 {
            let word: String = n.to_string().bytes().map(|b| char::from(b + 49)).collect();
            let more = format!(r#","msg":"{word}","took":0.1"#);
            add(&mut stats, &line(1, &format!("t{n}"), &more));
        }
        for n in 0..views::RUNS_MAX + 5 {
            add(&mut stats, &line(1, "t0", &format!(r#","run":"{n}""#)));
        }
        let text = stats.text(Some(at(2)));
        assert!(text.contains(&format!("running now: {}\n", views::RUNS_MAX)), "{text}");
        assert!(text.contains("\n… and 997 more\n"), "{text}");
        assert_eq!(text.lines().count(), 23);
    }
}
