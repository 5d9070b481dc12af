//! Forwarding to NATS JetStream, with a real nats-server.

mod cluster;
mod demo;
mod engine;
mod faults;
mod forward;
mod hostile;
mod hosts;
mod hosts_faults;
mod hosts_hostile;
mod hosts_rights;
mod hosts_tool;
mod hosts_web;
mod login;
mod names;
mod replicated;
mod streams;
mod view;

use crate::harness::{Agent, Client, wait_for};
use engine::Engine;

/// The stream, and the subject of the tests' host.
const STREAM: &str = "pulse";
const SUBJECT: &str = "pulse.testhost";

/// An agent that forwards to an engine.
fn agent_with(engine: &Engine, lines: &[&str]) -> Agent {
    let url = engine.url();
    Agent::with(&[&[&*url], lines].concat())
}

/// Waits until everything is acknowledged.
#[track_caller]
fn wait_until_forwarded(agent: &Agent) {
    wait_for("everything forwarded", || {
        let nats = &agent.stats()["nats"];
        (nats["state"] == "forwarding" && nats["lag"] == 0).then_some(())
    });
}

/// Waits until the agent says why it does not forward.
#[track_caller]
fn wait_for_trouble(agent: &Agent, state: &str, text: &str) {
    wait_for(text, || {
        let nats = &agent.stats()["nats"];
        let trouble = nats["trouble"].as_str().unwrap_or_default();
        (nats["state"] == state && trouble.contains(text)).then_some(())
    });
}

/// Sends numbered events, and returns once they are stored.
#[track_caller]
fn send(client: &mut Client, numbers: std::ops::Range<u64>) {
    let events: String = numbers
        .map(|n| format!("SEND {{\"tag\":\"shop.query\",\"msg\":\"query {n} took 40ms\",\"user\":\"u{}\"}}\n", n % 97))
        .collect();
    client.write(events);
    assert!(client.request("SYNC").starts_with("OK "));
}

/// All lines of the agent's log.
#[track_caller]
fn lines_of(agent: &Agent) -> Vec<String> {
    let mut client = agent.connect();
    client.write("TAIL {\"lines\":100000000}\n");
    let mut lines = Vec::new();
    loop {
        let line = client.line();
        if line.starts_with("OK ") {
            return lines;
        }
        lines.push(line + "\n");
    }
}

/// Asserts that the stream has exactly what the log has: every line once, in order, unchanged.
#[track_caller]
fn assert_forwarded(engine: &Engine, agent: &Agent) {
    wait_until_forwarded(agent);
    let (expected, found) = (lines_of(agent), engine.chain(STREAM, SUBJECT));
    let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
    if let Some(at) = differs {
        panic!("line {at}: {:?} instead of {:?}", found[at], expected[at]);
    }
    assert_eq!(found.len(), expected.len(), "lines in the stream and in the log");
}

/// Sends so many times 500 events of 2,000 bytes, and waits each time until they are acknowledged.
#[track_caller]
fn send_much(agent: &Agent, times: usize) {
    let events = format!("SEND {}\n", "x".repeat(2000)).repeat(500);
    let mut client = agent.connect();
    for _ in 0..times {
        client.write(&events);
        assert!(client.request("SYNC").starts_with("OK "));
        wait_until_forwarded(agent);
    }
}
