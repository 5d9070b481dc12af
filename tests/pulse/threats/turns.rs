//! What one user's clients may take of the threads that serve all clients: each test attacks as a user with few rights or
//! none, and measures what root's client feels.

use std::time::{Duration, Instant};

use crate::harness::{Agent, Client, Running, Tool, as_root, hostile, wait_for};

/// The user who attacks.
const ATTACKER: u32 = 4_260;

/// The most that an acknowledged send of root may take longer than on the idle agent.
const DELAY_MAX: Duration = Duration::from_millis(100);

/// How often a measurement is repeated before it fails, because the machine may be busy.
const TRIES: usize = 5;

/// Only root may do anything.
const NO_RIGHTS: &str = "[[access]]\nsend = [\"0\"]\ntail = [\"0\"]";

/// All users may do everything.
const ALL_RIGHTS: &str = "[[access]]\nsend = [\"*\"]\ntail = [\"*\"]";

fn agent(access: &str) -> Agent {
    Agent::with(&[access])
}

fn unix(agent: &Agent) -> String {
    format!("unix://{}", agent.socket_text())
}

/// The longest of some acknowledged sends, each by a connection of its own.
fn worst(agent: &Agent, sends: usize) -> Duration {
    let times = (0..sends).map(|_| {
        let begun = Instant::now();
        agent.connect().write("SEND x\n").sync();
        begun.elapsed()
    });
    times.max().unwrap_or_default()
}

/// Asserts that root's sends take at most [`DELAY_MAX`] longer during an attack.
#[track_caller]
fn assert_undisturbed(agent: &Agent, what: &str, attack: impl Fn() -> Running) {
    let mut delays = Vec::new();
    for _ in 0..TRIES {
        let idle = worst(agent, 50);
        let mut attack = attack();
        let begun = attack.line();
        assert!(begun.starts_with("ready"), "{begun}");
        let delay = worst(agent, 200).saturating_sub(idle);
        attack.wait();
        if delay <= DELAY_MAX {
            return;
        }
        delays.push(delay);
    }
    panic!("{what}: sends of root took {delays:?} longer");
}

#[test]
fn unread_replies_disturb_no_other_client() {
    if !as_root("questions of another user") {
        return;
    }
    let agent = agent(NO_RIGHTS);
    let address = unix(&agent);
    for line in ["HELP", "STATS", "PING", "x", "SYNC", "AUTH x", "TAIL {\"follow\":1}", "SEND x"] {
        assert_undisturbed(&agent, line, || hostile(ATTACKER, "ask", &address, 64, line).start());
        // The attacker has gone, and events are not dropped with it.
        if line.starts_with("SEND") {
            continue;
        }
        let alone = || (agent.stats()["connections"] == 1).then_some(());
        wait_for(&format!("{line}: no connection of the attacker"), alone);
    }
}

#[test]
fn searches_in_a_loop_disturb_no_other_client() {
    if !as_root("searches of another user") {
        return;
    }
    let agent = agent(ALL_RIGHTS);
    let mut sender = agent.connect();
    for _ in 0..200 {
        sender.write("SEND x\nPING\n".repeat(100));
        (0..100).for_each(|_| drop(sender.line()));
    }
    let line = "TAIL {\"since\":\"2099-01-01T00:00:00Z\"}";
    let address = unix(&agent);
    assert_undisturbed(&agent, line, || hostile(ATTACKER, "ask", &address, 64, line).start());
}

/// Events that a pattern takes long for.
fn send_hard_events(agent: &Agent) {
    let mut bits: u64 = 0x1234_5678_9abc_def1;
    let mut digits = String::new();
    for _ in 0..60_000 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        digits.push(if bits & 1 == 0 { '0' } else { '1' });
    }
    let events = format!("SEND {digits}\n").repeat(50);
    agent.connect().write(events).sync();
}

#[test]
fn patterns_disturb_no_other_client() {
    if !as_root("followers of another user") {
        return;
    }
    let agent = agent(ALL_RIGHTS);
    let large = "TAIL {\"follow\":true,\"match\":\"msg~[01]{5000}[23]\"}";
    let answer = agent.connect().request(large);
    assert!(answer.starts_with("ERR 64 ") && answer.contains("5001 places"), "{answer}");
    let address = unix(&agent);
    let patterns = ["msg~0[01]{62}2", "msg~0.{30}2 msg~0(?:1?0?){15}2", "msg~0(?:\\\\w?){20}2"];
    for pattern in patterns {
        let line = format!("TAIL {{\"match\":\"{pattern}\",\"follow\":true}}");
        assert_undisturbed(&agent, pattern, || {
            let attack = hostile(ATTACKER, "once", &address, 16, &line).start();
            wait_for("16 followers", || (agent.stats()["followers"] == 16).then_some(()));
            send_hard_events(&agent);
            attack
        });
    }
}

