//! What a sender, a follower and a wrong clock may not do to history and to those who use it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::access::SENDER;
use crate::bridge::BRIDGE;
use crate::faults::clock::{DAY, Stepped};
use crate::harness::{Agent, Client, Item, as_root, assert_contiguous, parse, wait_for};

/// The size of a small history, in bytes.
const SIZE: u64 = 4 << 20;

/// Events of one client, written with a SYNC at the end. Returns its answer.
fn send(client: &mut Client, count: usize) -> String {
    let events = format!("SEND {}\n", "x".repeat(1000)).repeat(count);
    client.write(events);
    client.request("SYNC")
}

/// The messages in history, of those that are short.
fn short_messages(agent: &Agent) -> Vec<String> {
    let text = agent.history_text();
    let items = text.lines().map(parse);
    items.filter_map(|item| item.msg().map(str::to_owned)).filter(|msg| msg.len() < 100).collect()
}

fn appended(agent: &Agent) -> u64 {
    agent.stats()["bytes"].as_u64().expect("a number")
}

fn flood(agent: &Agent, client: &mut Client) {
    for round in 0..3 {
        let upto = appended(agent) + SIZE;
        while appended(agent) < upto {
            send(client, 500);
        }
        agent.connect().write(format!("SEND important {round}\n")).sync();
    }
}

const IMPORTANT: [&str; 4] = ["important", "important 0", "important 1", "important 2"];

/// Asserts that the events of root are in history, in files and for readers, and that the rest is counted.
fn assert_kept(agent: &mut Agent) {
    assert_eq!(short_messages(agent), IMPORTANT);
    let stored: u64 = fs::read_dir(agent.history())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").metadata().map_or(0, |found| found.len()))
        .sum();
    assert!(stored <= SIZE + 1024, "{stored}");
    for restarted in [false, true] {
        let lines = agent.connect().tail("{}");
        let items: Vec<Item> = lines.iter().map(|line| parse(line)).collect();
        assert_contiguous(1, &items);
        let gaps = items.iter().filter_map(Item::gap);
        let gaps: Vec<_> = gaps.filter(|gap| gap.why == "retention").collect();
        assert!(!gaps.is_empty());
        for gap in gaps {
            assert_eq!(gap.lost, Some(gap.before - gap.after - 1), "{gap:?}");
        }
        let found = items.iter().filter_map(Item::msg).filter(|msg| msg.starts_with("important"));
        assert_eq!(found.collect::<Vec<_>>(), IMPORTANT);
        if !restarted {
            assert!(agent.stop().success());
            agent.restart();
        }
    }
}

fn with_small_history(lines: &[&str]) -> Agent {
    let size = format!("history.size = \"{}MiB\"", SIZE >> 20);
    Agent::with(&[&[size.as_str(), "window.size = \"1MiB\""], lines].concat())
}

#[test]
fn flood_of_a_user_keeps_events_of_others() {
    if !as_root("a flood of another user against history") {
        return;
    }
    let mut agent = with_small_history(&[]);
    agent.connect().write("SEND important\n").sync();
    flood(&agent, &mut agent.connect_as(SENDER));
    assert_kept(&mut agent);
}

#[test]
fn flood_of_a_token_keeps_events_of_others() {
    let mut agent = with_small_history(&[BRIDGE]);
    agent.connect().write("SEND important\n").sync();
    let token = agent.token("flooder", &["*"], &[]);
    let mut client = wait_for("a token that the agent knows", || {
        let mut client = agent.connect_tcp();
        client.request(&format!("AUTH {token}")).starts_with("OK ").then_some(client)
    });
    flood(&agent, &mut client);
    assert_kept(&mut agent);
}

/// The agent's own user and root may fill history.
#[test]
fn flood_of_root_is_not_limited() {
    if !as_root("a flood of root against history") {
        return;
    }
    let agent = with_small_history(&[]);
    agent.connect().write("SEND important\n").sync();
    flood(&agent, &mut agent.connect());
    assert!(!short_messages(&agent).contains(&"important".to_owned()));
}

