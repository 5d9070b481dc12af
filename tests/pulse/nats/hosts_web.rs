//! Following all hosts by HTTP: what the monitor reads.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::engine::Engine;
use super::hosts::{agents, messages};
use super::hosts_rights::RULES;
use super::view::place;
use super::{STREAM, agent_with, send, wait_until_forwarded};
use crate::access::{NONE, SHOP, prepare_with_accounts};
use crate::harness::Agent;
use crate::web::{Frame, Sse, Visitor, encoded, link_of, redeem};

/// A page that follows all hosts, which checks that no event comes twice.
struct Page {
    frames: Sse,
    /// The id of its last frame.
    cursor: String,
    last: u64,
    events: HashMap<String, Vec<String>>,
}

impl Page {
    #[track_caller]
    fn open(visitor: &Visitor, parameters: &str, more: &[&str]) -> Self {
        let frames = visitor.stream(&format!("/events?host=*{parameters}"), more);
        let mut this = Self { frames, cursor: String::new(), last: 0, events: HashMap::new() };
        let first = this.frames.try_frame().expect("a frame");
        this.note(&first);
        this
    }

    #[track_caller]
    fn note(&mut self, frame: &Frame) {
        self.cursor = frame.id.clone().expect("an id");
        let line = frame.json();
        let Some(seq) = line["seq"].as_u64() else { return };
        assert_eq!(self.cursor.split_once('-').expect("a cursor").1, dotted(seq));
        assert!(seq > std::mem::replace(&mut self.last, seq), "{line}");
        let host = line["host"].as_str().expect("a host").to_owned();
        self.events.entry(host).or_default().push(line["msg"].as_str().expect("a text").to_owned());
    }

    #[track_caller]
    fn read_events(&mut self, count: usize) {
        while self.events.values().map(Vec::len).sum::<usize>() < count {
            let frame = self.frames.next();
            self.note(&frame);
        }
    }
}

/// A number as a cursor of the stream has it.
fn dotted(seq: u64) -> String {
    let (message, line) = place(seq);
    format!("{message}.{line}")
}

/// The next frame of a stream that `is_wanted`.
#[track_caller]
fn frame_of(frames: &mut Sse, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let frame = frames.try_frame().expect("the response goes on");
        if frame.event.as_deref() == Some(name) && is_wanted(&frame.json()) {
            return frame.json();
        }
    }
}

/// The number of events of each host in the rates view.
fn hosts_of(rates: &Value) -> HashMap<String, u64> {
    let rows = rates["hosts"].as_array().expect("a list").iter();
    rows.map(|row| {
        let host = row["host"].as_str().expect("a host").to_owned();
        (host, row["events"].as_u64().expect("a number"))
    })
    .collect()
}

#[test]
fn events_of_all_hosts_resume_on_another_agent() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let visitors = [web1.sign_in(), web2.sign_in()];
    let mut page = Page::open(&visitors[0], "", &[]);
    for round in 0..3 {
        for agent in [&web1, &web2] {
            send(&mut agent.connect(), 100 * round..100 * round + 100);
        }
        page.read_events(200 * round as usize + 150);
        let id = format!("Last-Event-ID: {}", page.cursor);
        let next = Page::open(&visitors[(round as usize + 1) % 2], "", &[&id]);
        page = Page { events: page.events, last: page.last, ..next };
    }
    page.read_events(600);
    for host in ["web1", "web2"] {
        assert_eq!(page.events[host], messages(0..300), "{host}");
    }
}

