//! `--ack replicated` and `SYNC replicated`: nothing is claimed before the engine has it.

use nix::sys::signal::Signal;

use super::engine::Engine;
use super::{STREAM, SUBJECT, agent_with, send, wait_until_forwarded};
use crate::harness::Agent;

/// The messages of the events in the stream.
fn in_stream(engine: &Engine) -> Vec<String> {
    let lines = engine.chain(STREAM, SUBJECT);
    let events = lines.iter().filter(|line| line.starts_with("{\"seq\""));
    events.filter_map(|line| crate::harness::parse(line).msg().map(str::to_owned)).collect()
}

#[test]
fn an_acknowledged_event_is_in_the_stream() {
    let engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    for n in 0..20 {
        let text = format!("order {n} took 4{n}ms");
        agent.send(&["--ack", "replicated", "--timeout", "30s", &text]).ok();
        assert_eq!(in_stream(&engine).last(), Some(&text));
    }
    let mut client = agent.connect();
    send(&mut client, 0..5_000);
    let newest = agent.connect().newest();
    assert_eq!(client.request("SYNC replicated"), format!("OK {newest}"));
    assert_eq!(in_stream(&engine).len(), 5_020);
    // A client that has sent nothing waits for nothing.
    assert!(agent.connect().request("SYNC replicated").starts_with("OK "));
}

#[test]
fn a_stalled_engine_acknowledges_nothing_and_delays_no_other_client() {
    let engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    engine.signal(Signal::SIGSTOP);
    let mut waiting = agent.connect();
    waiting.write("SEND {\"msg\":\"paid\"}\nSYNC replicated\n");
    for n in 0..10 {
        agent.send(&[&format!("{n}")]).ok();
    }
    let refused = agent.send(&["--ack", "replicated", "--timeout", "200ms", "late"]).run();
    assert_eq!(refused.code, Some(75), "{refused:?}");
    let answer = waiting.line();
    assert!(
        answer.starts_with("ERR 75 stored here, but not acknowledged by NATS within 10 s"),
        "{answer}"
    );
    // The claim was no more than that.
    engine.signal(Signal::SIGCONT);
    wait_until_forwarded(&agent);
    assert!(in_stream(&engine).contains(&"paid".to_owned()));
    assert!(waiting.request("SYNC replicated").starts_with("OK "));
}

#[test]
fn an_engine_that_returns_acknowledges_what_waits() {
    let mut engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    engine.kill();
    let mut waiting = agent.connect();
    waiting.write("SEND {\"msg\":\"paid\"}\nSYNC replicated\n");
    engine.restart();
    let answer = waiting.line();
    // Unless the machine was too slow for the wait.
    if answer.starts_with("OK ") {
        assert!(in_stream(&engine).contains(&"paid".to_owned()));
    } else {
        assert!(answer.starts_with("ERR 75 "), "{answer}");
    }
}

#[test]
fn an_agent_without_an_engine_replicates_nothing() {
    let agent = Agent::start();
    let refused = agent.send(&["--ack", "replicated", "x"]).run();
    assert_eq!(refused.code, Some(74));
    assert!(refused.err.contains("this agent replicates nothing: set nats.url"), "{}", refused.err);
    let mut client = agent.connect();
    assert_eq!(
        client.request("SYNC replikated"),
        "ERR 64 SYNC \"replikated\": use SYNC, SYNC synced or SYNC replicated"
    );
}
