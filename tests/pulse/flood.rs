//! One user floods, another one sends as if nothing was: the bound is three times the time on an
//! idle agent.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Agent, Running, Tool, as_root, until};

const FLOODER: u32 = 4_250;
const OTHER: u32 = 4_251;

/// How often the time is taken.
const RUNS: usize = 101;

/// How often the whole is tried: the machine has other work too.
const TRIES: usize = 5;

/// The most that a flood of others may cost.
const BOUND: f64 = 3.0;

/// The median time of an acknowledged pulse-send by another user.
fn median(agent: &Agent) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut send = Command::new(env!("CARGO_BIN_EXE_pulse-send"));
            send.args(["--socket", agent.socket_text(), "hello"]).uid(OTHER).gid(OTHER);
            let begun = Instant::now();
            let status = send.stdin(Stdio::null()).status().expect("it can be run");
            assert!(status.success(), "{status}");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// Says this line at full speed, over connections of its own, until it is dropped.
fn flood(agent: &Agent, line: &str) -> Vec<Running> {
    let said = format!("yes '{line}' | nc -U $SOCK > /dev/null");
    let one = || {
        let user = format!("--reuid={FLOODER}");
        let tool = Tool::new("setpriv").args(&[&user, "--clear-groups", "sh", "-c", &said]);
        tool.env("SOCK", agent.socket_text()).start()
    };
    (0..4).map(|_| one()).collect()
}

fn stop(floods: Vec<Running>) {
    drop(floods);
    // The shell's children outlive it, but not the end of the connection.
    Tool::new("pkill").args(&["-u", &FLOODER.to_string()]).run();
}

#[track_caller]
fn assert_fair(agent: &Agent, line: &str, under_way: impl Fn() -> Option<()>) {
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        let idle = median(agent);
        let floods = flood(agent, line);
        until("a flood that is under way", &under_way);
        let flooded = median(agent);
        stop(floods);
        ratios.push(flooded.as_secs_f64() / idle.as_secs_f64());
        if ratios.last().is_some_and(|ratio| *ratio <= BOUND) {
            return;
        }
    }
    panic!("{line}: {BOUND} times as slow at most, and not {ratios:.2?}");
}

#[test]
fn a_flood_of_one_user_costs_others_at_most_three_times_and_is_told_as_a_gap() {
    if !as_root("a flood by another user") {
        return;
    }
    let agent = Agent::start();
    let refused = || agent.history_text().contains("\"why\":\"rate\"").then_some(());
    assert_fair(&agent, &format!("SEND {}", "x".repeat(80)), refused);
    // What is no event costs no more.
    let connected = || (agent.stats()["connections"] == 5).then_some(());
    for line in ["PING", "FOO"] {
        until("nobody else", || (agent.stats()["connections"] == 1).then_some(()));
        assert_fair(&agent, line, connected);
    }
}
