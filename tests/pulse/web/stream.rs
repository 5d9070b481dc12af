//! Server-Sent Events, JSON lines, views and the feed of many streams.

use std::collections::BTreeMap;

use super::{Http, Visitor};
use crate::harness::{Agent, FIRST, assert_contiguous, begins_log, parse, seq_of, wait_for};

/// Sends numbered events.
fn send(agent: &Agent, numbers: std::ops::Range<u32>) {
    let mut client = agent.connect();
    for n in numbers {
        client.write(format!("SEND {{\"tag\":\"t{}\",\"msg\":\"{n}\"}}\n", n % 2));
    }
    client.sync();
}

fn opened(agent: &Agent) -> (Visitor, String) {
    (agent.sign_in(), agent.connect().newest())
}

#[test]
fn a_frame_is_a_cursor_and_a_line() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let mut http = Http::connect(session.address);
    http.send(session.head("GET /events", &["Accept: text/event-stream"]));
    // nginx removes it.
    assert_eq!(http.try_head().expect("a response").header("x-accel-buffering"), Some("no"));
    let newest = agent.connect().newest();
    let mut stream = session.stream("/events", &[]);
    // Where it begins: a client that loses the connection before the first event resumes there.
    let begun = stream.try_frame().expect("a frame");
    assert_eq!(
        (begun.json()["at"].as_str(), &begun.id),
        (Some(newest.as_str()), &Some(newest.clone()))
    );
    send(&agent, 0..1);
    let frame = stream.next();
    let line = agent.connect().tail("{}").pop().expect("a line");
    assert_eq!((frame.event, frame.data), (None, line));
    assert_eq!(frame.id, Some(agent.connect().newest()));
}

#[test]
fn resumes_across_restarts_without_hole_or_repeat() {
    let mut agent = Agent::start();
    let (session, start) = opened(&agent);
    let (mut last, mut items) = (start.clone(), Vec::new());
    for round in 0..4 {
        send(&agent, round * 50..round * 50 + 50);
        let mut stream = match round % 2 {
            // What the URL asked for at first is over.
            0 => session.stream("/events?lines=3", &[&format!("Last-Event-ID: {last}")]),
            _ => session.stream(&format!("/events?after={last}"), &[]),
        };
        while items.iter().filter_map(|item: &crate::harness::Item| item.msg()).count()
            < round as usize * 50 + 50
        {
            let frame = stream.next();
            last = frame.id.clone().expect("a cursor");
            items.push(parse(&frame.data));
        }
        match round % 2 {
            0 => assert!(agent.stop().success()),
            _ => agent.kill(),
        }
        agent.restart();
    }
    assert_contiguous(seq_of(&start), &items);
    let messages: Vec<&str> = items.iter().filter_map(|item| item.msg()).collect();
    assert!(messages.iter().zip(0..).all(|(msg, n)| *msg == n.to_string()), "{messages:?}");
}

#[test]
fn a_cursor_of_another_log_begins_with_a_gap() {
    let agent = Agent::start();
    let session = agent.sign_in();
    // Another follower of everything, whose frames are kept.
    let newest = agent.connect().newest();
    let mut first = session.stream("/events", &[]);
    send(&agent, 0..3);
    (0..3).for_each(|_| drop(first.next()));
    let log = newest.split('-').next().expect("an id");
    let mut all = session.stream(&format!("/events?after={log}-1"), &[]);
    for n in 0..3 {
        assert_eq!(all.next().json()["msg"], n.to_string());
    }
    for (target, field) in
        [("/events?after=0badf00d-7&follow=true", ""), ("/events", "Last-Event-ID: 0badf00d-7")]
    {
        let mut stream = session.stream(target, &[field]);
        let gap = parse(&stream.next().data).gap().cloned().expect("a gap first");
        assert_eq!((gap.after, gap.why.as_str()), (0, "restart"));
        for n in 0..3 {
            assert_eq!(stream.next().json()["msg"], n.to_string());
        }
    }
}

#[test]
fn wrong_requests_say_what_is_wrong() {
    let agent = Agent::start();
    let session = agent.sign_in();
    for (target, word) in [
        ("/events?match=msg%7E%28", "unclosed group"),
        ("/events?after=x", "after"),
        ("/events?lines=-1", "lines"),
        ("/events?since=yesterday", "since"),
        ("/events?rate=0", "rate"),
        ("/events?reverse=true&follow=true", "reverse"),
        ("/views/users?every=0.01", "every"),
        ("/views/users?match=took%3Ex", "took"),
        ("/feed?subs=%5B%7B%5D", "subs"),
        ("/feed?subs=%5B%7B%22id%22%3A%22a%22%7D%5D", "either events or view"),
    ] {
        let refused = session.get(target);
        assert_eq!(refused.status, 400, "{target}: {refused:?}");
        let error = &refused.json()["error"];
        assert_eq!(error["code"], 64, "{target}");
        let why = error["why"].as_str().expect("a reason").to_lowercase();
        assert!(why.contains(word), "{target}: {why}");
    }
    let future = session.get(&format!("/events?after={}9", agent.connect().newest()));
    assert_eq!(future.status, 400, "{future:?}");
}

