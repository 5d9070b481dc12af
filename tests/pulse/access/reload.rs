//! Rules that change while the agent runs.

use std::fs;
use std::thread;

use nix::sys::signal::Signal;

use super::{NONE, RULES, SENDER, SHOP, WATCHER, among_users, with_rules};
use crate::harness::{Agent, FIRST, Item, Relay, assert_contiguous, parse, wait_for};

/// Rules by which the shop has no right any more.
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

/// Makes it read this configuration, and waits until it has.
#[track_caller]
fn reload(agent: &Agent, lines: &[&str]) {
    agent.configure(lines);
    let told = |text: &str| text.matches("configuration reloaded").count();
    let before = told(&agent.output());
    agent.signal(Signal::SIGHUP);
    wait_for("new rules", || (told(&agent.output()) > before).then_some(()));
}

/// Waits until so many follow: what a follower asks for is answered by nothing.
#[track_caller]
fn until_followers(agent: &Agent, count: u64) {
    wait_for("followers", || (agent.stats()["followers"] == count).then_some(()));
}

/// Waits for the end of a connection; nothing but events comes before it.
#[track_caller]
fn assert_cut(client: &mut Relay) {
    for line in client.rest() {
        parse(&line).event();
    }
}

#[test]
fn new_rules_hold_at_once_and_end_what_made_use_of_what_is_gone_and_nothing_else() {
    let Some(agent) = with_rules("rules that change", &[]) else { return };
    let mut gone = [agent.connect_as(SHOP), agent.connect_as(SHOP), agent.connect_as(SHOP)];
    gone[0].follow("");
    gone[1].write("SEND {\"tag\":\"shop.a\",\"msg\":\"before\"}\n").sync();
    assert!(gone[2].request("STATS").starts_with('{'));
    let mut stays = [agent.connect_as(WATCHER), agent.connect_as(0)];
    for follower in &mut stays {
        follower.follow("");
    }
    until_followers(&agent, 3);
    let mut sender = agent.connect_as(SENDER);
    sender.write("SEND 0\n").sync();
    thread::scope(|scope| {
        // In the middle of what others send.
        scope.spawn(|| {
            for n in 1..=2000 {
                sender.write(format!("SEND {n}\n")).sync();
            }
        });
        reload(&agent, &WITHOUT_SHOP);
        gone.iter_mut().for_each(assert_cut);
    });
    for follower in &mut stays {
        let items: Vec<Item> = (0..=2000).map(|_| parse(&follower.line())).collect();
        assert_contiguous(FIRST, &items);
        assert_eq!(items[2000].msg(), Some("2000"));
    }
    agent.wait_for_output(&format!("uid {SHOP}: access revoked, disconnecting"));
    let mut anew = agent.connect_as(SHOP);
    assert!(anew.request("SEND {\"tag\":\"shop.a\"}").starts_with("ERR 77 "));
    assert!(anew.request("TAIL").starts_with("ERR 77 "));
    // And what is permitted again holds at once too.
    reload(&agent, &RULES);
    agent.connect_as(SHOP).write("SEND {\"tag\":\"shop.a\"}\n").sync();
}

#[test]
fn a_connection_that_was_there_before_gets_nothing_that_is_gone() {
    let Some(agent) = with_rules("rules that change before they are made use of", &[]) else {
        return;
    };
    // One that said something, and one that was silent from the beginning.
    let mut idle = [agent.connect_as(SHOP), agent.connect_as(SHOP)];
    idle[0].newest();
    wait_for("three connections", || (agent.stats()["connections"] == 3).then_some(()));
    reload(&agent, &WITHOUT_SHOP);
    for client in &mut idle {
        assert!(!sends(client));
        assert!(client.request("TAIL").starts_with("ERR 77 "));
    }
    // They are still there, and what they may do again they may.
    reload(&agent, &RULES);
    for client in &mut idle {
        assert!(sends(client));
    }
    reload(&agent, &WITHOUT_SHOP);
    for client in &mut idle {
        while client.try_line().is_some() {}
    }
}

/// Whether an event of the shop is taken.
#[track_caller]
fn sends(client: &mut Relay) -> bool {
    client.write("SEND {\"tag\":\"shop.a\"}\nSYNC\n");
    let told = client.line();
    if told.starts_with("OK ") {
        return true;
    }
    assert!(told.starts_with("ERR 77 you may not send the tag shop.a: "), "{told}");
    assert!(client.line().starts_with("ERR 77 1 refused, "));
    false
}

#[test]
fn a_follower_stays_when_only_a_right_to_send_is_gone_that_it_never_used() {
    let Some(agent) = with_rules("a right to send that is gone unused", &[]) else { return };
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
fn a_bad_configuration_changes_nothing() {
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

/// Many connections of one user that follow; tells when all do, and which of them end.
const MANY: &str = r#"
    for ($n = 0; $n < 1000; $n++) {
        $open[] = $agent = stream_socket_client("unix://" . getenv("SOCK"));
        fwrite($agent, "PING\n");
        fgets($agent);
        fwrite($agent, "TAIL {\"follow\":true,\"lines\":0}\n");
    }
    echo "all\n";
    foreach ($open as $agent) { echo substr(fgets($agent) ?: "cut", 0, 3), "\n"; }
"#;

#[test]
fn a_reload_cuts_off_none_of_many_who_keep_their_rights() {
    let Some(agent) = with_rules("a reload with many followers", &[]) else { return };
    let reuid = format!("--reuid={WATCHER}");
    let words = ["-n4096", "setpriv", &reuid, "--clear-groups", "php", "-r", MANY];
    let tool = crate::harness::Tool::new("prlimit").args(&words);
    let mut many = tool.env("SOCK", agent.socket_text()).start();
    assert_eq!(many.line(), "all");
    until_followers(&agent, 1000);
    reload(&agent, &WITHOUT_SHOP);
    // Whoever must go has gone when all have been looked at: the last one here is one of them.
    agent.connect().write("SEND x\n").sync();
    for n in 0..1000 {
        assert_eq!(many.line(), "{\"s", "{n}");
    }
    let said = agent.output();
    assert!(!said.contains("disconnecting"), "{said}");
}

#[test]
fn who_left_a_group_loses_what_came_with_it_at_the_next_reload() {
    let Some(mut agent) = among_users("groups that change", &RULES) else { return };
    agent.restart();
    let mut follower = agent.connect_as(SHOP);
    follower.follow("");
    until_followers(&agent, 1);
    agent.write_groups("root:x:0:\nshop:x:4100:\nwatch:x:4101:watcher\n");
    assert!(agent.connect_as(SHOP).request("STATS").starts_with("ERR 77 "), "at once for new ones");
    agent.connect().write("SEND {\"tag\":\"shop.a\",\"msg\":\"still\"}\n").sync();
    assert_eq!(parse(&follower.line()).msg(), Some("still"), "who is connected stays so far");
    reload(&agent, &RULES);
    assert_cut(&mut follower);
    assert!(fs::read_to_string(agent.config()).expect("ours").contains("@shop"));
}
