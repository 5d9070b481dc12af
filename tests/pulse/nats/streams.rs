//! Streams that others made, changed or deleted.

use serde_json::json;

use super::engine::Engine;
use super::{
    STREAM, SUBJECT, agent_with, assert_forwarded, send, wait_for_trouble, wait_until_forwarded,
};
use crate::harness::{parse, wait_for};

#[test]
fn a_deleted_stream_is_filled_again() {
    let engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    send(&mut agent.connect(), 0..2000);
    wait_until_forwarded(&agent);
    engine.connect().delete(STREAM);
    send(&mut agent.connect(), 2000..3000);
    assert_forwarded(&engine, &agent);
    assert!(agent.output().contains("no stream has this subject"), "{}", agent.output());
}

#[test]
fn a_purged_stream_is_continued() {
    let engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    send(&mut agent.connect(), 0..100);
    wait_until_forwarded(&agent);
    engine.connect().request("$JS.API.STREAM.PURGE.pulse", &json!(null));
    send(&mut agent.connect(), 100..200);
    wait_until_forwarded(&agent);
    let lines = engine.chain(STREAM, SUBJECT);
    let first = parse(&lines[0]);
    assert_eq!((first.msg(), lines.len()), (Some("query 100 took 40ms"), 100));
}

#[test]
fn a_stream_with_other_limits_is_used() {
    let engine = Engine::start();
    engine.connect().create(STREAM, json!({ "max_age": 7_200_000_000_000_u64, "max_msgs": 1000 }));
    let agent = agent_with(&engine, &[]);
    send(&mut agent.connect(), 0..100);
    assert_forwarded(&engine, &agent);
    let output = agent.output();
    let text = "stream pulse has other limits than [nats] says, which only count when the agent creates it: max_bytes -1 \
        instead of 1073741824, max_age 7200s instead of 604800s, max_msgs 1000";
    assert!(output.contains(text), "{output}");
}

#[test]
fn an_unfit_stream_is_refused() {
    for (config, why) in [
        (json!({ "retention": "workqueue" }), "its retention must be limits"),
        (
            json!({ "subjects": ["other.*"] }),
            "its subjects (other.*) do not include pulse.testhost",
        ),
        (json!({ "no_ack": true }), "it acknowledges nothing"),
        (json!({ "max_msg_size": 4095 }), "it accepts messages of 4095 bytes, and 4096 are needed"),
    ] {
        let engine = Engine::start();
        engine.connect().create(STREAM, config);
        let agent = agent_with(&engine, &[]);
        wait_for_trouble(&agent, "refused", why);
        agent.wait_for_output("error: nats: not forwarding: stream pulse: ");
    }
}

#[test]
fn a_full_stream_costs_only_lag() {
    let engine = Engine::start();
    engine.connect().create(STREAM, json!({ "max_msgs": 5, "discard": "new" }));
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    let mut client = agent.connect();
    wait_for("a full stream", || {
        send(&mut client, 0..10);
        let trouble = agent.stats()["nats"]["trouble"].as_str().map(str::to_owned)?;
        assert!(trouble.contains("maximum messages exceeded"), "{trouble}");
        Some(())
    });
    let mut nats = engine.connect();
    let mut config = nats.stream(STREAM)["config"].clone();
    config["max_msgs"] = json!(-1);
    nats.request("$JS.API.STREAM.UPDATE.pulse", &config);
    assert_forwarded(&engine, &agent);
}

#[test]
fn a_line_that_is_too_long_becomes_a_gap() {
    let engine = Engine::with("max_payload: 8192\n");
    let agent = agent_with(&engine, &[]);
    let mut client = agent.connect();
    send(&mut client, 0..100);
    client.write(format!("SEND {}\n", "long ".repeat(2000)));
    send(&mut client, 100..200);
    wait_until_forwarded(&agent);
    let items: Vec<_> = engine.chain(STREAM, SUBJECT).iter().map(|line| parse(line)).collect();
    crate::harness::assert_contiguous(0, &items);
    let gap = items.iter().filter_map(|item| item.gap()).next_back().expect("a gap");
    assert_eq!((gap.why.as_str(), gap.lost, gap.before - gap.after), ("upstream", Some(1), 2));
    assert_eq!(items.iter().filter(|item| item.gap().is_none()).count(), 200);
    agent.wait_for_output("is not forwarded: its line has");
}

#[test]
fn what_a_stream_has_expired_is_not_repeated() {
    let engine = Engine::start();
    engine.connect().create(STREAM, json!({ "max_age": 1_000_000_000 }));
    let mut agent = agent_with(&engine, &[]);
    send(&mut agent.connect(), 0..100);
    wait_until_forwarded(&agent);
    wait_for("an expired stream", || {
        (engine.connect().stream(STREAM)["state"]["messages"] == 0).then_some(())
    });
    agent.stop();
    agent.restart();
    wait_until_forwarded(&agent);
    let last = &engine.connect().stream(STREAM)["state"];
    // At most the gap of the restart.
    assert!(last["messages"].as_u64() <= Some(1), "{last}");
    let lines = engine.chain(STREAM, SUBJECT);
    assert!(lines.iter().all(|line| parse(line).gap().is_some()), "{lines:?}");
}
