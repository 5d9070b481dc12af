//! `GET /metrics`, checked by promtool.

use super::{Http, Visitor};
use crate::harness::{Agent, Tool, wait_for};

fn scrape(visitor: &Visitor) -> String {
    let response = visitor.get("/metrics");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    response.text()
}

/// The value of a sample.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{sample}: {text}"))
}

#[test]
fn metrics_are_valid_and_exact() {
    let agent = Agent::start();
    let prometheus = agent.bearer("prometheus", &[], &["*"]);
    let first = scrape(&prometheus);
    let checked = Tool::new("promtool").args(&["check", "metrics"]).input(first.clone()).run();
    assert_eq!((checked.code, checked.err.as_str(), checked.out.as_str()), (Some(0), "", ""));
    assert_eq!(value(&first, "pulsed_events_total"), 0.0);
    let mut sender = agent.connect();
    let mut follower = agent.connect();
    follower.follow("");
    for n in 0..60 {
        sender.write(format!("SEND {{\"tag\":\"t{n:02}\",\"msg\":\"query took 40ms\"}}\n"));
    }
    sender
        .write(
            "SEND {\"tag\":\"t00\",\"msg\":\"took 2s\"}\nSEND {\"tag\":\"job\",\"run\":\"r1\"}\n",
        )
        .sync();
    (0..62).for_each(|_| drop(follower.line()));
    let name = "pulsed_event_duration_seconds";
    let second = wait_for("all durations", || {
        let text = scrape(&prometheus);
        (value(&text, &format!("{name}_count{{tag=\"other tags\"}}")) == 10.0).then_some(text)
    });
    let checked = Tool::new("promtool").args(&["check", "metrics"]).input(second.clone()).run();
    assert_eq!((checked.code, checked.err.as_str(), checked.out.as_str()), (Some(0), "", ""));
    for (sample, expected) in [
        ("pulsed_events_total", 62.0),
        ("pulsed_lost_events_total{reason=\"rate\"}", 0.0),
        ("pulsed_lost_events_total{reason=\"storage\"}", 0.0),
        ("pulsed_connections", 3.0),
        ("pulsed_followers", 1.0),
        ("pulsed_follower_lag_events", 0.0),
        ("pulsed_open_runs", 1.0),
        ("pulsed_history_trouble", 0.0),
        ("pulsed_event_durations_skipped_total", 0.0),
        (&format!("{name}_bucket{{tag=\"t00\",le=\"0.025\"}}"), 0.0),
        (&format!("{name}_bucket{{tag=\"t00\",le=\"0.05\"}}"), 1.0),
        (&format!("{name}_bucket{{tag=\"t00\",le=\"2.5\"}}"), 2.0),
        (&format!("{name}_bucket{{tag=\"t00\",le=\"+Inf\"}}"), 2.0),
        (&format!("{name}_sum{{tag=\"t00\"}}"), 2.04),
        (&format!("{name}_count{{tag=\"t49\"}}"), 1.0),
    ] {
        assert!((value(&second, sample) - expected).abs() < 1e-9, "{sample} {expected}: {second}");
    }
}

#[test]
fn metrics_show_how_far_the_slowest_follower_is_behind() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let mut stalled = Http::connect(session.address);
    stalled.send(session.head("GET /events", &["Accept: text/event-stream"]));
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    let mut sender = agent.connect();
    let text = "x".repeat(8000);
    for n in 0..4000 {
        sender.write(format!("SEND {text}\n"));
        if n % 50 == 0 {
            sender.sync();
        }
    }
    sender.sync();
    let lag = value(&scrape(&session), "pulsed_follower_lag_events");
    assert!(lag > 1000.0 && lag <= 4000.0, "{lag}");
    drop(stalled);
    wait_for("no lag", || {
        (value(&scrape(&session), "pulsed_follower_lag_events") == 0.0).then_some(())
    });
}

#[test]
fn metrics_need_the_right_to_follow_every_tag() {
    let agent = Agent::start();
    let some = agent.bearer("some", &[], &["shop.*"]);
    assert_eq!(some.get("/metrics").status, 403);
    assert_eq!(agent.visitor().get("/metrics").status, 401);
}
