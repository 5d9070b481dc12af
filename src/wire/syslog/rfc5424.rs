//! RFC 5424: version, time, host, program, process id, message id, structured data, message.

use std::borrow::Cow;

use super::fields::Fields;
use super::rfc3164::is_own;
use crate::event::{Draft, Tag, Timestamp, took};

/// The value of an absent part.
const NIL: &str = "-";

/// The structured data about its clock that logger adds to every message. It is dropped.
const TIME_QUALITY: &str = "timeQuality";

/// Parses what follows the priority. `None` if it breaks the syntax of section 6. `own` is the name
/// of this machine.
pub(super) fn read<'a>(text: &'a str, own: &str, mut fields: Fields<'a>) -> Option<Draft<'a>> {
    let mut words = Words(text.strip_prefix("1 ")?);
    let sent = words.next()?;
    if sent.is_some_and(|time| time.parse::<Timestamp>().is_err()) {
        return None;
    }
    let (host, name, pid, msgid) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if let Some(host) = host.filter(|host| !is_own(host, own)) {
        fields.header("host", host);
    }
    if let Some(pid) = pid {
        fields.pid(pid);
    }
    if let Some(msgid) = msgid {
        fields.header("msgid", msgid);
    }
    if let Some(sent) = sent {
        fields.header("sent", sent);
    }
    let mut draft = Draft::default();
    let rest = structured_data(words.0, &mut fields, &mut draft.took)?;
    let msg = if rest.is_empty() { rest } else { rest.strip_prefix(' ')? };
    draft.msg = msg.strip_prefix('\u{feff}').unwrap_or(msg).into();
    draft.tag = name.map(Tag::repaired);
    fields.repaired.tag |= draft.tag.as_ref().map(Tag::as_str) != name;
    draft.fields = fields.finish();
    Some(draft)
}

/// The words of the header, each with a space after it.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The next word. `Some(None)` for [`NIL`], `None` if there is none.
    fn next(&mut self) -> Option<Option<&'a str>> {
        let (word, rest) = self.0.split_once(' ')?;
        self.0 = rest;
        (!word.is_empty()).then(|| Some(word).filter(|word| *word != NIL))
    }
}

/// Parses `-` or `[id name="value"…]…`. Returns what follows. The parameter `took` is a duration,
/// as in the native dialect.
fn structured_data<'a>(
    text: &'a str,
    fields: &mut Fields<'a>,
    took: &mut Option<f64>,
) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(NIL) {
        return Some(rest);
    }
    let mut rest = text.strip_prefix('[')?;
    loop {
        let id = &rest[..rest.find([' ', ']'])?];
        rest = &rest[id.len()..];
        if id.is_empty() || id.contains(['=', '"']) {
            return None;
        }
        while let Some(param) = rest.strip_prefix(' ') {
            let (name, value, after) = split_param(param)?;
            rest = after;
            let seconds = if name == "took" { took::parse(&value) } else { None };
            match seconds {
                _ if id == TIME_QUALITY => {}
                Some(_) if took.is_none() => *took = seconds,
                _ => fields.param(name, value),
            }
        }
        rest = rest.strip_prefix(']')?;
        match rest.strip_prefix('[') {
            Some(next) => rest = next,
            None => return Some(rest),
        }
    }
}

/// Splits off `name="value"`.
fn split_param(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (name, value) = text.split_once("=\"")?;
    if name.is_empty() || name.contains([' ', ']', '"', '=']) {
        return None;
    }
    let mut escaped = false;
    let end = value.bytes().position(|b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })?;
    Some((name, unescape(&value[..end]), &value[end + 1..]))
}

/// Removes the backslash before `"`, `\` and `]`. Any other backslash is literal (section 6.3.3).
fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return value.into();
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ ('"' | '\\' | ']')) if c == '\\' => {
                plain.push(*next);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain.into()
}