#[test]
fn clock_ahead_for_a_moment_removes_nothing() {
    let mut stepped = Stepped::start_with(&["history.age = \"7d\""]);
    let tick = |stepped: &Stepped, msg: &str| {
        stepped.agent.connect().write(format!("SEND {msg}\nSYNC synced\n")).line();
    };
    tick(&stepped, "1");
    for restarts in 0..2 {
        // What an earlier process wrote, too.
        assert!(stepped.agent.stop().success());
        stepped.agent.restart();
        stepped.step_to(8 * DAY);
        tick(&stepped, "ahead");
        if restarts == 1 {
            assert!(stepped.agent.stop().success());
            stepped.agent.restart();
            tick(&stepped, "ahead");
        }
        stepped.step_to(0);
        tick(&stepped, "back");
    }
    // Retention is looked at before each write.
    tick(&stepped, "last");
    let expected = ["1", "ahead", "back", "ahead", "ahead", "back", "last"];
    assert_eq!(short_messages(&stepped.agent), expected);
}

#[test]
fn event_of_the_future_expires_and_keeps_nothing_else() {
    let stepped = Stepped::start_with(&["history.age = \"2s\""]);
    let tick = |msg: &str| {
        stepped.agent.connect().write(format!("SEND {msg}\n")).sync();
    };
    stepped.step_to(DAY);
    tick("future");
    stepped.step_to(0);
    tick("now");
    wait_for("events that expire", || {
        tick("later");
        let messages = short_messages(&stepped.agent);
        (!messages.iter().any(|msg| msg == "future" || msg == "now")).then_some(())
    });
}

#[test]
fn clock_steps_do_not_make_sync_blame_the_disk() {
    // More than there are gaps in any index.
    const STEPS: i64 = 4200;
    let stepped = Stepped::start_with(&["history.age = \"3660d\""]);
    let mut batch = stepped.agent.connect();
    let before = batch.newest();
    batch.write("SEND first of a long batch\n");
    wait_for("the event", || (batch.newest() != before).then_some(()));
    let mut other = stepped.agent.connect();
    for step in 1..=STEPS {
        stepped.step_to(-11 * step);
        other.write("SEND x\nPING\n").line();
    }
    let answer = batch.write("SEND last\n").request("SYNC");
    assert!(answer.starts_with("OK "), "{answer}");
    assert_eq!(stepped.agent.stats()["history"]["trouble"], Value::Null);
}

/// The times that an acknowledged send of root takes, in order.
fn sends(agent: &Agent, count: usize) -> Vec<Duration> {
    let mut client = agent.connect();
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let begin = Instant::now();
            client.write("SEND x\n").sync();
            begin.elapsed()
        })
        .collect();
    times.sort();
    times
}

#[test]
fn searches_by_time_do_not_delay_senders() {
    /// So many appends of one event each fill a part of the window with short extents.
    const APPENDS: usize = 40_000;
    /// Requests that are written at once, while others read their answers.
    const REQUESTS: usize = 2000;
    let agent = Agent::start();
    let mut filler = agent.connect();
    for _ in 0..APPENDS / 10 {
        // A PING is answered once the event before it is appended.
        filler.write("SEND q\nPING\n".repeat(10));
        (0..10).for_each(|_| drop(filler.line()));
    }
    let idle = sends(&agent, 100);
    let done = AtomicBool::new(false);
    let busy = thread::scope(|scope| {
        for _ in 0..2 {
            let mut reader = agent.connect();
            let (mut writer, done) = (reader.writer(), &done);
            scope.spawn(move || {
                let requests = "TAIL {\"since\":\"2099-01-01T00:00:00Z\"}\n".repeat(REQUESTS);
                while !done.load(Ordering::Relaxed) {
                    writer.write(&requests);
                }
                writer.shutdown_write();
            });
            scope.spawn(move || reader.rest());
        }
        // On a machine that is busy with other tests, one round can be slow for another reason.
        let rounds = (0..4).map(|_| sends(&agent, 100));
        let busy = rounds.min_by_key(|times| times[times.len() - 1]).expect("a round");
        done.store(true, Ordering::Relaxed);
        busy
    });
    // The worst: a lock that is held for long stops some sends for seconds, and the others not at all.
    let (before, after) = (idle[idle.len() - 1], busy[busy.len() - 1]);
    assert!(
        after < before * 10 + Duration::from_millis(500),
        "{before:?} idle, {after:?} with searches"
    );
}
