//! The page of threats: every cell of its tables of doors, roles, verbs and paths.

mod cursor_file;
mod files;
mod history;
mod http;
mod identity;
mod memory;
mod together;
mod tools;
mod turns;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::access::{
    AGENT, NONE, RULES, SENDER, SHOP, WATCHER, prepare_with_accounts, run_as_agent,
};
use crate::bridge::{BRIDGE, REFUSAL, WRONG};
use crate::harness::{Agent, Client, Relay, wait_for};

/// A tag that only a role with the right to every tag may follow.
const OTHER: &str = "other";

/// A client of one kind, through one door.
#[derive(Clone)]
enum Role {
    /// A local user with the native dialect.
    Local(u32),
    /// A local user with syslog lines.
    Syslog(u32),
    /// A local user with datagrams.
    Datagrams(u32),
    /// An unauthenticated TCP client, after this first line.
    Unauthenticated(Option<String>),
    /// An unauthenticated TCP client with syslog lines.
    UnauthenticatedSyslog,
    /// A TCP client with this token.
    Token(String),
}

/// A connection of the test's own user, or of another user.
enum Connection {
    Own(Client),
    Relayed(Relay),
}

impl Connection {
    fn client(&mut self) -> &mut Client {
        match self {
            Self::Own(client) => client,
            Self::Relayed(relay) => relay,
        }
    }
}

impl Role {
    fn named(name: &str, agent: &Agent) -> Self {
        let token =
            |name: &str, send: &[&str], tail: &[&str]| Self::Token(agent.token(name, send, tail));
        match name {
            "Unix, root" => Self::Local(0),
            "Unix, the agent's user" => Self::Local(AGENT),
            "Unix, may send and follow every tag" => Self::Local(WATCHER),
            "Unix, may send and follow `shop.*`" => Self::Local(SHOP),
            "Unix, may send every tag" => Self::Local(SENDER),
            "Unix, has no right" => Self::Local(NONE),
            "Unix, syslog lines, may send every tag" => Self::Syslog(SENDER),
            "Unix, syslog lines, may send `shop.*`" => Self::Syslog(SHOP),
            "Unix, syslog lines, has no right" => Self::Syslog(NONE),
            "datagrams, may send every tag" => Self::Datagrams(SENDER),
            "datagrams, may send `shop.*`" => Self::Datagrams(SHOP),
            "datagrams, has no right" => Self::Datagrams(NONE),
            "TCP, no token" => Self::Unauthenticated(None),
            "TCP, wrong token" => Self::Unauthenticated(Some(format!("AUTH {WRONG}"))),
            "TCP, syslog lines" => Self::UnauthenticatedSyslog,
            "TCP, token that sends every tag" => token("sends", &["*"], &[]),
            "TCP, token that follows every tag" => token("tails", &[], &["*"]),
            "TCP, token that sends and follows `shop.*`" => token("both", &["shop.*"], &["shop.*"]),
            _ => panic!("unknown role: {name}"),
        }
    }

    fn connect(&self, agent: &Agent) -> Connection {
        match self {
            Self::Local(uid) | Self::Syslog(uid) | Self::Datagrams(uid) => {
                Connection::Relayed(agent.connect_as(*uid))
            }
            Self::UnauthenticatedSyslog | Self::Unauthenticated(None) => {
                Connection::Own(agent.connect_tcp())
            }
            Self::Unauthenticated(Some(first)) => {
                let mut client = agent.connect_tcp();
                assert_eq!(client.request(first), REFUSAL);
                Connection::Own(client)
            }
            Self::Token(token) => Connection::Own(agent.connect_with_token(token)),
        }
    }

