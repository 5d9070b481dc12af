//! The encoders of both sides.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::json;

use super::lines::BLANK;
use super::{Code, Tail};
use crate::event::{Cursor, Draft, Level, Tag, json};

/// The longest cause in an ERR, in characters.
pub const WHY_MAX: usize = 400;

/// Appends `OK <what>`: a cursor, or the name of a token.
pub fn encode_ok(what: &impl Display, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("OK {what}\n").as_bytes());
}

/// Appends `ERR <code> <why>`: one line, safe for a terminal also where `why` quotes a client's input.
pub fn encode_err(code: Code, why: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("ERR {code} ").as_bytes());
    for c in why.chars().take(WHY_MAX) {
        let safe = c.is_alphanumeric() || c == ' ' || c == '…' || c.is_ascii_punctuation();
        let mut utf8 = [0; 4];
        let text =
            if safe { c.encode_utf8(&mut utf8).to_owned() } else { c.escape_unicode().to_string() };
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'\n');
}

/// Appends the answer to a SYNC of which events were refused. `code` is that of the first.
pub fn encode_refused(code: Code, refused: u64, cursor: &Cursor, out: &mut Vec<u8>) {
    encode_err(code, &format!("{refused} refused, rest stored at {cursor}"), out);
}

/// Appends the line that reports how far a follow has read without a match.
pub fn encode_at(cursor: &Cursor, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"at\":\"{cursor}\"}}\n").as_bytes());
}

/// What a sender says instead of the draft's own tag and level, unchecked: the agent repairs it, and its
/// event says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims<'a> {
    /// Instead of [`Draft::tag`].
    pub tag: Option<&'a str>,
    /// Instead of [`Draft::level`].
    pub level: Option<&'a str>,
}

/// Appends a SEND: text if the draft has only a plain message, else an object.
pub fn encode_send(draft: &Draft<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"SEND ");
    if is_plain(draft) {
        out.extend_from_slice(draft.msg.as_bytes());
    } else {
        encode_object(draft, Claims::default(), "", out);
    }
    out.push(b'\n');
}

/// Appends a SEND of an object with these claims and, after the draft, the members of another object.
/// `members` is what follows its opening brace, or empty.
pub fn encode_claims(draft: &Draft<'_>, claims: Claims<'_>, members: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"SEND ");
    encode_object(draft, claims, members, out);
    out.push(b'\n');
}

fn is_plain(draft: &Draft<'_>) -> bool {
    let rest = Draft { msg: Cow::Borrowed(""), ..draft.clone() };
    let is_object = draft.msg.trim_start_matches(BLANK).starts_with('{');
    rest == Draft::default() && !is_object && !draft.msg.contains(['\n', '\r'])
}

/// The message comes last: the agent cuts an over-long line there.
fn encode_object(draft: &Draft<'_>, claims: Claims<'_>, members: &str, out: &mut Vec<u8>) {
    let mut open = b'{';
    if let Some(tag) = claims.tag.or(draft.tag.as_ref().map(Tag::as_str)) {
        json::member(out, &mut open, "tag");
        json::string(out, tag);
    }
    let level = Some(draft.level).filter(|level| *level != Level::default()).map(Level::name);
    if let Some(level) = claims.level.or(level) {
        json::member(out, &mut open, "level");
        json::string(out, level);
    }
    if let Some(run) = &draft.run {
        json::member(out, &mut open, "run");
        json::string(out, run);
    }
    if draft.took.is_some() || !draft.fields.is_empty() {
        json::member(out, &mut open, "fields");
        encode_fields(draft, out);
    }
    match members.trim_start() {
        "" => {
            json::member(out, &mut open, "msg");
            json::string(out, &draft.msg);
            out.push(b'}');
        }
        // The other object has the message.
        members => {
            if !members.starts_with('}') || open == b'{' {
                out.push(open);
            }
            out.extend_from_slice(members.as_bytes());
        }
    }
}

fn encode_fields(draft: &Draft<'_>, out: &mut Vec<u8>) {
    let mut open = b'{';
    if let Some(seconds) = draft.took {
        json::member(out, &mut open, "took");
        // Debug writes very small numbers with an exponent: the number of digits is bounded.
        out.extend_from_slice(format!("{seconds:?}").as_bytes());
    }
    for field in &draft.fields {
        json::member(out, &mut open, &field.name);
        json::value(out, &field.value);
    }
    out.push(b'}');
}

/// Appends a line that counts events which a follower with a rate does not see, up to `at`.
pub fn encode_skipped(events: u64, at: &Cursor, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"skipped\":{events},\"at\":\"{at}\"}}\n").as_bytes());
}

/// Appends a `TAIL {…}`.
pub fn encode_tail(tail: &Tail, out: &mut Vec<u8>) {
    let mut keys = serde_json::Map::new();
    let texts = [
        ("host", tail.host.clone()),
        ("after", tail.after.map(|cursor| cursor.to_string())),
        ("since", tail.since.map(|time| time.to_string())),
        ("until", tail.until.map(|time| time.to_string())),
        ("match", tail.matching.clone()),
    ];
    for (name, text) in texts {
        keys.extend(text.map(|text| (name.to_owned(), json!(text))));
    }
    keys.extend(tail.lines.map(|lines| ("lines".to_owned(), json!(lines))));
    keys.extend(tail.rate.map(|rate| ("rate".to_owned(), json!(rate.per_second()))));
    for (name, set) in [("reverse", tail.reverse), ("follow", tail.follow)] {
        if set {
            keys.insert(name.to_owned(), json!(true));
        }
    }
    out.extend_from_slice(format!("TAIL {}\n", serde_json::Value::Object(keys)).as_bytes());
}
