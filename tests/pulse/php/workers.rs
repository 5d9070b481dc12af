//! Workers of php-fpm: what lasts from one request to the next, and what must not.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::site::{Pool, Site, can_start, library};
use super::{events, messages, sum};
use crate::harness::Agent;

/// What the pages of these tests do, by their names.
const PAGES: [(&str, &str); 7] = [
    ("plain", "Pulse::send('plain');"),
    ("open", "Pulse::begin('open');"),
    ("exit", "register_shutdown_function(fn () => exit(3)); Pulse::begin('exit');"),
    // Neither the library's shutdown function nor its destructor runs.
    (
        "cut",
        "register_shutdown_function(function () { ini_set('memory_limit', '4M'); $all = []; while (true) { $all[] = str_repeat('x', 1000); } });
         Pulse::begin('cut');",
    ),
    ("kill", "Pulse::begin('kill'); posix_kill(getmypid(), 9);"),
    ("many", "for ($n = 0; $n < 3000; $n++) { Pulse::send('many', ['pad' => str_repeat('x', 100)]); }"),
    ("descriptors", "foreach (glob('/proc/self/fd/*') as $file) { echo @readlink($file), \"\\n\"; } Pulse::send('descriptors');"),
];

/// A site whose pages require the library.
fn site(agent: &Agent) -> Site {
    let root = agent.dir().join("pages");
    fs::create_dir(&root).expect("a writable directory");
    for (name, code) in PAGES {
        let text = format!("<?php require {:?}; {code}", library("pulse.php"));
        fs::write(root.join(format!("{name}.php")), text).expect("a writable directory");
    }
    let pool = Pool {
        name: "www",
        agent: Some(agent.socket()),
        prepend: PathBuf::new(),
        settings: Vec::new(),
    };
    Site::start_with(&root, &[pool], &["posix"])
}

fn get(site: &Site, pages: &[&str]) -> String {
    pages.iter().map(|page| site.text("www", &format!("/{page}.php"), &[])).collect()
}

/// The events of an agent while a worker is connected.
fn held(agent: &Agent, count: usize) -> Vec<Value> {
    crate::harness::wait_for("the events", || {
        let lines = agent.connect().tail("{}");
        let all: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (all.len() >= count).then_some(all)
    })
}

fn conns(all: &[Value]) -> Vec<&Value> {
    all.iter().map(|event| &event["origin"]["conn"]).filter(|conn| !conn.is_null()).collect()
}

#[test]
fn a_worker_keeps_its_connection_and_ends_open_runs() {
    if !can_start("that a worker keeps its connection") {
        return;
    }
    let agent = Agent::start();
    let site = site(&agent);
    get(&site, &["open", "plain", "exit", "open"]);
    let all = held(&agent, 7);
    assert_eq!(messages(&all), ["open", "open", "plain", "exit", "exit", "open", "open"]);
    for end in [&all[1], &all[4], &all[6]] {
        assert_eq!(
            (&end["fields"]["left_open"], &end["abandoned"]),
            (&json!(true), &json!(null)),
            "{end}"
        );
    }
    let conns = conns(&all);
    assert!(conns.iter().all(|conn| *conn == conns[0]), "{all:#?}");
    assert_eq!(
        (&all[2]["fields"]["method"], &all[2]["fields"]["page"]),
        (&json!("GET"), &json!("/plain.php"))
    );
    let reqs: std::collections::BTreeSet<_> =
        all.iter().map(|event| event["fields"]["req"].to_string()).collect();
    assert_eq!(reqs.len(), 4);
}

#[test]
fn runs_of_a_request_that_was_cut_off_end_with_the_next_one() {
    if !can_start("that a cut-off request leaves no run open") {
        return;
    }
    let agent = Agent::start();
    let site = site(&agent);
    get(&site, &["plain", "cut", "plain"]);
    let all = held(&agent, 4);
    // The agent may notice the end of the old connection after it has read from the new one.
    let mut messages = messages(&all);
    messages.sort_unstable();
    assert_eq!(messages, ["cut", "cut", "plain", "plain"]);
    assert!(all.iter().any(|event| event["msg"] == "cut" && event["abandoned"] == true));
    get(&site, &["kill"]);
    let all = held(&agent, 6);
    let end = &all[5];
    assert_eq!((&end["msg"], &end["abandoned"]), (&json!("kill"), &json!(true)), "{all:#?}");
}

#[test]
fn a_worker_finds_a_restarted_agent_and_reports_what_was_lost_meanwhile() {
    if !can_start("that a worker finds a restarted agent") {
        return;
    }
    let mut agent = Agent::start();
    let site = site(&agent);
    get(&site, &["plain"]);
    held(&agent, 1);
    crate::harness::wait_for("a line on disk", || {
        agent.history_text().contains("plain").then_some(())
    });
    agent.signal(Signal::SIGKILL);
    agent.wait();
    get(&site, &["plain", "many", "plain", "open"]);
    agent.restart();
    get(&site, &["plain", "plain"]);
    let all = held(&agent, 5);
    // Two plain ones, 3,000 of many, and the begin and the end of open.
    assert_eq!(sum(&all, "lost"), 3004, "{all:#?}");
    let last = messages(&all).into_iter().filter(|msg| *msg == "plain").count();
    assert_eq!(last, 3);
    drop(site);
    assert_eq!(sum(&events(&agent), "lost"), 3004);
}

#[test]
fn a_worker_holds_one_socket() {
    if !can_start("how many sockets a worker holds") {
        return;
    }
    let agent = Agent::start();
    let site = site(&agent);
    let sockets = |text: String| text.lines().filter(|line| line.starts_with("socket:")).count();
    let first = sockets(get(&site, &["descriptors"]));
    let then = sockets(get(&site, &["plain", "plain", "descriptors"]));
    assert_eq!(then, first + 1);
}
