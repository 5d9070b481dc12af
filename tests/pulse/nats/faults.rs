//! Engines and agents that are killed, stall or are away: every event arrives once, in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::engine::Engine;
use super::{
    STREAM, SUBJECT, agent_with, assert_forwarded, lines_of, send, wait_for_trouble,
    wait_until_forwarded,
};
use crate::harness::{Agent, parse, seq_of, wait_for};

/// The events of one step of a sender under load.
const STEP: u64 = 200;

/// The pause between two steps. Without it, a slow machine could send more than history keeps.
const PACE: Duration = Duration::from_millis(10);

/// Sends [`STEP`] events every [`PACE`] while `meanwhile` runs. Returns the number of acknowledged events.
pub(super) fn under_load(agent: &Agent, meanwhile: impl FnOnce()) -> u64 {
    let [sent] = all_under_load([agent], STEP, meanwhile);
    sent
}

/// Sends `step` events every [`PACE`] to each agent while `meanwhile` runs. Returns how many each got, all of them
/// acknowledged.
pub(super) fn all_under_load<const N: usize>(
    agents: [&Agent; N],
    step: u64,
    meanwhile: impl FnOnce(),
) -> [u64; N] {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let senders = agents.map(|agent| {
            let (mut client, done) = (agent.connect(), &done);
            scope.spawn(move || {
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    send(&mut client, sent..sent + step);
                    sent += step;
                    thread::sleep(PACE);
                }
                sent
            })
        });
        meanwhile();
        done.store(true, Ordering::Relaxed);
        senders.map(|sender| sender.join().expect("no panic"))
    })
}

/// Waits until the agent has forwarded more than it had.
pub(super) fn wait_for_progress(agent: &Agent) {
    let forwarded = |agent: &Agent| {
        let stats = agent.stats();
        stats["nats"]["forwarded"].as_str().map(seq_of)
    };
    let before = forwarded(agent);
    wait_for("progress", || forwarded(agent).filter(|now| Some(*now) > before));
}

#[test]
fn survives_kills_of_the_engine_under_load() {
    let mut engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    let sent = under_load(&agent, || {
        for _ in 0..6 {
            wait_for_progress(&agent);
            engine.kill();
            engine.restart();
        }
        wait_for_progress(&agent);
    });
    assert_forwarded(&engine, &agent);
    let events =
        engine.chain(STREAM, SUBJECT).iter().filter(|line| line.starts_with("{\"seq\"")).count();
    assert_eq!(events as u64, sent);
}

#[test]
fn survives_kills_of_the_agent_under_load() {
    let engine = Engine::start();
    let mut agent = agent_with(&engine, &[]);
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        wait_until_forwarded(&agent);
        let mut client = agent.connect();
        // The kill comes while the last ones are on their way.
        for step in 0..20 {
            send(&mut client, step * STEP..(step + 1) * STEP);
        }
        acknowledged.push((round, seq_of(&client.newest())));
        agent.kill();
        agent.restart();
    }
    wait_until_forwarded(&agent);
    let lines = engine.chain(STREAM, SUBJECT);
    let items: Vec<_> = lines.iter().map(|line| parse(line)).collect();
    crate::harness::assert_contiguous(0, &items);
    // A follower may have seen events that were not stored: they are in the stream, and not in the log.
    let stored = lines_of(&agent);
    let missing: Vec<_> = stored
        .iter()
        .filter(|line| line.starts_with("{\"seq\""))
        .filter(|line| {
            lines
                .binary_search_by_key(&parse(line).seq_range().0, |it| parse(it).seq_range().0)
                .is_err()
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let events = items.iter().filter(|item| item.gap().is_none()).count() as u64;
    assert_eq!(events, 5 * 20 * STEP);
}

#[test]
fn a_clean_restart_continues() {
    let engine = Engine::start();
    let mut agent = agent_with(&engine, &[]);
    for round in 0..3 {
        send(&mut agent.connect(), round * 1000..(round + 1) * 1000);
        wait_until_forwarded(&agent);
        agent.stop();
        agent.restart();
    }
    assert_forwarded(&engine, &agent);
    assert!(!agent.output().contains("another log"));
}

#[test]
fn an_outage_costs_only_lag() {
    let mut engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    engine.kill();
    let mut client = agent.connect();
    for step in 0..100 {
        send(&mut client, step * 1000..(step + 1) * 1000);
    }
    assert_eq!(agent.stats()["nats"]["lag"], 100_000);
    engine.restart();
    assert_forwarded(&engine, &agent);
}

#[test]
fn a_stalled_engine_delays_no_client() {
    let engine = Engine::start();
    let agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    engine.signal(Signal::SIGSTOP);
    let mut client = agent.connect();
    for step in 0..50 {
        send(&mut client, step * 1000..(step + 1) * 1000);
    }
    wait_for_trouble(&agent, "connecting", "not acknowledged within 5 s");
    engine.signal(Signal::SIGCONT);
    assert_forwarded(&engine, &agent);
}

#[test]
fn a_stalled_engine_does_not_delay_a_stop() {
    let engine = Engine::start();
    let mut agent = agent_with(&engine, &[]);
    wait_until_forwarded(&agent);
    engine.signal(Signal::SIGSTOP);
    send(&mut agent.connect(), 0..1000);
    assert!(agent.stop().success());
    assert!(!agent.output().contains("did not finish in time"), "{}", agent.output());
    engine.signal(Signal::SIGCONT);
    agent.restart();
    assert_forwarded(&engine, &agent);
}

#[test]
fn a_log_without_history_begins_anew() {
    let engine = Engine::start();
    let mut agent = agent_with(&engine, &["history.enabled = false"]);
    send(&mut agent.connect(), 0..100);
    wait_until_forwarded(&agent);
    agent.kill();
    agent.restart();
    send(&mut agent.connect(), 100..200);
    wait_until_forwarded(&agent);
    agent.wait_for_output("continues with another log than before");
    let lines = engine.chain(STREAM, SUBJECT);
    let events = lines.iter().filter(|line| line.starts_with("{\"seq\"")).count();
    assert_eq!(events, 200);
}
