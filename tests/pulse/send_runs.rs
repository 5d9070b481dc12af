//! `pulse-send` with runs: what happens to them when the connection or `pulse-send` ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::signal::Signal;
use nix::sys::socket::{Backlog, listen};
use serde_json::{Value, json};

use crate::harness::{Agent, TIMEOUT, Tool, parse, wait_for};

/// A scripted agent at `socket`. Answers SYNC, and yields the text of each connection at its end.
fn scripted_agent(socket: &Path) -> Receiver<String> {
    let listener = UnixListener::bind(socket).expect("a free path");
    let (sender, texts) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut lines = BufReader::new(stream.expect("a connection"));
            let mut text = String::new();
            while lines.read_line(&mut text).expect("UTF-8") > 0 {
                if text.ends_with("SYNC\n") {
                    lines.get_mut().write_all(b"OK 7f3a9c21-1042\n").expect("the client reads");
                }
            }
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    texts
}

#[test]
fn clean_ends_detach_runs() {
    let agent = Agent::prepare(&[]);
    let texts = scripted_agent(agent.socket().as_path());
    let text = || texts.recv_timeout(TIMEOUT).expect("a connection that ended");
    for (arguments, input, detaches) in [
        (&["x"][..], "", false),
        (&["--run", "r", "x"], "", true),
        (&["--json", r#"{"msg":"x","run":"r"}"#], "", true),
        (&["--json"], "{\"msg\":\"x\"}\n", false),
        (&["--json"], "{\"msg\":\"x\",\"run\":\"r\"}\n{\"msg\":\"y\"}\n", true),
        (&["--run", "r"], "x\n", true),
    ] {
        agent.send(arguments).input(input).ok();
        let text = text();
        assert_eq!(text.ends_with("SYNC\nQUIT\n"), detaches, "{arguments:?}: {text}");
        assert_eq!(text.contains("QUIT"), detaches, "{arguments:?}: {text}");
    }
}

#[test]
fn timing_keeps_one_connection_without_quit() {
    let agent = Agent::prepare(&[]);
    let texts = scripted_agent(agent.socket().as_path());
    agent.send(&["--time", "--", "sh", "-c", "exit 0"]).ok();
    let text = texts.recv_timeout(TIMEOUT).expect("a connection that ended");
    let lines: Vec<&str> = text.lines().collect();
    assert!(matches!(lines[..], [_, end, "SYNC"] if end.contains("\"took\"")), "{text}");
}

/// The events of a run.
fn events_of(agent: &Agent, run: &str) -> Vec<Value> {
    let request = json!({ "match": format!("run={run}") });
    let lines = agent.connect().tail(&request.to_string());
    let items = lines.iter().map(|line| parse(line));
    items.filter(|item| item.gap().is_none()).map(|item| item.event().clone()).collect()
}

#[test]
fn restarted_agent_gets_begin_again() {
    let mut agent = Agent::start();
    let command = ["--run", "r", "--time", "--", "sh", "-c", "read x"];
    let mut sender = agent.send(&command).start();
    let begins = |agent: &Agent| {
        events_of(agent, "r").iter().filter(|event| event.get("took").is_none()).count()
    };
    for count in 1..4 {
        wait_for("the next begin", || (begins(&agent) == count).then_some(()));
        let stored = || agent.history_text().matches("\"run\":\"r\"").count() == count;
        wait_for("a begin in history", || stored().then_some(()));
        if count < 3 {
            agent.kill();
            agent.restart();
        }
    }
    sender.write_stdin("go\n");
    let done = sender.wait();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
    let end = events_of(&agent, "r").pop().expect("the end");
    assert!(end["took"].as_f64().is_some_and(|took| took > 0.0), "{end}");
}

#[test]
fn command_starts_before_connection() {
    let agent = Agent::prepare(&[]);
    let listener = UnixListener::bind(agent.socket()).expect("a free path");
    listen(&listener, Backlog::new(0).expect("a small backlog")).expect("a socket");
    // The only place in the accept queue. Further connections wait for the timeout.
    let _first = std::os::unix::net::UnixStream::connect(agent.socket()).expect("a listener");
    let file = agent.dir().join("started");
    let command = ["--timeout", "60s", "--time", "--", "touch", file.to_str().expect("UTF-8")];
    let _sender = agent.send(&command).start();
    wait_for("the command", || file.exists().then_some(()));
}

#[test]
fn signals_are_forwarded_to_command() {
    let agent = Agent::start();
    let script = "trap 'exit 7' TERM; trap 'exit 8' HUP; echo ready; while :; do sleep 0.01; done";
    for (signal, code) in [(Signal::SIGTERM, 7), (Signal::SIGHUP, 8)] {
        let run = signal.as_str();
        let mut sender = agent.send(&["--run", run, "--time", "--", "sh", "-c", script]).start();
        assert_eq!(sender.line(), "ready");
        // pulse-send forwards signals before it sends the begin.
        wait_for("the begin", || (!events_of(&agent, run).is_empty()).then_some(()));
        sender.signal(signal);
        assert_eq!(sender.wait().code, Some(code));
    }
}

#[test]
fn ignored_sigchld_keeps_the_status() {
    let agent = Agent::start();
    let (program, arguments) =
        agent.send(&["--run", "r", "--time", "--", "sh", "-c", "exit 3"]).words();
    let mut tool = Tool::new("env").args(&["--ignore-signal=CHLD"]).arg(program);
    for argument in arguments {
        tool = tool.arg(argument);
    }
    let done = tool.run();
    assert_eq!((done.code, done.err.as_str()), (Some(3), ""), "{done:#?}");
    let end = events_of(&agent, "r").pop().expect("the end");
    assert!(end["took"].is_number() && end["level"] == "warning", "{end}");
    assert_eq!(end["fields"]["status"], 3);
}
