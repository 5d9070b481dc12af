//! Hostile and broken input: the sender gets an error for that line only, and no other client is affected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Agent, Client, FIRST, Item, assert_contiguous, parse, wait_for};

/// The longest draft, in bytes.
const DRAFT_MAX: usize = 64 << 10;

/// Invalid lines, each with its kind.
fn bad_lines() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!("SEND {{\"fields\":{{\"a\":{}", "[".repeat(60_000));
    let wide: Vec<String> = (0..9000).map(|n| format!("\"f{n}\":1")).collect();
    vec![
        ("garbage", (0..=255).filter(|b| !b"\xff\n0123456789<".contains(b)).collect()),
        ("invalid UTF-8", b"SEND a\xc3(b".to_vec()),
        ("invalid UTF-8 in the verb", b"S\xe4ND a".to_vec()),
        ("an unknown verb", b"GET / HTTP/1.1".to_vec()),
        ("an over-long line", [b"SEND ".to_vec(), vec![b'x'; DRAFT_MAX + 1]].concat()),
        ("an over-long verb", vec![b'y'; 3 << 20]),
        ("broken JSON", b"SEND {\"msg\":".to_vec()),
        ("deep JSON", deep.into_bytes()),
        ("wide JSON", format!("SEND {{\"fields\":{{{}}}}}", wide.join(",")).into_bytes()),
        ("nested values", br#"SEND {"fields":{"a":{"b":1}}}"#.to_vec()),
        ("an unknown key", br#"SEND {"pid":1}"#.to_vec()),
        ("a forged origin", br#"SEND {"origin":{"uid":0}}"#.to_vec()),
        ("a forged number", br#"SEND {"seq":1}"#.to_vec()),
        ("a key twice", br#"SEND {"msg":"a","msg":"b"}"#.to_vec()),
        ("half a surrogate", br#"SEND {"msg":"\ud800"}"#.to_vec()),
        ("a huge number", format!("SEND {{\"fields\":{{\"n\":1{}}}}}", "0".repeat(60_000)).into()),
        ("a huge lines", b"TAIL {\"lines\":99999999999999999999}".to_vec()),
        ("a regex that explodes", b"TAIL {\"match\":\"msg~(a{1000}){1000}\"}".to_vec()),
        ("a bad tag", br#"SEND {"tag":"a b"}"#.to_vec()),
        ("a tag that is too long", format!("SEND {{\"tag\":\"{}\"}}", "t".repeat(129)).into()),
    ]
}

#[test]
fn rejects_each_bad_line() {
    let agent = Agent::start();
    for (kind, line) in bad_lines() {
        let mut client = agent.connect();
        client.write(&line);
        client.write("\nPING\n");
        let answer = client.line();
        assert!(answer.starts_with("ERR 6"), "{kind}: {answer}");
        assert!(answer.len() < 500 && !answer.contains(char::is_control), "{kind}: {answer}");
        let newest = client.line();
        assert!(newest.ends_with(&format!("-{}", FIRST - 1)), "{kind}: {newest}");
    }
}

#[test]
fn keeps_nul_in_messages() {
    let agent = Agent::start();
    agent.connect().write("SEND a\0b\n").sync();
    assert_eq!(parse(&agent.connect().tail("{}")[0]).msg(), Some("a\0b"));
}

#[test]
fn enforces_draft_bounds() {
    let agent = Agent::start();
    let fields = |n: usize| {
        let fields: Vec<String> = (0..n).map(|n| format!("\"f{n}\":{n}")).collect();
        format!("{{\"fields\":{{{}}}}}", fields.join(","))
    };
    let cases = [
        ("x".repeat(DRAFT_MAX), "x".repeat(DRAFT_MAX + 1)),
        (fields(64), fields(65)),
        (
            format!("{{\"tag\":\"{}\"}}", "t".repeat(128)),
            format!("{{\"tag\":\"{}\"}}", "t".repeat(129)),
        ),
        (
            format!("{{\"run\":\"{}\"}}", "r".repeat(64)),
            format!("{{\"run\":\"{}\"}}", "r".repeat(65)),
        ),
        (
            format!("{{\"fields\":{{\"{}\":1}}}}", "n".repeat(64)),
            format!("{{\"fields\":{{\"{}\":1}}}}", "n".repeat(65)),
        ),
    ];
    for (good, bad) in cases {
        let mut client = agent.connect();
        client.write(format!("SEND {good}\n")).sync();
        let answer = client.request(&format!("SEND {bad}"));
        assert!(answer.starts_with("ERR 65 "), "{answer}");
        assert!(client.request("SYNC").starts_with("ERR 65 1 refused, "));
    }
    // The longest event line: every character needs an escape, and comes back unchanged.
    let worst = "\u{1}".repeat(DRAFT_MAX);
    agent.connect().write(format!("SEND {worst}\n")).sync();
    let line = agent.connect().tail("{\"lines\":1}").remove(0);
    assert!(line.len() <= 400 << 10, "{}", line.len());
    assert!(parse(&line).msg() == Some(&worst));
}

#[test]
fn syslog_verbs_are_text() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.write("<13>app: hello\nQUIT\nTAIL {}\nSYNC\nSEND x\nPING\n");
    client.write("<11>app: SEND y\n").shutdown_write();
    assert_eq!(client.rest(), [""; 0], "syslog lines get no answer");
    let items: Vec<Item> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    let messages: Vec<_> = items.iter().filter_map(Item::msg).collect();
    assert_eq!(messages, ["hello", "QUIT", "TAIL {}", "SYNC", "SEND x", "PING", "SEND y"]);
    for (item, level) in items.iter().zip([["notice"; 6].as_slice(), &["err"]].concat()) {
        assert_eq!((&item.event()["tag"], &item.event()["level"]), (&"app".into(), &level.into()));
    }
}

#[test]
fn repairs_malformed_syslog_lines() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.write(b"<13>app: bad \xff\xfe bytes\n<13>b\xc3d tag!: x\0<13>app: after NUL\n");
    client.write(
        [b"<13>app: ".to_vec(), vec![b'z'; 3 * DRAFT_MAX], b"\n<13>app: end\n".to_vec()].concat(),
    );
    client.shutdown_write();
    assert_eq!(client.rest(), [""; 0]);
    let items: Vec<Item> = agent.connect().tail("{}").iter().map(|line| parse(line)).collect();
    let repaired =
        |item: &Item| item.event()["fields"]["repaired"].as_str().unwrap_or("").to_owned();
    assert_eq!(items[0].msg(), Some("bad \u{fffd}\u{fffd} bytes"));
    assert!(repaired(&items[0]).contains("utf8"), "{items:?}");
    assert_eq!(items[2].msg(), Some("after NUL"));
    let cut: Vec<&Item> = items.iter().filter(|item| repaired(item).contains("cut")).collect();
    assert!(cut.iter().all(|item| item.msg().is_some_and(|msg| msg.len() <= DRAFT_MAX)));
    assert!(!cut.is_empty());
    assert_eq!(items.last().and_then(Item::msg), Some("end"));
}

#[test]
fn tolerates_wrong_octet_counts() {
    let agent = Agent::start();
    for frame in ["99999999999 <13>x", "5", "12 <13>app: hey", "0 <13>x\n", "3 <13"] {
        let mut client = agent.connect();
        client.write(frame).shutdown_write();
        assert_eq!(client.rest(), [""; 0], "{frame}");
    }
    let mut client = agent.connect();
    client.write("13 <13>app: good14 <13>app: good2").shutdown_write();
    client.rest();
    let lines = agent.connect().tail("{\"lines\":2}");
    assert_eq!([parse(&lines[0]).msg(), parse(&lines[1]).msg()], [Some("good"), Some("good2")]);
}

#[test]
fn bad_input_disturbs_no_other_client() {
    const COUNT: u64 = 30_000;
    let agent = Agent::start();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (kind, line) in bad_lines() {
            let (agent, done) = (&agent, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // Closes without reading an answer.
                    let mut hostile = agent.connect();
                    hostile.try_write(&line);
                    assert!(agent.connect().request("PING").starts_with("OK "), "{kind}");
                }
            });
        }
        let mut follower = agent.connect();
        follower.follow(",\"match\":\"tag=good\"");
        scope.spawn(|| {
            let mut sender = agent.connect();
            for from in (0..COUNT).step_by(100) {
                let event = |n| format!("SEND {{\"tag\":\"good\",\"msg\":\"{n}\"}}\n");
                let text: String = (from..from + 100).map(event).collect();
                sender.write(text).sync();
            }
        });
        for n in 0..COUNT {
            assert_eq!(parse(&follower.line()).msg(), Some(n.to_string().as_str()));
        }
        done.store(true, Ordering::Relaxed);
    });
    let items: Vec<Item> = agent.history_text().lines().map(parse).collect();
    assert_contiguous(FIRST - 1, &items);
}

#[test]
fn unread_answers_block_only_their_sender() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let mut writer = client.writer();
    thread::scope(|scope| {
        // More answers than the buffers hold: only this client blocks.
        let blocked = scope.spawn(move || writer.try_write("STATS\n".repeat(100_000)));
        for n in 0..100 {
            agent.connect().write(format!("SEND {n}\n")).sync();
        }
        // Every answer arrives once the client reads.
        for _ in 0..100_000 {
            assert!(client.line().starts_with('{'));
        }
        assert!(blocked.join().expect("no panic"));
    });
}

#[test]
fn serves_beside_800_idle_connections() {
    let agent = Agent::start();
    let idle: Vec<Client> = (0..800).map(|_| agent.connect()).collect();
    wait_for("all connections", || (agent.stats()["connections"] == 801).then_some(()));
    agent.connect().write("SEND a\n").sync();
    drop(idle);
    wait_for("no connection", || (agent.stats()["connections"] == 1).then_some(()));
}