    /// The cell for a verb, as the page writes it. `mark` is a message that no other event has.
    fn cell(&self, verb: &str, mark: &str, agent: &Agent) -> String {
        if let Self::Datagrams(uid) = self {
            return datagrams(*uid, verb, mark, agent);
        }
        let mut connection = self.connect(agent);
        let client = connection.client();
        match (self, verb) {
            (Self::Syslog(_) | Self::UnauthenticatedSyslog, _) => {
                syslog(client, verb, mark, agent, matches!(self, Self::Syslog(_)))
            }
            (_, "SEND") => {
                let refused = |client: &mut Client, tag: &str| {
                    client.write(format!("SEND {{\"tag\":\"{tag}\"}}\nSYNC\n"));
                    let answer = client.line();
                    if code(&answer) == "yes" { None } else { Some(code(&answer)) }
                };
                let (shop, other) = (refused(client, "shop.a"), {
                    let mut second = self.connect(agent);
                    refused(second.client(), OTHER)
                });
                match (shop, other) {
                    (None, None) => "yes".into(),
                    (None, Some(_)) => "some".into(),
                    (Some(code), Some(other)) if code == other => code,
                    odd => format!("{odd:?}"),
                }
            }
            (_, "TAIL") => {
                client.write("TAIL {\"lines\":2,\"match\":\"msg=seed\"}\n");
                // A new log begins with a gap, and others count dropped datagrams.
                let mut next = || {
                    let mut lines = std::iter::from_fn(|| Some(client.line()));
                    lines.find(|line| !line.starts_with("{\"gap\":")).expect("no end")
                };
                let first = next();
                if !first.starts_with('{') {
                    return code(&first);
                }
                let second = next();
                if second.starts_with("OK ") && first.contains("\"tag\":\"shop.a\"") {
                    return "some".into();
                }
                let both = [first, second].concat();
                assert!(both.contains("shop.a") && both.contains(OTHER), "{both}");
                "yes".into()
            }
            (_, "VIEW") => {
                client.write("VIEW {\"name\":\"rates\",\"match\":\"msg=seed\",\"every\":0.2}\n");
                wait_for("a snapshot with the seed", || {
                    let line = client.line();
                    if !line.starts_with('{') {
                        return Some(code(&line));
                    }
                    let snapshot: Value = serde_json::from_str(&line).expect("a JSON object");
                    match snapshot["events"].as_u64() {
                        Some(2) => Some("yes".into()),
                        Some(1) if line.contains("shop.a") => Some("some".into()),
                        _ => None,
                    }
                })
            }
            (_, "STATS") => {
                let answer = client.request("STATS");
                match answer.starts_with('{') {
                    true if answer.contains("\"events\":") => "yes".into(),
                    true => "some".into(),
                    false => code(&answer),
                }
            }
            (_, "HELP") => {
                let answer = client.request("HELP");
                if answer.starts_with("SEND ") { "yes".into() } else { code(&answer) }
            }
            (_, "AUTH") => code(&client.request(&format!("AUTH {WRONG}"))),
            (_, "SYNC" | "PING" | "LINK") => code(&client.request(verb)),
            (_, "QUIT") => {
                client.write("QUIT\n");
                let rest = client.rest();
                if rest.is_empty() { "yes".into() } else { format!("{rest:?}") }
            }
            _ => panic!("unknown verb: {verb}"),
        }
    }
}

/// `yes` for an OK, and the code of an ERR.
fn code(answer: &str) -> String {
    match answer.strip_prefix("ERR ") {
        Some(rest) => rest.split(' ').next().unwrap_or_default().to_owned(),
        None if answer.starts_with("OK ") => "yes".into(),
        None => answer.to_owned(),
    }
}

/// The cell for a verb in syslog lines.
fn syslog(client: &mut Client, verb: &str, mark: &str, agent: &Agent, silent: bool) -> String {
    if verb == "SEND" {
        client.write(format!("<13>shop.a: {mark}\n<13>{OTHER}: {mark}\n")).shutdown_write();
    } else {
        client.write(format!("<13>shop.a: first\nshop.a: {verb} {mark}\n")).shutdown_write();
    }
    // An unauthenticated client is refused. A local sender of syslog lines gets no answer.
    for answer in client.rest() {
        assert!(!silent && answer == REFUSAL, "{verb}: {answer}");
    }
    // The agent accepts or drops every line before it closes the connection.
    let mut lines = agent.connect().tail(&format!("{{\"match\":\"msg~{mark}$\"}}"));
    // Of dropped datagrams.
    lines.retain(|line| !line.starts_with("{\"gap\":"));
    cell_from_events(verb, &lines)
}