#[test]
fn json_lines_end_with_the_cursor() {
    let agent = Agent::start();
    let session = agent.sign_in();
    send(&agent, 0..10);
    let mut lines = session.lines("");
    let at: serde_json::Value = serde_json::from_str(&lines.pop().expect("a line")).expect("JSON");
    assert_eq!(at["at"], agent.connect().newest());
    lines.retain(|line| !begins_log(line));
    assert_eq!(lines, agent.connect().tail("{}"));
    let matched = session.lines("match=tag%3Dt1&lines=2");
    assert_eq!(matched.len(), 3, "{matched:?}");
    let reverse = session.lines("lines=3&reverse=true");
    assert!(reverse[0].contains("\"msg\":\"9\""), "{reverse:?}");
}

#[test]
fn shown_and_skipped_are_what_was_sent() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let subs =
        r#"[{"id":"a","events":{"rate":50}},{"id":"b","events":{"match":"tag=t1","rate":50}}]"#;
    let mut stream = session.feed(subs);
    wait_for("followers", || (agent.stats()["followers"] == 2).then_some(()));
    send(&agent, 0..20_000);
    let mut seen: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    while seen.values().map(|(shown, skipped)| shown + skipped).sum::<u64>() < 30_000 {
        let frame = stream.next();
        let (name, object) = (frame.event.clone().expect("a name"), frame.json());
        assert!(frame.id.is_some() || object["error"].is_object());
        let counts = seen.entry(name).or_default();
        match object["skipped"].as_u64() {
            Some(skipped) => counts.1 += skipped,
            None => counts.0 += u64::from(object["seq"].is_u64()),
        }
    }
    let total = |name: &str| seen[name].0 + seen[name].1;
    assert_eq!((total("a"), total("b")), (20_000, 10_000));
    assert!(seen.values().all(|(shown, _)| *shown < 5_000), "{seen:?}");
}

#[test]
fn a_page_that_was_away_too_long_gets_a_count() {
    let agent = Agent::start();
    let (session, start) = opened(&agent);
    send(&agent, 0..1000);
    let sub = |max: u64| format!(r#"[{{"id":"a","events":{{"after":"{start}","max":{max}}}}}]"#);
    let mut all = session.feed(&sub(1000));
    assert_eq!(all.next().json()["msg"], "0");
    let mut some = session.feed(&sub(999));
    let first = some.next();
    assert_eq!(first.json()["skipped"], 1);
    assert_eq!(first.id.as_deref(), first.json()["at"].as_str());
    assert_eq!(some.next().json()["msg"], "1");
}

#[test]
fn a_refused_stream_does_not_end_the_others() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let mut stream = session.feed(
        r#"[{"id":"bad","events":{"match":"msg~("}},{"id":"good","events":{}},{"id":"v","view":"rates"}]"#,
    );
    let mut seen: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    send(&agent, 0..1);
    while seen.len() < 3 {
        let frame = stream.next();
        seen.insert(frame.event.clone().expect("a name"), frame.json());
    }
    assert_eq!(seen["bad"]["error"]["code"], 64);
    assert_eq!(seen["good"]["msg"], "0");
    assert_eq!(seen["v"]["view"], "rates");
}

#[test]
fn a_feed_has_at_most_32_streams() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let subs = |count: usize| {
        let all: Vec<String> =
            (0..count).map(|n| format!(r#"{{"id":"s{n}","events":{{}}}}"#)).collect();
        format!("[{}]", all.join(","))
    };
    let mut most = session.feed(&subs(32));
    wait_for("followers", || (agent.stats()["followers"] == 32).then_some(()));
    send(&agent, 0..1);
    let names: std::collections::BTreeSet<_> = (0..32).map(|_| most.next().event).collect();
    assert_eq!(names.len(), 32);
    let refused = session.get(&format!("/feed?subs={}", super::encoded(&subs(33))));
    assert_eq!(refused.status, 400, "{refused:?}");
    let twice = super::encoded(r#"[{"id":"a","events":{}},{"id":"a","view":"users"}]"#);
    assert_eq!(session.get(&format!("/feed?subs={twice}")).status, 400);
}

#[test]
fn views_are_the_same_as_those_of_the_socket() {
    let agent = Agent::start();
    let session = agent.sign_in();
    send(&agent, 0..7);
    let mut view = session.stream("/views/rates?every=0.2", &[]);
    let shown = wait_for("seven events", || {
        let shown = view.next().json();
        (shown["events"] == 7).then_some(shown)
    });
    assert_eq!(shown["view"], "rates");
    assert_eq!(FIRST, 2);
}
