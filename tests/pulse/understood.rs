//! What is understood of other programs' input, through the real socket (pulse-protocol(7)).

use serde_json::{Value, json};

use crate::harness::{Agent, parse, wait_for};

/// The events of a connection of its own with these bytes, without what the agent adds.
fn events_of(agent: &Agent, bytes: &[u8], count: usize) -> Vec<Value> {
    let newest = agent.connect().newest();
    let mut client = agent.connect();
    client.write(bytes).shutdown_write();
    assert_eq!(client.rest(), [""; 0], "no answer");
    let lines = wait_for("the events", || {
        let lines = agent.connect().tail(&format!("{{\"after\":\"{newest}\"}}"));
        (lines.len() >= count).then_some(lines)
    });
    let mut events: Vec<Value> = lines.iter().map(|line| parse(line).event().clone()).collect();
    for event in &mut events {
        let keys = event.as_object_mut().expect("an object");
        keys.retain(|key, _| !["seq", "time", "host", "origin"].contains(&key.as_str()));
    }
    assert_eq!(events.len(), count, "{events:?}");
    events
}

/// A logger with a socket handler: each line is an event, and none is a command or answered.
#[test]
fn a_brace_begins_a_stream_of_json_lines() {
    let agent = Agent::start();
    let lines = concat!(
        "{\"msg\":\"a\",\"level\":\"ERROR\",\"logger\":\"shop\"}\n",
        "QUIT\n",
        "TAIL {}\n",
        "\r\n",
        "{\"msg\":\"b\",\"tag\":\"shop\",\"req\":{\"id\":7}}\r\n",
        "{\"msg\":\"c\",\"tag\":\"shop\"}",
    );
    for before in ["", "\n", "\u{feff}", " \r\n\0"] {
        let events = events_of(&agent, format!("{before}{lines}").as_bytes(), 5);
        assert_eq!(events[0], json!({"tag": "shop", "level": "err", "msg": "a"}));
        assert_eq!((&events[1]["msg"], &events[2]["msg"]), (&"QUIT".into(), &"TAIL {}".into()));
        assert_eq!(events[1]["fields"]["repaired"], "object");
        let fields = json!({"req.id": 7, "repaired": "nested"});
        assert_eq!(
            events[3],
            json!({"tag": "shop", "level": "info", "msg": "b", "fields": fields})
        );
        assert_eq!(events[4]["msg"], "c");
    }
}

#[test]
fn what_stands_before_the_first_frame_costs_nothing() {
    let agent = Agent::start();
    for (bytes, msg) in [
        (&b"\n<13>app: a\n"[..], "a"),
        (b"\r\n\r\n<13>app: b\n", "b"),
        (b"\0\0<13>app: c\0", "c"),
        (b" <13>app: d\n", "d"),
        (b"\xef\xbb\xbf<13>app: e\n", "e"),
        (b"\n10 <13>app: f", "f"),
        (b"\xef\xbb\xbf\n10 <13>app: g", "g"),
        (b"\t{\"tag\":\"app\",\"msg\":\"h\"}\n", "h"),
        (b"\nSEND {\"tag\":\"app\",\"msg\":\"i\"}\n", "i"),
        (b"\xef\xbb\xbfSEND {\"tag\":\"app\",\"msg\":\"j\"}\n", "j"),
    ] {
        let events = events_of(&agent, bytes, 1);
        assert_eq!((&events[0]["tag"], &events[0]["msg"]), (&"app".into(), &msg.into()));
    }
}

/// Python's handler and syslog(3) end messages by NUL, also those with line breaks.
#[test]
fn messages_with_line_breaks_stay_whole() {
    let agent = Agent::start();
    let trace = "<139>shop[7]: boom\nTraceback:\n  File \"x\"\nError: y\0";
    let events = events_of(&agent, trace.as_bytes(), 1);
    assert_eq!(events[0]["msg"], "boom\nTraceback:\n  File \"x\"\nError: y");
    let lines = "<139>shop[7]: boom\nTraceback:\n";
    let events = events_of(&agent, lines.as_bytes(), 2);
    for event in &events {
        assert_eq!((&event["tag"], &event["level"]), (&"shop".into(), &"err".into()));
        assert_eq!(event["fields"], json!({"facility": "local1", "pid": 7}));
    }
}

/// A field of each kind of repair can be found by MATCH.
#[test]
fn repaired_events_can_be_found() {
    let agent = Agent::start();
    agent.connect().write("SEND {\"msg\":\"a\",\"seq\":7}\nSEND b\nSEND {user}\n").sync();
    let found = agent.connect().tail("{\"match\":\"repaired~.\"}");
    let messages: Vec<_> =
        found.iter().filter_map(|line| parse(line).msg().map(str::to_owned)).collect();
    assert_eq!(messages, ["a", "{user}"]);
}