/// The cell for a verb that became these events, where nothing is answered.
fn cell_from_events(verb: &str, lines: &[String]) -> String {
    match (verb, lines.len()) {
        (_, 0) => "no".into(),
        ("SEND", 1) if lines[0].contains("\"tag\":\"shop.a\"") => "some".into(),
        ("SEND", 2) => "yes".into(),
        (_, 1) => "text".into(),
        odd => format!("{odd:?}"),
    }
}

/// The cell for a verb in datagrams.
fn datagrams(uid: u32, verb: &str, mark: &str, agent: &Agent) -> String {
    /// Gaps do not tell whose datagrams they count, so that one cell is tried at a time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let both = [format!("<13>shop.a: {mark}"), format!("<13>{OTHER}: {mark}")];
    let one = [format!("<13>shop.a: {verb} {mark}")];
    let messages = if verb == "SEND" { &both[..] } else { &one[..] };
    let refused_before = agent.refused_by_rate();
    let texts: Vec<&str> = messages.iter().map(String::as_str).collect();
    agent.send_datagrams_as(uid, &texts);
    let lines = wait_for("every datagram to be accepted or counted", || {
        let mut lines = agent.connect().tail(&format!("{{\"match\":\"msg~{mark}$\"}}"));
        lines.retain(|line| !line.starts_with("{\"gap\":"));
        let refused = agent.refused_by_rate() - refused_before;
        (lines.len() as u64 + refused == texts.len() as u64).then_some(lines)
    });
    cell_from_events(verb, &lines)
}

/// The rows of the table whose header begins so, the header first.
fn rows_of(begins: &str) -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threats.md");
    let page = fs::read_to_string(page).expect("a readable page");
    let rows = page.lines().skip_while(|line| !line.starts_with(begins));
    let rows =
        rows.take_while(|line| line.starts_with('|')).filter(|line| !line.starts_with("|--"));
    let cells = |line: &str| {
        let inside = line.trim_matches('|').split('|');
        inside.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

#[test]
fn access_table_matches_agent() {
    let lines = [&[BRIDGE][..], &RULES].concat();
    let Some(mut agent) = prepare_with_accounts("the table of doors, roles and verbs", &lines)
    else {
        return;
    };
    run_as_agent(&mut agent);
    agent.restart();
    // `pulsed token` does not see the test's accounts: it gets a configuration without rules.
    agent.configure(&[BRIDGE]);
    let mut root = agent.connect();
    root.write("SEND {\"tag\":\"shop.a\",\"msg\":\"seed\"}\n");
    root.write(format!("SEND {{\"tag\":\"{OTHER}\",\"msg\":\"seed\"}}\n")).sync();
    let table = rows_of("| door and role |");
    let (head, rows) = table.split_first().expect("a table");
    assert_eq!(
        head[1..],
        ["SEND", "SYNC", "TAIL", "VIEW", "STATS", "PING", "HELP", "AUTH", "LINK", "QUIT"]
    );
    assert!(rows.len() >= 15, "{}", rows.len());
    let wrong: Vec<String> = thread::scope(|scope| {
        let rows: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(number, row)| {
                let (role, agent) = (Role::named(&row[0], &agent), &agent);
                scope.spawn(move || {
                    assert_eq!(row.len(), head.len(), "{row:?}");
                    let mut wrong = Vec::new();
                    for (verb, expected) in head.iter().zip(row).skip(1) {
                        let found = role.cell(verb, &format!("mark{verb}{number}"), agent);
                        if found != *expected {
                            wrong.push(format!(
                                "{}: {verb}: {expected} on the page, {found} found",
                                row[0]
                            ));
                        }
                    }
                    wrong
                })
            })
            .collect();
        rows.into_iter().flat_map(|row| row.join().expect("no panic")).collect()
    });
    assert_eq!(wrong, [""; 0]);
}
