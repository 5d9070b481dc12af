//! An agent without free descriptors, and one that is suspended.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::place::run;
use super::{assert_follows, everything, gaps, number_of, numbered, ticks_used};
use crate::harness::{Agent, FIRST, parse, wait_for};

/// The limit of the agent's open descriptors.
const DESCRIPTORS: usize = 64;

/// How long there is no free descriptor: long enough for a busy loop to show.
const EXHAUSTED: Duration = Duration::from_secs(2);

fn allow_descriptors(agent: &Agent, count: usize) {
    let (pid, limit) = (format!("--pid={}", agent.pid()), format!("--nofile={count}:"));
    run("prlimit", &[&pid, &limit]);
}

#[test]
fn serves_connected_clients_without_descriptors() {
    let agent = Agent::start();
    let (mut sender, mut follower) = (agent.connect(), agent.connect());
    follower.follow("");
    sender.write(numbered(0..1)).sync();
    assert_follows(&mut follower, 0..1);
    allow_descriptors(&agent, DESCRIPTORS);
    let crowd: Vec<UnixStream> = (0..DESCRIPTORS)
        .map(|_| UnixStream::connect(agent.socket()).expect("the kernel queues it"))
        .collect();
    agent.wait_for_output("cannot accept");
    let (begin, ticks) = (Instant::now(), ticks_used(&agent));
    let mut next = 1;
    while begin.elapsed() < EXHAUSTED {
        sender.write(numbered(next..next + 1));
        let answer = sender.request("SYNC synced");
        assert!(answer.starts_with("OK "), "{answer}");
        assert_follows(&mut follower, next..next + 1);
        next += 1;
        thread::sleep(Duration::from_millis(50));
    }
    let used = ticks_used(&agent) - ticks;
    assert!(used < 50, "{used} ticks of 10 ms in {EXHAUSTED:?}");
    let output = agent.output();
    assert_eq!(output.matches("cannot accept").count(), 1, "{output}");
    drop(crowd);
    // No event signals a freed descriptor: the agent has to retry.
    wait_for("a new connection is served", || {
        agent.connect().request("PING").starts_with("OK ").then_some(())
    });
    let items = everything(&agent, FIRST - 1);
    assert!(gaps(&items).is_empty());
    assert!(items.iter().map(number_of).eq((0..next).map(Some)));
}

#[test]
fn suspended_agent_loses_nothing() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    let before = follower.follow("");
    let mut shown = agent.tail(&["-f", "-n", "0", "-o", "cat"]).start();
    wait_for("two followers", || (agent.stats()["followers"] == 2).then_some(()));
    let mut sender = agent.connect();
    sender.write("SEND 0\n").sync();
    agent.signal(Signal::SIGSTOP);
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2 {
                    let begin = Instant::now();
                    agent.send(&["1"]).run().failed(75, &["1s"]);
                    let took = begin.elapsed();
                    assert!(took < Duration::from_secs(4), "{took:?}");
                }
            });
        }
    });
    assert!(begin.elapsed() >= Duration::from_secs(2), "both runs timed out");
    // Requests wait in the socket buffer meanwhile.
    sender.write("SEND 2\nSYNC\n");
    agent.signal(Signal::SIGCONT);
    assert!(sender.line().starts_with("OK "));
    sender.write("SEND 3\n").sync();
    // The timed-out senders had written their requests, which the agent may accept, each once.
    let items = everything(&agent, FIRST - 1);
    assert!(gaps(&items).is_empty());
    let count = |n| items.iter().filter(|item| number_of(item) == Some(n)).count();
    assert_eq!((count(0), count(2), count(3)), (1, 1, 1));
    assert!(count(1) <= 8);
    let followed: Vec<_> = items.iter().map(|_| parse(&follower.line())).collect();
    assert_eq!(followed, items);
    assert_eq!(before, FIRST - 1);
    for item in &items {
        assert_eq!(Some(shown.line().as_str()), item.msg());
    }
}
