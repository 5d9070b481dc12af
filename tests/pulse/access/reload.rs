//! Access rules that change while the agent runs.

use std::fs;
use std::thread;

use nix::sys::signal::Signal;

use super::{NONE, RULES, SENDER, SHOP, WATCHER, prepare_with_accounts, with_rules};
use crate::harness::{Agent, FIRST, Item, Relay, assert_contiguous, parse, wait_for};

/// [`super::RULES`] without the rights of [`SHOP`].
const WITHOUT_SHOP: [&str; 8] = [
    "[[access]]",
    "tag = \"shop.*\"",
    "send = [\"watcher\", \"sender\"]",
    "tail = [\"@watch\"]",
    "[[access]]",
    "tag = \"*\"",
    "send = [\"4001\", \"sender\"]",
    "tail = [\"@watch\"]",
];

/// Reloads the agent with this configuration, and waits until it has read it.
#[track_caller]
fn reload(agent: &Agent, lines: &[&str]) {
    agent.configure(lines);
    let reloads = |text: &str| text.matches("configuration reloaded").count();
    let before = reloads(&agent.output());
    agent.signal(Signal::SIGHUP);
    wait_for("new rules", || (reloads(&agent.output()) > before).then_some(()));
}

/// Waits until this many clients follow. A TAIL has no answer that a test could wait for.
#[track_caller]
fn until_followers(agent: &Agent, count: u64) {
    wait_for("followers", || (agent.stats()["followers"] == count).then_some(()));
}

/// Waits until the agent disconnects the client. Only events may come before.
#[track_caller]
fn assert_disconnected(client: &mut Relay) {
    for line in client.rest() {
        parse(&line).event();
    }
}

#[test]
fn reload_disconnects_only_revoked_clients() {
    let Some(agent) = with_rules("rules that change", &[]) else { return };
    let mut revoked = [agent.connect_as(SHOP), agent.connect_as(SHOP), agent.connect_as(SHOP)];
    revoked[0].follow("");
    revoked[1].write("SEND {\"tag\":\"shop.a\",\"msg\":\"before\"}\n").sync();
    assert!(revoked[2].request("STATS").starts_with('{'));
    let mut others = [agent.connect_as(WATCHER), agent.connect_as(0)];
    for follower in &mut others {
        follower.follow("");
    }
    until_followers(&agent, 3);
    let mut sender = agent.connect_as(SENDER);
    sender.write("SEND 0\n").sync();
    thread::scope(|scope| {
        // The reload falls into a stream of events.
        scope.spawn(|| {
            for n in 1..=2000 {
                sender.write(format!("SEND {n}\n")).sync();
            }
        });
        reload(&agent, &WITHOUT_SHOP);
        revoked.iter_mut().for_each(assert_disconnected);
    });
    for follower in &mut others {
        let items: Vec<Item> = (0..=2000).map(|_| parse(&follower.line())).collect();
        assert_contiguous(FIRST, &items);
        assert_eq!(items[2000].msg(), Some("2000"));
    }
    agent.wait_for_output(&format!("uid {SHOP}: access revoked, disconnecting"));
    let mut again = agent.connect_as(SHOP);
    assert!(again.request("SEND {\"tag\":\"shop.a\"}").starts_with("ERR 77 "));
    assert!(again.request("TAIL").starts_with("ERR 77 "));
    // A right that is granted again holds at once.
    reload(&agent, &RULES);
    agent.connect_as(SHOP).write("SEND {\"tag\":\"shop.a\"}\n").sync();
}

#[test]
fn reload_revokes_rights_of_idle_connections() {
    let Some(agent) = with_rules("rules that change before their first use", &[]) else {
        return;
    };
    // One has sent a request, the other has not.
    let mut idle = [agent.connect_as(SHOP), agent.connect_as(SHOP)];
    idle[0].newest();
    wait_for("three connections", || (agent.stats()["connections"] == 3).then_some(()));
    reload(&agent, &WITHOUT_SHOP);
    for client in &mut idle {
        assert!(!sends(client));
        assert!(client.request("TAIL").starts_with("ERR 77 "));
    }
    // Both are still connected, and regain their rights.
    reload(&agent, &RULES);
    for client in &mut idle {
        assert!(sends(client));
    }
    reload(&agent, &WITHOUT_SHOP);
    for client in &mut idle {
        while client.try_line().is_some() {}
    }
}

