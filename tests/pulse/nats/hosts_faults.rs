//! Followers of all hosts while engines and agents are killed: every event once, in order for each host.

use super::engine::Engine;
use super::faults::all_under_load;
use super::hosts::{agents, messages};
use super::view::View;
use super::{agent_with, send, send_much, wait_until_forwarded};
use crate::harness::{Agent, wait_for};

/// The events of one step of a sender.
const STEP: u64 = 100;

#[test]
fn an_engine_that_is_killed_loses_and_repeats_nothing() {
    let mut engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let mut view = View::now(&web1);
    let sent = all_under_load([&web1, &web2], STEP, || {
        for _ in 0..4 {
            let before = view.count();
            view.read_events(before + 1000);
            engine.kill();
            engine.restart();
        }
    });
    view.read_events((sent[0] + sent[1]) as usize);
    assert_eq!(view.events["web1"], messages(0..sent[0]));
    assert_eq!(view.events["web2"], messages(0..sent[1]));
    assert_eq!(view.gaps, []);
}

#[test]
fn five_agents_meet_and_their_kills_lose_and_repeat_nothing() {
    let engine = Engine::start();
    let mut all = agents(&engine, ["web1", "web2", "web3", "web4", "web5"]);
    all.iter().for_each(wait_until_forwarded);
    let mut view = View::now(&all[0]);
    for round in 0..3 {
        for agent in &all {
            send(&mut agent.connect(), 500 * round..500 * round + 500);
        }
        // One that sends is killed before all is forwarded, and the one that is followed too.
        all[round as usize + 1].kill();
        all[round as usize + 1].restart();
        view.read_events(2500 * round as usize + 1234);
        all[0].kill();
        all[0].restart();
        view.resume(&all[round as usize]);
    }
    view.read_events(5 * 1500);
    for host in ["web1", "web2", "web3", "web4", "web5"] {
        assert_eq!(view.events[host], messages(0..1500), "{host}");
    }
    // Each start is a gap of its host.
    assert!(view.gaps.iter().all(|(_, gap)| gap.why == "restart"), "{:?}", view.gaps);
    assert!(view.gaps.iter().any(|(host, _)| host == "web2"));
}

#[test]
fn an_engine_that_is_away_is_only_waited_for() {
    let mut engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let mut view = View::now(&web1);
    send(&mut web2.connect(), 0..10);
    view.read_events(10);
    engine.kill();
    wait_for("the trouble", || {
        web1.output().contains("nats: not reading the stream").then_some(())
    });
    send(&mut web1.connect(), 0..5000);
    send(&mut web2.connect(), 10..5000);
    engine.restart();
    view.read_events(10_000);
    assert_eq!(
        (&view.events["web1"], &view.events["web2"]),
        (&messages(0..5000), &messages(0..5000))
    );
    assert_eq!(view.gaps, []);
    assert!(web1.output().contains("nats: reading stream pulse again"));
}

#[test]
fn a_follower_that_stalls_reads_the_rest_from_the_stream() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let mut view = View::now(&web1);
    // More than the window of the stream.
    send_much(&web2, 40);
    view.read_events(20_000);
    assert_eq!((view.events["web2"].len(), &view.gaps), (20_000, &vec![]));
    // It is with the others again.
    send(&mut web1.connect(), 0..10);
    view.read_events(20_010);
}

#[test]
fn clocks_that_differ_by_an_hour_change_nothing() {
    let engine = Engine::start();
    let mut late = Agent::prepare(&[&engine.url(), "host = \"late\""]);
    late.launch_with(&["faketime", "-m", "-f", "-1h"]);
    late.restart();
    let web1 = agent_with(&engine, &["host = \"web1\""]);
    wait_until_forwarded(&web1);
    let mut view = View::now(&web1);
    for n in 0..20 {
        send(&mut late.connect(), n..n + 1);
        send(&mut web1.connect(), n..n + 1);
        view.read_events(2 * n as usize + 2);
    }
    assert_eq!((&view.events["late"], &view.events["web1"]), (&messages(0..20), &messages(0..20)));
    let time = |host: &str| {
        let is_of = |line: &&String| line.contains(&format!("\"host\":{host:?}"));
        let line = view.lines.iter().rfind(is_of).expect("a line");
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        value["time"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339")
    };
    let apart = time("web1").duration_since(time("late")).as_secs();
    assert!((3500..3700).contains(&apart), "{apart}");
    // The time of an event is that of its host.
    let since = time("web1") - jiff::SignedDuration::from_mins(30);
    let recent = View::with(&web1, &format!("\"since\":\"{since}\"")).read_all();
    assert_eq!(recent.events.keys().collect::<Vec<_>>(), ["web1"]);
    assert_eq!(recent.events["web1"], messages(0..20));
}
