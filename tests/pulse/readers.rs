//! A reader is a cursor over window and history, at its own speed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Agent, Client, FIRST, Gap, Item, assert_contiguous, parse, seq_of, wait_for};

/// A window and a history that a test can overflow.
const SMALL_WINDOW: &str = "window.size = \"1MiB\"";
const SMALL_HISTORY: &str = "history.size = \"1MiB\"";

/// Sends `count` events, each with its index as message, and waits until they are stored. Returns the cursor.
fn send_numbered(agent: &Agent, from: u64, count: u64) -> String {
    let text: String = (from..from + count).map(|n| format!("SEND {n}\n")).collect();
    agent.connect().write(text).sync()
}

/// Asserts that the message of each event is its index: the number of events before it.
fn assert_numbered(items: &[Item]) {
    for item in items {
        if let Item::Event(seq, msg, _) = item {
            assert_eq!(*msg, (seq - FIRST).to_string());
        }
    }
}

fn items(lines: &[String]) -> Vec<Item> {
    lines.iter().map(|line| parse(line)).collect()
}

fn messages(lines: &[String]) -> Vec<String> {
    items(lines).iter().filter_map(|item| item.msg().map(str::to_owned)).collect()
}

#[test]
fn replays_into_live_without_seam() {
    const COUNT: u64 = 60_000;
    let agent = Agent::with(&[SMALL_WINDOW]);
    send_numbered(&agent, 0, COUNT / 2);
    let stats = agent.stats();
    assert!(stats["window_bytes"].as_u64() < stats["history"]["bytes"].as_u64(), "{stats}");
    let mut readers: Vec<Client> = (0..3).map(|_| agent.connect()).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for from in (COUNT / 2..COUNT).step_by(1000) {
                send_numbered(&agent, from, 1000);
            }
        });
        for reader in &mut readers {
            scope.spawn(|| {
                reader.write("TAIL {\"since\":\"2000-01-01T00:00:00Z\",\"follow\":true}\n");
                let all: Vec<Item> = (0..=COUNT).map(|_| parse(&reader.line())).collect();
                assert_eq!(assert_contiguous(0, &all), FIRST + COUNT - 1);
                assert_numbered(&all);
            });
        }
    });
}

#[test]
fn slow_reader_gets_exact_retention_gaps() {
    let agent = Agent::with(&[SMALL_WINDOW, SMALL_HISTORY]);
    send_numbered(&agent, 0, 1000);
    let mut reader = agent.connect();
    reader.write("TAIL {\"since\":\"2000-01-01T00:00:00Z\",\"follow\":true}\n");
    let mut all = vec![parse(&reader.line())];
    // Does not read until far more was sent than the buffers, the window and history hold.
    let mut sent = 1000;
    wait_for("a trimmed history", || {
        send_numbered(&agent, sent, 20_000);
        sent += 20_000;
        let oldest = agent.stats()["oldest"].as_str().map(seq_of);
        (oldest > Some(50_000)).then_some(())
    });
    // Reads while more is sent.
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let last = sent + 100_000;
            for from in (sent..last).step_by(1000) {
                send_numbered(&agent, from, 1000);
            }
            last
        });
        let last = FIRST + sent + 100_000 - 1;
        while all.last().is_none_or(|item| item.seq_range().1 < last) {
            all.push(parse(&reader.line()));
        }
        assert_eq!(sender.join().expect("no panic"), sent + 100_000);
    });
    assert_eq!(all.remove(0), Item::Gap(Gap::of_clean_start(0)));
    assert_contiguous(FIRST - 1, &all);
    assert_numbered(&all);
    let gaps: Vec<&Gap> = all.iter().filter_map(Item::gap).collect();
    assert!(!gaps.is_empty(), "it missed something");
    for gap in gaps {
        assert_eq!(gap.why, "retention");
        assert_eq!(gap.lost, Some(gap.before - gap.after - 1), "{gap:?}");
    }
}

#[test]
fn trims_by_size_and_counts_loss() {
    let agent = Agent::with(&[SMALL_WINDOW, SMALL_HISTORY]);
    let newest = send_numbered(&agent, 0, 40_000);
    let (id, _) = newest.split_once('-').expect("a cursor");
    let all = items(&agent.connect().tail("{}"));
    let oldest = all[0].seq_range().0;
    assert!(oldest > FIRST && all[0].gap().is_none(), "a reader without a cursor misses nothing");
    assert_contiguous(oldest - 1, &all);
    let bytes = agent.stats()["history"]["bytes"].as_u64().expect("a number");
    assert!(bytes <= 1 << 20, "{bytes}");
    assert_eq!(bytes, agent.history_text().len() as u64);
    let after = items(&agent.connect().tail(&format!("{{\"after\":\"{id}-100\"}}")));
    let lost = Some(oldest - 101);
    let gap = Gap { after: 100, before: oldest, lost, why: "retention".into() };
    assert_eq!(after[0], Item::Gap(gap));
    assert_eq!(after[1..], all);
}

