//! The page of threats: its table of doors, roles and words, tried cell by cell.

use std::fs;
use std::path::Path;
use std::thread;

use crate::access::{AGENT, NONE, RULES, SENDER, SHOP, WATCHER, among_users, run_as_agent};
use crate::bridge::{BRIDGE, REFUSAL, WRONG};
use crate::harness::{Agent, Client, Via};

/// Whom nobody may follow but who may follow everything.
const OTHER: &str = "other";

/// A way in, as somebody.
#[derive(Clone)]
enum Role {
    /// A local user who speaks the native dialect.
    Local(u32),
    /// A local user who speaks syslog.
    Syslog(u32),
    /// Nobody by TCP; with this said first.
    Stranger(Option<String>),
    /// Nobody by TCP who speaks syslog.
    StrangerSyslog,
    /// Whoever has this token.
    Token(String),
}

/// A connection, however it came about.
enum Caller {
    Own(Client),
    Other(Via),
}

impl Caller {
    fn client(&mut self) -> &mut Client {
        match self {
            Self::Own(client) => client,
            Self::Other(via) => via,
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
            "TCP, no token" => Self::Stranger(None),
            "TCP, wrong token" => Self::Stranger(Some(format!("AUTH {WRONG}"))),
            "TCP, syslog lines" => Self::StrangerSyslog,
            "TCP, token that sends every tag" => token("sends", &["*"], &[]),
            "TCP, token that follows every tag" => token("tails", &[], &["*"]),
            "TCP, token that sends and follows `shop.*`" => token("both", &["shop.*"], &["shop.*"]),
            _ => panic!("no test plays the role {name}"),
        }
    }

    fn connect(&self, agent: &Agent) -> Caller {
        match self {
            Self::Local(uid) | Self::Syslog(uid) => Caller::Other(agent.connect_as(*uid)),
            Self::StrangerSyslog | Self::Stranger(None) => Caller::Own(agent.connect_by_tcp()),
            Self::Stranger(Some(first)) => {
                let mut client = agent.connect_by_tcp();
                assert_eq!(client.ask(first), REFUSAL);
                Caller::Own(client)
            }
            Self::Token(token) => Caller::Own(agent.connect_with(token)),
        }
    }

    /// What a word comes to, as the page says it. `mark` is in no other event.
    fn cell(&self, word: &str, mark: &str, agent: &Agent) -> String {
        let mut caller = self.connect(agent);
        let client = caller.client();
        match (self, word) {
            (Self::Syslog(_) | Self::StrangerSyslog, _) => {
                syslog(client, word, mark, agent, matches!(self, Self::Syslog(_)))
            }
            (_, "SEND") => {
                let taken = |client: &mut Client, tag: &str| {
                    client.say(format!("SEND {{\"tag\":\"{tag}\"}}\nSYNC\n"));
                    let told = client.line();
                    if code(&told) == "yes" { None } else { Some(code(&told)) }
                };
                let (shop, other) = (taken(client, "shop.a"), {
                    let mut anew = self.connect(agent);
                    taken(anew.client(), OTHER)
                });
                match (shop, other) {
                    (None, None) => "yes".into(),
                    (None, Some(_)) => "some".into(),
                    (Some(code), Some(other)) if code == other => code,
                    odd => format!("{odd:?}"),
                }
            }
            (_, "TAIL") => {
                client.say("TAIL {\"lines\":2,\"match\":\"msg=seed\"}\n");
                let mut first = client.line();
                // A new log begins with a gap.
                if first.starts_with("{\"gap\":") {
                    first = client.line();
                }
                if !first.starts_with('{') {
                    return code(&first);
                }
                let second = client.line();
                if second.starts_with("OK ") && first.contains("\"tag\":\"shop.a\"") {
                    return "some".into();
                }
                let both = [first, second].concat();
                assert!(both.contains("shop.a") && both.contains(OTHER), "{both}");
                "yes".into()
            }
            (_, "STATS") => {
                let told = client.ask("STATS");
                match told.starts_with('{') {
                    true if told.contains("\"events\":") => "yes".into(),
                    true => "some".into(),
                    false => code(&told),
                }
            }
            (_, "HELP") => {
                let told = client.ask("HELP");
                if told.starts_with("SEND ") { "yes".into() } else { code(&told) }
            }
            (_, "AUTH") => code(&client.ask(&format!("AUTH {WRONG}"))),
            (_, "SYNC" | "PING" | "LINK") => code(&client.ask(word)),
            (_, "QUIT") => {
                client.say("QUIT\n");
                let rest = client.rest();
                if rest.is_empty() { "yes".into() } else { format!("{rest:?}") }
            }
            _ => panic!("no test says {word}"),
        }
    }
}

