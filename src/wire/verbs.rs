//! The words of the native dialect, in one table: what is understood, what HELP says, and what the
//! manual must name.

use super::{AckLevel, Code, Refused, Request, tail, view};
use crate::event::Draft;

/// One word that a client may say.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// The word.
    pub name: &'static str,
    /// What may follow it.
    pub usage: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
}

const fn verb(name: &'static str, usage: &'static str, about: &'static str) -> Verb {
    Verb { name, usage, about }
}

/// All of them. SEND has two forms.
pub const VERBS: &[Verb] = &[
    verb("SEND", "some text", "an event; no answer when it is good"),
    verb("SEND", "{\"msg\":\"…\",\"tag\":\"…\"}", "an event with tag, level, msg, run, fields"),
    verb("SYNC", "[synced]", "answers once all since the last SYNC is stored (or fsynced)"),
    verb("TAIL", "[MATCH…]", "follow as text, for people: TAIL level>=warning tag=shop.*"),
    verb(
        "TAIL",
        "{\"lines\":10,\"follow\":true}",
        "as JSON lines; also after, since, until, match, reverse",
    ),
    verb(
        "VIEW",
        "{\"name\":\"running\",\"every\":1}",
        "a view as JSON lines: users, queries, running or rates; also match",
    ),
    verb("AUTH", "TOKEN", "say who you are, on the TCP bridge"),
    verb("PING", "", "answers with the newest cursor"),
    verb("LINK", "", "answers with a link that signs you in to the monitor, once"),
    verb("STATS", "", "answers with the agent's figures, as one JSON object"),
    verb("HELP", "", "this text"),
    verb("QUIT", "", "close the connection"),
];

/// What HELP answers.
pub fn help() -> String {
    let mut text = String::new();
    for verb in VERBS {
        let said = format!("{} {}", verb.name, verb.usage);
        text.push_str(&format!("{:<34} {}\n", said.trim_end(), verb.about));
    }
    text
}

/// How much of an unknown word is repeated, in characters.
const SHOWN_MAX: usize = 32;

/// A line that is not a SEND with something behind it.
pub(super) fn request(line: &str) -> Result<Request<'_>, Refused> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match word.to_ascii_uppercase().as_str() {
        "SEND" => Ok(Request::Send(Draft::default())),
        "SYNC" => match rest.to_ascii_lowercase().as_str() {
            "" => Ok(Request::Sync(AckLevel::Stored)),
            "synced" => Ok(Request::Sync(AckLevel::Synced)),
            _ => Err(usage(format!("SYNC {}: say SYNC or SYNC synced", shown(rest)))),
        },
        "TAIL" if rest.starts_with('{') => tail::tail(rest).map(Request::Tail),
        "TAIL" => Ok(Request::TailText(rest)),
        "VIEW" => view::view(rest).map(Request::View),
        "AUTH" if rest.is_empty() => Err(usage("AUTH needs a token".into())),
        "AUTH" => Ok(Request::Auth(rest)),
        "PING" => alone(Request::Ping, rest),
        "LINK" => alone(Request::Link, rest),
        "STATS" => alone(Request::Stats, rest),
        "HELP" => alone(Request::Help, rest),
        "QUIT" => alone(Request::Quit, rest),
        _ => Err(usage(format!("unknown word {}: say {}", shown(word), names()))),
    }
}

fn alone<'a>(request: Request<'a>, rest: &str) -> Result<Request<'a>, Refused> {
    if rest.is_empty() {
        return Ok(request);
    }
    Err(usage(format!("nothing may follow this word, and {} did", shown(rest))))
}

fn names() -> String {
    let mut names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    names.dedup();
    let last = names.pop().unwrap_or_default();
    format!("{} or {last}", names.join(", "))
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

fn usage(why: String) -> Refused {
    Refused { code: Code::Usage, why, event: false }
}