#[test]
fn trims_by_age() {
    let agent = Agent::with(&["history.age = \"1s\"", SMALL_WINDOW]);
    let first = seq_of(&send_numbered(&agent, 0, 1));
    let mut sent = 1;
    wait_for("a history without its first event", || {
        send_numbered(&agent, sent, 1);
        sent += 1;
        let text = agent.history_text();
        let oldest = text.lines().next().map(|line| parse(line).seq_range().0);
        oldest.is_some_and(|oldest| oldest > first).then_some(())
    });
}

#[test]
fn foreign_cursor_restarts_at_oldest() {
    let agent = Agent::start();
    send_numbered(&agent, 0, 3);
    let foreign = "{\"after\":\"00000000-2\"}";
    let read = items(&agent.connect().tail(foreign));
    let gap = Gap { after: 0, before: FIRST, lost: None, why: "restart".into() };
    assert_eq!(read[0], Item::Gap(gap));
    assert_eq!((read.len(), assert_contiguous(0, &read)), (4, FIRST + 2));
    let mut follower = agent.connect();
    follower.write("TAIL {\"after\":\"00000000-2\",\"follow\":true}\n");
    for item in read {
        let line = parse(&follower.line());
        assert_eq!(line.seq_range(), item.seq_range());
    }
    send_numbered(&agent, 3, 1);
    assert_eq!(parse(&follower.line()).msg(), Some("3"));
}

#[test]
fn cursor_inside_gap_gets_its_rest() {
    let mut agent = Agent::start();
    let newest = send_numbered(&agent, 0, 3);
    agent.kill();
    agent.restart();
    let (id, last) = newest.split_once('-').expect("a cursor");
    let last: u64 = last.parse().expect("a number");
    let all = items(&agent.connect().tail(&format!("{{\"after\":\"{newest}\"}}")));
    let whole = all[0].gap().expect("a gap").clone();
    assert_eq!((whole.after, whole.lost, whole.why.as_str()), (last, None, "restart"));
    for inside in [last + 1, last + 1000, whole.before - 2] {
        let read = items(&agent.connect().tail(&format!("{{\"after\":\"{id}-{inside}\"}}")));
        assert_eq!(read, [Item::Gap(Gap { after: inside, ..whole.clone() })]);
    }
    let last_of_gap = whole.before - 1;
    assert!(agent.connect().tail(&format!("{{\"after\":\"{id}-{last_of_gap}\"}}")).is_empty());
}

#[test]
fn selects_last_lines_and_reverse() {
    let agent = Agent::with(&[SMALL_WINDOW]);
    let newest = send_numbered(&agent, 0, 30_000);
    let (id, _) = newest.split_once('-').expect("a cursor");
    let mut client = agent.connect();
    let all = client.tail("{}");
    let backwards: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(all.len(), 30_000);
    assert!(client.tail("{\"reverse\":true}") == backwards, "all of it, the newest first");
    assert_eq!(client.tail("{\"lines\":3}"), all[29_997..]);
    assert_eq!(client.tail("{\"lines\":0}"), [""; 0]);
    assert!(client.tail("{\"lines\":30001}") == all, "more than there is");
    assert_eq!(client.tail("{\"reverse\":true,\"lines\":3}"), backwards[..3]);
    let selected = "\"match\":\"msg~^1.*77$\"";
    let expected: Vec<&String> = all
        .iter()
        .filter(|line| msg_of(line).starts_with('1') && msg_of(line).ends_with("77"))
        .collect();
    assert!(expected.len() > 100);
    assert!(client.tail(&format!("{{{selected}}}")).iter().eq(expected.iter().copied()));
    let last: Vec<String> =
        expected[expected.len() - 5..].iter().map(|line| (*line).clone()).collect();
    assert_eq!(client.tail(&format!("{{{selected},\"lines\":5}}")), last);
    let reversed = client.tail(&format!("{{{selected},\"lines\":5,\"reverse\":true}}"));
    assert!(reversed.iter().eq(last.iter().rev()));
    assert_eq!(client.tail(&format!("{{\"after\":\"{id}-29999\",\"lines\":2}}")), all[29_998..]);
    assert_eq!(client.tail(&format!("{{\"after\":\"{id}-29999\"}}")), all[29_998..]);
    assert_eq!(client.tail(&format!("{{\"after\":\"{newest}\"}}")), [""; 0]);
}