/// `yes` for an OK, and the code of an ERR.
fn code(told: &str) -> String {
    match told.strip_prefix("ERR ") {
        Some(rest) => rest.split(' ').next().unwrap_or_default().to_owned(),
        None if told.starts_with("OK ") => "yes".into(),
        None => told.to_owned(),
    }
}

/// What a word comes to in syslog.
fn syslog(client: &mut Client, word: &str, mark: &str, agent: &Agent, answers_no: bool) -> String {
    if word == "SEND" {
        client.say(format!("<13>shop.a: {mark}\n<13>{OTHER}: {mark}\n")).end();
    } else {
        client.say(format!("<13>shop.a: first\nshop.a: {word} {mark}\n")).end();
    }
    // A stranger is answered, but for what they say and not with an event.
    for told in client.rest() {
        assert!(!answers_no && told == REFUSAL, "{word}: {told}");
    }
    // What came has been taken in or left out before the connection ended.
    let lines = agent.connect().tail(&format!("{{\"match\":\"msg~{mark}$\"}}"));
    match (word, lines.len()) {
        (_, 0) => "no".into(),
        ("SEND", 1) if lines[0].contains("\"tag\":\"shop.a\"") => "some".into(),
        ("SEND", 2) => "yes".into(),
        (_, 1) => "text".into(),
        odd => format!("{odd:?}"),
    }
}

/// The rows of the table of doors: its head first.
fn table() -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threats.md");
    let page = fs::read_to_string(page).expect("the page");
    let rows = page.lines().skip_while(|line| !line.starts_with("| door and role |"));
    let rows =
        rows.take_while(|line| line.starts_with('|')).filter(|line| !line.starts_with("|--"));
    let cells = |line: &str| {
        let inside = line.trim_matches('|').split('|');
        inside.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

#[test]
fn every_cell_of_the_table_is_as_it_says() {
    let lines = [&[BRIDGE][..], &RULES].concat();
    let Some(mut agent) = among_users("the table of doors, roles and words", &lines) else {
        return;
    };
    run_as_agent(&mut agent);
    agent.restart();
    // For the command, which does not live among those users.
    agent.configure(&[BRIDGE]);
    let mut root = agent.connect();
    root.say("SEND {\"tag\":\"shop.a\",\"msg\":\"seed\"}\n");
    root.say(format!("SEND {{\"tag\":\"{OTHER}\",\"msg\":\"seed\"}}\n")).sync();
    let table = table();
    let (head, rows) = table.split_first().expect("a table");
    assert_eq!(
        head[1..],
        ["SEND", "SYNC", "TAIL", "STATS", "PING", "HELP", "AUTH", "LINK", "QUIT"]
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
                    for (word, said) in head.iter().zip(row).skip(1) {
                        let found = role.cell(word, &format!("mark{word}{number}"), agent);
                        if found != *said {
                            wrong.push(format!("{}: {word}: {said}, and it is {found}", row[0]));
                        }
                    }
                    wrong
                })
            })
            .collect();
        rows.into_iter().flat_map(|row| row.join().expect("a row")).collect()
    });
    assert_eq!(wrong, [""; 0]);
}
