//! Runs: begun by one event, ended by another, or by the agent when the connection closes before the end came.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use pulsed::agent::{RUN_TEXT_MAX, RUNS_OF_CONNECTION_MAX};

use crate::harness::{Agent, Client, as_root, parse, wait_for};

/// A follower of everything from now on.
fn follower(agent: &Agent) -> Client {
    let mut follower = agent.connect();
    follower.follow("");
    follower
}

/// The next event that the follower gets.
fn next_event(follower: &mut Client) -> Value {
    parse(&follower.line()).event().clone()
}

/// Begins a run on this connection, and waits until it is stored.
fn begin(client: &mut Client, run: &str) {
    client.write(format!("SEND {{\"tag\":\"job\",\"msg\":\"{run}\",\"run\":\"{run}\"}}\n")).sync();
}

/// Asserts that nothing has reached the follower before an event that is sent now.
fn assert_quiet(agent: &Agent, follower: &mut Client) {
    agent.connect().write("SEND marker\n").sync();
    assert_eq!(next_event(follower)["msg"], "marker");
}

#[test]
fn abandons_open_runs_of_closed_connection() {
    let agent = Agent::start();
    let mut follower = follower(&agent);
    let mut client = agent.connect();
    let long = "x".repeat(RUN_TEXT_MAX + 1);
    let draft = format!(
        r#"{{"tag":"shop.cron","level":"notice","msg":"{long}","run":"import","fields":{{"user":"123","page":"/a","req":7,"n":1}}}}"#
    );
    client.write(format!("SEND {draft}\n")).sync();
    let begun = next_event(&mut follower);
    assert_eq!(begun["origin"]["conn"], 1);
    assert_eq!(begun["took"], Value::Null);
    assert_eq!(begun["msg"], long);
    drop(client);

    let ended = next_event(&mut follower);
    let expected = serde_json::json!({
        "seq": begun["seq"].as_u64().expect("a number") + 1,
        "time": ended["time"],
        "host": begun["host"],
        "tag": "shop.cron",
        "level": "warning",
        "msg": long[..RUN_TEXT_MAX],
        "run": "import",
        "took": ended["took"],
        "abandoned": true,
        "fields": { "user": "123", "page": "/a", "req": 7 },
        "origin": begun["origin"],
    });
    assert_eq!(ended, expected);
    assert!(ended["took"].as_f64().is_some_and(|took| took > 0.0), "{ended}");
    assert_eq!(agent.stats()["runs"]["open"], 0);
}

#[test]
fn abandons_nothing_that_ended() {
    let agent = Agent::start();
    let mut follower = follower(&agent);
    let mut client = agent.connect();
    begin(&mut client, "a");
    client.write("SEND {\"run\":\"a\",\"msg\":\"step\"}\n");
    client.write("SEND {\"run\":\"a\",\"fields\":{\"took\":\"1.5s\"}}\n").sync();
    drop(client);
    for (msg, took) in [("a", Value::Null), ("step", Value::Null), ("", 1.5.into())] {
        let event = next_event(&mut follower);
        assert_eq!((event["msg"].as_str().unwrap_or_default(), &event["took"]), (msg, &took));
        assert_eq!(event["origin"]["conn"], 1);
    }
    assert_quiet(&agent, &mut follower);
}

#[test]
fn ends_only_with_a_given_took() {
    let agent = Agent::start();
    let mut follower = follower(&agent);
    let mut client = agent.connect();
    client.write("SEND {\"run\":\"a\",\"msg\":\"step took 3s\"}\n").sync();
    assert_eq!(next_event(&mut follower)["took"], Value::Null);
    drop(client);
    assert_eq!(next_event(&mut follower)["abandoned"], true);
}

