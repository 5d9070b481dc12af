//! Many followers of everything, which share their frames, and slow ones.

use std::thread;

use super::{Http, Visitor};
use crate::harness::{Agent, Item, assert_contiguous, parse, seq_of, wait_for};

const EVENTS: u64 = 20_000;

/// Follows from `after` up to the number `last`. Every event must come once, in order.
fn follow(session: &Visitor, after: u64, last: u64, log: &str) {
    let mut stream = session.stream(&format!("/events?after={log}-{after}"), &[]);
    let (mut items, mut at) = (Vec::new(), after);
    while at < last {
        let frame = stream.next();
        let item: Item = parse(&frame.data);
        at = item.seq_range().1;
        assert_eq!(frame.id, Some(format!("{log}-{at}")));
        items.push(item);
        if items.len() == 1000 || at == last {
            let begun = items[0].seq_range().0 - 1;
            assert!(begun >= after);
            assert_contiguous(begun, &items);
            items.drain(..items.len() - 1);
        }
    }
    assert_eq!(at, last);
}

#[test]
fn fifty_followers_at_different_places_get_every_event_once() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let mut sender = agent.connect();
    let first = sender.newest();
    let (log, start) = (first.split('-').next().expect("an id"), seq_of(&first));
    let last = start + EVENTS;
    thread::scope(|scope| {
        for n in 0..50 {
            let session = &session;
            let agent = &agent;
            scope.spawn(move || {
                // Some from the start, some from within, some while it goes on.
                let after = start + EVENTS / 100 * (n % 25);
                if after > start {
                    let newest = || seq_of(&agent.connect().newest());
                    wait_for("its place", || (newest() >= after).then_some(()));
                }
                follow(session, after, last, log);
            });
        }
        for n in 0..EVENTS {
            sender.write(format!("SEND event {n} of user u{} took {}ms\n", n % 17, n % 900));
            if n % 500 == 0 {
                sender.sync();
            }
        }
        sender.sync();
    });
}

#[test]
fn stalled_readers_change_nothing_for_others_and_hold_bounded_memory() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let mut sender = agent.connect();
    let start = sender.newest();
    let (log, seq) = (start.split('-').next().expect("an id").to_owned(), seq_of(&start));
    let stalled: Vec<Http> = (0..50)
        .map(|_| {
            let mut http = Http::connect(session.address);
            http.send(session.head("GET /events", &["Accept: text/event-stream"]));
            http
        })
        .collect();
    wait_for("followers", || (agent.stats()["followers"] == 50).then_some(()));
    let text = "x".repeat(1000);
    for n in 0..30_000u32 {
        sender.write(format!("SEND {n} {text}\n"));
        if n % 200 == 0 {
            sender.sync();
        }
    }
    sender.sync();
    follow(&session, seq, seq + 30_000, &log);
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("it runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    // The window, and beside it what 50 stalled connections may hold.
    assert!(kib < (64 + 50) << 10, "{kib} KiB");
    drop(stalled);
}
