//! What somebody sees who may follow some tags only, and who may follow none.

use super::{
    AGENT, NONE, SECRET, SENDER, SHOP, WATCHER, among_users, run_as_agent, send_mixed, with_rules,
};
use crate::harness::{Agent, Client, FIRST, Gap, Tool, Via, parse, seq_of, until};

fn gaps(lines: &[String]) -> Vec<Gap> {
    let lines = lines.iter().filter(|line| !line.starts_with("{\"at\":"));
    let gaps = lines.filter_map(|line| parse(line).gap().cloned());
    // A new log begins with one.
    gaps.filter(|gap| gap.after > 0).collect()
}

fn messages(lines: &[String]) -> Vec<String> {
    // A new log begins with a gap.
    let items = lines.iter().map(|line| parse(line)).filter(|item| item.numbers().0 >= FIRST);
    items.map(|item| item.msg().expect("an event").to_owned()).collect()
}

/// `sold 0` and so on.
fn sold(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("sold {n}")).collect()
}

#[test]
fn who_may_follow_some_tags_sees_these_and_nothing_of_others_in_any_answer() {
    let Some(agent) = with_rules("a follower of some tags", &[]) else { return };
    send_mixed(&agent, 20);
    let mut client = agent.connect_as(SHOP);
    for (asked, told) in [
        ("{}", sold(0..20)),
        (r#"{"lines":3}"#, sold(17..20)),
        (r#"{"reverse":true}"#, sold((0..20).rev())),
        (r#"{"reverse":true,"lines":2}"#, sold([19, 18])),
        (r#"{"since":"2000-01-01T00:00:00Z"}"#, sold(0..20)),
        (r#"{"until":"2000-01-01T00:00:00Z"}"#, vec![]),
        (r#"{"match":"tag=shop.* msg~7"}"#, sold([7, 17])),
        (r#"{"match":"tag=shop.* msg~7","lines":1}"#, sold([17])),
        (r#"{"match":"tag!=shop.till"}"#, vec![]),
        (&format!(r#"{{"match":"tag={SECRET}"}}"#), vec![]),
        (&format!(r#"{{"match":"msg~{SECRET}","reverse":true}}"#), vec![]),
    ] {
        assert_eq!(messages(&client.tail(asked)), told, "{asked}");
    }
    // Behind any event, whoever may see it.
    let newest = client.newest();
    let log = newest.split_once('-').expect("a cursor").0.to_owned();
    for (n, seq) in (FIRST..FIRST + 40).enumerate() {
        let told = messages(&client.tail(&format!(r#"{{"after":"{log}-{seq}"}}"#)));
        assert_eq!(told, sold(n as u32 / 2 + 1..20), "{seq}");
    }
    // By the command, and who may see everything sees everything.
    let told = agent.tail(&["-n", "all", "-o", "json"]).by(SHOP, &agent).ok();
    assert_eq!(messages(&told.lines().map(str::to_owned).collect::<Vec<_>>()), sold(0..20));
    assert_eq!(agent.connect_as(WATCHER).tail("{}").len(), 40);
    assert_eq!(agent.connect().tail("{}").len(), 40);
}

#[test]
fn who_may_follow_some_tags_sees_these_live_as_text_and_as_json() {
    let Some(agent) = with_rules("a live follower of some tags", &[]) else { return };
    let (mut text, mut json) = (agent.connect_as(SHOP), agent.connect_as(SHOP));
    text.say("TAIL\n");
    json.follow("");
    // As text there is no answer before the first event.
    until("two followers", || (agent.stats()["followers"] == 2).then_some(()));
    send_mixed(&agent, 50);
    for told in sold(0..50) {
        let line = text.line();
        assert!(line.contains(" shop.till") && line.ends_with(&format!(": {told}")), "{line}");
        assert_eq!(parse(&json.line()).msg(), Some(told.as_str()));
    }
}

#[test]
fn after_65536_events_of_others_a_follower_is_told_how_far_it_came() {
    let Some(agent) = with_rules("a follower who is told how far it came", &[]) else { return };
    let mut follower = agent.connect_as(SHOP);
    let newest = follower.newest();
    let log = newest.split_once('-').expect("a cursor").0.to_owned();
    let begun = follower.follow("");
    agent.connect().say(format!("SEND {SECRET}\n").repeat(65_536)).sync();
    assert_eq!(follower.line(), format!("{{\"at\":\"{log}-{}\"}}", begun + 65_536));
}

#[test]
fn figures_of_all_events_are_for_those_who_may_see_all() {
    let Some(agent) = with_rules("STATS of some tags", &[]) else { return };
    let figures = |mut client: Via| {
        let line = client.ask("STATS");
        serde_json::from_str::<serde_json::Value>(&line).expect("one JSON object")
    };
    let (all, some) = (figures(agent.connect_as(WATCHER)), figures(agent.connect_as(SHOP)));
    for name in ["events", "bytes", "window_bytes", "connections", "followers"] {
        assert!(all[name].is_u64() && some.get(name).is_none(), "{name}: {some}");
    }
    assert!(all["history"]["bytes"].is_u64() && some["history"].get("bytes").is_none(), "{some}");
    for name in ["version", "host", "newest"] {
        assert_eq!(all[name], some[name], "{name}");
    }
}

#[test]
fn a_gap_of_retention_tells_how_much_is_lost_only_to_those_who_may_see_all() {
    let lines = ["history.size = \"1MiB\"", "window.size = \"1MiB\""];
    let Some(agent) = with_rules("gaps of retention", &lines) else { return };
    let first = agent.connect_as(SHOP).newest();
    let mut follower = agent.connect_as(SHOP);
    until("a trimmed history", || {
        agent.connect().say(format!("SEND {SECRET}\n").repeat(10_000)).sync();
        let oldest = agent.stats()["oldest"].as_str().map(seq_of);
        (oldest > Some(seq_of(&first) + 100)).then_some(())
    });
    let asked = format!(r#"{{"after":"{first}"}}"#);
    let all = gaps(&agent.connect_as(WATCHER).tail(&asked)).remove(0);
    let some = gaps(&agent.connect_as(SHOP).tail(&asked)).remove(0);
    assert_eq!((all.why.as_str(), all.lost), ("retention", Some(all.before - all.after - 1)));
    assert_eq!(some, Gap { lost: None, ..all });
    // And as text, for people.
    follower.say(format!("TAIL {{\"after\":\"{first}\",\"follow\":true}}\n"));
    assert_eq!(gaps(&[follower.line()]), [some]);
    let told = agent.tail(&["--after-cursor", &first, "-n", "all"]).by(SHOP, &agent).run();
    let before = format!("{}", all.before - all.after - 1);
    assert!(told.out.contains("retention") && !told.out.contains(&before), "{told:#?}");
    assert!(!told.out.contains(SECRET), "{told:#?}");
}

/// Sends until a limit refuses something, over one connection.
const FLOOD: &str = r#"
    $agent = stream_socket_client("unix://" . getenv("SOCK"));
    $text = str_repeat("SEND {\"tag\":\"hidden.flood\"}\n", 10000) . "SYNC\n";
    do {
        fwrite($agent, $text);
        while (!preg_match("/^OK|rest stored at/", $told = fgets($agent)));
    } while ($told[0] === "O");
    echo $told;
"#;

#[test]
fn a_gap_of_a_limit_tells_how_much_was_refused_only_to_those_who_may_see_all() {
    let Some(agent) = with_rules("gaps of a limit", &[]) else { return };
    let mut follower = agent.connect_as(SHOP);
    follower.follow("");
    let as_sender = [&format!("--reuid={SENDER}"), "--clear-groups", "php", "-r", FLOOD];
    let told = Tool::new("setpriv").args(&as_sender).env("SOCK", agent.socket_text()).ok();
    assert!(told.starts_with("ERR 75 "), "{told}");
    let gap = live_gap(&mut follower);
    assert_eq!((gap.why.as_str(), gap.lost), ("rate", None));
    let all = gaps(&agent.connect_as(WATCHER).tail(r#"{"match":"tag=x"}"#));
    assert!(all.iter().all(|gap| gap.why == "rate" && gap.lost.is_some()), "{all:?}");
    let some = gaps(&agent.connect_as(SHOP).tail("{}"));
    assert!(!some.is_empty() && some.iter().all(|gap| gap.lost.is_none()), "{some:?}");
}

/// The first gap that comes; how far the follower came is told before it.
fn live_gap(follower: &mut Client) -> Gap {
    loop {
        let line = follower.line();
        if line.starts_with("{\"at\":") {
            continue;
        }
        return parse(&line).gap().cloned().expect("no event is for this one");
    }
}

#[test]
fn who_may_follow_no_tag_is_told_so_with_77_everywhere() {
    let Some(agent) = with_rules("a user who may follow nothing", &[]) else { return };
    for uid in [SENDER, NONE] {
        let mut client = agent.connect_as(uid);
        for asked in ["TAIL", "TAIL tag=shop.*", "TAIL {}", "TAIL {\"follow\":true}", "STATS"] {
            let told = client.ask(asked);
            assert!(told.starts_with("ERR 77 you may not follow any tag"), "{asked}: {told}");
        }
        assert!(client.ask("PING").starts_with("OK "), "and the connection goes on");
        for arguments in [&[][..], &["-f"], &["-t", "shop.*"]] {
            let done = agent.tail(arguments).by(uid, &agent).run();
            done.failed(77, &["may not follow any tag"]);
            assert_eq!(done.out, "");
        }
        let config = agent.dir().join("for-status");
        std::fs::write(&config, format!("socket.path = {:?}\n", agent.socket())).expect("ours");
        let config = config.to_str().expect("UTF-8");
        let status = Tool::pulsed().args(&["--config", config, "status"]).by(uid, &agent);
        status.run().failed(77, &["may not follow any tag"]);
    }
}

#[test]
fn the_first_rule_whose_glob_matches_decides_who_sees_a_tag() {
    let rules = [
        "[[access]]",
        "tag = \"shop.secret.*\"",
        "tail = [\"watcher\"]",
        "[[access]]",
        "tag = \"shop.*\"",
        "tail = [\"shopkeeper\"]",
        "[[access]]",
        "tag = \"public\"",
        "tail = [\"*\"]",
        "[[access]]",
        "tag = \"public\"",
        "tail = []",
    ];
    let Some(mut agent) = among_users("the order of rules", &rules) else { return };
    agent.restart();
    let mut root = agent.connect();
    for tag in ["shop.secret.a", "shop.a", "public", "other"] {
        root.say(format!("SEND {{\"tag\":\"{tag}\",\"msg\":\"{tag}\"}}\n"));
    }
    root.sync();
    for (uid, told) in [
        (WATCHER, &["shop.secret.a", "public"][..]),
        (SHOP, &["shop.a", "public"]),
        (NONE, &["public"]),
        (0, &["shop.secret.a", "shop.a", "public", "other"]),
    ] {
        assert_eq!(messages(&agent.connect_as(uid).tail("{}")), told, "{uid}");
    }
}

#[test]
fn without_a_rule_the_readers_of_logs_follow_and_everybody_sends() {
    let Some(mut agent) = among_users("the built-in rule", &[]) else { return };
    // There is neither group: nobody but root may follow, and that is no error.
    agent.restart();
    for uid in [WATCHER, NONE] {
        let mut client = agent.connect_as(uid);
        client.say("SEND hello\n").sync();
        assert!(client.ask("TAIL {}").starts_with("ERR 77 "));
    }
    assert_eq!(messages(&agent.connect().tail("{}")), ["hello", "hello"]);
    // What the database says now holds for whoever connects now.
    let sees = |uid| agent.connect_as(uid).ask("TAIL {\"lines\":1}").starts_with('{');
    for (groups, who) in [
        ("root:x:0:\nadm:x:4:watcher,root\n", &[WATCHER][..]),
        ("root:x:0:\npulsed:x:4200:none\n", &[NONE]),
        ("root:x:0:\nadm:x:4:watcher\npulsed:x:4200:none\n", &[WATCHER, NONE]),
        // As the group that a user has from passwd(5).
        ("root:x:0:\nadm:x:4004:\n", &[NONE]),
        ("root:x:0:\n", &[]),
    ] {
        agent.write_groups(groups);
        for uid in [WATCHER, NONE] {
            assert_eq!(sees(uid), who.contains(&uid), "{uid} {groups}");
        }
    }
}

#[test]
fn root_and_the_agents_own_user_may_do_everything() {
    let rules = ["[[access]]", "tag = \"*\""];
    let Some(mut agent) = among_users("an agent of another user", &rules) else { return };
    run_as_agent(&mut agent);
    agent.restart();
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("proc");
    assert!(status.contains(&format!("Uid:\t{AGENT}\t{AGENT}")), "{status}");
    for uid in [0, AGENT] {
        let mut client = agent.connect_as(uid);
        client.say(format!("SEND of {uid}\n")).sync();
        assert_eq!(client.tail("{\"lines\":1}").len(), 1);
        assert!(client.ask("STATS").contains("\"events\":"));
    }
    let mut other = agent.connect_as(WATCHER);
    assert!(other.ask("SEND x").starts_with("ERR 77 "));
    assert!(other.ask("TAIL").starts_with("ERR 77 "));
    assert_eq!(messages(&agent.connect().tail("{}")), ["of 0", "of 4005"]);
}

#[test]
fn whoever_a_rule_names_must_be_there() {
    let agent =
        Agent::prepare(&["[[access]]", "send = [\"*\"]", "tail = [\"root\", \"@no-such-group\"]"]);
    let place = format!("{}:6: access.tail: there is no group", agent.config().display());
    agent.pulsed(&["check"]).run().failed(78, &[&place, "no-such-group"]);
    agent.pulsed(&[]).run().failed(78, &[&place, "no-such-group"]);
    agent.configure(&["[[access]]", "send = [\"no-such-user\"]"]);
    let place = format!("{}:5: access.send: there is no user", agent.config().display());
    agent.pulsed(&["check"]).run().failed(78, &[&place, "no-such-user"]);
    agent.pulsed(&[]).run().failed(78, &[&place, "no-such-user"]);
    assert!(!agent.socket().exists());
}
