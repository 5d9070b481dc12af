//! Following all hosts: one stream, read by any agent.

use serde_json::{Value, json};

use super::engine::Engine;
use super::view::{View, place};
use super::{STREAM, agent_with, lines_of, send, wait_until_forwarded};
use crate::harness::{Agent, wait_for};

/// Agents with these hosts.
pub(super) fn agents<const N: usize>(engine: &Engine, hosts: [&str; N]) -> [Agent; N] {
    hosts.map(|host| agent_with(engine, &[&format!("host = {host:?}")]))
}

/// The messages that [`send`] sends.
pub(super) fn messages(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| format!("query {n} took 40ms")).collect()
}

/// How many consumers the stream has.
fn consumers(engine: &Engine) -> u64 {
    engine.connect().stream(STREAM)["state"]["consumer_count"].as_u64().expect("a number")
}

#[test]
fn one_follower_sees_all_hosts() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let mut view = View::now(&web1);
    for (n, agent) in [&web1, &web2, &web1, &web2].into_iter().enumerate() {
        let n = n as u64;
        send(&mut agent.connect(), 10 * n..10 * n + 10);
        view.read_events(10 * (n as usize + 1));
    }
    assert_eq!(view.events["web1"], [messages(0..10), messages(20..30)].concat());
    assert_eq!(view.events["web2"], [messages(10..20), messages(30..40)].concat());
    assert_eq!(view.gaps, []);
    // A line is as its own agent has it, except for its numbers.
    let own = lines_of(&web2).pop().expect("a line");
    let (own, seen) = (own.trim_end(), view.lines.last().expect("a line"));
    let (number, rest) = own.split_once(',').expect("keys");
    let number = number.strip_prefix("{\"seq\":").expect("a number");
    let value: Value = serde_json::from_str(seen).expect("JSON");
    let expected = format!("{{\"seq\":{},\"hseq\":{number},{rest}", value["seq"]);
    assert_eq!(*seen, expected);
    // The other agent gives the same numbers.
    let all = View::with(&web2, "\"lines\":100000").read_all();
    assert!(all.lines.ends_with(&view.lines));
}

#[test]
fn a_cursor_continues_on_another_agent() {
    let engine = Engine::start();
    let [web1, web2, web3] = agents(&engine, ["web1", "web2", "web3"]);
    wait_until_forwarded(&web1);
    let mut view = View::now(&web1);
    let all = [&web1, &web2, &web3];
    for round in 0..4 {
        for agent in all {
            send(&mut agent.connect(), 300 * round..300 * round + 300);
        }
        // In the middle of a message.
        view.read_events(900 * round as usize + 777);
        view.resume(all[round as usize % 3]);
    }
    view.read_events(3600);
    for host in ["web1", "web2", "web3"] {
        assert_eq!(view.events[host], messages(0..1200), "{host}");
    }
}

#[test]
fn history_of_the_stream_is_read_by_time_and_from_its_start() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    send(&mut web1.connect(), 0..20_000);
    send(&mut web2.connect(), 0..20_000);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let all = View::with(&web1, "\"since\":\"1980-01-01T00:00:00Z\"").read_all();
    assert_eq!(
        (&all.events["web1"], &all.events["web2"]),
        (&messages(0..20_000), &messages(0..20_000))
    );
    let oldest = View::with(&web2, "\"until\":\"2999-01-01T00:00:00Z\"").read_all();
    assert_eq!(oldest.lines, all.lines);
    let middle: Value = serde_json::from_str(&all.lines[30_000]).expect("JSON");
    let time = middle["time"].as_str().expect("a time");
    let since = View::with(&web1, &format!("\"since\":{time:?}")).read_all();
    let is_late = |line: &&String| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        value["time"].as_str() >= Some(time)
    };
    let expected: Vec<_> = all.lines.iter().filter(is_late).cloned().collect();
    assert!(expected.len() > 5000 && since.lines == expected);
    // With follow, there is no seam.
    let mut live = View::with(&web2, &format!("\"follow\":true,\"since\":{time:?}"));
    live.read_events(since.count());
    send(&mut web1.connect(), 20_000..20_100);
    live.read_events(since.count() + 100);
    assert_eq!(live.events["web1"].last(), messages(20_099..20_100).last());
}

#[test]
fn the_last_lines_are_found_however_far_back() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    web1.connect().write("SEND {\"tag\":\"rare\",\"msg\":\"once\"}\n").sync();
    wait_until_forwarded(&web1);
    for n in 0..200 {
        send(&mut web2.connect(), n..n + 1);
        wait_until_forwarded(&web2);
    }
    let last = View::with(&web1, "\"lines\":3").read_all();
    assert_eq!(last.events["web2"], messages(197..200));
    let rare = View::with(&web1, "\"lines\":1,\"match\":\"tag=rare\"").read_all();
    assert_eq!(rare.events["web1"], ["once"]);
    let mut follow = View::with(&web1, "\"lines\":2,\"follow\":true");
    send(&mut web1.connect(), 7..8);
    follow.read_events(3);
    assert_eq!((follow.events["web2"].len(), &follow.events["web1"]), (2, &messages(7..8)));
}

