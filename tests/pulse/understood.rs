//! What is understood (pulse-protocol(7)): one grammar each for durations, levels and numbers, at every door,
//! option, MATCH and configuration key; and the input of other programs.

use std::time::{Duration, Instant};

use pulsed::event::duration;
use serde_json::{Value, json};

use crate::harness::{Agent, parse, wait_for};

/// The longest time to search 64 KiB in an unoptimized build on a busy machine. Quadratic work takes minutes.
const SEARCH_MAX: Duration = Duration::from_secs(10);

/// All events of an agent.
fn events(agent: &Agent) -> Vec<Value> {
    agent.connect().tail("{}").iter().map(|line| parse(line).event().clone()).collect()
}

/// How many events `pulse-tail` prints with these arguments.
#[track_caller]
fn count(agent: &Agent, arguments: &[&str]) -> usize {
    let printed = agent.tail(&["-n", "all", "-o", "json"]).args(arguments).ok();
    printed.lines().filter(|line| line.starts_with("{\"seq\"")).count()
}

#[test]
fn every_door_takes_the_same_durations() {
    for (text, seconds) in [
        ("40ms", 0.04),
        ("1m30s", 90.0),
        ("1min 30.5s", 90.5),
        ("2h0m0s", 7200.0),
        ("24h", 86_400.0),
        ("500 ms", 0.5),
        ("2 sec", 2.0),
        ("3 Minutes", 180.0),
        ("1d", 86_400.0),
        ("0.25", 0.25),
    ] {
        let agent = Agent::start();
        agent.send(&["-t", "option", "-F", &format!("took={text}"), "x"]).ok();
        agent.send(&["--json", &format!(r#"{{"tag":"json","fields":{{"took":"{text}"}}}}"#)]).ok();
        let mut client = agent.connect();
        client
            .write(format!("SEND {{\"tag\":\"object\",\"fields\":{{\"took\":\"{text}\"}}}}\n"))
            .sync();
        agent
            .connect()
            .write(format!("<14>1 - - syslog - - [x took=\"{text}\"] m\n"))
            .shutdown_write()
            .rest();
        let took: Vec<_> =
            events(&agent).iter().map(|e| (e["tag"].clone(), e["took"].as_f64())).collect();
        let tags = ["option", "json", "object", "syslog"];
        assert_eq!(took, tags.map(|tag| (json!(tag), Some(seconds))), "{text}");

        assert_eq!(count(&agent, &[&format!("took={text}")]), tags.len(), "{text}");
        assert_eq!(count(&agent, &[&format!("took>{text}")]), 0, "{text}");
        assert_eq!(count(&agent, &["--slower", text]), 0, "{text}");
        agent.tail(&["-n", "0", "--timeout", text]).ok();
        agent.send(&["--timeout", text, "x"]).ok();
    }
}

#[test]
fn every_door_refuses_the_same_durations() {
    let agent = Agent::start();
    for text in ["soon", "1m 30", "-5s", "1m30s ", "5 parsecs", "1,5s"] {
        for tool in [
            agent.send(&[&format!("--timeout={text}"), "x"]),
            agent.send(&["-F", &format!("took={text}"), "x"]),
            agent.tail(&["-n", "0", &format!("--timeout={text}")]),
            agent.tail(&["-n", "0", &format!("--slower={text}")]),
            agent.tail(&["-n", "0", &format!("took>{text}")]),
        ] {
            let done = tool.run();
            assert_eq!(done.code, Some(64), "{done:#?}");
            assert!(done.err.contains("duration"), "{done:#?}");
        }
    }
}

#[test]
fn the_configuration_takes_sums_and_numbers_of_seconds() {
    for (key, text) in [
        ("age", "1h 30min"),
        ("age", "2h0m0s"),
        ("age", "7 days"),
        ("age", "3600"),
        ("sync", "1m30s"),
        ("sync", "0.5"),
        ("size", "64M"),
        ("size", "67108864"),
    ] {
        let agent = Agent::with(&[&format!("history.{key} = \"{text}\"")]);
        agent.send(&["x"]).ok();
    }
}

#[test]
fn every_door_takes_the_same_levels() {
    for (text, level) in [
        ("ERROR", "err"),
        ("Warn", "warning"),
        ("fatal", "crit"),
        ("Critical", "crit"),
        ("panic", "emerg"),
        ("TRACE", "debug"),
        ("verbose", "debug"),
        ("Information", "info"),
        ("dbg", "debug"),
        ("W", "warning"),
        ("DEBUG-4", "debug"),
        ("2", "crit"),
    ] {
        let agent = Agent::start();
        agent.send(&["-t", "option", "-p", text, "x"]).ok();
        agent.send(&["-t", "facility", "-p", &format!("local0.{text}"), "x"]).ok();
        let mut client = agent.connect();
        client.write(format!("SEND {{\"tag\":\"object\",\"level\":\"{text}\"}}\n")).sync();
        let levels: Vec<_> = events(&agent).iter().map(|e| e["level"].clone()).collect();
        assert_eq!(levels, [level; 3], "{text}");
        assert_eq!(count(&agent, &["-p", &format!("{text}..{text}")]), 3, "{text}");
        assert_eq!(count(&agent, &[&format!("level={text}")]), 3, "{text}");
    }
}

#[test]
fn numbers_given_as_text_are_ordered() {
    let agent = Agent::start();
    for field in
        ["status=404", "status=503", "status=503 Service Unavailable", "status=99", "status=95%"]
    {
        agent.send(&["-F", field, "x"]).ok();
    }
    agent.send(&["-F", "status:=500", "x"]).ok();
    for (matching, expected) in [
        ("status>=500", 2),
        ("status>99", 3),
        ("status<500", 2),
        ("status<=99.0", 1),
        ("status=503", 1),
        ("status!=503", 5),
        ("status~^503", 2),
    ] {
        assert_eq!(count(&agent, &[matching]), expected, "{matching}");
    }
}

#[test]
fn a_pid_is_a_number_at_every_door() {
    let agent = Agent::start();
    agent.send(&["--id=812", "x"]).ok();
    agent.send(&["--id=php", "x"]).ok();
    agent.connect().write("<14>app[812]: x\n<14>app[php]: x\n").shutdown_write().rest();
    agent
        .connect()
        .write("<14>1 - - app 812 - - x\n<14>1 - - app php - - x\n")
        .shutdown_write()
        .rest();
    let pids: Vec<_> = events(&agent).iter().map(|e| e["fields"]["pid"].clone()).collect();
    assert_eq!(
        pids,
        [json!(812), json!("php"), json!(812), json!("php"), json!(812), json!("php")]
    );
}

#[test]
fn the_text_of_a_run_is_never_its_end() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (run, msg) in [
        ("a", "copy begins, limit 30s"),
        ("b", "step 1 took 40ms"),
        ("c", "request_time=0.045"),
        ("d", "elapsed 00:01:30"),
        ("e", "1 hour, 2 minutes and 3s"),
    ] {
        client.write(format!("SEND {{\"run\":\"{run}\",\"msg\":\"{msg}\"}}\n"));
        agent.send(&["--run", &format!("{run}-sent"), msg]).ok();
        agent
            .send(&["--run", &format!("{run}-json"), "--json", &format!("{{\"msg\":\"{msg}\"}}")])
            .ok();
    }
    client.sync();
    let begun = events(&agent);
    assert_eq!(begun.len(), 15);
    for event in &begun {
        assert_eq!(event["took"], Value::Null, "{event}");
    }
    assert_eq!(agent.stats()["runs"]["open"], 15);

    // Only a given one ends it, at each of these doors.
    client
        .write("SEND {\"run\":\"a\",\"msg\":\"copied\",\"fields\":{\"took\":\"1m30s\"}}\n")
        .sync();
    agent.send(&["--run", "a-sent", "-F", "took=1m30s", "copied"]).ok();
    agent.send(&["--run", "a-json", "--json", r#"{"fields":{"took":90}}"#]).ok();
    assert_eq!(agent.stats()["runs"]["open"], 12);
    assert!(events(&agent)[15..].iter().all(|event| event["took"] == 90));
}

#[test]
fn messages_report_what_was_measured_at_every_door() {
    for (msg, took) in [
        ("import of 3 files took 2m 5s", Some(125.0)),
        ("deadline of 10s exceeded after 12.5s", Some(12.5)),
        ("served 10s.webm in 250 milliseconds", Some(0.25)),
        ("upstream_response_time=0.125 status=200", Some(0.125)),
        ("rebuilt the index (0.75 sec)", Some(0.75)),
        ("7 503s since the 1980s", None),
        ("retrying in 5s", None),
        ("session ttl=3600s", None),
    ] {
        let agent = Agent::start();
        agent.send(&[msg]).ok();
        agent.connect().write(format!("SEND {msg}\n")).sync();
        agent.connect().write(format!("<14>app: {msg}\n")).shutdown_write().rest();
        for event in events(&agent) {
            assert_eq!((&event["msg"], event["took"].as_f64()), (&json!(msg), took));
        }
    }
}

#[test]
fn long_messages_are_searched_in_linear_time() {
    for part in [
        "1s ",
        "1s",
        "1d1h1m1s",
        "7",
        "1.",
        "x=1s,",
        "(1s) ",
        "((((1s",
        "1s + ",
        "1:01 ",
        "\n[1s] x",
        "[   1s",
        "1s)))",
        "max 1.000ms",
        "\u{1b}[1m1s",
        "\u{1b}]1s ",
        "time=0.001 ",
        "1s=",
        "'''1s",
        "in 5m ",
        "x 1s 3 a b ",
        "1d 1h 1m 1s 1ms 1us 1ns ",
        "é1s é",
        "1s \u{a0}",
        "= 1s",
        "and 1s",
        "1s           ",
        "a1",
        "/1s",
        "0.",
    ] {
        let begin = Instant::now();
        duration::find(&part.repeat((64 << 10) / part.len()));
        assert!(begin.elapsed() < SEARCH_MAX, "{part:?}: {:?}", begin.elapsed());
    }
    let spaces = " ".repeat(64 << 10);
    for msg in [
        format!("took {spaces}1s"),
        format!("1s{spaces}"),
        format!("time={spaces}1s"),
        "1".repeat(64 << 10),
    ] {
        let begin = Instant::now();
        duration::find(&msg);
        assert!(begin.elapsed() < SEARCH_MAX, "{:?}: {:?}", &msg[..5], begin.elapsed());
    }
}

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
