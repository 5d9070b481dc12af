//! A follower that never reads delays no other client, and loses nothing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Agent, Client, FIRST, wait_for};

const ROUNDS: u64 = 10;
const EVENTS_A_ROUND: u64 = 100_000;
const EVENTS: u64 = ROUNDS * EVENTS_A_ROUND;

/// The most resident memory of the agent, in KiB, with a window of 4 MiB and a follower that lags by a
/// million events.
const RESIDENT_MAX: u64 = 64 << 10;

/// How long it takes until the follower has received what the sender sends at full speed.
fn pass_round(sender: &mut Client, follower: &mut Client, text: &str) -> Duration {
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| sender.write(text));
        for _ in 0..EVENTS_A_ROUND {
            follower.line();
        }
    });
    begin.elapsed()
}

#[test]
fn stalled_follower_slows_no_other() {
    let agents = [(); 2].map(|()| Agent::with(&["window.size = \"4MiB\""]));
    let mut senders = agents.each_ref().map(Agent::connect);
    let mut followers = agents.each_ref().map(Agent::connect);
    for follower in &mut followers {
        follower.follow("");
    }
    let mut stalled = agents[1].connect();
    stalled.follow("");
    // The agents take turns, so that other load on the machine affects both.
    let mut times = [Duration::ZERO; 2];
    for round in 0..ROUNDS {
        let numbers = round * EVENTS_A_ROUND..(round + 1) * EVENTS_A_ROUND;
        let text: String = numbers.map(|n| format!("SEND {n}\n")).collect();
        for at in 0..2 {
            times[at] += pass_round(&mut senders[at], &mut followers[at], &text);
        }
    }
    let [without, with] = times;
    assert!(with < 2 * without, "with a stalled follower {with:?}, without {without:?}");
    let resident = resident_kib(&agents[1]);
    assert!(resident < RESIDENT_MAX, "{resident} KiB resident");
    for n in 0..EVENTS {
        let line = stalled.line();
        let expected = format!("{{\"seq\":{},", n + FIRST);
        assert!(line.starts_with(&expected), "{expected}…: {line}");
        assert!(line.contains(&format!(",\"msg\":\"{n}\",")), "{n}: {line}");
    }
    // Its follow continues live.
    senders[1].write("SEND live again\n");
    assert!(stalled.line().contains("live again"));
}

fn resident_kib(agent: &Agent) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The most that a stop with stalled followers may take: far less than agents wait for clients that finish.
const STOP_MAX: Duration = Duration::from_secs(3);

#[test]
fn stalled_followers_do_not_delay_a_stop() {
    let mut agent = Agent::start();
    let mut lines = agent.connect();
    lines.follow("");
    let mut text = agent.connect();
    text.write("TAIL\n");
    let mut history = agent.connect();
    history.write("TAIL {\"follow\":true}\n");
    let session = agent.sign_in();
    let _stream = session.stream("/events", &[]);
    wait_for("four followers", || (agent.stats()["followers"] == 4).then_some(()));
    let event = format!("SEND {}\n", "x".repeat(200));
    agent.connect().write(event.repeat(20_000)).sync();
    let begin = Instant::now();
    assert!(agent.stop().success());
    let took = begin.elapsed();
    assert!(took < STOP_MAX, "{took:?}");
    // What the kernel has taken ends within a line at most.
    let mut whole = 0;
    while lines.try_whole_line().is_some() {
        whole += 1;
    }
    assert!((1..20_000).contains(&whole), "{whole} lines");
}