#[test]
fn a_host_is_selected() {
    let engine = Engine::start();
    let [web1, db1] = agents(&engine, ["web1", "db1"]);
    wait_until_forwarded(&web1);
    let mut view = View::of(&web1, "{\"host\":\"web*\",\"follow\":true}");
    send(&mut db1.connect(), 0..10);
    wait_until_forwarded(&db1);
    send(&mut web1.connect(), 0..10);
    view.read_events(10);
    assert_eq!(view.events.keys().collect::<Vec<_>>(), ["web1"]);
    let db = View::of(&web1, "{\"host\":\"db1\",\"match\":\"msg~query\"}").read_all();
    assert_eq!((db.count(), &db.events["db1"]), (10, &messages(0..10)));
}

#[test]
fn the_stream_is_read_only_while_a_client_follows() {
    let engine = Engine::start();
    let [web1] = agents(&engine, ["web1"]);
    wait_until_forwarded(&web1);
    assert_eq!((consumers(&engine), &web1.stats()["nats"]["reader"]), (0, &json!("idle")));
    let mut views = [View::now(&web1), View::now(&web1)];
    wait_for("one consumer for all", || (consumers(&engine) == 1).then_some(()));
    send(&mut web1.connect(), 0..10);
    views.iter_mut().for_each(|view| view.read_events(10));
    assert_eq!(web1.stats()["nats"]["reader"], "reading");
    drop(views);
    wait_for("no consumer", || {
        let idle = web1.stats()["nats"]["reader"] == "idle";
        (idle && consumers(&engine) == 0).then_some(())
    });
}

#[test]
fn refusals_say_why() {
    let alone = Agent::start();
    let answer = alone.connect().request("TAIL {\"host\":\"*\"}");
    assert!(answer.starts_with("ERR 64 ") && answer.contains("nats.url"), "{answer}");
    let engine = Engine::prepare("");
    let away = agent_with(&engine, &[]);
    let answer = away.connect().request("TAIL {\"host\":\"*\"}");
    assert!(
        answer.starts_with("ERR 69 the stream of all hosts cannot be read: connect to"),
        "{answer}"
    );
    let engine = Engine::start();
    let [web1] = agents(&engine, ["web1"]);
    send(&mut web1.connect(), 0..1);
    wait_until_forwarded(&web1);
    let own = web1.connect().newest();
    let answer = web1.connect().request(&format!("TAIL {{\"host\":\"*\",\"after\":{own:?}}}"));
    assert!(answer.starts_with("ERR 65 after: this cursor is not one of the stream"), "{answer}");
    let stream = View::with(&web1, "\"lines\":1").read_all().cursor;
    let answer = web1.connect().request(&format!("TAIL {{\"after\":{stream:?}}}"));
    assert!(answer.starts_with("ERR 65 after: this cursor is one of the stream"), "{answer}");
}

#[test]
fn a_cursor_of_another_stream_is_a_gap() {
    let engine = Engine::start();
    let [web1] = agents(&engine, ["web1"]);
    send(&mut web1.connect(), 0..10);
    wait_until_forwarded(&web1);
    let view = View::with(&web1, "\"after\":\"00000000-77.1\"").read_all();
    let (host, gap) = view.gaps.first().expect("a gap");
    assert_eq!((host.as_str(), gap.after, gap.why.as_str()), ("web1", 0, "restart"));
    assert_eq!(place(gap.before), (1, 0));
    assert_eq!(view.events["web1"], messages(0..10));
}

#[test]
fn what_the_stream_has_removed_is_a_gap() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    send(&mut web1.connect(), 0..1);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let first = View::with(&web1, "\"lines\":1").read_all();
    for n in 1..20 {
        send(&mut web1.connect(), n..n + 1);
        wait_until_forwarded(&web1);
    }
    let purge = format!("$JS.API.STREAM.PURGE.{STREAM}");
    engine.connect().request(&purge, &json!({ "keep": 5 }));
    // The other agent has not read the stream before.
    let view = View::with(&web2, &format!("\"after\":{:?}", first.cursor)).read_all();
    let [(_, gap)] = &view.gaps[..] else { panic!("one gap: {:?}", view.gaps) };
    assert_eq!((gap.why.as_str(), gap.lost), ("retention", None));
    assert_eq!(view.events["web1"], messages(15..20));
}
