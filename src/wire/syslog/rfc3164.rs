//! RFC 3164 as programs write it: time, host, tag, process id, message. Every part but the message
//! is optional.

use super::fields::Fields;
use crate::event::{Draft, Tag, Timestamp};

/// The longest header that is searched for a tag, in bytes.
const NAME_MAX: usize = 256;

/// The most words of a tag with spaces (`logger -t 'we ird'`). More words are text.
const WORDS_MAX: usize = 3;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses what follows the priority. `own` is the name of this machine.
pub(super) fn read<'a>(text: &'a str, own: &str, mut fields: Fields<'a>) -> Draft<'a> {
    let (timed, rest) = strip_time(text, &mut fields);
    let Some((header, msg)) = Header::split(rest, timed, own) else {
        return Draft { msg: rest.into(), fields: fields.finish(), ..Draft::default() };
    };
    if let Some(host) = header.host.filter(|host| !is_own(host, own)) {
        fields.header("host", host);
    }
    if let Some(pid) = header.pid {
        fields.pid(pid);
    }
    let tag = Tag::repaired(header.name);
    fields.repaired.tag |= tag.as_str() != header.name;
    Draft { tag: Some(tag), msg: msg.into(), fields: fields.finish(), ..Draft::default() }
}

/// Splits off the time: whether there was one, and what follows it. `Nov 22 17:48:17` is dropped,
/// because it has no year and no zone. An RFC 3339 time, which rsyslog writes here, becomes the
/// field `sent`.
fn strip_time<'a>(text: &'a str, fields: &mut Fields<'a>) -> (bool, &'a str) {
    if let Some(rest) = strip_bsd_time(text) {
        return (true, rest);
    }
    if text.starts_with(|c: char| c.is_ascii_digit())
        && let Some((time, rest)) = text.split_once(' ')
        && time.parse::<Timestamp>().is_ok()
    {
        fields.header("sent", time);
        return (true, rest);
    }
    (false, text)
}

/// What follows `Mmm dd hh:mm:ss `. A day of one digit has a leading space.
fn strip_bsd_time(text: &str) -> Option<&str> {
    const SHAPE: &[u8; 13] = b" _0 00:00:00 ";
    let time = text.as_bytes().get(..3 + SHAPE.len())?;
    let (month, time) = time.split_at(3);
    let fits = |(b, shape): (&u8, &u8)| match shape {
        b'0' => b.is_ascii_digit(),
        b'_' => b.is_ascii_digit() || *b == b' ',
        mark => b == mark,
    };
    let shaped = time.iter().zip(SHAPE).all(fits);
    (shaped && MONTHS.iter().any(|name| name.as_bytes() == month)).then(|| &text[3 + SHAPE.len()..])
}

/// The header between the time and the message.
#[derive(Debug)]
struct Header<'a> {
    host: Option<&'a str>,
    name: &'a str,
    pid: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Splits the header from the message: `TAG: `, `TAG[PID]: `, and after a time also `HOST TAG:
    /// `. `None` if there is no tag. A colon without a space ends no tag: `a:b` is a tag, `http://`
    /// is text.
    fn split(text: &'a str, timed: bool, own: &str) -> Option<(Self, &'a str)> {
        let (head, msg) = split_at_colon(text)?;
        let (names, pid) = split_pid(head);
        let (host, name) = match names.split_once(' ') {
            Some((first, rest)) if timed && is_host(first, rest, pid, own) => (Some(first), rest),
            _ => (None, names),
        };
        let most = if timed { WORDS_MAX } else { 1 };
        let few = name.split(' ').count() <= most && name.split(' ').all(|word| !word.is_empty());
        // JSON, a quotation and mark-up are text, also with a colon in it.
        let is_text = name.starts_with(['{', '[', '"', '\'', '<']);
        (few && !is_text).then_some((Self { host, name, pid }, msg))
    }
}

/// Splits at the first colon that ends a word.
fn split_at_colon(text: &str) -> Option<(&str, &str)> {
    let near = &text.as_bytes()[..text.len().min(NAME_MAX + 1)];
    let ends_word =
        |at: &usize| near[*at] == b':' && matches!(text.as_bytes().get(at + 1), None | Some(b' '));
    let colon = (0..near.len()).find(ends_word)?;
    let msg = &text[colon + 1..];
    Some((&text[..colon], msg.strip_prefix(' ').unwrap_or(msg)))
}

/// Splits `TAG[PID]`.
fn split_pid(head: &str) -> (&str, Option<&str>) {
    let Some((name, pid)) = head.strip_suffix(']').and_then(|inside| inside.rsplit_once('['))
    else {
        return (head, None);
    };
    if name.is_empty() || pid.contains(' ') {
        return (head, None);
    }
    (name, Some(pid).filter(|pid| !pid.is_empty()))
}

/// `true` if the first word of a header is a host. It may also be part of a tag with spaces,
/// because programs on the same machine send no host. A host is the name of this machine (`logger
/// --rfc3164`), a name with letters and a digit or a dot, an address, or a name before a single
/// word with a process id.
fn is_host(word: &str, rest: &str, pid: Option<&str>, own: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| word.as_bytes().iter().any(&wanted);
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if word.is_empty() || !word.bytes().all(named) {
        return false;
    }
    let letters = has(u8::is_ascii_alphabetic);
    let address = word.split('.').count() == 4 && !letters;
    let daemon = pid.is_some() && !rest.contains(' ');
    let shaped = letters && (has(u8::is_ascii_digit) || word.contains('.'));
    is_own(word, own) || address || shaped || (letters && daemon)
}

/// `true` if the host is this machine, by its full name or its first label.
pub(super) fn is_own(host: &str, own: &str) -> bool {
    let short = |name: &str| name.split('.').next().map(str::len);
    host.eq_ignore_ascii_case(own)
        || short(own).is_some_and(|len| len > 0 && host.eq_ignore_ascii_case(&own[..len]))
}
