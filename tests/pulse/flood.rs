//! One user floods, another one sends as if nothing was: the issue's bound is three times the time on an
//! idle agent.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bridge::BRIDGE;
use crate::harness::{Agent, Running, Tool, as_root, wait_for};

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
            let mut send = Command::new(agent.dir().join("pulse-send"));
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

/// What these shells do at full speed, over connections of their own, until it is dropped.
struct Flood(Vec<Running>);

impl Flood {
    fn of(agent: &Agent, said: &str) -> Self {
        let one = || {
            let user = format!("--reuid={FLOODER}");
            let tool = Tool::new("setpriv").args(&[&user, "--clear-groups", "sh", "-c", said]);
            tool.env("SOCK", agent.socket_text()).start()
        };
        Self((0..4).map(|_| one()).collect())
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.clear();
        // The shells' children outlive them.
        Tool::new("pkill").args(&["-u", &FLOODER.to_string()]).run();
    }
}

#[track_caller]
fn assert_fair(agent: &Agent, said: &str, under_way: impl Fn() -> Option<()>) {
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        wait_for("nobody else", || (agent.stats()["connections"] == 1).then_some(()));
        let idle = median(agent);
        let flood = Flood::of(agent, said);
        wait_for("a flood that is under way", &under_way);
        let flooded = median(agent);
        drop(flood);
        ratios.push(flooded.as_secs_f64() / idle.as_secs_f64());
        if ratios.last().is_some_and(|ratio| *ratio <= BOUND) {
            return;
        }
    }
    panic!("{said}: {BOUND} times as slow at most, and not {ratios:.2?}");
}

#[test]
fn a_flood_of_one_user_or_token_costs_others_at_most_three_times_and_is_told() {
    if !as_root("a flood by another user") {
        return;
    }
    let access = format!("[[access]]\nsend = [\"*\"]\ntail = [\"{FLOODER}\"]");
    let agent = Agent::with(&[BRIDGE, &access]);
    // The tests' own place may be closed to others.
    let send = env!("CARGO_BIN_EXE_pulse-send");
    std::fs::copy(send, agent.dir().join("pulse-send")).expect("the directory is ours");
    let event = format!("yes 'SEND {}'", "x".repeat(80));
    let gaps = || agent.history_text().matches("\"why\":\"rate\"").count();
    let refused = || (gaps() > 0).then_some(());
    assert_fair(&agent, &format!("{event} | nc -U $SOCK > /dev/null"), refused);
    // What is no event costs no more.
    let connected = || (agent.stats()["connections"] == 5).then_some(());
    for line in ["PING", "FOO"] {
        assert_fair(&agent, &format!("yes {line} | nc -U $SOCK > /dev/null"), connected);
    }
    // Nor does what takes the agent long to understand, over many connections.
    let tail = r#"TAIL {"match":"msg~(a|\\w{60})"}"#;
    let many =
        format!("for n in $(seq 32); do yes '{tail}' | nc -U $SOCK > /dev/null & done; wait");
    assert_fair(&agent, &many, || (agent.stats()["connections"] == 129).then_some(()));
    // Nor does a line that never ends, here or from a stranger by TCP.
    let endless = "tr '\\0' x < /dev/zero";
    assert_fair(&agent, &format!("{endless} | nc -U $SOCK > /dev/null"), connected);
    let port = agent.tcp().port();
    assert_fair(&agent, &format!("{endless} | nc 127.0.0.1 {port} > /dev/null"), connected);
    // Whoever has a token is one more user, who is told the same.
    let token = agent.token("web2", &["*"], &[]);
    let answers = agent.dir().join("answers");
    std::fs::File::create(&answers).expect("the directory is ours");
    std::os::unix::fs::chown(&answers, Some(FLOODER), None).expect("root may");
    let by_tcp = format!("{{ echo 'AUTH {token}'; {event}; }} | nc 127.0.0.1 {port}");
    let before = gaps();
    let refused = || (gaps() > before).then_some(());
    assert_fair(&agent, &format!("{by_tcp} >> {}", answers.display()), refused);
    let told = std::fs::read_to_string(&answers).expect("text");
    let why = "ERR 75 too many events of token web2 at once: this one is not taken";
    assert!(told.contains(why), "{told}");
}
