//! `GET /metrics`: what the agent counts, in Prometheus' text format (version 0.0.4).

use std::fmt::{Display, Write as _};

use hyper::StatusCode;

use super::conn::Conn;
use super::durations::{BOUNDS, Counted, Histogram};
use super::respond::{Reply, error, reply};
use super::visitor::Visitor;
use crate::access::TagScope;
use crate::agent::forwarding::State;
use crate::event::Why;
use crate::wire::Code;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reasons of losses that are told apart. What retention has removed is no loss, and other hosts count their own.
const REASONS: [Why; 4] = [Why::Rate, Why::Storage, Why::Restart, Why::Clock];

/// The tag of all tags that have no name in the metrics. No event has it, since a tag has no spaces.
const OTHER: &str = "other tags";

/// Serves the metrics to a visitor who may follow every tag: they count them all.
pub(super) async fn respond(conn: &Conn, visitor: &Visitor) -> Result<Reply, Reply> {
    if visitor.scope().await? != TagScope::All {
        return Err(error(Code::Denied, "metrics need the right to follow every tag"));
    }
    let counted = conn.monitor.durations.scrape(conn).await;
    let mut text = Text::default();
    write_agent(conn, &mut text);
    write_durations(&counted, &mut text);
    Ok(reply(StatusCode::OK, CONTENT_TYPE, text.0))
}

#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escape(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A metric of one sample.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn write_agent(conn: &Conn, text: &mut Text) {
    let services = &conn.services;
    let counters = services.log.counters();
    let (counts, runs) = (services.limits.counts(), services.runs.counts());
    text.metric("pulsed_build_info", "gauge", "The version of the agent.");
    let build = [("version", env!("CARGO_PKG_VERSION")), ("host", services.log.host())];
    text.sample("pulsed_build_info", &build, 1);
    text.single("pulsed_events_total", "counter", "Events since the start.", counters.events);
    let help = "The size of their lines.";
    text.single("pulsed_event_bytes_total", "counter", help, counters.bytes);
    let name = "pulsed_lost_events_total";
    text.metric(name, "counter", "Events known to be lost since the start: rate means refused.");
    for why in REASONS {
        text.sample(name, &[("reason", why.name())], counters.lost[why as usize]);
    }
    let help = "The size of the window in memory.";
    text.single("pulsed_window_bytes", "gauge", help, counters.window_bytes);
    text.single("pulsed_connections", "gauge", "Open connections.", counts.connections);
    text.single("pulsed_followers", "gauge", "Open followers.", counts.followers);
    let newest = counters.newest.get();
    let lag = services.limits.furthest_follower().map_or(0, |at| newest.saturating_sub(at));
    let help = "Numbers that the follower furthest behind has still to read.";
    text.single("pulsed_follower_lag_events", "gauge", help, lag);
    write_forwarding(conn, text);
    text.single("pulsed_open_runs", "gauge", "Runs that have begun and not ended.", runs.open);
    let help = "Begins that a bound left untracked.";
    text.single("pulsed_untracked_runs_total", "counter", help, runs.untracked);
    let Some(stored) = counters.stored else { return };
    let bytes = counters.history_bytes.unwrap_or_default();
    text.single("pulsed_history_bytes", "gauge", "The size of the history on disk.", bytes);
    let behind = |seq: u64| newest.saturating_sub(seq);
    let help = "Numbers that are not stored yet.";
    text.single("pulsed_history_unstored_events", "gauge", help, behind(stored.get()));
    let synced = counters.synced.map_or(newest, |synced| behind(synced.get()));
    text.single(
        "pulsed_history_unsynced_events",
        "gauge",
        "Numbers that are not synced yet.",
        synced,
    );
    let trouble = u8::from(counters.trouble.is_some());
    let help = "1 while history cannot be written.";
    text.single("pulsed_history_trouble", "gauge", help, trouble);
}

/// Nothing unless NATS is configured.
fn write_forwarding(conn: &Conn, text: &mut Text) {
    let Some(forwarding) = &conn.services.forwarding else { return };
    let figures = forwarding.figures();
    let help = "1 while events are forwarded to NATS JetStream.";
    let up = u8::from(figures.state == State::Forwarding);
    text.single("pulsed_nats_up", "gauge", help, up);
    if let Some(lag) = figures.lag(conn.services.log.newest().seq) {
        let help = "Numbers that the engine has not acknowledged.";
        text.single("pulsed_nats_lag_events", "gauge", help, lag);
    }
    let help = "Messages that the engine has acknowledged.";
    text.single("pulsed_nats_messages_total", "counter", help, figures.messages);
    let help = "The size of the lines in them.";
    text.single("pulsed_nats_bytes_total", "counter", help, figures.bytes);
}

fn write_durations(counted: &Counted, text: &mut Text) {
    let name = "pulsed_event_duration_seconds";
    let help = "Durations of events by tag, from the first scrape on.";
    text.metric(name, "histogram", help);
    let mut tags: Vec<_> =
        counted.tags.iter().map(|(tag, histogram)| (&**tag, histogram)).collect();
    tags.sort_unstable_by_key(|(tag, _)| *tag);
    tags.push((OTHER, &counted.other));
    for (tag, histogram) in tags {
        write_histogram(name, tag, histogram, text);
    }
    let name = "pulsed_event_durations_skipped_total";
    let help =
        "Numbers whose durations were not counted, because counting them would have fallen behind.";
    text.single(name, "counter", help, counted.skipped);
}

fn write_histogram(name: &str, tag: &str, histogram: &Histogram, text: &mut Text) {
    let (bucket, mut below) = (format!("{name}_bucket"), 0);
    for (at, count) in histogram.buckets.iter().enumerate() {
        below += count;
        let bound = BOUNDS.get(at).map_or("+Inf".into(), f64::to_string);
        text.sample(&bucket, &[("tag", tag), ("le", &bound)], below);
    }
    text.sample(&format!("{name}_sum"), &[("tag", tag)], histogram.sum);
    text.sample(&format!("{name}_count"), &[("tag", tag)], below);
}
