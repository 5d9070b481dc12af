//! Following with rights to every tag, to some tags and to none.

use super::{
    AGENT, NONE, SECRET, SENDER, SHOP, WATCHER, prepare_with_accounts, run_as_agent, send_mixed,
    with_rules,
};
use crate::harness::{Agent, Client, FIRST, Gap, Relay, Tool, parse, seq_of, wait_for};

fn gaps(lines: &[String]) -> Vec<Gap> {
    let lines = lines.iter().filter(|line| !line.starts_with("{\"at\":"));
    let gaps = lines.filter_map(|line| parse(line).gap().cloned());
    // A new log begins with a gap.
    gaps.filter(|gap| gap.after > 0).collect()
}

fn messages(lines: &[String]) -> Vec<String> {
    // A new log begins with a gap.
    let items = lines.iter().map(|line| parse(line)).filter(|item| item.seq_range().0 >= FIRST);
    items.map(|item| item.msg().expect("an event").to_owned()).collect()
}

/// The messages `sold N` of these numbers.
fn sold(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("sold {n}")).collect()
}

#[test]
fn partial_follower_sees_only_permitted_tags() {
    let Some(agent) = with_rules("a follower of some tags", &[]) else { return };
    send_mixed(&agent, 20);
    let mut client = agent.connect_as(SHOP);
    for (request, expected) in [
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
        assert_eq!(messages(&client.tail(request)), expected, "{request}");
    }
    // After any event, permitted or not.
    let newest = client.newest();
    let log = newest.split_once('-').expect("a cursor").0.to_owned();
    for (n, seq) in (FIRST..FIRST + 40).enumerate() {
        let found = messages(&client.tail(&format!(r#"{{"after":"{log}-{seq}"}}"#)));
        assert_eq!(found, sold(n as u32 / 2 + 1..20), "{seq}");
    }
    // The command sees the same, and clients with every right see every event.
    let out = agent.tail(&["-n", "all", "-o", "json"]).with_user(SHOP, &agent).ok();
    assert_eq!(messages(&out.lines().map(str::to_owned).collect::<Vec<_>>()), sold(0..20));
    assert_eq!(agent.connect_as(WATCHER).tail("{}").len(), 40);
    assert_eq!(agent.connect().tail("{}").len(), 40);
}

#[test]
fn live_follow_shows_only_permitted_tags() {
    let Some(agent) = with_rules("a live follower of some tags", &[]) else { return };
    let (mut text, mut json) = (agent.connect_as(SHOP), agent.connect_as(SHOP));
    text.write("TAIL\n");
    json.follow("");
    // A text follow has no answer before its first event.
    wait_for("two followers", || (agent.stats()["followers"] == 2).then_some(()));
    send_mixed(&agent, 50);
    for expected in sold(0..50) {
        let line = text.line();
        assert!(line.contains(" shop.till") && line.ends_with(&format!(": {expected}")), "{line}");
        assert_eq!(parse(&json.line()).msg(), Some(expected.as_str()));
    }
}

#[test]
fn reports_progress_after_65536_hidden_events() {
    let Some(agent) = with_rules("progress of a follower of some tags", &[]) else { return };
    let mut follower = agent.connect_as(SHOP);
    let newest = follower.newest();
    let log = newest.split_once('-').expect("a cursor").0.to_owned();
    let begun = follower.follow("");
    agent.connect().write(format!("SEND {SECRET}\n").repeat(65_536)).sync();
    assert_eq!(follower.line(), format!("{{\"at\":\"{log}-{}\"}}", begun + 65_536));
}

#[test]
fn stats_hides_totals_from_partial_followers() {
    let Some(agent) = with_rules("STATS of some tags", &[]) else { return };
    let figures = |mut client: Relay| {
        let line = client.request("STATS");
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
fn retention_gap_hides_lost_from_partial_followers() {
    let lines = ["history.size = \"1MiB\"", "window.size = \"1MiB\""];
    let Some(agent) = with_rules("gaps of retention", &lines) else { return };
    let first = agent.connect_as(SHOP).newest();
    let mut follower = agent.connect_as(SHOP);
    wait_for("a trimmed history", || {
        agent.connect().write(format!("SEND {SECRET}\n").repeat(10_000)).sync();
        let oldest = agent.stats()["oldest"].as_str().map(seq_of);
        (oldest > Some(seq_of(&first) + 100)).then_some(())
    });
    let request = format!(r#"{{"after":"{first}"}}"#);
    let all = gaps(&agent.connect_as(WATCHER).tail(&request)).remove(0);
    let some = gaps(&agent.connect_as(SHOP).tail(&request)).remove(0);
    assert_eq!((all.why.as_str(), all.lost), ("retention", Some(all.before - all.after - 1)));
    assert_eq!(some, Gap { lost: None, ..all });
    // The same live and as text.
    follower.write(format!("TAIL {{\"after\":\"{first}\",\"follow\":true}}\n"));
    assert_eq!(gaps(&[follower.line()]), [some]);
    let output = agent.tail(&["--after-cursor", &first, "-n", "all"]).with_user(SHOP, &agent).run();
    let lost = format!("{}", all.before - all.after - 1);
    assert!(output.out.contains("retention") && !output.out.contains(&lost), "{output:#?}");
    assert!(!output.out.contains(SECRET), "{output:#?}");
}

/// Sends over one connection until the rate limit refuses an event.
const FLOOD: &str = r#"
    $agent = stream_socket_client("unix://" . getenv("SOCK"));
    $text = str_repeat("SEND {\"tag\":\"hidden.flood\"}\n", 10000) . "SYNC\n";
    do {
        fwrite($agent, $text);
        while (!preg_match("/^OK|rest stored at/", $answer = fgets($agent)));
    } while ($answer[0] === "O");
    echo $answer;
"#;

#[test]
fn rate_gap_hides_lost_from_partial_followers() {
    let Some(agent) = with_rules("gaps of a limit", &[]) else { return };
    let mut follower = agent.connect_as(SHOP);
    follower.follow("");
    let as_sender = [&format!("--reuid={SENDER}"), "--clear-groups", "php", "-r", FLOOD];
    let answer = Tool::new("setpriv").args(&as_sender).env("SOCK", agent.socket_text()).ok();
    assert!(answer.starts_with("ERR 75 "), "{answer}");
    let gap = live_gap(&mut follower);
    assert_eq!((gap.why.as_str(), gap.lost), ("rate", None));
    let all = gaps(&agent.connect_as(WATCHER).tail(r#"{"match":"tag=x"}"#));
    assert!(all.iter().all(|gap| gap.why == "rate" && gap.lost.is_some()), "{all:?}");
    let some = gaps(&agent.connect_as(SHOP).tail("{}"));
    assert!(!some.is_empty() && some.iter().all(|gap| gap.lost.is_none()), "{some:?}");
}

/// The next line but progress lines, which must be a gap.
fn live_gap(follower: &mut Client) -> Gap {
    loop {
        let line = follower.line();
        if line.starts_with("{\"at\":") {
            continue;
        }
        return parse(&line).gap().cloned().expect("a gap: no event is permitted");
    }
}

#[test]
fn refuses_followers_without_rights() {
    let Some(agent) = with_rules("a user without a right to follow", &[]) else { return };
    for uid in [SENDER, NONE] {
        let mut client = agent.connect_as(uid);
        for request in ["TAIL", "TAIL tag=shop.*", "TAIL {}", "TAIL {\"follow\":true}", "STATS"] {
            let answer = client.request(request);
            assert!(answer.starts_with("ERR 77 you may not follow any tag"), "{request}: {answer}");
        }
        assert!(client.request("PING").starts_with("OK "), "the connection stays open");
        for arguments in [&[][..], &["-f"], &["-t", "shop.*"]] {
            let done = agent.tail(arguments).with_user(uid, &agent).run();
            done.failed(77, &["may not follow any tag"]);
            assert_eq!(done.out, "");
        }
        let config = agent.dir().join("for-status");
        std::fs::write(&config, format!("socket.path = {:?}\n", agent.socket()))
            .expect("a writable file");
        let config = config.to_str().expect("UTF-8");
        let status = Tool::pulsed().args(&["--config", config, "status"]).with_user(uid, &agent);
        status.run().failed(77, &["may not follow any tag"]);
    }
}

#[test]
fn first_matching_rule_decides() {
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
    let Some(mut agent) = prepare_with_accounts("the order of rules", &rules) else { return };
    agent.restart();
    let mut root = agent.connect();
    for tag in ["shop.secret.a", "shop.a", "public", "other"] {
        root.write(format!("SEND {{\"tag\":\"{tag}\",\"msg\":\"{tag}\"}}\n"));
    }
    root.sync();
    for (uid, expected) in [
        (WATCHER, &["shop.secret.a", "public"][..]),
        (SHOP, &["shop.a", "public"]),
        (NONE, &["public"]),
        (0, &["shop.secret.a", "shop.a", "public", "other"]),
    ] {
        assert_eq!(messages(&agent.connect_as(uid).tail("{}")), expected, "{uid}");
    }
}

#[test]
fn default_rule_permits_adm_and_pulsed() {
    let Some(mut agent) = prepare_with_accounts("the built-in rule", &[]) else { return };
    // Neither group exists: only root and the agent's user may follow. That is no error.
    agent.restart();
    for uid in [WATCHER, NONE] {
        let mut client = agent.connect_as(uid);
        client.write("SEND hello\n").sync();
        assert!(client.request("TAIL {}").starts_with("ERR 77 "));
    }
    assert_eq!(messages(&agent.connect().tail("{}")), ["hello", "hello"]);
    // A change of the database holds for new connections, once the last answer is a second old.
    let sees = |uid| agent.connect_as(uid).request("TAIL {\"lines\":1}").starts_with('{');
    for (groups, permitted) in [
        ("root:x:0:\nadm:x:4:watcher,root\n", &[WATCHER][..]),
        ("root:x:0:\npulsed:x:4200:none\n", &[NONE]),
        ("root:x:0:\nadm:x:4:watcher\npulsed:x:4200:none\n", &[WATCHER, NONE]),
        // The primary group of passwd(5).
        ("root:x:0:\nadm:x:4004:\n", &[NONE]),
        ("root:x:0:\n", &[]),
    ] {
        agent.write_groups(groups);
        for uid in [WATCHER, NONE] {
            let permitted = permitted.contains(&uid);
            wait_for(groups, || (sees(uid) == permitted).then_some(()));
        }
    }
}

#[test]
fn root_and_agent_user_bypass_rules() {
    let rules = ["[[access]]", "tag = \"*\""];
    let Some(mut agent) = prepare_with_accounts("an agent of another user", &rules) else { return };
    run_as_agent(&mut agent);
    agent.restart();
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid()))
        .expect("a running process");
    assert!(status.contains(&format!("Uid:\t{AGENT}\t{AGENT}")), "{status}");
    for uid in [0, AGENT] {
        let mut client = agent.connect_as(uid);
        client.write(format!("SEND of {uid}\n")).sync();
        assert_eq!(client.tail("{\"lines\":1}").len(), 1);
        assert!(client.request("STATS").contains("\"events\":"));
    }
    let mut other = agent.connect_as(WATCHER);
    assert!(other.request("SEND x").starts_with("ERR 77 "));
    assert!(other.request("TAIL").starts_with("ERR 77 "));
    assert_eq!(messages(&agent.connect().tail("{}")), ["of 0", "of 4005"]);
}

#[test]
fn rejects_unknown_users_and_groups() {
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
