//! The guarantees when an agent with a passed socket restarts: no connection is refused, no acknowledged event
//! is lost, and every follower resumes where it was.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::harness::{Agent, Client, Gap, Item, Tool, assert_contiguous, parse, seq_of, wait_for};

const SENDERS: usize = 8;
const FOLLOWERS: usize = 2;
const TAILS: usize = 2;
const RESTARTS: u64 = 6;

/// The least number of acknowledged events between two restarts.
const BETWEEN: u64 = 500;

/// The message that ends a follower.
const END: &str = "the end";

/// Connects, also while no agent runs.
#[track_caller]
fn connect(socket: &Path) -> Client {
    Client::from_stream(UnixStream::connect(socket).expect("the socket is never closed"))
}

/// Sends batches of events with a SYNC until `stop`. Reconnects after the end of a connection, and sends no
/// message twice. Returns the acknowledged messages.
fn send(socket: &Path, name: usize, stop: &AtomicBool, acknowledged: &AtomicU64) -> Vec<String> {
    let (mut sent, mut stored) = (0_u64, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let mut client = connect(socket);
        loop {
            let batch: Vec<String> =
                (1..=1 + sent % 20).map(|n| format!("{name}:{}", sent + n)).collect();
            let mut text = String::new();
            for message in &batch {
                writeln!(text, "SEND {message}").expect("a write to memory");
            }
            sent += batch.len() as u64;
            if !client.try_write(text + "SYNC\n") {
                break;
            }
            let Some(answer) = client.try_whole_line() else { break };
            assert!(answer.starts_with("OK "), "{answer}");
            acknowledged.fetch_add(batch.len() as u64, Ordering::Relaxed);
            stored.extend(batch);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    stored
}

/// Follows from this cursor to [`END`], over as many connections as needed. Returns the lines and the number of
/// connections.
fn follow(socket: &Path, mut cursor: String) -> (Vec<Item>, u64) {
    let (mut seen, mut connections) = (Vec::new(), 0);
    let log = cursor.split_once('-').expect("a cursor").0.to_owned();
    loop {
        connections += 1;
        let mut client = connect(socket);
        if !client.try_write(format!("TAIL {{\"after\":\"{cursor}\",\"follow\":true}}\n")) {
            continue;
        }
        while let Some(line) = client.try_whole_line() {
            let item = parse(&line);
            cursor = format!("{log}-{}", item.seq_range().1);
            let last = item.msg() == Some(END);
            seen.push(item);
            if last {
                return (seen, connections);
            }
        }
    }
}

#[test]
fn restarts_under_load_lose_nothing() {
    let mut agent = Agent::prepare(&[]);
    agent.pass_socket(0o666);
    agent.restart();
    let socket = agent.socket();
    let begin = agent.connect().newest();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut tails: Vec<_> = (0..TAILS)
        .map(|_| agent.tail(&["-f", "-o", "json", "--after-cursor", &begin]).start())
        .collect();

    let (acknowledged_messages, followed) = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|name| {
                let (socket, stop, acknowledged) = (&socket, &stop, &acknowledged);
                scope.spawn(move || send(socket, name, stop, acknowledged))
            })
            .collect();
        let followers: Vec<_> =
            (0..FOLLOWERS).map(|_| scope.spawn(|| follow(&socket, begin.clone()))).collect();
        let tails: Vec<_> = tails
            .iter_mut()
            .map(|tail| {
                scope.spawn(|| {
                    let lines = std::iter::repeat_with(|| parse(&tail.line()));
                    let mut seen = Vec::new();
                    for item in lines {
                        let last = item.msg() == Some(END);
                        seen.push(item);
                        if last {
                            break;
                        }
                    }
                    seen
                })
            })
            .collect();
        for _ in 0..RESTARTS {
            let enough = acknowledged.load(Ordering::Relaxed) + BETWEEN;
            wait_for("acknowledged events", || {
                (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
            });
            assert!(agent.stop().success());
            agent.restart();
        }
        stop.store(true, Ordering::Relaxed);
        let messages: Vec<String> =
            senders.into_iter().flat_map(|sender| sender.join().expect("no panic")).collect();
        agent.connect().write(format!("SEND {END}\n")).sync();
        let mut followed = Vec::new();
        for follower in followers {
            let (seen, connections) = follower.join().expect("no panic");
            assert!(connections > 1, "each restart ends the connection");
            followed.push(seen);
        }
        followed.extend(tails.into_iter().map(|tail| tail.join().expect("no panic")));
        (messages, followed)
    });

    assert!(acknowledged_messages.len() as u64 >= RESTARTS * BETWEEN);
    assert_eq!(followed.len(), FOLLOWERS + TAILS);
    for seen in &followed {
        assert_contiguous(seq_of(&begin), seen);
        let gaps: Vec<_> = seen.iter().filter_map(Item::gap).collect();
        assert_eq!(gaps.len() as u64, RESTARTS, "{gaps:?}");
        let clean = |gap: &&Gap| **gap == Gap::of_clean_start(gap.after);
        assert!(gaps.iter().all(clean), "a clean restart loses nothing: {gaps:?}");
        let messages: Vec<&str> = seen.iter().filter_map(Item::msg).collect();
        let once: HashSet<&str> = messages.iter().copied().collect();
        assert_eq!(once.len(), messages.len(), "no event is repeated");
        let lost = acknowledged_messages.iter().find(|message| !once.contains(message.as_str()));
        assert_eq!(lost, None, "acknowledged and not seen");
    }
    // The followers saw what is stored.
    let stored = agent.connect().tail("{}");
    let stored: Vec<Item> = stored.iter().map(|line| parse(line)).collect();
    assert_eq!(stored, followed[0]);
}

#[test]
fn one_shot_sends_survive_restarts() {
    let mut agent = Agent::prepare(&[]);
    agent.pass_socket(0o666);
    agent.restart();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            let (socket, stop, sent) = (agent.socket_text(), &stop, &sent);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Longer than the default, because the machine may be busy.
                    Tool::send().args(&["--socket", socket, "--timeout", "20s", "x"]).ok();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=RESTARTS {
            wait_for("more sends", || (sent.load(Ordering::Relaxed) >= round * 40).then_some(()));
            assert!(agent.stop().success());
            agent.restart();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let lines = agent.connect().tail("{}");
    let events = lines.iter().filter(|line| parse(line).msg().is_some()).count() as u64;
    assert_eq!(events, sent.load(Ordering::Relaxed));
}
