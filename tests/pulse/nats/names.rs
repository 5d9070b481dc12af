//! Each subject belongs to one agent.

use super::engine::Engine;
use super::{
    STREAM, SUBJECT, agent_with, assert_forwarded, send, wait_for_trouble, wait_until_forwarded,
};
use crate::harness::{parse, seq_of};

#[test]
fn hosts_of_one_subject_are_refused() {
    let engine = Engine::start();
    let first = agent_with(&engine, &["host = \"web.1\""]);
    send(&mut first.connect(), 0..10);
    wait_until_forwarded(&first);
    let second = agent_with(&engine, &["host = \"web_1\""]);
    send(&mut second.connect(), 0..10);
    let text =
        "host \"web.1\" also publishes on pulse.web_1, because dots in a host's name become _";
    wait_for_trouble(&second, "refused", text);
    second.wait_for_output(text);
    send(&mut first.connect(), 10..20);
    wait_until_forwarded(&first);
    assert_eq!(second.stats()["nats"]["messages"], 0);
    assert!(engine.messages(STREAM).iter().all(|it| it.header("Pulse-Host") == "web.1"));
}

#[test]
fn a_second_agent_of_the_name_is_noticed() {
    let engine = Engine::start();
    let first = agent_with(&engine, &[]);
    send(&mut first.connect(), 0..100);
    wait_until_forwarded(&first);
    let second = agent_with(&engine, &[]);
    send(&mut second.connect(), 0..100);
    wait_until_forwarded(&second);
    second.wait_for_output("pulse.testhost continues with another log than before");
    // The first one cannot publish between the messages of the second one.
    send(&mut first.connect(), 100..200);
    let text = "another agent publishes on pulse.testhost";
    wait_for_trouble(&first, "refused", text);
    first.wait_for_output(text);
    send(&mut second.connect(), 100..200);
    wait_until_forwarded(&second);
    let messages = engine.messages(STREAM);
    let mut agents: Vec<_> = messages.iter().map(|message| message.header("Pulse-Agent")).collect();
    agents.dedup();
    assert_eq!(agents.len(), 2, "the messages of each agent are consecutive");
}

#[test]
fn a_copy_of_a_log_is_noticed() {
    let engine = Engine::start();
    let mut first = agent_with(&engine, &[]);
    send(&mut first.connect(), 0..100);
    wait_until_forwarded(&first);
    first.stop();
    // A machine that was cloned: the same name, the same log, the same numbers.
    let mut second = crate::harness::Agent::prepare(&[&engine.url()]);
    std::fs::create_dir(second.history()).expect("a writable directory");
    for entry in std::fs::read_dir(first.history()).expect("a history") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, second.history().join(name)).expect("a writable directory");
    }
    first.restart();
    send(&mut first.connect(), 100..200);
    wait_until_forwarded(&first);
    second.restart();
    wait_for_trouble(&second, "refused", "another machine has a copy of this log");
    assert_forwarded(&engine, &first);
}

#[test]
fn what_others_publish_is_not_continued() {
    let engine = Engine::start();
    let mut agent = agent_with(&engine, &[]);
    send(&mut agent.connect(), 0..10);
    wait_until_forwarded(&agent);
    engine.connect().publish(SUBJECT, "not from an agent");
    // The running agent knows where it was.
    send(&mut agent.connect(), 10..20);
    wait_until_forwarded(&agent);
    engine.connect().publish(SUBJECT, "again");
    agent.stop();
    agent.restart();
    wait_for_trouble(&agent, "refused", "is not from an agent");
    let newest = seq_of(&agent.connect().newest());
    let messages = engine.messages(STREAM);
    let ours: Vec<_> = messages.iter().filter(|it| !it.header("Pulse-Host").is_empty()).collect();
    let lines: Vec<_> = ours.iter().flat_map(|it| it.lines()).map(|line| parse(&line)).collect();
    assert!(crate::harness::assert_contiguous(0, &lines) < newest);
}
