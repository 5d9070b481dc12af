//! `pulse-send`: its options, its exit codes, and its behavior while the agent is unavailable.

use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Agent, FIRST, TIMEOUT, Tool, parse, seq_of, wait_for};

/// All events of an agent.
pub(crate) fn events(agent: &Agent) -> Vec<Value> {
    agent.connect().tail("{}").iter().map(|line| parse(line).event().clone()).collect()
}

/// The events that `pulse-send` makes from these arguments and this input, without what the agent adds.
#[track_caller]
pub(crate) fn events_from(arguments: &[&str], input: &str) -> Vec<Value> {
    let agent = Agent::start();
    agent.send(arguments).input(input).ok();
    let mut events = events(&agent);
    for event in &mut events {
        let keys = event.as_object_mut().expect("an object");
        keys.retain(|key, _| !["seq", "time", "host", "origin"].contains(&key.as_str()));
    }
    events
}

#[test]
fn options_apply_to_message() {
    for (arguments, made) in [
        (
            &["-t", "a", "query", "took", "40ms"][..],
            json!({"msg": "query took 40ms", "took": 0.04}),
        ),
        (&["-t", "a", "--", "-x", "--help"], json!({"msg": "-x --help"})),
        (&["-t", "a", "-p", "warning", "x"], json!({"msg": "x", "level": "warning"})),
        (
            &["-t", "a", "-p", "err", "{\"not\": \"parsed\"}"],
            json!({"msg": "{\"not\": \"parsed\"}", "level": "err"}),
        ),
        (
            &["-t", "a", "-p", "local3.err", "x"],
            json!({"msg": "x", "level": "err", "fields": {"facility": "local3"}}),
        ),
        (
            &[
                "-t",
                "a",
                "-F",
                "user=007",
                "-F",
                "rows:=3",
                "-F",
                "ok:=true",
                "-F",
                "none:=null",
                "x",
            ],
            json!({"msg": "x", "fields": {"user": "007", "rows": 3, "ok": true, "none": null}}),
        ),
        (
            &["-t", "a", "-F", "took=1.5s", "x took 40ms"],
            json!({"msg": "x took 40ms", "took": 1.5}),
        ),
        (&["-t", "a", "--run", "r1", "x"], json!({"msg": "x", "run": "r1"})),
        (
            &["--json", r#"{"tag":"a","level":"debug","msg":"x","fields":{"n":1}}"#],
            json!({"msg": "x", "level": "debug", "fields": {"n": 1}}),
        ),
        (
            &["-t", "a", "-i", "-T", "--id=77", "--socket-errors=on", "x"],
            json!({"msg": "x", "fields": {"pid": 77}}),
        ),
        (&["-t", "a", "zwei\nZeilen"], json!({"msg": "zwei\nZeilen"})),
        (&["-t", "a", "--ack", "synced", "x"], json!({"msg": "x"})),
        (&["-t", "a", ""], json!({})),
    ] {
        let mut expected = json!({"tag": "a", "level": "info"});
        expected.as_object_mut().expect("an object").extend(made.as_object().expect("one").clone());
        assert_eq!(events_from(arguments, "not read"), [expected], "{arguments:?}");
    }
}

#[test]
fn options_apply_to_each_line() {
    let messages = |arguments: &[&str], input: &str| -> Vec<String> {
        let made = events_from(arguments, input);
        made.iter().map(|event| event["msg"].as_str().unwrap_or("").to_owned()).collect()
    };
    assert_eq!(messages(&[], "a\n\nb\r\nno line end"), ["a", "", "b", "no line end"]);
    assert_eq!(messages(&["-e"], "a\n\n\nb\n"), ["a", "b"]);
    assert_eq!(messages(&["--prio-prefix"], "<11>x\n<3\n"), ["x", "<3"]);
    let levels = events_from(&["--prio-prefix", "-p", "debug"], "<11>x\ny\n");
    assert_eq!((&levels[0]["level"], &levels[1]["level"]), (&"err".into(), &"debug".into()));
    assert_eq!(messages(&["--json"], "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n"), ["a", "b"]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "from\na file\n").expect("a writable file");
    assert_eq!(
        messages(&["-f", file.path().to_str().expect("UTF-8")], "not read"),
        ["from", "a file"]
    );
}

#[test]
fn reads_tag_and_socket_from_environment() {
    let agent = Agent::start();
    let with_env =
        |tool: Tool| tool.env("PULSED_TAG", "from.env").env("PULSED_SOCKET", agent.socket_text());
    with_env(Tool::send()).args(&["a"]).ok();
    with_env(Tool::send()).args(&["-t", "typed", "b"]).ok();
    with_env(Tool::send()).env("PULSED_TAG", "").args(&["c"]).ok();
    with_env(Tool::send()).env("PULSED_TAG", "a b").args(&["d"]).ok();
    with_env(Tool::send()).args(&["-u", "/nowhere", "e"]).run().failed(69, &["/nowhere"]);
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("a user database");
    let user = user.expect("an account for this uid").name;
    let tags: Vec<Value> = events(&agent).iter().map(|event| event["tag"].clone()).collect();
    assert_eq!(tags, ["from.env", "typed", &user, "a_b"]);
}

#[test]
fn prints_cursor_and_copy() {
    let agent = Agent::start();
    let cursor = agent.send(&["--cursor", "a"]).ok();
    assert_eq!(cursor, format!("{}\n", agent.connect().newest()));
    let many: String = (0..2500).map(|n| format!("{n}\n")).collect();
    let cursor = agent.send(&["--cursor"]).input(many).ok();
    assert_eq!(cursor, format!("{}\n", agent.connect().newest()));
    let done = agent.send(&["-s", "-t", "x", "hello\u{1b}[2J"]).run();
    assert_eq!((done.code, done.err.contains('\u{1b}')), (Some(0), false), "{done:#?}");
    assert!(done.err.starts_with("x: hello"), "{done:#?}");
    let before = agent.connect().newest();
    let done = agent.send(&["--no-act", "-s", "never sent"]).run();
    assert!(done.code == Some(0) && done.err.contains("never sent"), "{done:#?}");
    assert_eq!(agent.connect().newest(), before);
    Tool::send().args(&["-u", "/nowhere", "--no-act", "x"]).ok();
}

#[test]
fn absent_agent_fails_at_once() {
    let agent = Agent::prepare(&[]);
    let begun = Instant::now();
    for arguments in [&["--timeout", "60s", "hello"][..], &["--timeout", "60s"]] {
        let words = [agent.socket_text(), "does not exist", "pulsed"];
        agent.send(arguments).input("a line\n").run().failed(69, &words);
    }
    // A socket without a listener counts as absent.
    drop(UnixListener::bind(agent.socket()).expect("free"));
    agent
        .send(&["--timeout", "60s", "x"])
        .run()
        .failed(69, &[agent.socket_text(), "no process listens"]);
    assert!(begun.elapsed() < TIMEOUT, "it must not wait");
}

#[test]
fn unresponsive_agent_times_out() {
    let agent = Agent::prepare(&[]);
    let _silent = UnixListener::bind(agent.socket()).expect("free");
    agent.send(&["--timeout", "50ms", "x"]).run().failed(75, &[agent.socket_text(), "50ms"]);
    // Without an acknowledgement there is no wait.
    agent.send(&["--timeout", "50ms", "--ack", "none", "x"]).ok();
    let done = agent.send(&["--timeout", "50ms", "--time", "--", "sh", "-c", "exit 4"]).run();
    assert_eq!(done.code, Some(4), "{done:#?}");
}

#[test]
fn failures_have_distinct_exit_codes() {
    let agent = Agent::with(&["history.enabled = false"]);
    agent
        .send(&["--ack", "synced", "x"])
        .run()
        .failed(74, &["not stored", agent.socket_text(), "history is off"]);
    agent.send(&["-f", "/nowhere"]).run().failed(65, &["/nowhere", "No such file"]);
    for (wrong, named) in [
        (&["--frobnicate"][..], "--frobnicate"),
        (&["-F", "_uid=0", "x"], "_uid"),
        (&["-F", "a:=[1]", "x"], "a:=[1]"),
        (&["-S", "0", "x"], "--size"),
        (&["--timeout", "soon", "x"], "--timeout"),
        (&["--ack", "none", "--cursor", "x"], "--cursor"),
        (&["--time"], "MESSAGE"),
        (&["-f", "a", "b"], "--file"),
    ] {
        agent.send(wrong).run().failed(64, &[named]);
    }
    assert_eq!(
        Tool::send().args(&["--version"]).ok(),
        format!("pulse-send {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn delivers_typed_lines_at_once() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let mut sender = agent.send(&["--timeout", "30s"]).start();
    for n in 0..20 {
        sender.write_stdin(&format!("{n}\n"));
        assert_eq!(parse(&follower.line()).msg(), Some(n.to_string().as_str()));
    }
    assert_eq!(sender.wait().code, Some(0));
}

#[test]
fn timeout_excludes_waiting_for_input() {
    let agent = Agent::start();
    let mut sender = agent.send(&["--timeout", "100ms"]).start();
    let begun = Instant::now();
    wait_for("more than its timeout", || {
        (begun.elapsed() > Duration::from_millis(500)).then_some(())
    });
    sender.write_stdin("late\n");
    wait_for("the event", || (agent.connect().tail("{}").len() == 1).then_some(()));
    assert_eq!(sender.wait().code, Some(0));
}

#[test]
fn delivers_100000_lines_in_order() {
    let agent = Agent::start();
    let many: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    agent.send(&["--timeout", "30s"]).input(many).ok();
    let lines = agent.connect().tail("{}");
    assert_eq!(lines.len(), 100_000);
    assert!(lines.iter().enumerate().all(|(n, line)| line.contains(&format!("\"msg\":\"{n}\","))));
}

#[test]
fn buffers_lines_across_restarts() {
    let mut agent = Agent::start();
    let mut sender = agent.send(&["--timeout", "30s"]).start();
    let mut typed = 0;
    for kill in [false, true, false] {
        for _ in 0..10 {
            sender.write_stdin(&format!("{typed}\n"));
            typed += 1;
        }
        let last = format!("\"msg\":\"{}\",", typed - 1);
        wait_for("the last line", || {
            agent
                .connect()
                .tail("{\"lines\":1}")
                .iter()
                .any(|line| line.contains(&last))
                .then_some(())
        });
        if kill {
            agent.kill()
        } else {
            assert!(agent.stop().success())
        }
        for _ in 0..10 {
            sender.write_stdin(&format!("{typed}\n"));
            typed += 1;
        }
        agent.restart();
    }
    let done = sender.wait();
    assert_eq!(done.code, Some(0), "{done:#?}");
    // Events that the agent accepted but did not acknowledge before it ended may be repeated later.
    let mut numbers: Vec<u64> = Vec::new();
    for line in agent.connect().tail("{}") {
        let number = parse(&line).msg().map(|msg| msg.parse::<u64>().expect("a number"));
        numbers.extend(number.filter(|number| !numbers.contains(number)));
    }
    assert_eq!(numbers, (0..typed).collect::<Vec<_>>());
}

#[test]
fn reports_lines_lost_in_outage() {
    let mut agent = Agent::start();
    let mut sender = agent.send(&["--timeout", "100ms"]).start();
    sender.write_stdin("first\n");
    wait_for("the first line", || (agent.stats()["events"] == 1).then_some(()));
    agent.kill();
    let line = format!("{}\n", "x".repeat(60_000));
    for _ in 0..40 {
        sender.write_stdin(&line);
    }
    let done = sender.wait();
    assert_eq!(done.code, Some(69), "{done:#?}");
    // The kill may have come before or after the acknowledgement of the first line.
    let lost = done.err.contains("40 events lost") || done.err.contains("41 events lost");
    assert!(lost && done.err.contains("dropping events"), "{done:#?}");
}

#[test]
fn time_sends_begin_and_end() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    let command = ["-t", "backup", "-F", "user=anna", "--time", "--", "sh", "-c", "read x; exit 5"];
    let mut sender = agent.send(&command).start();
    let begin = parse(&follower.line()).event().clone();
    let running = agent.connect().tail("{\"match\":\"took>=0\"}");
    assert_eq!(running, [""; 0], "the command still runs");
    sender.write_stdin("go\n");
    let end = parse(&follower.line()).event().clone();
    assert_eq!(sender.wait().code, Some(5));
    for event in [&begin, &end] {
        assert_eq!(
            (&event["tag"], &event["msg"]),
            (&"backup".into(), &"sh -c read x; exit 5".into())
        );
        assert_eq!(event["fields"]["user"], "anna");
        assert_eq!(event["run"], begin["run"]);
        assert_eq!(event["origin"]["pid"], sender.pid());
    }
    assert!(
        begin["run"].as_str().is_some_and(|run| !run.is_empty()) && begin.get("took").is_none()
    );
    assert_eq!((&end["fields"]["status"], &end["level"]), (&5.into(), &"warning".into()));
    assert!(end["took"].as_f64().is_some_and(|took| took > 0.0 && took < 30.0), "{end}");
}

#[test]
fn time_preserves_exit_status() {
    let mut agent = Agent::start();
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 64"], 64),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["/no/such/command"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let words = [&["--time", "--"], command].concat();
        let done = agent.send(&words).run();
        assert_eq!(done.code, Some(code), "{done:#?}");
        let end = events(&agent).pop().expect("the event of the exit");
        assert_eq!(end["fields"]["status"], code, "{end}");
    }
    agent.stop();
    let done = agent.send(&["--time", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]).run();
    assert_eq!((done.code, done.out.as_str()), (Some(3), "out\n"), "{done:#?}");
    assert!(done.err.contains("err\n") && done.err.contains(agent.socket_text()), "{done:#?}");
    assert_eq!(done.err.lines().count(), 2, "one warning: {done:#?}");
}

#[test]
fn first_event_has_first_number() {
    let agent = Agent::start();
    let cursor = agent.send(&["--cursor", "a"]).ok();
    assert_eq!(seq_of(cursor.trim_end()), FIRST);
}
