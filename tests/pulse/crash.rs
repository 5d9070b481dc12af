//! The guarantees when the agent is killed: no acknowledged event is lost, none is stored twice, no number is
//! reused, and every loss is a gap line.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::harness::{Agent, Client, Gap, Item, assert_contiguous, parse, seq_of, wait_for};

const SENDERS: usize = 8;
const KILLS: u64 = 20;

/// What one sender sent, and what was acknowledged.
#[derive(Default)]
struct Sender {
    /// How many messages it has tried to send. Each is numbered, and none is sent again.
    sent: u64,
    /// The acknowledged messages, and the sequence number in the cursor for the last one of each SYNC.
    acknowledged: Vec<(u64, Option<u64>)>,
}

impl Sender {
    /// Sends until the connection breaks, with up to three unanswered SYNCs in flight.
    fn send(&mut self, name: usize, mut client: Client, acknowledged_by_all: &AtomicU64) {
        let mut writer = client.writer();
        let mut pending: Vec<Vec<u64>> = Vec::new();
        loop {
            let batch: Vec<u64> = (1..=1 + self.sent % 40).map(|n| self.sent + n).collect();
            let mut text = Vec::new();
            for n in &batch {
                writeln!(text, "SEND {name}:{n}").expect("a write to memory");
            }
            text.extend_from_slice(b"SYNC\n");
            self.sent += batch.len() as u64;
            pending.push(batch);
            if !writer.try_write(&text) {
                break;
            }
            if pending.len() == 3
                && !self.read_answer(&mut client, &mut pending, acknowledged_by_all)
            {
                break;
            }
        }
        // Reads the answers that arrived before the end.
        while !pending.is_empty()
            && self.read_answer(&mut client, &mut pending, acknowledged_by_all)
        {}
    }

    fn read_answer(
        &mut self,
        client: &mut Client,
        pending: &mut Vec<Vec<u64>>,
        acknowledged_by_all: &AtomicU64,
    ) -> bool {
        let Some(answer) = client.try_whole_line() else { return false };
        let cursor = answer.strip_prefix("OK ").unwrap_or_else(|| panic!("{answer}"));
        let batch = pending.remove(0);
        let last = batch.last().copied();
        let with_cursor = |n| (n, (Some(n) == last).then(|| seq_of(cursor)));
        acknowledged_by_all.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.acknowledged.extend(batch.into_iter().map(with_cursor));
        true
    }
}

/// Follows until the connection breaks, and records the message of each sequence number.
fn record_all(mut follower: Client, seen: &mut HashMap<u64, String>) {
    while let Some(line) = follower.try_whole_line() {
        if let Item::Event(seq, msg, _) = parse(&line) {
            let before = seen.insert(seq, msg.clone());
            assert!(before.is_none(), "{seq} was {before:?} and is now {msg:?}");
        }
    }
}

