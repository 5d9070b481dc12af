//! The words of the native dialect through the real socket, byte by byte (pulse-protocol(7)).

use crate::harness::{Agent, Client, Gap, Item, begins_log, parse, seq_of};

/// An event line with what differs from run to run taken out of it.
fn shape(line: &str) -> String {
    let time =
        regex::Regex::new(r#""time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z""#).expect("good");
    let origin = regex::Regex::new(r#""origin":\{[^}]*\}"#).expect("good");
    let line = time.replace(line, r#""time":"T""#);
    origin.replace(&line, r#""origin":{}"#).into_owned()
}

/// The events that a fresh agent makes of these lines.
fn made_of(lines: &str) -> Vec<String> {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.say(lines).sync();
    client.tail("{}").iter().map(|line| shape(line)).collect()
}

#[test]
fn an_event_line_has_these_bytes() {
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
    let by = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("a database");
    let by = by.map_or_else(|| format!("uid{}", nix::unistd::geteuid()), |user| user.name);
    let expected = [
        format!(
            r#"{{"seq":2,{start}"{by}","level":"info","msg":"query took 40ms","took":0.04,{end}"#
        ),
        format!(r#"{{"seq":3,{start}"{by}","level":"info","msg":" two  spaces ",{end}"#),
        format!(
            r#"{{"seq":4,{start}"shop.query","level":"err","msg":"a\nb \"c\" é","run":"r1","took":1.5,"fields":{{"user":"123","rows":-1.50,"ok":true,"none":null}},{end}"#
        ),
        format!(r#"{{"seq":5,{start}"{by}","level":"info","fields":{{"sent":"yesterday"}},{end}"#),
        format!(r#"{{"seq":6,{start}"{by}","level":"info",{end}"#),
    ];
    let made = made_of(lines);
    for (made, expected) in made.iter().zip(&expected) {
        assert_eq!(made, expected);
    }
    assert_eq!(made.len(), expected.len());
}

#[test]
fn a_fresh_log_begins_at_1_and_a_clean_restart_goes_on() {
    let mut agent = Agent::start();
    let mut client = agent.connect();
    let newest = client.newest();
    assert!(regex::Regex::new("^[0-9a-f]{8}-1$").expect("good").is_match(&newest), "{newest}");
    assert_eq!(client.sync(), newest, "with nothing to store, SYNC gives the newest");
    client.say("SEND a\nSEND b\n");
    let cursor = client.sync();
    assert_eq!(cursor, newest.replace("-1", "-3"));
    agent.stop();
    agent.restart();
    // Each start appends a gap, which says that a clean stop lost nothing.
    assert_eq!(agent.connect().newest(), newest.replace("-1", "-4"));
    assert_eq!(agent.connect().say("SEND c\n").sync(), newest.replace("-1", "-5"));
    let mut reader = agent.connect();
    reader.say("TAIL {}\n");
    let told: Vec<Item> = (0..5).map(|_| parse(&reader.line())).collect();
    assert_eq!(told[0], Item::Gap(Gap::of_clean_start(0)));
    assert_eq!(told[3], Item::Gap(Gap::of_clean_start(3)));
    assert_eq!(told.iter().filter_map(Item::msg).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn sync_counts_what_was_refused_since_the_last_one() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.say("SEND a\nSEND {\"seq\":7}\nSEND {\"level\":\"loud\"}\nFOO\nSEND b\nSYNC\nSYNC\n");
    let id = agent.connect().newest().split_once('-').expect("a cursor").0.to_owned();
    assert_eq!(
        [client.line(), client.line(), client.line(), client.line(), client.line()],
        [
            "ERR 65 unknown key \"seq\": use tag, level, msg, run, fields and time".to_owned(),
            "ERR 65 unknown level \"loud\": use emerg, alert, crit, err, warning, notice, info or debug".into(),
            "ERR 64 unknown word \"FOO\": say SEND, SYNC, TAIL, AUTH, PING, LINK, STATS, HELP or QUIT".into(),
            format!("ERR 65 2 refused, rest stored at {id}-3"),
            format!("OK {id}-3"),
        ]
    );
}

#[test]
fn a_hundred_errs_are_written_and_further_ones_are_only_counted() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (bad, written) in [(100, 100), (101, 100), (3, 3), (5000, 100)] {
        client.say("SEND {}}\n".repeat(bad)).say("SYNC\n");
        for _ in 0..written {
            let line = client.line();
            assert!(line.starts_with("ERR 65 not a JSON object: "), "{line}");
        }
        assert!(client.line().starts_with(&format!("ERR 65 {bad} refused, rest stored at ")));
    }
    assert!(client.ask("PING").ends_with("-1"), "nothing of that was taken");
}

#[test]
fn without_history_sync_means_taken_and_synced_is_an_error() {
    let agent = Agent::with(&["history.enabled = false"]);
    let mut client = agent.connect();
    assert_eq!(seq_of(&client.say("SEND a\n").sync()), 2);
    let answer = client.ask("SYNC synced");
    assert!(answer.starts_with("ERR 74 "), "{answer}");
    assert_eq!(client.say("SEND b\n").ask("SYNC synced"), answer);
    assert_eq!(client.tail("{}").len(), 2);
    assert!(!agent.history().exists());
}

#[test]
fn synced_and_always_are_acknowledged_too() {
    for line in ["history.sync = \"always\"", "history.sync = \"never\"", "history.sync = \"1h\""] {
        let agent = Agent::with(&[line]);
        let mut client = agent.connect();
        let answer = client.say("SEND a\nSEND b\n").ask("SYNC synced");
        assert!(answer.starts_with("OK ") && answer.ends_with("-3"), "{answer}");
        client.say("SEND c\n").sync();
        let synced = agent.stats()["history"]["synced"].as_str().map(seq_of);
        let least = if line.contains("always") { 4 } else { 3 };
        assert!(synced >= Some(least), "{line}: {synced:?}");
    }
}

#[test]
fn help_is_a_line_for_every_form_of_every_verb_and_stats_is_json() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let help: Vec<String> = client.say("help\nQUIT\n").rest();
    for verb in pulsed::wire::VERBS {
        let form = format!("{} {}", verb.name, verb.usage);
        assert!(help.iter().any(|line| line.starts_with(form.trim_end())), "{form}: {help:#?}");
    }
    assert_eq!(help.len(), pulsed::wire::VERBS.len());

    agent.connect().say("SEND a\nSEND b\n").sync();
    let stats = agent.stats();
    assert_eq!(stats["pid"], agent.pid());
    assert_eq!((&stats["events"], &stats["host"]), (&2.into(), &"testhost".into()));
    assert!(stats["newest"].as_str().is_some_and(|newest| newest.ends_with("-3")), "{stats}");
}

#[test]
fn words_that_are_not_understood_are_answered_with_what_is() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for (line, answer) in [
        ("SYNC now", "ERR 64 SYNC \"now\": say SYNC or SYNC synced"),
        ("PING x", "ERR 64 nothing may follow this word, and \"x\" did"),
        ("AUTH", "ERR 64 AUTH needs a token"),
        ("TAIL {\"aftr\":1}", "ERR 64 TAIL: unknown field `aftr`, expected one of "),
        ("TAIL {\"after\":\"x\"}", "ERR 64 TAIL: after: not a cursor"),
        ("TAIL {\"match\":\"took>soon\"}", "ERR 64 "),
        ("TAIL msg~(", "ERR 64 "),
        ("TAIL {\"follow\":true,\"reverse\":true}", "ERR 64 TAIL: follow has no end"),
    ] {
        let told = client.ask(line);
        assert!(told.starts_with(answer), "{line}: {told}");
    }
    let (id, _) =
        client.newest().split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("");
    let told = client.ask(&format!("TAIL {{\"after\":\"{id}-5\"}}"));
    assert_eq!(told, format!("ERR 65 after: the newest is {id}-1"));
    assert_eq!(client.ask("PING"), format!("OK {id}-1"), "the connection goes on");
}

#[test]
fn a_terminal_is_safe_from_what_an_err_repeats() {
    let agent = Agent::start();
    let told = agent.connect().ask("\u{1b}[2J\u{202e}x");
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    let told = agent.connect().ask("SEND {\"\u{1b}[2J\\u001b\":1}");
    assert!(told.starts_with("ERR 65 ") && !told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn at_the_end_of_input_the_agent_finishes_answers_and_closes() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let rest = client.say("SEND a\nSEND b\nSYNC\nSEND without a line end").end().rest();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(agent.connect().tail("{}").len(), 3);
    // An answer to a last word without a line end.
    assert_eq!(agent.connect().say("PING").end().rest().len(), 1);
    // A reader that reads only later gets everything.
    let mut client = agent.connect();
    client.say("TAIL {}\nPING\nSTATS\nSEND c\nSYNC").end();
    let rest = client.rest();
    assert_eq!(rest.len(), 8, "{rest:#?}");
    assert!(begins_log(&rest[0]) && rest[7].ends_with("-5"), "{rest:#?}");
}

#[test]
fn a_follow_goes_on_behind_the_end_of_input() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    follower.end();
    for n in 0..3 {
        agent.connect().say(format!("SEND {n}\n")).sync();
        assert_eq!(parse(&follower.line()).msg(), Some(n.to_string().as_str()));
    }
}

#[test]
fn a_quit_that_comes_together_with_a_follow_ends_it() {
    let agent = Agent::start();
    for asked in ["TAIL", "TAIL {\"follow\":true}"] {
        let mut follower = agent.connect();
        follower.say(format!("{asked}\nnonsense\nQUIT\n"));
        assert_eq!(follower.rest(), [""; 0], "{asked}");
    }
}

#[test]
fn while_following_only_quit_is_understood() {
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow("");
    follower.say("PING\nSEND not this\nSTATS\nTAIL\nnonsense\n");
    agent.connect().say("SEND this\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("this"));
    follower.say("quit\n");
    assert_eq!(follower.rest(), [""; 0]);
    assert!(agent.connect().ask("PING").ends_with("-2"));
}

#[test]
fn without_follow_a_tail_ends_with_ok_and_the_connection_goes_on() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.say("SEND a\nSEND b\nSEND c\n");
    let cursor = client.sync();
    client.say("TAIL {\"lines\":2}\nPING\n");
    let lines = [client.line(), client.line(), client.line(), client.line()];
    assert_eq!([parse(&lines[0]).msg(), parse(&lines[1]).msg()], [Some("b"), Some("c")]);
    assert_eq!(lines[2..], [format!("OK {cursor}"), format!("OK {cursor}")]);
}

#[test]
fn a_tail_for_people_is_readable_and_safe() {
    let agent = Agent::start();
    let mut person = agent.connect();
    person.say("TAIL level>=warning + took>1s\r\n");
    until_following(&agent);
    let mut sender = agent.connect();
    sender.say("SEND not this\n");
    sender.say(r#"SEND {"tag":"shop.query","msg":"slow query took 1500ms","fields":{"user":"7"}}"#);
    sender.say("\n").say(r#"SEND {"tag":"x","level":"err","msg":"\u001b[2Jbad\nline"}"#).say("\n");
    sender.sync();
    let line = person.line();
    assert!(line.contains(" testhost shop.query["), "{line}");
    assert!(line.ends_with(": slow query took 1500ms user=7"), "{line}");
    let (first, second) = (person.line(), person.line());
    assert!(first.contains(" err: ") && !first.contains('\u{1b}'), "{first:?}");
    assert!(second.starts_with(' ') && second.trim() == "line", "{second:?}");
}

/// Waits until the agent counts a follower: only a TAIL without a cursor cannot know otherwise where it
/// begins.
fn until_following(agent: &Agent) {
    let mut last: Option<Client> = None;
    crate::harness::until("a follower", || {
        let asker = last.get_or_insert_with(|| agent.connect());
        let stats = asker.ask("STATS");
        stats.contains("\"followers\":1").then_some(())
    });
}

#[test]
fn a_follower_that_matches_nothing_is_told_how_far_it_has_come() {
    const PASSED_OVER_MAX: usize = 65_536;
    let agent = Agent::start();
    let mut follower = agent.connect();
    follower.follow(r#","match":"tag=wanted""#);
    let mut sender = agent.connect();
    let wanted = "SEND {\"tag\":\"wanted\"}\n";
    // One less is not told: the next line is the event.
    sender.say("SEND x\n".repeat(PASSED_OVER_MAX - 1)).say(wanted).sync();
    assert_eq!(parse(&follower.line()).event()["tag"], "wanted");
    let cursor = sender.say("SEND x\n".repeat(PASSED_OVER_MAX)).sync();
    assert_eq!(follower.line(), format!("{{\"at\":\"{cursor}\"}}"));
    sender.say(wanted).sync();
    assert_eq!(parse(&follower.line()).event()["tag"], "wanted");
    // And whoever takes it up there misses nothing.
    let mut later = agent.connect();
    let rest = later.tail(&format!("{{\"after\":\"{cursor}\",\"match\":\"tag=wanted\"}}"));
    assert_eq!(rest.len(), 1);
}

#[test]
fn what_telnet_negotiates_is_skipped() {
    let agent = Agent::start();
    let mut telnet = agent.connect();
    telnet.say(b"\xff\xfd\x03\xff\xfb\x18\xff\xfa\x18\x00XTERM\xff\xf0");
    telnet.say(b"SEND typed\xff\xf1 by hand\r\n");
    assert!(telnet.say(b"\xff\xfb\x1fping\r\n").line().ends_with("-2"));
    let lines = agent.connect().tail("{}");
    assert_eq!(parse(&lines[0]).msg(), Some("typed by hand"));
}

#[test]
fn thousands_in_one_write_are_all_taken_in_order() {
    let agent = Agent::start();
    let mut sender = agent.connect();
    let many: String = (1..=20_000).map(|n| format!("SEND {n}\n")).collect();
    assert_eq!(seq_of(&sender.say(many).sync()), 20_001);
    let lines = agent.connect().tail("{}");
    assert_eq!(lines.len(), 20_000);
    for (line, n) in lines.iter().zip(1..) {
        assert_eq!(
            (parse(line).numbers().0, parse(line).msg()),
            (n + 1, Some(n.to_string().as_str()))
        );
    }
}
