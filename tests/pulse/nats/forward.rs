//! What is forwarded, and how it is packed.

use serde_json::json;

use super::engine::Engine;
use super::{STREAM, SUBJECT, agent_with, assert_forwarded, send, wait_until_forwarded};
use crate::harness::{Agent, parse, seq_of, wait_for};

#[test]
fn forwards_lines_unchanged() {
    let engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    let mut client = agent.connect();
    send(&mut client, 0..10);
    wait_until_forwarded(&agent);
    send(&mut client, 10..1000);
    client.write("SEND {\"msg\":\"\u{1f980} \\u0007\",\"a\":{\"b\":[1,null]}}\n");
    assert!(client.request("SYNC").starts_with("OK "));
    assert_forwarded(&engine, &agent);
    let messages = engine.messages(STREAM);
    assert!(messages.iter().all(|message| message.subject == SUBJECT));
    assert!(messages.iter().all(|message| message.header("Pulse-Host") == "testhost"));
    let log = agent.connect().newest();
    let log = log.split_once('-').expect("a cursor").0.to_owned();
    assert!(messages.iter().all(|message| message.header("Pulse-Log") == log));
    // What waits while a message is in flight becomes one message.
    assert!(messages.len() < 100, "{} messages", messages.len());
}

#[test]
fn stream_is_created_as_configured() {
    let engine = Engine::start();
    let agent = agent_with(
        &engine,
        &[
            "nats.stream = \"EVENTS\"",
            "nats.prefix = \"site.web\"",
            "nats.size = \"2MiB\"",
            "nats.age = \"1h\"",
            "host = \"web1.example\"",
        ],
    );
    send(&mut agent.connect(), 0..3);
    wait_until_forwarded(&agent);
    let config = engine.connect().stream("EVENTS")["config"].clone();
    for (key, value) in [
        ("subjects", json!(["site.web.*"])),
        ("max_bytes", json!(2 << 20)),
        ("max_age", json!(3_600_000_000_000_u64)),
        ("retention", json!("limits")),
        ("discard", json!("old")),
        ("storage", json!("file")),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let messages = engine.messages("EVENTS");
    assert!(messages.iter().all(|message| message.subject == "site.web.web1_example"));
    assert!(messages.iter().all(|message| message.header("Pulse-Host") == "web1.example"));
}

#[test]
fn stats_and_metrics_show_the_lag() {
    let mut engine = Engine::prepare("");
    let agent = agent_with(&engine, &[]);
    send(&mut agent.connect(), 0..10);
    wait_for("the refused connection", || agent.stats()["nats"]["trouble"].as_str().map(|_| ()));
    let nats = agent.stats()["nats"].clone();
    assert_eq!((&nats["state"], &nats["lag"]), (&json!("connecting"), &json!(null)));
    engine.restart();
    wait_until_forwarded(&agent);
    let stats = agent.stats();
    let nats = &stats["nats"];
    assert_eq!((&nats["stream"], &nats["subject"]), (&json!(STREAM), &json!(SUBJECT)));
    assert_eq!((&nats["forwarded"], &nats["trouble"]), (&stats["newest"], &json!(null)));
    assert!(nats["messages"].as_u64() >= Some(1) && nats["bytes"].as_u64() >= Some(1000));
    let forwarded = seq_of(nats["forwarded"].as_str().expect("a cursor"));
    engine.kill();
    send(&mut agent.connect(), 0..100);
    wait_for("the lag", || {
        let nats = agent.stats()["nats"].clone();
        (nats["state"] == "connecting" && nats["lag"] == 100).then_some(())
    });
    assert_eq!(seq_of(agent.stats()["nats"]["forwarded"].as_str().expect("a cursor")), forwarded);
    let status = agent.pulsed(&["status"]).ok();
    assert!(status.contains("nats\n") && status.contains("  lag        100"), "{status}");
    let trouble = agent.stats()["nats"]["trouble"].as_str().expect("a trouble").to_owned();
    assert!(agent.output().contains(&format!("nats: not forwarding: {trouble}")));
}

#[test]
fn a_backlog_is_packed_into_full_messages() {
    let mut engine = Engine::prepare("");
    let agent = agent_with(&engine, &["nats.compress = false"]);
    send(&mut agent.connect(), 0..30_000);
    engine.restart();
    assert_forwarded(&engine, &agent);
    let messages = engine.messages(STREAM);
    let pipelined = messages.iter().filter(|it| !it.header("Pulse-Known").is_empty()).count();
    assert!(pipelined >= 10, "{pipelined} of {} messages were not awaited", messages.len());
    assert!(messages.iter().all(|message| message.payload.len() <= 128 << 10));
    let full = messages.iter().filter(|message| message.payload.len() > 120 << 10).count();
    assert!(full + 3 >= messages.len(), "{full} of {} messages are full", messages.len());
}

#[test]
fn long_messages_are_compressed() {
    for (compress, expected) in [(true, "gzip"), (false, "")] {
        let mut engine = Engine::prepare("");
        let agent = agent_with(&engine, &[&format!("nats.compress = {compress}")]);
        send(&mut agent.connect(), 0..1000);
        engine.restart();
        assert_forwarded(&engine, &agent);
        let longest = engine.messages(STREAM).into_iter().max_by_key(|it| it.lines().len());
        let longest = longest.expect("a message");
        assert_eq!(longest.header("Content-Encoding"), expected);
        // A short one never is.
        send(&mut agent.connect(), 0..1);
        wait_until_forwarded(&agent);
        let last = engine.messages(STREAM).pop().expect("a message");
        assert_eq!((last.header("Content-Encoding"), last.lines().len()), (String::new(), 1));
    }
}

#[test]
fn a_clean_stop_forwards_the_rest() {
    let engine = Engine::start();
    let mut agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    let mut client = agent.connect();
    send(&mut client, 0..5000);
    let newest = seq_of(&client.newest());
    agent.stop();
    let last = engine.chain(STREAM, SUBJECT).pop().expect("a line");
    assert_eq!(parse(&last).seq_range().1, newest);
}

#[test]
fn retention_becomes_a_gap_upstream() {
    let mut engine = Engine::start();
    let agent = agent_with(&engine, &["history.size = \"1MiB\"", "window.size = \"1MiB\""]);
    let mut client = agent.connect();
    send(&mut client, 0..10);
    wait_until_forwarded(&agent);
    engine.kill();
    let last = seq_of(&client.newest());
    for round in 0..30 {
        send(&mut client, round * 1000..(round + 1) * 1000);
    }
    engine.restart();
    wait_until_forwarded(&agent);
    let lines = engine.chain(STREAM, SUBJECT);
    let items: Vec<_> = lines.iter().map(|line| parse(line)).collect();
    let gaps: Vec<_> =
        items.iter().filter_map(|item| item.gap()).filter(|gap| gap.after > 0).collect();
    let [gap] = gaps[..] else { panic!("one gap expected: {gaps:?}") };
    assert_eq!((gap.after, gap.why.as_str()), (last, "upstream"));
    assert_eq!(gap.lost, Some(gap.before - gap.after - 1));
    let newest = crate::harness::assert_contiguous(0, &items);
    assert_eq!(newest, seq_of(&client.newest()));
}

#[test]
fn is_off_by_default() {
    let agent = Agent::start();
    assert_eq!(agent.stats()["nats"], json!(null));
}