/// `true` if an event of the shop is accepted.
#[track_caller]
fn sends(client: &mut Relay) -> bool {
    client.write("SEND {\"tag\":\"shop.a\"}\nSYNC\n");
    let answer = client.line();
    if answer.starts_with("OK ") {
        return true;
    }
    assert!(answer.starts_with("ERR 77 you may not send the tag shop.a: "), "{answer}");
    assert!(client.line().starts_with("ERR 77 1 refused, "));
    false
}

#[test]
fn follower_survives_loss_of_send_right() {
    let Some(agent) = with_rules("a right to send that is revoked unused", &[]) else { return };
    let mut follower = agent.connect_as(SHOP);
    follower.follow("");
    until_followers(&agent, 1);
    let rules = WITHOUT_SHOP.map(|line| {
        if line == "tail = [\"@watch\"]" { "tail = [\"@shop\", \"@watch\"]" } else { line }
    });
    let rules = [&rules[..4], &RULES[4..]].concat();
    reload(&agent, &rules);
    agent.connect().write("SEND {\"tag\":\"shop.a\",\"msg\":\"still\"}\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("still"));
}

#[test]
fn invalid_reload_changes_no_right() {
    let Some(agent) = with_rules("a bad configuration", &[]) else { return };
    let mut follower = agent.connect_as(SHOP);
    follower.follow("");
    until_followers(&agent, 1);
    let bad = [&WITHOUT_SHOP[..], &["[[access]]", "tail = [\"no-such-user\"]"]].concat();
    agent.configure(&bad);
    agent.signal(Signal::SIGHUP);
    agent.wait_for_output("configuration rejected");
    agent.wait_for_output("no-such-user");
    agent.connect_as(SHOP).write("SEND {\"tag\":\"shop.a\",\"msg\":\"still\"}\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("still"));
    assert!(agent.connect_as(NONE).request("STATS").starts_with("ERR 77 "));
}

/// 1000 followers of one user. Prints when all follow, and then for each the next line or that it ended.
const MANY: &str = r#"
    for ($n = 0; $n < 1000; $n++) {
        $open[] = $agent = stream_socket_client("unix://" . getenv("SOCK"));
        fwrite($agent, "PING\n");
        fgets($agent);
        fwrite($agent, "TAIL {\"follow\":true,\"lines\":0}\n");
    }
    echo "all\n";
    foreach ($open as $agent) { echo substr(fgets($agent) ?: "end", 0, 3), "\n"; }
"#;

#[test]
fn reload_keeps_1000_followers_connected() {
    let Some(agent) = with_rules("a reload with many followers", &[]) else { return };
    let reuid = format!("--reuid={WATCHER}");
    let words = ["-n4096", "setpriv", &reuid, "--clear-groups", "php", "-r", MANY];
    let tool = crate::harness::Tool::new("prlimit").args(&words);
    let mut many = tool.env("SOCK", agent.socket_text()).start();
    assert_eq!(many.line(), "all");
    until_followers(&agent, 1000);
    reload(&agent, &WITHOUT_SHOP);
    // A revoked connection would end instead of receiving this event.
    agent.connect().write("SEND x\n").sync();
    for n in 0..1000 {
        assert_eq!(many.line(), "{\"s", "{n}");
    }
    let output = agent.output();
    assert!(!output.contains("disconnecting"), "{output}");
}

#[test]
fn reload_applies_group_changes() {
    let Some(mut agent) = prepare_with_accounts("groups that change", &RULES) else { return };
    agent.restart();
    let mut follower = agent.connect_as(SHOP);
    follower.follow("");
    until_followers(&agent, 1);
    agent.write_groups("root:x:0:\nshop:x:4100:\nwatch:x:4101:watcher\n");
    // The answer for the first connection holds for a second.
    wait_for("new connections without the right", || {
        agent.connect_as(SHOP).request("STATS").starts_with("ERR 77 ").then_some(())
    });
    agent.connect().write("SEND {\"tag\":\"shop.a\",\"msg\":\"still\"}\n").sync();
    assert_eq!(
        parse(&follower.line()).msg(),
        Some("still"),
        "existing connections keep it until the reload"
    );
    reload(&agent, &RULES);
    assert_disconnected(&mut follower);
    assert!(fs::read_to_string(agent.config()).expect("a readable file").contains("@shop"));
}
