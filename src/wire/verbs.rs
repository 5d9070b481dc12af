//! The verbs of the native dialect, in one table for the parser, HELP and the manual's test.

use super::quote::quote;
use super::{AckLevel, Code, Refused, Request, tail, view};
use crate::event::Draft;

/// One form of a verb.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// The verb.
    pub name: &'static str,
    /// What follows it.
    pub usage: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
}

const fn verb(name: &'static str, usage: &'static str, about: &'static str) -> Verb {
    Verb { name, usage, about }
}

/// Every form of every verb.
pub const VERBS: &[Verb] = &[
    verb("SEND", "some text", "an event; no answer if it is accepted"),
    verb("SEND", "{\"msg\":\"…\",\"tag\":\"…\"}", "an event with tag, level, msg, run, fields"),
    verb(
        "SYNC",
        "[synced|replicated]",
        "answers once everything since the last SYNC is stored (or fsynced, or in the stream)",
    ),
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
    verb("AUTH", "TOKEN", "authenticate, on the TCP bridge"),
    verb("PING", "", "returns the newest cursor"),
    verb("LINK", "", "returns a one-time link that signs you in to the monitor"),
    verb("STATS", "", "returns the agent's figures as one JSON object"),
    verb("HELP", "", "this text"),
    verb("QUIT", "", "close the connection"),
];

/// The answer to HELP.
pub fn help() -> String {
    let mut text = String::new();
    for verb in VERBS {
        let form = format!("{} {}", verb.name, verb.usage);
        text.push_str(&format!("{:<34} {}\n", form.trim_end(), verb.about));
    }
    text
}

/// Parses a line other than `SEND ` and an event.
pub(super) fn request(line: &str) -> Result<Request<'_>, Refused> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match verb.to_ascii_uppercase().as_str() {
        "SEND" => Ok(Request::Send(Draft::default())),
        "SYNC" => match rest.to_ascii_lowercase().as_str() {
            "" => Ok(Request::Sync(AckLevel::Stored)),
            "synced" => Ok(Request::Sync(AckLevel::Synced)),
            "replicated" => Ok(Request::Sync(AckLevel::Replicated)),
            _ => Err(usage(format!(
                "SYNC {}: use SYNC, SYNC synced or SYNC replicated",
                quote(rest)
            ))),
        },
        "TAIL" if rest.starts_with('{') => tail::tail(rest).map(Request::Tail),
        "TAIL" => Ok(Request::TailText(rest)),
        "VIEW" => view::view(rest).map(Request::View),
        "AUTH" if rest.is_empty() => Err(usage("AUTH needs a token: AUTH TOKEN".into())),
        "AUTH" => Ok(Request::Auth(rest)),
        "PING" => alone(Request::Ping, rest),
        "LINK" => alone(Request::Link, rest),
        "STATS" => alone(Request::Stats, rest),
        "HELP" => alone(Request::Help, rest),
        "QUIT" => alone(Request::Quit, rest),
        _ => Err(usage(format!("unknown verb {}: use {}", quote(verb), names()))),
    }
}

fn alone<'a>(request: Request<'a>, rest: &str) -> Result<Request<'a>, Refused> {
    if rest.is_empty() {
        return Ok(request);
    }
    Err(usage(format!("unexpected argument {}: this verb has none", quote(rest))))
}

fn names() -> String {
    let mut names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    names.dedup();
    let last = names.pop().unwrap_or_default();
    format!("{} or {last}", names.join(", "))
}

fn usage(why: String) -> Refused {
    Refused { code: Code::Usage, why, event: false }
}