/// The message of an event line. It must not contain a quote.
fn msg_of(line: &str) -> &str {
    let (_, rest) = line.split_once("\"msg\":\"").expect("a message");
    rest.split_once('"').expect("its end").0
}

#[test]
fn since_and_until_are_inclusive() {
    let agent = Agent::start();
    for n in 0..9 {
        send_numbered(&agent, n, 1);
    }
    let mut client = agent.connect();
    let all = client.tail("{}");
    let time = |n: usize| parse(&all[n]).event()["time"].as_str().expect("a time").to_owned();
    // Events may share a time: then all of them are selected.
    let first = (0..9).find(|n| time(*n) == time(4)).expect("itself");
    let last = (0..9).rfind(|n| time(*n) == time(6)).expect("itself");
    let (since, until) = (time(4), time(6));
    let between = format!("{{\"since\":\"{since}\",\"until\":\"{until}\"}}");
    assert_eq!(client.tail(&between), all[first..=last]);
    assert_eq!(client.tail(&format!("{{\"since\":\"{since}\"}}")), all[first..]);
    assert_eq!(client.tail(&format!("{{\"until\":\"{until}\"}}")), all[..=last]);
    assert_eq!(client.tail("{\"since\":\"2999-01-01T00:00:00Z\"}"), [""; 0]);
    assert_eq!(client.tail("{\"until\":\"2000-01-01T00:00:00Z\"}"), [""; 0]);
    client.write(format!("TAIL {{\"since\":\"{since}\",\"follow\":true}}\n"));
    send_numbered(&agent, 9, 1);
    let followed: Vec<String> = (first..10).map(|_| client.line()).collect();
    assert_eq!(messages(&followed).last().map(String::as_str), Some("9"));
    assert_eq!(followed[..9 - first], all[first..]);
}

#[test]
fn each_follower_gets_its_matches() {
    let agent = Agent::start();
    let matches = ["", "tag=shop.*", "tag=web level>=warning", "n>500", "n=7 + n=8", "tag!=shop.a"];
    let mut followers: Vec<Client> = Vec::new();
    for matching in matches {
        let mut follower = agent.connect();
        follower.follow(&format!(",\"match\":\"{matching}\""));
        followers.push(follower);
    }
    let mut text = String::new();
    for n in 0..1000 {
        let tag = ["shop.a", "shop.b", "web"][n % 3];
        let level = ["info", "warning", "err", "debug"][n % 4];
        text += &format!(r#"SEND {{"tag":"{tag}","level":"{level}","fields":{{"n":{n}}}}}"#);
        text += "\n";
    }
    // An event that most filters select, as the end.
    text += r#"SEND {"tag":"shop.web","level":"emerg","msg":"end","fields":{"n":999999}}"#;
    text += "\n";
    agent.connect().write(&text).sync();
    let wanted: [fn(usize) -> bool; 6] = [
        |_| true,
        |n| n % 3 < 2,
        |n| n % 3 == 2 && (n % 4 == 1 || n % 4 == 2),
        |n| n > 500,
        |n| n == 7 || n == 8,
        |n| n % 3 > 0,
    ];
    for ((follower, wanted), matching) in followers.iter_mut().zip(wanted).zip(matches) {
        for n in (0..1000).filter(|n| wanted(*n)) {
            let item = parse(&follower.line());
            assert_eq!(item.event()["fields"]["n"], n, "{matching}");
        }
        if !["tag=web level>=warning", "n=7 + n=8"].contains(&matching) {
            assert_eq!(parse(&follower.line()).msg(), Some("end"), "{matching}");
        }
    }
}

#[test]
fn short_follows_see_consecutive_numbers() {
    let agent = Agent::with(&[SMALL_WINDOW]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                send_numbered(&agent, sent, 500);
                sent += 500;
            }
        });
        for _ in 0..100 {
            let mut follower = agent.connect();
            let newest = follower.follow("");
            let some: Vec<Item> = (0..300).map(|_| parse(&follower.line())).collect();
            assert_eq!(assert_contiguous(newest, &some), newest + 300);
            assert_numbered(&some);
        }
        done.store(true, Ordering::Relaxed);
        sender.join().expect("no panic");
    });
    wait_for("no follower", || (agent.stats()["followers"] == 0).then_some(()));
}