#[test]
fn pages_of_the_stream_are_read_by_cursor() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    for n in 0..10 {
        send(&mut web1.connect(), n..n + 1);
        wait_until_forwarded(&web1);
    }
    wait_until_forwarded(&web2);
    let visitor = web2.sign_in();
    let lines = |query: &str| -> Vec<Value> {
        let lines = visitor.lines(&format!("host=*&follow=false{query}"));
        let lines: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        // A cursor is the end, also if the reader had to wait for the stream.
        let ends = lines.iter().position(|line| line["at"].is_string());
        assert_eq!(ends, Some(lines.len() - 1), "{lines:?}");
        lines
    };
    let texts = |lines: &[Value]| -> Vec<String> {
        let events = lines.iter().filter_map(|line| line["msg"].as_str());
        events.map(str::to_owned).collect()
    };
    let newest = lines("&lines=3");
    assert_eq!(texts(&newest), messages(7..10));
    let at = newest.last().expect("a cursor")["at"].as_str().expect("a cursor").to_owned();
    let (stream, _) = at.split_once('-').expect("a cursor");
    let cursor = |line: &Value| {
        let seq = line["seq"].as_u64().expect("a number");
        format!("{stream}-{}", dotted(seq))
    };
    let seventh = newest.iter().find(|line| line["msg"].is_string()).expect("an event");
    let before = lines(&format!("&lines=4&before={}", cursor(seventh)));
    assert_eq!(texts(&before), messages(3..7));
    let after = lines(&format!("&after={}", cursor(&before[0])));
    assert_eq!(texts(&after), messages(4..10));
    assert_eq!(
        texts(&lines(&format!("&lines=2&match={}", encoded("msg~\"query 4\"")))),
        messages(4..5)
    );
    // Nothing of the stream is before a cursor of another log.
    assert_eq!(texts(&lines("&lines=4&before=00000000-7.1")), Vec::<String>::new());
    let reverse =
        visitor.request("GET /events?host=*&reverse=true", &["Accept: application/x-ndjson"]);
    assert_eq!((reverse.status, &reverse.json()["error"]["code"]), (400, &json!(64)));
}

#[test]
fn views_are_folded_over_all_hosts() {
    let engine = Engine::start();
    let mut late = Agent::prepare(&[&engine.url(), "host = \"late\""]);
    late.launch_with(&["faketime", "-m", "-f", "-1h"]);
    late.restart();
    let mut early = Agent::prepare(&[&engine.url(), "host = \"early\""]);
    early.launch_with(&["faketime", "-m", "-f", "+1h"]);
    early.restart();
    let web1 = agent_with(&engine, &["host = \"web1\""]);
    let send_all = |agents: &[&Agent], from: u64| {
        for agent in agents {
            send(&mut agent.connect(), from..from + 10);
            wait_until_forwarded(agent);
        }
    };
    // What was there before counts too.
    send(&mut web1.connect(), 0..10);
    wait_until_forwarded(&web1);
    let mut frames = web1.sign_in().feed(
        r#"[{"id":"all","host":"*","view":"rates"},{"id":"one","host":"e*","view":"rates"},{"id":"own","view":"rates"},
        {"id":"users","host":"*","view":"users"}]"#,
    );
    frame_of(&mut frames, "all", |rates| hosts_of(rates).get("web1") == Some(&10));
    send_all(&[&web1, &late, &early], 10);
    // The clock of one host makes nothing of another one old. What is an hour old is not in a view.
    let rates = frame_of(&mut frames, "all", |rates| {
        let hosts = hosts_of(rates);
        hosts == HashMap::from([("web1".into(), 20), ("early".into(), 10)])
    });
    assert!(rates["events"].as_u64() >= Some(30), "{rates}");
    frame_of(&mut frames, "one", |rates| hosts_of(rates) == HashMap::from([("early".into(), 10)]));
    frame_of(&mut frames, "own", |rates| hosts_of(rates) == HashMap::from([("web1".into(), 20)]));
    send_all(&[&web1, &early], 20);
    frame_of(&mut frames, "users", |users| {
        let of = |name: &str| {
            let rows = users["users"].as_array().into_iter().flatten();
            rows.filter(|row| row["user"] == name)
                .map(|row| row["events"].as_u64())
                .sum::<Option<u64>>()
        };
        // One of each host.
        of("u25") == Some(2)
    });
}

#[test]
fn a_past_period_of_all_hosts_is_folded() {
    let engine = Engine::start();
    let [web1, web2] = agents(&engine, ["web1", "web2"]);
    send(&mut web1.connect(), 0..7);
    send(&mut web2.connect(), 0..5);
    wait_until_forwarded(&web1);
    wait_until_forwarded(&web2);
    let visitor = web2.sign_in();
    let rates = |query: &str| {
        visitor.get(&format!("/views/rates?{query}&since=1980-01-01T00:00:00Z")).json()
    };
    let all = HashMap::from([("web1".into(), 7), ("web2".into(), 5)]);
    assert_eq!(hosts_of(&rates("host=*")), all);
    assert_eq!(hosts_of(&rates("host=web1")), HashMap::from([("web1".into(), 7)]));
    assert_eq!(hosts_of(&rates("match=")), HashMap::from([("web2".into(), 5)]));
}

