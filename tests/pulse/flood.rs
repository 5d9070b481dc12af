//! Fairness under a flood: a flood by one user or token slows another user's send at most to [`BOUND`] times
//! its duration on an idle agent.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bridge::BRIDGE;
use crate::harness::{Agent, Running, Tool, as_root, wait_for};

const FLOODER: u32 = 4_250;
const OTHER: u32 = 4_251;

/// How many sends each median is taken from.
const RUNS: usize = 101;

/// How often a measurement is repeated before it fails, because the machine may be busy.
const TRIES: usize = 10;

/// The most that a send may slow down.
const BOUND: f64 = 3.0;

/// The median duration of an acknowledged pulse-send by another user.
fn median(agent: &Agent) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut send = Command::new(agent.dir().join("pulse-send"));
            send.args(["--socket", agent.socket_text(), "hello"]).uid(OTHER).gid(OTHER);
            let begun = Instant::now();
            let status = send.stdin(Stdio::null()).status().expect("an executable pulse-send");
            assert!(status.success(), "{status}");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// Four shells that flood the agent at full speed until this is dropped.
struct Flood(Vec<Running>);

impl Flood {
    fn start(agent: &Agent, script: &str) -> Self {
        let one = || {
            let user = format!("--reuid={FLOODER}");
            // Their own processes shall not take the processor from what is measured: the agent serves them.
            let user = ["nice", "-n19", "setpriv", &user, "--clear-groups"];
            let tool = Tool::new(user[0]).args(&user[1..]).args(&["sh", "-c", script]);
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
fn assert_fair(agent: &Agent, script: &str, under_way: impl Fn() -> Option<()>) {
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        wait_for("no other connection", || (agent.stats()["connections"] == 1).then_some(()));
        let idle = median(agent);
        let flood = Flood::start(agent, script);
        wait_for("a running flood", &under_way);
        let flooded = median(agent);
        drop(flood);
        ratios.push(flooded.as_secs_f64() / idle.as_secs_f64());
        if ratios.last().is_some_and(|ratio| *ratio <= BOUND) {
            return;
        }
    }
    panic!("{script}: {ratios:.2?} times as slow, at most {BOUND} allowed");
}

#[test]
fn flood_slows_others_at_most_threefold() {
    if !as_root("a flood by another user") {
        return;
    }
    let access = format!("[[access]]\nsend = [\"*\"]\ntail = [\"{FLOODER}\"]");
    let agent = Agent::with(&[BRIDGE, &access]);
    // Other users may have no access to the build directory.
    let send = env!("CARGO_BIN_EXE_pulse-send");
    std::fs::copy(send, agent.dir().join("pulse-send")).expect("a writable directory");
    let event = format!("yes 'SEND {}'", "x".repeat(80));
    let gaps = || agent.history_text().matches("\"why\":\"rate\"").count();
    let refused = || (gaps() > 0).then_some(());
    assert_fair(&agent, &format!("{event} | nc -U $SOCK > /dev/null"), refused);
    // Lines that are not events.
    let connected = || (agent.stats()["connections"] == 5).then_some(());
    for line in ["PING", "FOO"] {
        assert_fair(&agent, &format!("yes {line} | nc -U $SOCK > /dev/null"), connected);
    }
    // Requests that are expensive to parse, over many connections.
    let tail = r#"TAIL {"match":"msg~(a|\\w{60})"}"#;
    let many =
        format!("for n in $(seq 32); do yes '{tail}' | nc -U $SOCK > /dev/null & done; wait");
    assert_fair(&agent, &many, || (agent.stats()["connections"] == 129).then_some(()));
    // A line that never ends, over the socket and over unauthenticated TCP.
    let endless = "tr '\\0' x < /dev/zero";
    assert_fair(&agent, &format!("{endless} | nc -U $SOCK > /dev/null"), connected);
    let port = agent.tcp().port();
    assert_fair(&agent, &format!("{endless} | nc 127.0.0.1 {port} > /dev/null"), connected);
    // A token has the same limits as a user, and gets the same error.
    let token = agent.token("web2", &["*"], &[]);
    let answers = agent.dir().join("answers");
    std::fs::File::create(&answers).expect("a writable directory");
    std::os::unix::fs::chown(&answers, Some(FLOODER), None).expect("root may change owners");
    let over_tcp = format!("{{ echo 'AUTH {token}'; {event}; }} | nc 127.0.0.1 {port}");
    let before = gaps();
    let refused = || (gaps() > before).then_some(());
    assert_fair(&agent, &format!("{over_tcp} >> {}", answers.display()), refused);
    let errors = std::fs::read_to_string(&answers).expect("a readable file");
    let expected = "ERR 75 too many events of token web2 at once: this one is refused";
    assert!(errors.contains(expected), "{errors}");
}