#[test]
fn quit_detaches_until_another_connection_ends_it() {
    let agent = Agent::start();
    let mut follower = follower(&agent);
    let mut first = agent.connect();
    begin(&mut first, "a");
    first.write("QUIT\n");
    assert_eq!(first.try_line(), None);
    assert_eq!(next_event(&mut follower)["origin"]["conn"], 1);
    assert_quiet(&agent, &mut follower);
    assert_eq!(agent.stats()["runs"]["open"], 1);

    // A later connection of the same user continues it under the number of the begin, and then owns it.
    let mut second = agent.connect();
    begin(&mut second, "b");
    second.write("SEND {\"run\":\"a\",\"msg\":\"step\"}\n").sync();
    let conns = [2, 1].map(|conn| (next_event(&mut follower)["origin"]["conn"].clone(), conn));
    conns.iter().for_each(|(found, conn)| assert_eq!(found, conn));
    drop(second);
    for run in ["a", "b"] {
        let ended = next_event(&mut follower);
        assert_eq!((&ended["run"], &ended["abandoned"]), (&run.into(), &true.into()));
    }
    // An end of a run that no longer is open ends nothing.
    agent.connect().write("SEND {\"run\":\"a\",\"fields\":{\"took\":1}}\n").sync();
    assert_eq!(next_event(&mut follower)["origin"]["conn"], Value::Null);
}

#[test]
fn stop_abandons_nothing_and_marks_the_restart() {
    let mut agent = Agent::start();
    let mut client = agent.connect();
    begin(&mut client, "a");
    let before = client.newest();
    assert!(agent.stop().success());
    agent.restart();
    let lines = agent.connect().tail(&format!("{{\"after\":\"{before}\"}}"));
    let [restart] = &lines[..] else { panic!("{lines:?}") };
    let gap = parse(restart);
    let gap = gap.gap().expect("a gap");
    assert_eq!((gap.why.as_str(), gap.lost), ("restart", Some(0)));
    // Numbers begin again at each start.
    let mut follower = follower(&agent);
    begin(&mut agent.connect(), "b");
    assert_eq!(next_event(&mut follower)["origin"]["conn"], 1);
}

#[test]
fn revoked_right_abandons_nothing() {
    if !as_root("that a client whose right is revoked abandons no run") {
        return;
    }
    const RULE: &str = "[[access]]\ntag = \"*\"\nsend = [\"4242\"]\ntail = []";
    let agent = Agent::with(&[RULE]);
    let mut follower = follower(&agent);
    let mut client = agent.connect_as(4242);
    begin(&mut client, "a");
    assert_eq!(next_event(&mut follower)["run"], "a");
    agent.configure(&["[[access]]\ntag = \"*\"\nsend = []\ntail = []"]);
    agent.signal(Signal::SIGHUP);
    assert_eq!(client.try_line(), None, "disconnected");
    assert_quiet(&agent, &mut follower);
    assert_eq!(agent.stats()["runs"]["open"], 1);
}

#[test]
fn bounds_runs_of_a_connection() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let begins: String =
        (0..=RUNS_OF_CONNECTION_MAX).map(|n| format!("SEND {{\"run\":\"r{n}\"}}\n")).collect();
    client.write(begins).sync();
    let untracked = agent.connect().tail("{\"match\":\"run~^r _conn!=1\"}");
    assert_eq!(untracked.len(), 1, "{untracked:?}");
    assert_eq!(parse(&untracked[0]).event()["run"], format!("r{RUNS_OF_CONNECTION_MAX}"));
    let runs = agent.stats()["runs"].clone();
    assert_eq!((&runs["open"], &runs["untracked"]), (&RUNS_OF_CONNECTION_MAX.into(), &1.into()));
    drop(client);
    wait_for("all are abandoned", || {
        let ended = agent.connect().tail("{\"match\":\"abandoned=true _conn=1\"}");
        (ended.len() == RUNS_OF_CONNECTION_MAX).then_some(())
    });
}

#[test]
fn killed_time_shows_as_abandoned_within_a_second() {
    let agent = Agent::start();
    let mut follower = follower(&agent);
    let timed = agent.send(&["-t", "cron", "--time", "--", "sleep", "60"]).start();
    let begun = next_event(&mut follower);
    assert_eq!((&begun["tag"], &begun["took"]), (&"cron".into(), &Value::Null));
    let killed = Instant::now();
    timed.signal(Signal::SIGKILL);
    let ended = next_event(&mut follower);
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    assert_eq!((&ended["run"], &ended["abandoned"]), (&begun["run"], &true.into()));
    let text = agent.tail(&["-n", "1"]).ok();
    assert!(text.contains("abandoned"), "{text}");
}
