//! The verbs of the native dialect through the real socket, byte by byte (pulse-protocol(7)).

use crate::harness::{Agent, Gap, Item, begins_log, parse, seq_of, wait_for};

/// An event line with a fixed time and an empty origin.
fn normalize(line: &str) -> String {
    let time = regex::Regex::new(r#""time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z""#)
        .expect("a valid pattern");
    let origin = regex::Regex::new(r#""origin":\{[^}]*\}"#).expect("a valid pattern");
    let line = time.replace(line, r#""time":"T""#);
    origin.replace(&line, r#""origin":{}"#).into_owned()
}

/// The event lines that a new agent makes from this input, normalized.
fn events_from(lines: &str) -> Vec<String> {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.write(lines).sync();
    client.tail("{}").iter().map(|line| normalize(line)).collect()
}

#[test]
fn event_lines_match_byte_for_byte() {
    let lines = concat!(
        "SEND query took 40ms\n",
        "send  two  spaces \r\n",
        r#"SEND {"tag":"shop.query","level":"err","msg":"a\nb \"c\" é","run":"r1","#,
        r#""fields":{"user":"123","rows":-1.50,"ok":true,"none":null,"took":"1.5s"}}"#,
        "\n",
        r#"SEND {"time":"yesterday"}"#,
        "\n",
        "SEND\n",
    );
    let (start, end) = (r#""time":"T","host":"testhost","tag":"#, r#""origin":{}}"#);
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("a user database");
    let user = user.map_or_else(|| format!("uid{}", nix::unistd::geteuid()), |user| user.name);
    let expected = [
        format!(
            r#"{{"seq":2,{start}"{user}","level":"info","msg":"query took 40ms","took":0.04,{end}"#
        ),
        format!(r#"{{"seq":3,{start}"{user}","level":"info","msg":" two  spaces ",{end}"#),
        format!(
            r#"{{"seq":4,{start}"shop.query","level":"err","msg":"a\nb \"c\" é","run":"r1","took":1.5,"fields":{{"user":"123","rows":-1.50,"ok":true,"none":null}},{end}"#
        ),
        format!(
            r#"{{"seq":5,{start}"{user}","level":"info","fields":{{"sent":"yesterday"}},{end}"#
        ),
        format!(r#"{{"seq":6,{start}"{user}","level":"info",{end}"#),
    ];
    let made = events_from(lines);
    for (made, expected) in made.iter().zip(&expected) {
        assert_eq!(made, expected);
    }
    assert_eq!(made.len(), expected.len());
}

#[test]
fn clean_restart_continues_numbers() {
    let mut agent = Agent::start();
    let mut client = agent.connect();
    let newest = client.newest();
    assert!(
        regex::Regex::new("^[0-9a-f]{8}-1$").expect("a valid pattern").is_match(&newest),
        "{newest}"
    );
    assert_eq!(client.sync(), newest, "with nothing to store, SYNC returns the newest cursor");
    client.write("SEND a\nSEND b\n");
    let cursor = client.sync();
    assert_eq!(cursor, newest.replace("-1", "-3"));
    agent.stop();
    agent.restart();
    // Each start appends a gap. After a clean stop it lost nothing.
    assert_eq!(agent.connect().newest(), newest.replace("-1", "-4"));
    assert_eq!(agent.connect().write("SEND c\n").sync(), newest.replace("-1", "-5"));
    let mut reader = agent.connect();
    reader.write("TAIL {}\n");
    let lines: Vec<Item> = (0..5).map(|_| parse(&reader.line())).collect();
    assert_eq!(lines[0], Item::Gap(Gap::of_clean_start(0)));
    assert_eq!(lines[3], Item::Gap(Gap::of_clean_start(3)));
    assert_eq!(lines.iter().filter_map(Item::msg).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn sync_counts_repaired_events_as_stored() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.write("SEND a\nSEND {\"seq\":7}\nSEND {\"level\":\"loud\"}\nFOO\nSEND b\nSYNC\nSYNC\n");
    let id = agent.connect().newest().split_once('-').expect("a cursor").0.to_owned();
    assert_eq!(
        [client.line(), client.line(), client.line()],
        [
            "ERR 64 unknown verb \"FOO\": use SEND, SYNC, TAIL, VIEW, AUTH, PING, LINK, STATS, HELP or QUIT".to_owned(),
            format!("OK {id}-5"),
            format!("OK {id}-5"),
        ]
    );
}

#[test]
fn answers_at_most_100_errs_between_syncs() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (bad, written) in [(100, 100), (101, 100), (3, 3), (5000, 100)] {
        client.write("FOO\n".repeat(bad)).write("SYNC\n");
        for _ in 0..written {
            let line = client.line();
            assert!(line.starts_with("ERR 64 unknown verb "), "{line}");
        }
        assert!(client.line().starts_with("OK "), "a request that is no event is not counted");
    }
    assert!(client.request("PING").ends_with("-1"), "no event was accepted");
}

#[test]
fn sync_synced_fails_without_history() {
    let agent = Agent::with(&["history.enabled = false"]);
    let mut client = agent.connect();
    assert_eq!(seq_of(&client.write("SEND a\n").sync()), 2);
    let answer = client.request("SYNC synced");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    assert_eq!(client.write("SEND b\n").request("SYNC synced"), answer);
    assert_eq!(client.tail("{}").len(), 2);
    assert!(
        agent.history_text().is_empty(),
        "beside it, the monitor keeps its port and sessions there"
    );
}

#[test]
fn every_sync_policy_acknowledges() {
    for line in ["history.sync = \"always\"", "history.sync = \"never\"", "history.sync = \"1h\""] {
        let agent = Agent::with(&[line]);
        let mut client = agent.connect();
        let answer = client.write("SEND a\nSEND b\n").request("SYNC synced");
        assert!(answer.starts_with("OK ") && answer.ends_with("-3"), "{answer}");
        client.write("SEND c\n").sync();
        let synced = agent.stats()["history"]["synced"].as_str().map(seq_of);
        let least = if line.contains("always") { 4 } else { 3 };
        assert!(synced >= Some(least), "{line}: {synced:?}");
    }
}

#[test]
fn help_lists_every_verb() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let help: Vec<String> = client.write("help\nQUIT\n").rest();
    for verb in pulsed::wire::VERBS {
        let form = format!("{} {}", verb.name, verb.usage);
        assert!(help.iter().any(|line| line.starts_with(form.trim_end())), "{form}: {help:#?}");
    }
    assert_eq!(help.len(), pulsed::wire::VERBS.len());
}

#[test]
fn stats_is_json() {
    let agent = Agent::start();
    agent.connect().write("SEND a\nSEND b\n").sync();
    let stats = agent.stats();
    assert_eq!(stats["pid"], agent.pid());
    assert_eq!((&stats["events"], &stats["host"]), (&2.into(), &"testhost".into()));
    assert!(stats["newest"].as_str().is_some_and(|newest| newest.ends_with("-3")), "{stats}");
}

#[test]
fn rejects_bad_requests_with_reason() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (line, expected) in [
        ("SYNC now", "ERR 64 SYNC \"now\": use SYNC, SYNC synced or SYNC replicated"),
        ("PING x", "ERR 64 unexpected argument \"x\": this verb has none"),
        ("AUTH", "ERR 64 AUTH needs a token"),
        ("TAIL {\"aftr\":1}", "ERR 64 TAIL: unknown field `aftr`, expected one of "),
        ("TAIL {\"after\":\"x\"}", "ERR 64 TAIL: after: not a cursor"),
        ("TAIL {\"match\":\"took>soon\"}", "ERR 64 "),
        ("TAIL msg~(", "ERR 64 "),
        ("TAIL {\"follow\":true,\"reverse\":true}", "ERR 64 TAIL: follow does not end"),
    ] {
        let answer = client.request(line);
        assert!(answer.starts_with(expected), "{line}: {answer}");
    }
    let newest = client.newest();
    let (id, _) = newest.split_once('-').expect("a cursor");
    let answer = client.request(&format!("TAIL {{\"after\":\"{id}-5\"}}"));
    assert_eq!(answer, format!("ERR 65 after: the newest is {id}-1"));
    assert_eq!(client.request("PING"), format!("OK {id}-1"), "the connection stays open");
}

#[test]
fn err_escapes_control_characters() {
    let agent = Agent::start();
    let answer = agent.connect().request("\u{1b}[2J\u{202e}x");
    assert!(!answer.contains(['\u{1b}', '\u{202e}']), "{answer:?}");
    let answer = agent.connect().request("TAIL {\"\u{1b}[2J\\u001b\":1}");
    assert!(answer.starts_with("ERR 64 ") && !answer.contains('\u{1b}'), "{answer:?}");
}

#[test]
fn end_of_input_answers_then_closes() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let rest =
        client.write("SEND a\nSEND b\nSYNC\nSEND without a line end").shutdown_write().rest();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(agent.connect().tail("{}").len(), 3);
    // The last line needs no line end.
    assert_eq!(agent.connect().write("PING").shutdown_write().rest().len(), 1);
    // All answers arrive, also if they are read late.
    let mut client = agent.connect();
    client.write("TAIL {}\nPING\nSTATS\nSEND c\nSYNC").shutdown_write();
    let rest = client.rest();
    assert_eq!(rest.len(), 8, "{rest:#?}");
    assert!(begins_log(&rest[0]) && rest[7].ends_with("-5"), "{rest:#?}");
}

#[test]
fn follow_outlives_end_of_input() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    follower.shutdown_write();
    for n in 0..3 {
        agent.connect().write(format!("SEND {n}\n")).sync();
        assert_eq!(parse(&follower.line()).msg(), Some(n.to_string().as_str()));
    }
}

#[test]
fn pipelined_quit_ends_tail() {
    let agent = Agent::start();
    for request in ["TAIL", "TAIL {\"follow\":true}"] {
        let mut follower = agent.connect();
        follower.write(format!("{request}\nnonsense\nQUIT\n"));
        assert_eq!(follower.rest(), [""; 0], "{request}");
    }
}

#[test]
fn follow_accepts_only_quit() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    follower.write("PING\nSEND not this\nSTATS\nTAIL\nnonsense\n");
    agent.connect().write("SEND this\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("this"));
    follower.write("quit\n");
    assert_eq!(follower.rest(), [""; 0]);
    assert!(agent.connect().request("PING").ends_with("-2"));
}

#[test]
fn tail_without_follow_ends_with_ok() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.write("SEND a\nSEND b\nSEND c\n");
    let cursor = client.sync();
    client.write("TAIL {\"lines\":2}\nPING\n");
    let lines = [client.line(), client.line(), client.line(), client.line()];
    assert_eq!([parse(&lines[0]).msg(), parse(&lines[1]).msg()], [Some("b"), Some("c")]);
    assert_eq!(lines[2..], [format!("OK {cursor}"), format!("OK {cursor}")]);
}

#[test]
fn text_tail_is_readable_and_safe() {
    let agent = Agent::start();
    let mut reader = agent.connect();
    reader.write("TAIL level>=warning + took>1s\r\n");
    wait_for_follower(&agent);
    let mut sender = agent.connect();
    sender.write("SEND not this\n");
    sender
        .write(r#"SEND {"tag":"shop.query","msg":"slow query took 1500ms","fields":{"user":"7"}}"#);
    sender
        .write("\n")
        .write(r#"SEND {"tag":"x","level":"err","msg":"\u001b[2Jbad\nline"}"#)
        .write("\n");
    sender.sync();
    let line = reader.line();
    assert!(line.contains(" testhost shop.query["), "{line}");
    assert!(line.ends_with(": slow query took 1500ms user=7"), "{line}");
    let (first, second) = (reader.line(), reader.line());
    assert!(first.contains(" err: ") && !first.contains('\u{1b}'), "{first:?}");
    assert!(second.starts_with(' ') && second.trim() == "line", "{second:?}");
}

/// Waits until the agent counts a follower: a text TAIL has no cursor and no answer that shows where it
/// begins.
fn wait_for_follower(agent: &Agent) {
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
}

#[test]
fn reports_progress_without_matches() {
    const SKIPPED_MAX: usize = 65_536;
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow(r#","match":"tag=wanted""#);
    let mut sender = agent.connect();
    let wanted = "SEND {\"tag\":\"wanted\"}\n";
    // One fewer is not reported: the next line is the event.
    sender.write("SEND x\n".repeat(SKIPPED_MAX - 1)).write(wanted).sync();
    assert_eq!(parse(&follower.line()).event()["tag"], "wanted");
    let cursor = sender.write("SEND x\n".repeat(SKIPPED_MAX)).sync();
    assert_eq!(follower.line(), format!("{{\"at\":\"{cursor}\"}}"));
    sender.write(wanted).sync();
    assert_eq!(parse(&follower.line()).event()["tag"], "wanted");
    // A reader that resumes there misses nothing.
    let mut later = agent.connect();
    let rest = later.tail(&format!("{{\"after\":\"{cursor}\",\"match\":\"tag=wanted\"}}"));
    assert_eq!(rest.len(), 1);
}

#[test]
fn skips_telnet_negotiation() {
    let agent = Agent::start();
    let mut telnet = agent.connect();
    telnet.write(b"\xff\xfd\x03\xff\xfb\x18\xff\xfa\x18\x00XTERM\xff\xf0");
    telnet.write(b"SEND typed\xff\xf1 by hand\r\n");
    assert!(telnet.write(b"\xff\xfb\x1fping\r\n").line().ends_with("-2"));
    let lines = agent.connect().tail("{}");
    assert_eq!(parse(&lines[0]).msg(), Some("typed by hand"));
}

#[test]
fn accepts_20000_events_per_write() {
    let agent = Agent::start();
    let mut sender = agent.connect();
    let many: String = (1..=20_000).map(|n| format!("SEND {n}\n")).collect();
    assert_eq!(seq_of(&sender.write(many).sync()), 20_001);
    let lines = agent.connect().tail("{}");
    assert_eq!(lines.len(), 20_000);
    for (line, n) in lines.iter().zip(1..) {
        assert_eq!(
            (parse(line).seq_range().0, parse(line).msg()),
            (n + 1, Some(n.to_string().as_str()))
        );
    }
}
