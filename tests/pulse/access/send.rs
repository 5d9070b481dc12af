//! Sending with rights to some tags.

use super::{NONE, SENDER, SHOP, with_rules};
use crate::harness::{Agent, Item, parse, wait_for};

fn tags(agent: &Agent) -> Vec<String> {
    let lines = agent.connect().tail("{}");
    let items: Vec<Item> = lines.iter().map(|line| parse(line)).collect();
    items.iter().map(|item| item.event()["tag"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn rejects_forbidden_tags_and_counts_them() {
    let Some(agent) = with_rules("a sender of some tags", &[]) else { return };
    let mut client = agent.connect_as(SHOP);
    client.write("SEND {\"tag\":\"shop.a\"}\n");
    for request in ["SEND {\"tag\":\"other\"}", "SEND {\"tag\":\"shop\"}", "SEND no tag"] {
        let answer = client.request(request);
        assert!(answer.starts_with("ERR 77 you may not send the tag "), "{request}: {answer}");
    }
    client.write("SEND {\"tag\":\"shop.b\"}\n");
    let newest = agent.connect().newest();
    let answer = client.request("SYNC");
    assert_eq!(answer, format!("ERR 77 3 refused, rest stored at {}", agent.connect().newest()));
    assert_ne!(newest, "", "{answer}");
    // An event without a tag has the sender's login name.
    assert!(client.request("SEND x").contains(" the tag shopkeeper: "));
    assert_eq!(tags(&agent), ["shop.a", "shop.b"]);
    // A diagnostic names the sender.
    agent.wait_for_output(&format!("uid {SHOP} may not send the tag other: refused"));
    // The command is held to the same rules.
    agent.send(&["-t", "shop.c", "hello"]).with_user(SHOP, &agent).ok();
    agent.send(&["-t", "other", "hello"]).with_user(SHOP, &agent).run().failed(77, &["other"]);
    agent.send(&["hello"]).with_user(NONE, &agent).run().failed(77, &["none"]);
    agent.send(&["hello"]).with_user(SENDER, &agent).ok();
    assert_eq!(tags(&agent), ["shop.a", "shop.b", "shop.c", "sender"]);
    let history = agent.history_text();
    assert_eq!(history.matches("\"msg\":\"hello\"").count(), 2, "{history}");
}

#[test]
fn counts_refusals_beyond_100() {
    let Some(agent) = with_rules("a sender that is refused often", &[]) else { return };
    let mut client = agent.connect_as(SHOP);
    for (bad, written) in [(100, 100), (101, 100), (3, 3), (5000, 100)] {
        client.write("SEND {\"tag\":\"other\"}\n".repeat(bad)).write("SYNC\n");
        for _ in 0..written {
            let line = client.line();
            assert!(line.starts_with("ERR 77 you may not send the tag other"), "{line}");
        }
        assert!(client.line().starts_with(&format!("ERR 77 {bad} refused, rest stored at ")));
    }
    assert_eq!(tags(&agent), [""; 0], "no event was accepted");
}

/// A repair cannot lead around a rule: it decides on the tag that the event gets.
#[test]
fn rules_hold_for_repaired_tags() {
    let Some(agent) = with_rules("a sender of tags that are repaired", &[]) else { return };
    let mut client = agent.connect_as(SHOP);
    for object in [
        r#"{"tag":"other shop.a"}"#,
        r#"{"logger":"other"}"#,
        r#"{"tag":"..other"}"#,
        r#"{"level":30,"time":7,"name":"other"}"#,
        r#"{"tag":""}"#,
    ] {
        let answer = client.request(&format!("SEND {object}"));
        assert!(answer.starts_with("ERR 77 "), "{object}: {answer}");
    }
    client.write("SEND {\"tag\":\"shop.a b\"}\nSEND {\"logger\":\"shop.c\"}\n");
    assert!(client.request("SYNC").starts_with("ERR 77 5 refused"));
    assert_eq!(tags(&agent), ["shop.a_b", "shop.c"]);
    // JSON lines: no answer.
    let mut lines = agent.connect_as(SHOP);
    lines.write("{\"tag\":\"other\"}\n{\"tag\":\"shop.d\"}\n").shutdown_write();
    assert_eq!(lines.rest(), [""; 0]);
    wait_for("the permitted event", || (tags(&agent).len() == 3).then_some(()));
}

#[test]
fn drops_syslog_lines_with_forbidden_tags() {
    let Some(agent) = with_rules("a syslog sender of some tags", &[]) else { return };
    let mut client = agent.connect_as(SHOP);
    client.write("<13>shop.a: yes\n<13>other: no\n<13>shop.b: yes\n").shutdown_write();
    assert_eq!(client.rest(), [""; 0], "syslog has no answers");
    agent.wait_for_output(&format!("uid {SHOP} may not send the tag other: refused"));
    wait_for("the permitted events", || (tags(&agent) == ["shop.a", "shop.b"]).then_some(()));
}

/// Sends an event that is refused, then more than one read of the agent holds. It reads no answer, and exits.
const WRITE_ONLY: &str = r#"
    $agent = stream_socket_client("unix://" . getenv("SOCK"));
    $text = getenv("REFUSED") . "\n";
    for ($n = 0; $n < 20000; $n++) { $text .= sprintf(getenv("THEN"), $n) . "\n"; }
    fwrite($agent, $text);
"#;

#[test]
fn refusals_lose_no_other_event() {
    let Some(agent) = with_rules("senders that read no answers", &[]) else { return };
    let reuid = format!("--reuid={SHOP}");
    for (round, (refused, then)) in [
        ("SEND {\"tag\":\"other\"}", "SEND {\"tag\":\"shop.a\",\"msg\":\"%d\"}"),
        ("<13>other: no", "<13>shop.b: %d"),
    ]
    .into_iter()
    .enumerate()
    {
        let tool = crate::harness::Tool::new("setpriv");
        let tool = tool.args(&[&reuid, "--clear-groups", "php", "-r", WRITE_ONLY]);
        let tool = tool.env("REFUSED", refused).env("THEN", then);
        tool.env("SOCK", agent.socket_text()).ok();
        wait_for("every other event", || {
            let events = agent.stats()["events"].as_u64();
            (events == Some(20_000 * (round as u64 + 1))).then_some(())
        });
    }
}
