//! Hostile and broken input: a broken request gets an error for that line only, a broken event is kept and
//! repaired, and no other client is affected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Agent, Client, FIRST, Item, assert_contiguous, parse, wait_for};

/// The longest draft, in bytes.
const DRAFT_MAX: usize = 64 << 10;

/// Invalid requests, each with its kind.
fn bad_requests() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("garbage", (0..=255).filter(|b| !b"\xff\n0123456789<".contains(b)).collect()),
        ("invalid UTF-8 in the verb", b"S\xe4ND a".to_vec()),
        ("invalid UTF-8 in an argument", b"TAIL msg=\xe4".to_vec()),
        ("an unknown verb", b"GET / HTTP/1.1".to_vec()),
        ("an over-long verb", vec![b'y'; 3 << 20]),
        ("an over-long request", [b"TAIL ".to_vec(), vec![b'x'; DRAFT_MAX + 1]].concat()),
        ("a huge lines", b"TAIL {\"lines\":99999999999999999999}".to_vec()),
        ("an unknown key", b"TAIL {\"lnes\":1}".to_vec()),
        ("a regex that explodes", b"TAIL {\"match\":\"msg~(a{1000}){1000}\"}".to_vec()),
    ]
}

/// Events that need repair, each with the names of the repairs.
fn bad_events() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!("SEND {{\"fields\":{{\"a\":{}", "[".repeat(60_000));
    let nested =
        format!("SEND {{\"a\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000)).into_bytes();
    let wide: Vec<String> = (0..5000).map(|n| format!("\"f{n}\":1")).collect();
    let long = [b"SEND ".to_vec(), vec![b'x'; DRAFT_MAX + 1]].concat();
    let long_object = format!("SEND {{\"tag\":\"a\",\"msg\":\"{}\"}}", "x".repeat(3 << 20));
    let huge = format!("SEND {{\"fields\":{{\"n\":1{}}}}}", "0".repeat(60_000));
    let long_name = format!("SEND {{\"{}\":1}}", "n".repeat(60_000));
    let long_run = format!("SEND {{\"run\":\"{}\"}}", "r".repeat(65));
    vec![
        ("utf8", b"SEND a\xc3(b".to_vec()),
        ("utf8", b"SEND {\"msg\":\"\xf0\x9f\"}".to_vec()),
        ("utf8", br#"SEND {"msg":"\ud800"}"#.to_vec()),
        ("cut", long),
        ("cut", long_object.into_bytes()),
        ("object", b"SEND {\"msg\":".to_vec()),
        ("object", b"SEND {user} logged in".to_vec()),
        ("object", deep.into_bytes()),
        ("nested", nested),
        ("nested", br#"SEND {"fields":{"a":{"b":1}}}"#.to_vec()),
        ("nested", br#"SEND {"msg":"x","tags":[]}"#.to_vec()),
        ("fields", format!("SEND {{\"fields\":{{{}}}}}", wide.join(",")).into()),
        ("fields", br#"SEND {"msg":"a","msg":"b"}"#.to_vec()),
        ("fields", huge.into_bytes()),
        ("fields", long_name.into_bytes()),
        ("fields", br#"SEND {"fields":{"a b":1}}"#.to_vec()),
        ("claim", br#"SEND {"origin":7}"#.to_vec()),
        ("claim", br#"SEND {"seq":1}"#.to_vec()),
        ("msg", br#"SEND {"msg":7}"#.to_vec()),
        ("tag", br#"SEND {"tag":"a b"}"#.to_vec()),
        ("tag", format!("SEND {{\"tag\":\"{}\"}}", "t".repeat(129)).into()),
        ("level", br#"SEND {"level":"loud"}"#.to_vec()),
        ("run", long_run.into_bytes()),
        ("took", br#"SEND {"took":"long"}"#.to_vec()),
    ]
}

#[test]
fn rejects_each_bad_request() {
    let agent = Agent::start();
    for (kind, line) in bad_requests() {
        let mut client = agent.connect();
        client.write(&line);
        client.write("\nPING\nSYNC\n");
        let answer = client.line();
        assert!(answer.starts_with("ERR 6"), "{kind}: {answer}");
        assert!(answer.len() < 500 && !answer.contains(char::is_control), "{kind}: {answer}");
        let newest = client.line();
        assert!(newest.ends_with(&format!("-{}", FIRST - 1)), "{kind}: {newest}");
        assert!(client.line().starts_with("OK "), "{kind} is no event");
    }
}

#[test]
fn keeps_and_repairs_each_bad_event() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (number, (repair, line)) in bad_events().into_iter().enumerate() {
        client.write(&line);
        client.write("\n");
        client.sync();
        let lines = agent.connect().tail("{\"lines\":1}");
        let item = parse(&lines[0]);
        let event = item.event();
        assert_eq!(event["seq"], FIRST + number as u64, "{repair}");
        assert_eq!(event["fields"]["repaired"], repair, "{:.200}", lines[0]);
        assert!(lines[0].len() < 200_000, "{repair}: {}", lines[0].len());
    }
}

#[test]
fn keeps_nul_in_messages() {
    let agent = Agent::start();
    agent.connect().write("SEND a\0b\n").sync();
    assert_eq!(parse(&agent.connect().tail("{}")[0]).msg(), Some("a\0b"));
}

#[test]
fn repairs_beyond_each_bound() {
    let agent = Agent::start();
    let fields = |n: usize| {
        let fields: Vec<String> = (0..n).map(|n| format!("\"f{n}\":{n}")).collect();
        format!("{{\"fields\":{{{}}}}}", fields.join(","))
    };
    let cases = [
        ("cut", "x".repeat(DRAFT_MAX), "x".repeat(DRAFT_MAX + 1)),
        ("fields", fields(64), fields(65)),
        (
            "tag",
            format!("{{\"tag\":\"{}\"}}", "t".repeat(128)),
            format!("{{\"tag\":\"{}\"}}", "t".repeat(129)),
        ),
        (
            "run",
            format!("{{\"run\":\"{}\"}}", "r".repeat(64)),
            format!("{{\"run\":\"{}\"}}", "r".repeat(65)),
        ),
        (
            "fields",
            format!("{{\"fields\":{{\"{}\":1}}}}", "n".repeat(64)),
            format!("{{\"fields\":{{\"{}\":1}}}}", "n".repeat(65)),
        ),
    ];
    let mut client = agent.connect();
    for (repair, good, bad) in cases {
        client.write(format!("SEND {good}\nSEND {bad}\n")).sync();
        let lines = agent.connect().tail("{\"lines\":2}");
        let repaired = |line: &str| parse(line).event()["fields"]["repaired"].clone();
        assert_eq!(repaired(&lines[0]), serde_json::Value::Null, "{repair}");
        assert_eq!(repaired(&lines[1]), repair);
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
        for (kind, line) in bad_requests().into_iter().chain(bad_events()) {
            let (agent, done) = (&agent, &done);
            scope.spawn(move || {
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    // Closes without reading an answer. Long events are kept, so that they are few.
                    let mut hostile = agent.connect();
                    if line.len() < 1000 || round < 20 {
                        hostile.try_write(&line);
                    }
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
