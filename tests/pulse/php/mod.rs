//! The PHP library (`contrib/php`), with the PHP of Debian's packages, through the real agent.

mod application;
mod errors;
mod frameworks;
mod hostile;
mod limits;
mod mariadb;
mod mysqli;
mod pages;
mod pdo;
mod queries;
mod send;
mod site;
mod workers;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Agent, Tool};

/// A file of this folder.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pulse/php").join(name)
}

/// PHP that shows all errors.
fn php() -> Tool {
    Tool::new("php").args(&["-d", "display_errors=1", "-d", "error_reporting=-1"])
}

/// PHP that runs this code after `require 'pulse.php'`.
fn code(code: &str) -> Tool {
    let required = format!("require {:?};\n", site::library("pulse.php"));
    php().args(&["-r", &(required + code)])
}

/// The same for an agent.
fn code_for(agent: &Agent, text: &str) -> Tool {
    code(text).env("PULSED_SOCKET", agent.socket_text())
}

/// All events of an agent. It has processed what was sent before: the answer to SYNC on another connection does not say
/// so, but PHP has exited, and its connection is closed.
fn events(agent: &Agent) -> Vec<Value> {
    crate::harness::wait_for("the end of all other connections", || {
        (agent.stats()["connections"] == 1).then_some(())
    });
    let lines = agent.connect().tail("{}");
    lines.iter().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// The messages of events.
fn messages(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["msg"].as_str().unwrap_or_default()).collect()
}

/// The sum of a field over events.
fn sum(events: &[Value], field: &str) -> u64 {
    events.iter().filter_map(|event| event["fields"][field].as_u64()).sum()
}
