//! RFC 5424: version, time, host, program, process id, message id, structured data, message.

use std::borrow::Cow;

use super::rfc3164::{is_own, split_pid};
use super::{split_at_space, when};
use crate::event::{Draft, Tag, Timestamp, Value, duration};
use crate::wire::fields::{Fields, Repair, SENT};

/// The value of an absent part.
const NIL: &str = "-";

/// The structured data about its clock that logger adds to every message. It is dropped.
const TIME_QUALITY: &str = "timeQuality";

/// Parses what follows the priority. `None` if it does not begin with a version and a time. Otherwise
/// what is clear is kept, also where the rest breaks the syntax of section 6. `own` is the name of this
/// machine.
pub(super) fn read<'a>(text: &'a str, own: &str, mut fields: Fields<'a>) -> Option<Draft<'a>> {
    let mut words = Words { rest: text.strip_prefix("1 ")?, is_clean: true };
    let sent = words.next()?;
    if sent.is_some_and(|time| time.parse::<Timestamp>().is_err()) {
        words.is_clean = false;
        if !sent.is_some_and(when::is_word) {
            return None;
        }
    }
    let host = words.next()?;
    let (host, name) = match host.filter(|host| host.ends_with(':')) {
        Some(_) => (None, host),
        None => (host, words.next()?),
    };
    let header = match name.and_then(|name| name.strip_suffix(':')) {
        // The tag of RFC 3164 ends the header.
        Some(tag) => {
            words.is_clean = false;
            let (name, pid) = split_pid(tag);
            Header { name: Some(name), pid, msgid: None, data: "", rest: words.rest }
        }
        None => Header::read(name, sent.is_some_and(is_date), &mut words)?,
    };
    if let Some(host) = host.filter(|host| !is_own(host, own)) {
        fields.header("host", host);
    }
    if let Some(pid) = header.pid {
        fields.pid(pid);
    }
    if let Some(msgid) = header.msgid {
        fields.header("msgid", msgid);
    }
    if let Some(sent) = sent {
        fields.header(SENT, sent);
    }
    let mut draft = Draft::default();
    structured_data(header.data, &mut |id, name, value| {
        let seconds = if name == "took" { duration::parse(&value) } else { None };
        match seconds {
            _ if id == TIME_QUALITY => {}
            Some(_) if draft.took.is_none() => draft.took = seconds,
            _ => fields.add(name.into(), Value::Text(value)),
        }
    });
    draft.msg = header.rest.strip_prefix('\u{feff}').unwrap_or(header.rest).into();
    draft.tag = header.name.map(Tag::repaired);
    let mended = draft.tag.as_ref().map(Tag::as_str) != header.name;
    let repairs = fields.repairs.with(Repair::Tag, mended);
    fields.repairs = repairs.with(Repair::Header, !words.is_clean);
    draft.fields = fields.finish();
    Some(draft)
}

/// `true` for a time that only a header begins with, not a number.
fn is_date(time: &str) -> bool {
    time.contains('-')
}

/// What follows the host.
struct Header<'a> {
    name: Option<&'a str>,
    pid: Option<&'a str>,
    msgid: Option<&'a str>,
    /// The structured data, which is valid, or empty.
    data: &'a str,
    rest: &'a str,
}

impl<'a> Header<'a> {
    /// Reads ids and structured data. If there is no valid data, the message begins where it should be,
    /// or after the name if the process id is none either. `None` unless the header began with a date
    /// (`dated`): it may be text.
    fn read(name: Option<&'a str>, dated: bool, words: &mut Words<'a>) -> Option<Self> {
        let after_name = words.rest;
        let (pid, msgid) = (words.next(), words.next());
        let text = words.rest;
        let begins = text.trim_start_matches(' ');
        if let (Some(pid), Some(msgid), Some(after)) =
            (pid, msgid, structured_data(begins, &mut |_, _, _| {}))
        {
            let rest = after.strip_prefix(' ').unwrap_or(after);
            words.is_clean &= text.len() == begins.len() && (after.is_empty() || rest != after);
            let data = &begins[..begins.len() - after.len()];
            return Some(Self { name, pid, msgid, data, rest });
        }
        words.is_clean = false;
        let is_pid =
            |pid: Option<&str>| pid.is_none_or(|pid| pid.starts_with(|c: char| c.is_ascii_digit()));
        match (pid, msgid) {
            _ if !dated => None,
            (Some(pid), Some(msgid)) if is_pid(pid) => {
                Some(Self { name, pid, msgid, data: "", rest: text })
            }
            _ => Some(Self { name, pid: None, msgid: None, data: "", rest: after_name }),
        }
    }
}

/// The words of the header.
struct Words<'a> {
    rest: &'a str,
    /// One space stands after each.
    is_clean: bool,
}

impl<'a> Words<'a> {
    /// The next word. `Some(None)` for [`NIL`], `None` if there is none.
    fn next(&mut self) -> Option<Option<&'a str>> {
        let text = match self.rest.starts_with(' ') {
            true => self.rest.trim_start_matches(' '),
            false => self.rest,
        };
        let (word, rest) = split_at_space(text).unwrap_or((text, ""));
        self.is_clean &= text.len() == self.rest.len() && word.len() < text.len();
        self.rest = rest;
        (!word.is_empty()).then(|| Some(word).filter(|word| *word != NIL))
    }
}

/// Parses `-` or `[id name="value"…]…`. Returns what follows. `None` if it is neither. HAProxy writes numbers without
/// quotes.
fn structured_data<'a>(
    text: &'a str,
    each: &mut dyn FnMut(&'a str, &'a str, Cow<'a, str>),
) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(NIL) {
        return Some(rest);
    }
    let mut rest = text.strip_prefix('[')?;
    loop {
        let id = &rest[..rest.find([' ', ']'])?];
        rest = &rest[id.len()..];
        if id.contains(['=', '"']) {
            return None;
        }
        while let Some(param) = rest.strip_prefix(' ').filter(|param| !param.starts_with(']')) {
            let (name, value, after) = split_param(param)?;
            rest = after;
            each(id, name, value);
        }
        rest = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix(']')?;
        match rest.strip_prefix('[') {
            Some(next) => rest = next,
            None => return Some(rest),
        }
    }
}

/// Splits off `name="value"` or `name=value`.
fn split_param(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (name, value) = text.split_once('=')?;
    if name.is_empty() || name.contains([' ', ']', '"']) {
        return None;
    }
    let Some(value) = value.strip_prefix('"') else {
        let (value, after) = value.split_at(value.find([' ', ']', '"'])?);
        return (!value.is_empty() && !after.starts_with('"')).then_some((
            name,
            value.into(),
            after,
        ));
    };
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