#[test]
fn what_cannot_be_followed_is_said_in_its_stream() {
    let error = |frames: &mut Sse, name: &str| {
        let frame = frame_of(frames, name, |value| value["error"].is_object());
        (
            frame["error"]["code"].as_u64(),
            frame["error"]["why"].as_str().expect("a text").to_owned(),
        )
    };
    let subs = r#"[{"id":"hosts","host":"*","events":{}},{"id":"view","host":"*","view":"users"},{"id":"own","view":"rates"},
        {"id":"bad","host":"a b","events":{}}]"#;
    let alone = Agent::start();
    let mut frames = alone.sign_in().feed(subs);
    assert!(matches!(error(&mut frames, "hosts"), (Some(64), why) if why.contains("nats.url")));
    assert!(matches!(error(&mut frames, "view"), (Some(64), _)));
    frame_of(&mut frames, "own", |rates| rates["view"] == "rates");
    let mut frames = alone.sign_in().feed(subs);
    assert!(matches!(error(&mut frames, "bad"), (Some(64), why) if why.starts_with("host: ")));
    let engine = Engine::prepare("");
    let away = agent_with(&engine, &[]);
    let mut frames = away.sign_in().feed(subs);
    for name in ["hosts", "view"] {
        let (code, why) = error(&mut frames, name);
        assert!(code == Some(69) && why.contains("connect to"), "{code:?} {why}");
    }
    frame_of(&mut frames, "own", |rates| rates["view"] == "rates");
}

#[test]
fn another_stream_is_followed_anew() {
    let engine = Engine::start();
    let [web1] = agents(&engine, ["web1"]);
    send(&mut web1.connect(), 0..10);
    wait_until_forwarded(&web1);
    let subs = r#"[{"id":"events","host":"*","events":{"lines":5}},{"id":"view","host":"*","view":"rates"}]"#;
    let visitor = web1.sign_in();
    let mut frames = visitor.feed(subs);
    frame_of(&mut frames, "events", |line| line["msg"] == "query 9 took 40ms");
    frame_of(&mut frames, "view", |rates| rates["events"] == 10);
    engine.connect().request(&format!("$JS.API.STREAM.DELETE.{STREAM}"), &json!({}));
    // The forwarder makes it again.
    send(&mut web1.connect(), 10..11);
    for name in ["events", "view"] {
        let end = frame_of(&mut frames, name, |value| value["error"].is_object());
        assert_eq!(end["error"]["code"], 75, "{end}");
    }
    let mut frames = visitor.feed(subs);
    send(&mut web1.connect(), 11..12);
    frame_of(&mut frames, "events", |line| line["msg"] == "query 11 took 40ms");
}

#[test]
fn rights_of_other_hosts_count() {
    let engine = Engine::start();
    let url = engine.url();
    let lines = [&[&*url, "host = \"web1\""], &RULES[..]].concat();
    let Some(mut agent) = prepare_with_accounts("rights by host over HTTP", &lines) else { return };
    agent.restart();
    let db1 = agent_with(&engine, &["host = \"db1\""]);
    send(&mut agent.connect(), 0..3);
    agent.connect().write("SEND {\"tag\":\"secret\",\"msg\":\"no\"}\n").sync();
    send(&mut db1.connect(), 0..3);
    wait_until_forwarded(&agent);
    wait_until_forwarded(&db1);
    let sign_in = |uid| redeem(&link_of(&agent.connect_as(uid).request("LINK")));
    let denied = sign_in(NONE).request("GET /events?host=*", &["Accept: application/x-ndjson"]);
    assert_eq!((denied.status, &denied.json()["error"]["code"]), (403, &json!(77)));
    let shop = sign_in(SHOP);
    let lines = shop.lines("host=*&since=1980-01-01T00:00:00Z");
    let events: Vec<&String> = lines.iter().filter(|line| line.contains("\"msg\"")).collect();
    assert_eq!(events.len(), 3, "{lines:?}");
    assert!(events.iter().all(|line| line.contains("\"host\":\"web1\",\"tag\":\"shop.query\"")));
    let mut frames = shop.feed(r#"[{"id":"all","host":"*","view":"rates"}]"#);
    let only = HashMap::from([("web1".into(), 3)]);
    frame_of(&mut frames, "all", |rates| hosts_of(rates) == only);
    let past = shop.get("/views/rates?host=*&since=1980-01-01T00:00:00Z").json();
    assert_eq!((hosts_of(&past), &past["events"]), (only, &json!(3)));
    let none = sign_in(NONE).get("/views/rates?host=*&since=1980-01-01T00:00:00Z");
    assert_eq!(none.status, 403);
}
