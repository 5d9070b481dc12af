//! Who may follow all hosts.

use pulsed::agent::{PARTS_MAX, PARTS_OF_ONE_MAX};

use super::engine::Engine;
use super::view::View;
use super::{agent_with, send, send_much, wait_until_forwarded};
use crate::access::{NONE, SHOP, WATCHER, prepare_with_accounts};
use crate::harness::{Agent, seq_of};

/// Everybody may follow this machine, and some may follow others.
pub(super) const RULES: [&str; 10] = [
    "[[access]]",
    "tail = [\"*\"]",
    "send = [\"*\"]",
    "[[access]]",
    "host = \"web*\"",
    "tag = \"shop.*\"",
    "tail = [\"@shop\"]",
    "[[access]]",
    "host = \"*\"",
    "tail = [\"watcher\"]",
];

#[test]
fn the_documented_permissions_are_enough_to_read() {
    let user = |name: &str| {
        format!(
            "{{ user: {name}, password: p, permissions: {{ publish: [\"pulse.{name}\", \
             \"$JS.API.STREAM.INFO.pulse\", \"$JS.API.STREAM.CREATE.pulse\", \"$JS.API.STREAM.MSG.GET.pulse\", \
             \"$JS.API.CONSUMER.CREATE.pulse\", \"$JS.API.CONSUMER.MSG.NEXT.pulse.*\", \
             \"$JS.API.CONSUMER.DELETE.pulse.*\"], subscribe: \"_INBOX.{name}.>\" }} }}"
        )
    };
    let users = [user("web1"), user("web2"), "{ user: t, password: t }".into()].join(", ");
    let mut engine = Engine::prepare(&format!("authorization {{ users: [{users}] }}"));
    engine.login = serde_json::json!({ "user": "t", "pass": "t" });
    engine.restart();
    let agents = ["web1", "web2"].map(|host| {
        let mut agent = Agent::prepare(&[]);
        let secret = agent.dir().join("secret");
        std::fs::write(&secret, "p").expect("a writable directory");
        let lines = [
            engine.url(),
            format!("host = {host:?}"),
            format!("nats.user = {host:?}"),
            format!("nats.password = {secret:?}"),
        ];
        agent.configure(&lines.each_ref().map(String::as_str));
        agent.restart();
        wait_until_forwarded(&agent);
        agent
    });
    let mut view = View::now(&agents[0]);
    for agent in &agents {
        send(&mut agent.connect(), 0..10);
    }
    view.read_events(20);
    // Also from the engine's history, and what the agent asks about messages in flight.
    let all = View::with(&agents[1], "\"since\":\"1980-01-01T00:00:00Z\"").read_all();
    assert_eq!(all.count(), 20);
    // One host cannot speak as another.
    engine.login = serde_json::json!({ "user": "web2", "pass": "p" });
    engine.connect().publish("pulse.web1", "evil");
    // Nor see what is delivered to another.
    assert!(engine.connect().may_subscribe("_INBOX.web2.>"));
    assert!(!engine.connect().may_subscribe("_INBOX.web1.>"));
    assert!(!engine.connect().may_subscribe("_INBOX.>"));
    engine.login = serde_json::json!({ "user": "t", "pass": "t" });
    send(&mut agents[1].connect(), 10..20);
    view.read_events(30);
    assert_eq!(agents[0].stats()["nats"]["rejected"], 0);
}

/// What a user's pulse-tail prints.
fn tail_as(agent: &Agent, uid: u32) -> (Option<i32>, String, String) {
    let output = agent.tail(&["-m", "-n", "all", "-o", "json"]).with_user(uid, agent).run();
    (output.code, output.out, output.err)
}

#[test]
fn one_user_that_stalls_does_not_keep_others_from_the_stream() {
    let engine = Engine::start();
    let url = engine.url();
    let lines = [&[&*url, "host = \"web1\""], &RULES[..]].concat();
    let Some(mut web1) = prepare_with_accounts("turns by user", &lines) else { return };
    web1.restart();
    // More than a part and a socket hold.
    send_much(&web1, 20);
    let oldest = "TAIL {\"host\":\"*\",\"follow\":true,\"since\":\"1980-01-01T00:00:00Z\"}";
    let mut stalled: Vec<_> = (0..PARTS_MAX).map(|_| web1.connect_as(WATCHER)).collect();
    for (at, client) in stalled.iter_mut().enumerate() {
        client.write(format!("{oldest}\n"));
        // Those that have no turn get nothing.
        if at < PARTS_OF_ONE_MAX {
            client.line();
        }
    }
    let newest = View::with(&web1, "\"lines\":1").read_all();
    assert_eq!(newest.count(), 1);
    // Turns that end are those of the others, whichever of them came first.
    stalled.drain(..PARTS_OF_ONE_MAX);
    for client in &mut stalled {
        client.line();
    }
}

#[test]
fn rules_with_a_host_decide() {
    let engine = Engine::start();
    let lines = [&engine.url()[..], "host = \"web1\""];
    let Some(mut web1) = prepare_with_accounts("rights by host", &[&lines[..], &RULES].concat())
    else {
        return;
    };
    web1.restart();
    let db1 = agent_with(&engine, &["host = \"db1\""]);
    for agent in [&web1, &db1] {
        send(&mut agent.connect(), 0..10);
        agent.connect().write("SEND {\"tag\":\"cron\",\"msg\":\"nightly\"}\n").sync();
        wait_until_forwarded(agent);
    }
    let hosts = |text: &str| {
        let has = |host: &str, tag: &str| {
            text.lines().any(|line| {
                line.contains(&format!("\"host\":{host:?}"))
                    && line.contains(&format!("\"tag\":{tag:?}"))
            })
        };
        [
            has("web1", "shop.query"),
            has("web1", "cron"),
            has("db1", "shop.query"),
            has("db1", "cron"),
        ]
    };
    let (code, out, err) = tail_as(&web1, SHOP);
    assert_eq!((code, hosts(&out)), (Some(0), [true, false, false, false]), "{err}");
    // Not even that another host has started.
    assert!(!out.contains("db1"), "{out}");
    let (code, out, err) = tail_as(&web1, WATCHER);
    // The first rule that matches decides: the shop of the web servers is for others.
    assert_eq!((code, hosts(&out)), (Some(0), [false, true, true, true]), "{err}");
    let (code, out, err) = tail_as(&web1, NONE);
    assert_eq!((code, out.as_str()), (Some(77), ""), "{err}");
    assert!(err.contains("you may not follow other hosts"), "{err}");
    // The rule for this machine still holds.
    let own = web1.tail(&["-n", "1"]).with_user(NONE, &web1).run();
    assert_eq!(own.code, Some(0), "{own:?}");
    let all = View::with(&web1, "\"lines\":100").read_all();
    assert_eq!(all.count(), 22);
    assert!(seq_of(&web1.connect().newest()) > 0);
}
