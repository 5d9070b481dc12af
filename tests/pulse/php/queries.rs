//! What the tests of the tracking classes share: scripts, and the events of their statements.

use std::path::Path;

use serde_json::Value;

use super::mariadb::MariaDb;
use super::site::library;
use crate::harness::{Agent, Tool, parse, report, wait_for};

/// The fewest operations that a comparison of a tracking class with its parent runs.
pub(super) const OPERATIONS_MIN: usize = 40;

/// How often a view is sent, in seconds: the shortest interval.
const EVERY: &str = "0.2";

/// `true` if PHP has these extensions. Otherwise reports what is not tested.
pub(super) fn has_extensions(names: &[&str], what: &str) -> bool {
    let list: String = names.iter().map(|name| format!("'{name}',")).collect();
    let program = format!("foreach ([{list}] as $name) {{ extension_loaded($name) || exit(1); }}");
    let has = Tool::new("php").args(&["-r", &program]).run().code == Some(0);
    if !has {
        report(&format!("\n*** NOT TESTED, because PHP lacks one of {names:?}: {what} ***\n"));
    }
    has
}

/// A script of this folder, which sends to this socket. Its arguments begin with the path of the library.
pub(super) fn script(name: &str, socket: &str, arguments: &[&str]) -> Tool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/php").join(name);
    let mut tool = Tool::new("php").env("PULSED_SOCKET", socket);
    for setting in
        ["display_errors=1", "html_errors=0", "log_errors=0", "zend.exception_ignore_args=0"]
    {
        tool = tool.args(&["-d", setting]);
    }
    tool.arg(path).arg(library("pulse.php")).args(arguments)
}

/// Adds a user with a password to a server.
pub(super) fn add_user(database: &MariaDb) {
    let socket = database.socket();
    let program = "$db = new mysqli('localhost', 'root', '', '', 0, $argv[1]);
        $db->query(\"CREATE USER web IDENTIFIED BY 'geheim'\");
        $db->query('GRANT ALL ON *.* TO web');";
    let arguments = ["-r", program, socket.to_str().expect("UTF-8")];
    assert_eq!(Tool::new("php").args(&arguments).ok(), "");
}

/// Runs a script with a class of PHP and with the tracking one, and asserts that the page sees the same.
#[track_caller]
pub(super) fn assert_same(name: &str, socket: &str, arguments: &[&str]) {
    let run = |mode| script(name, socket, &[&[mode], arguments].concat()).run();
    let (plain, tracked) = (run("plain"), run("tracked"));
    let differing =
        plain.out.lines().zip(tracked.out.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert_eq!(differing, None, "the first different line");
    assert_eq!(plain.out.len(), tracked.out.len());
    assert_eq!((plain.code, &plain.err), (Some(0), &String::new()), "{plain:#?}");
    assert_eq!((tracked.code, &tracked.err), (Some(0), &String::new()), "{tracked:#?}");
    let is_operation = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    let operations = plain.out.lines().filter(is_operation).count();
    assert!(operations >= OPERATIONS_MIN, "{operations} operations");
}

/// The events with this MATCH, once a script has ended.
#[track_caller]
pub(super) fn events(agent: &Agent, matching: &str) -> Vec<Value> {
    wait_for("the end of the script", || (!find(agent, "tag=test").is_empty()).then_some(()));
    find(agent, matching)
}

/// The events with this MATCH.
#[track_caller]
pub(super) fn find(agent: &Agent, matching: &str) -> Vec<Value> {
    let lines = agent.connect().tail(&format!("{{\"match\":{}}}", Value::from(matching)));
    let items = lines.iter().map(|line| parse(line));
    items.filter(|item| item.msg().is_some()).map(|item| item.event().clone()).collect()
}

/// The statements of a script that has ended, in short: `begin SELECT 1`, `end SELECT 1 rows=1`, and `only` for
/// an end without a begin.
#[track_caller]
pub(super) fn statements(agent: &Agent) -> Vec<String> {
    events(agent, "tag=php.query").iter().map(in_short).collect()
}

/// One event in short.
pub(super) fn in_short(event: &Value) -> String {
    let kind = match (event["run"].is_string(), event["took"].is_number()) {
        (true, false) => "begin",
        (true, true) => "end",
        (false, true) => "only",
        (false, false) => "event",
    };
    let mut text = format!("{kind} {}", event["msg"].as_str().unwrap_or_default());
    for name in ["rows", "rowset", "binds", "error"] {
        let value = &event["fields"][name];
        match value.as_str() {
            Some(value) => text += &format!(" {name}={value}"),
            None if value.is_null() => {}
            None => text += &format!(" {name}={value}"),
        }
    }
    text
}

/// The first snapshot of what runs now for which `condition` holds.
#[track_caller]
pub(super) fn running(agent: &Agent, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut client = agent.connect();
    client.write(format!("VIEW {{\"name\":\"running\",\"every\":{EVERY}}}\n"));
    wait_for(what, || {
        let snapshot: Value = serde_json::from_str(&client.line()).expect("a JSON object");
        condition(&snapshot).then_some(snapshot)
    })
}

/// Waits until this statement is shown as running. Returns its row.
#[track_caller]
pub(super) fn wait_for_running(agent: &Agent, statement: &str) -> Value {
    let row = |shown: &Value| {
        let rows = shown["runs"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["msg"] == statement && row["state"] == "running")
    };
    let shown = running(agent, statement, |shown| row(shown).is_some());
    row(&shown).expect("the condition found it")
}

/// Waits for the end that the agent gives a statement whose worker was killed.
#[track_caller]
pub(super) fn wait_for_abandoned(agent: &Agent, statement: &str) -> Value {
    wait_for("an abandoned statement", || {
        find(agent, "abandoned=true").into_iter().find(|event| event["msg"] == statement)
    })
}