#[test]
fn survives_20_kills_under_load() {
    let mut agent = Agent::start();
    let mut senders: Vec<Sender> = (0..SENDERS).map(|_| Sender::default()).collect();
    let mut seen = HashMap::new();
    for round in 0..KILLS {
        let acknowledged = AtomicU64::new(0);
        thread::scope(|scope| {
            let mut follower = agent.connect();
            follower.follow("");
            scope.spawn(|| record_all(follower, &mut seen));
            for (name, sender) in senders.iter_mut().enumerate() {
                let (client, acknowledged) = (agent.connect(), &acknowledged);
                scope.spawn(move || sender.send(name, client, acknowledged));
            }
            // The kill comes later in each round.
            let enough = 1 + round * 137;
            wait_for("acknowledged events", || {
                (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
            });
            agent.kill();
        });
        agent.restart();
    }
    let text = agent.history_text();
    let on_disk: Vec<Item> = text.lines().map(parse).collect();
    check(&on_disk, &senders, &seen);
    // A reader gets exactly the lines on disk.
    let read = agent.connect().tail("{}");
    assert!(text.lines().eq(&read), "the files and a reader agree");
}

/// Checks the history against what the senders and the follower recorded.
fn check(on_disk: &[Item], senders: &[Sender], seen: &HashMap<u64, String>) {
    assert_contiguous(1, on_disk);
    let gaps: Vec<_> = on_disk.iter().filter_map(Item::gap).collect();
    assert!(gaps.iter().all(|gap| gap.why == "restart"), "{gaps:?}");
    assert_eq!(gaps.len() as u64, KILLS, "one for each kill: {gaps:?}");

    let mut found: Vec<HashMap<u64, u64>> = vec![HashMap::new(); senders.len()];
    let mut last = vec![0; senders.len()];
    for item in on_disk {
        let Item::Event(seq, msg, _) = item else { continue };
        let (name, n) = msg.split_once(':').expect("NAME:N");
        let (name, n): (usize, u64) =
            (name.parse().expect("a number"), n.parse().expect("a number"));
        assert!(n > last[name], "sender {name}: {n} comes after {}", last[name]);
        last[name] = n;
        found[name].insert(n, *seq);
        // If the follower saw this number, it saw the same message.
        assert!(seen.get(seq).is_none_or(|seen| seen == msg), "{seq}: {msg} and {:?}", seen[seq]);
    }
    let mut acknowledged = 0;
    for (name, sender) in senders.iter().enumerate() {
        for (n, cursor) in &sender.acknowledged {
            let seq = found[name].get(n).copied();
            assert!(seq.is_some(), "sender {name}: {n} was acknowledged and is lost");
            assert!(cursor.is_none() || *cursor == seq, "sender {name}: {n}: {cursor:?}, {seq:?}");
        }
        acknowledged += sender.acknowledged.len() as u64;
    }
    assert!(acknowledged >= (0..KILLS).map(|round| 1 + round * 137).sum());
    assert!(!seen.is_empty(), "the follower saw events");
}

#[test]
fn truncates_damaged_tail() {
    for damage in ["{\"seq\":4,\"ti", "garbage\n", "{\"seq\":9,\"time\":\"x\"}\n", "\0\0\0\0"] {
        let mut agent = Agent::start();
        agent.connect().write("SEND a\nSEND b\n").sync();
        agent.kill();
        let mut files: Vec<_> = std::fs::read_dir(agent.history())
            .expect("a history directory")
            .map(|entry| entry.expect("a readable entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
        let file = files.pop().expect("a segment");
        let good = std::fs::read_to_string(&file).expect("UTF-8");
        std::fs::write(&file, format!("{good}{damage}")).expect("a writable file");
        agent.restart();
        let lines = agent.connect().tail("{}");
        let items: Vec<Item> = lines.iter().map(|line| parse(line)).collect();
        assert_eq!(items.iter().filter_map(Item::msg).collect::<Vec<_>>(), ["a", "b"]);
        assert_contiguous(1, &items);
        assert!(items[2].gap().is_some_and(|gap| gap.why == "restart" && gap.lost.is_none()));
        assert!(std::fs::read_to_string(&file).expect("UTF-8").starts_with(&good));
        agent.wait_for_output(file.file_name().and_then(|name| name.to_str()).expect("a name"));
    }
}

#[test]
fn clean_stop_under_load_loses_nothing() {
    let mut agent = Agent::start();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for name in 0..SENDERS {
            let (mut client, stop) = (agent.connect(), &stop);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed)
                    && client.try_write(format!("SEND {name}:{n}\n"))
                {
                    n += 1;
                }
            });
        }
        wait_for("load", || (agent.stats()["events"].as_u64() > Some(2000)).then_some(()));
        assert!(agent.stop().success());
        stop.store(true, Ordering::Relaxed);
    });
    agent.restart();
    agent.connect().write("SEND after it\n").sync();
    let items: Vec<Item> = agent.history_text().lines().map(parse).collect();
    let last = assert_contiguous(1, &items);
    let gaps: Vec<_> = items.iter().filter_map(Item::gap).collect();
    assert_eq!(gaps, [&Gap::of_clean_start(last - 2)]);
    assert_eq!(items.last().and_then(Item::msg), Some("after it"));
}