#[test]
fn chatty_followers_are_not_read_further() {
    if !as_root("followers of another user") {
        return;
    }
    let agent = agent(ALL_RIGHTS);
    let address = unix(&agent);
    let line = r#"SEND {"tag":"a","msg":"x","fields":{"a":1,"b":"c"}}"#;
    assert_undisturbed(&agent, line, || hostile(ATTACKER, "chat", &address, 8, line).start());
    let attack = hostile(ATTACKER, "chat", &address, 8, line).start();
    wait_for("8 followers", || (agent.stats()["followers"] == 8).then_some(()));
    drop(attack);
    Tool::new("pkill").args(&["-u", &ATTACKER.to_string()]).run();
    wait_for("no follower", || (agent.stats()["followers"] == 0).then_some(()));
}

#[test]
fn followers_that_have_gone_are_noticed_on_a_quiet_log() {
    if !as_root("followers of another user") {
        return;
    }
    let agent = agent(ALL_RIGHTS);
    for mode in ["gone", "half-gone"] {
        let mut crowd = hostile(ATTACKER, mode, &unix(&agent), 100, "").start();
        assert!(crowd.line().starts_with("ready"));
        if mode == "half-gone" {
            wait_for("100 followers", || (agent.stats()["followers"] == 100).then_some(()));
        }
        crowd.wait();
        wait_for(mode, || (agent.stats()["connections"] == 1).then_some(()));
    }
}

/// How long root takes to read all events, none of which is in the window.
fn read_all(agent: &Agent) -> Duration {
    let begun = Instant::now();
    let lines = agent.connect().tail("{\"match\":\"tag=old\"}");
    assert_eq!(lines.iter().filter(|line| line.contains("\"tag\":\"old\"")).count(), 20_000);
    begun.elapsed()
}

#[test]
fn history_is_shared_between_users() {
    if !as_root("readers of another user") {
        return;
    }
    let agent = Agent::with(&["window.size = \"1MiB\"", ALL_RIGHTS]);
    let event = format!("SEND {{\"tag\":\"old\",\"msg\":\"{}\"}}\n", "x".repeat(1000));
    agent.connect().write(event.repeat(20_000)).sync();
    agent.connect().write(format!("SEND {}\n", "y".repeat(1000)).repeat(2_000)).sync();
    let address = unix(&agent);
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        let alone = read_all(&agent);
        let line = ["TAIL {\"match\":\"msg=zz\"}"; 50].join("\n");
        let mut readers = hostile(ATTACKER, "once", &address, 64, &line).start();
        assert!(readers.line().starts_with("ready"));
        let shared = read_all(&agent);
        readers.wait();
        ratios.push(shared.as_secs_f64() / alone.as_secs_f64());
        // As if there were two more readers, each of which takes the threads as long.
        if ratios.last().is_some_and(|ratio| *ratio <= 6.0) {
            return;
        }
    }
    panic!("64 readers of another user make root's read {ratios:.1?} times as long");
}

#[test]
fn rates_charge_what_an_event_becomes() {
    if !as_root("events of another user") {
        return;
    }
    let agent = Agent::with(&["history.size = \"64MiB\"", ALL_RIGHTS]);
    // Each byte becomes six.
    let event = format!("SEND {}\n", "\u{1}".repeat(60_000));
    let mut attacker = agent.connect_as(ATTACKER);
    let begun = Instant::now();
    for _ in 0..200 {
        attacker.write(&event);
    }
    attacker.write("SYNC\n");
    let refused = wait_for("the answer to SYNC", || {
        let answer = attacker.line();
        (!answer.contains("too many events")).then_some(answer)
    });
    assert!(refused.starts_with("ERR 75 ") && refused.contains("refused"), "{refused}");
    let stored = agent.stats()["bytes"].as_u64().expect("a number");
    let rate = 16.0 * f64::from(1 << 20) * begun.elapsed().as_secs_f64();
    let burst = f64::from(64 << 20) / 16.0;
    assert!(stored as f64 <= burst + rate + f64::from(1 << 20), "{stored} bytes");
}

#[test]
fn one_user_cannot_take_all_folds() {
    if !as_root("views of another user") {
        return;
    }
    let agent = agent(ALL_RIGHTS);
    let watch = |client: &mut Client, n: usize| {
        client.request(&format!("VIEW {{\"name\":\"rates\",\"match\":\"tag=t{n}\"}}"))
    };
    let mut attackers: Vec<_> = (0..5).map(|_| agent.connect_as(ATTACKER)).collect();
    let answers = attackers.iter_mut().enumerate().map(|(n, client)| watch(client, n));
    let answers: Vec<String> = answers.collect();
    assert!(answers[..4].iter().all(|answer| answer.starts_with('{')), "{answers:?}");
    assert!(answers[4].starts_with("ERR 75 views with 4 different MATCH of yours"), "{answers:?}");
    let mut others: Vec<_> = (1..=3).map(|n| agent.connect_as(ATTACKER + n)).collect();
    let answers = others.iter_mut().enumerate().map(|(n, client)| watch(client, 10 + n));
    let answers: Vec<String> = answers.collect();
    assert!(answers[..2].iter().all(|answer| answer.starts_with('{')), "{answers:?}");
    assert!(answers[2].starts_with("ERR 75 "), "the rest is reserved: {answers:?}");
    let mut roots = [agent.connect(), agent.connect()];
    for (n, root) in roots.iter_mut().enumerate() {
        assert!(watch(root, 20 + n).starts_with('{'));
    }
}
