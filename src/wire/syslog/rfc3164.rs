//! RFC 3164 as programs write it: time, host, tag, process id, message. Every part but the message
//! is optional.

use super::{split_at_space, when};
use crate::event::{Draft, Tag};
use crate::wire::fields::{Fields, Repair, SENT};

/// The longest header that is searched for a tag, in bytes.
const NAME_MAX: usize = 256;

/// The most words of a tag with spaces (`logger -t 'we ird'`). More words are text.
const WORDS_MAX: usize = 3;

/// Parses what follows the priority. `own` is the name of this machine. `None` if there is neither a
/// time nor a tag.
pub(super) fn read<'a>(text: &'a str, own: &str, mut fields: Fields<'a>) -> Option<Draft<'a>> {
    let time = when::strip(text);
    let (sent, rest) = time.map_or((None, text), |(time, rest)| (Some(time), rest));
    let mut draft = Draft::default();
    match Header::split(rest, sent.is_some(), own) {
        Some((header, msg)) => {
            if let Some(host) = header.host.filter(|host| !is_own(host, own)) {
                fields.header("host", host);
            }
            if let Some(pid) = header.pid {
                fields.pid(pid);
            }
            let tag = Tag::repaired(header.name);
            fields.repairs = fields.repairs.with(Repair::Tag, tag.as_str() != header.name);
            draft.tag = Some(tag);
            draft.msg = msg.into();
        }
        None => {
            sent?;
            draft.msg = rest.into();
        }
    }
    if let Some(sent) = sent {
        fields.header(SENT, sent);
    }
    draft.fields = fields.finish();
    Some(draft)
}

/// The header between the time and the message.
#[derive(Debug)]
struct Header<'a> {
    host: Option<&'a str>,
    name: &'a str,
    pid: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Splits the header from the message: `TAG: `, `TAG[PID]: `, `HOST TAG[PID]: `, and after a time
    /// also `HOST TAG: `, or `TAG[PID]` without a colon. `None` if there is no tag. A colon without a
    /// space ends no tag: `a:b` is a tag, `http://` is text.
    fn split(text: &'a str, timed: bool, own: &str) -> Option<(Self, &'a str)> {
        let usual = if timed { Self::usual(text, own) } else { None };
        usual.or_else(|| Self::split_any(text, timed, own))
    }

    /// As [`Self::split`], for any header.
    fn split_any(text: &'a str, timed: bool, own: &str) -> Option<(Self, &'a str)> {
        let colon = split_at_colon(text);
        // The usual tag has one word, which ends with the colon.
        let usual = colon.is_some_and(|(head, _)| words(head) == 1);
        if timed
            && !usual
            && let Some(found) = Self::without_colon(text, own)
        {
            return Some(found);
        }
        let (head, msg) = colon?;
        let (names, pid) = split_pid(head);
        let count = words(names);
        let (host, name) = match split_at_space(names) {
            Some((first, rest))
                if count == 2 && (timed || pid.is_some()) && is_name(first, own) =>
            {
                (Some(first), rest)
            }
            Some((first, rest)) if timed && is_host(first, own) => (Some(first), rest),
            _ => (None, names),
        };
        // Three words are a tag only with a host or a process id; else they are text.
        let most = match (timed, pid.or(host)) {
            (false, _) => 1,
            (true, Some(_)) => WORDS_MAX,
            (true, None) => WORDS_MAX - 1,
        };
        let few = words(name) <= most
            && match words(name) {
                1 => !name.is_empty(),
                _ => name.split(' ').all(|word| !word.is_empty()),
            };
        (few && !is_text(name)).then_some((Self { host, name, pid }, msg))
    }

    /// `TAG: ` or `TAG[PID]: `, as most programs of this machine write it: with its name before, or without. The host is
    /// left out, because that of this machine is no field.
    fn usual(text: &'a str, own: &str) -> Option<(Self, &'a str)> {
        let after_host = text.strip_prefix(own).and_then(|rest| rest.strip_prefix(' '));
        let (at, is_plain) = match after_host {
            Some(_) => (own.len() + 1, own.bytes().all(is_plain_in_name)),
            None => (0, true),
        };
        let bytes = text.as_bytes();
        let name_end = end_of(bytes, at, is_plain_in_name);
        let (pid_from, pid_end, colon) = match bytes.get(name_end) {
            Some(b'[') => {
                let end = end_of(bytes, name_end + 1, |b| b.is_ascii_digit());
                (name_end + 1, end, end + 1)
            }
            _ => (name_end, name_end, name_end),
        };
        let has_pid = pid_from > name_end;
        let is_closed = !has_pid || (pid_end > pid_from && bytes.get(pid_end) == Some(&b']'));
        if !is_plain || name_end == at || !is_closed || colon > NAME_MAX {
            return None;
        }
        let msg = text.get(colon..)?.strip_prefix(": ")?;
        let pid = has_pid.then(|| &text[pid_from..pid_end]);
        Some((Self { host: None, name: &text[at..name_end], pid }, msg))
    }

    /// `TAG[PID] message` or `HOST TAG[PID] message`.
    fn without_colon(text: &'a str, own: &str) -> Option<(Self, &'a str)> {
        let (first, rest) = split_at_space(text)?;
        let read = |word: &'a str| match split_pid(word) {
            (name, Some(pid)) if pid.bytes().all(|b| b.is_ascii_digit()) && !is_text(name) => {
                Some((name, pid))
            }
            _ => None,
        };
        if let Some((name, pid)) = read(first) {
            return Some((Self { host: None, name, pid: Some(pid) }, rest));
        }
        let (second, rest) = split_at_space(rest)?;
        let (name, pid) = read(second).filter(|_| is_name(first, own))?;
        Some((Self { host: Some(first), name, pid: Some(pid) }, rest))
    }
}

/// `true` for most bytes of names of hosts and programs, none of which has another meaning in a header.
fn is_plain_in_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

/// Where the bytes end that are wanted, from `start` on.
fn end_of(bytes: &[u8], start: usize, is_wanted: impl Fn(u8) -> bool) -> usize {
    let mut at = start;
    while bytes.get(at).is_some_and(|b| is_wanted(*b)) {
        at += 1;
    }
    at
}

/// The number of words, with one space between them.
fn words(text: &str) -> usize {
    1 + text.bytes().filter(|b| *b == b' ').count()
}

/// `true` for JSON, a quotation, mark-up and the path of a request, also with a colon after it.
fn is_text(name: &str) -> bool {
    let marks = |b| matches!(b, b'"' | b'\'' | b'<' | b'>' | b'?' | b'=' | b'&' | b';' | b'|');
    name.starts_with(['{', '[']) || name.bytes().any(marks)
}

/// Splits at the first colon that ends a word.
fn split_at_colon(text: &str) -> Option<(&str, &str)> {
    let mut near = text.as_bytes()[..text.len().min(NAME_MAX + 1)].iter();
    let mut colon = 0;
    loop {
        colon += near.position(|b| *b == b':')?;
        match text.as_bytes().get(colon + 1) {
            None => return Some((&text[..colon], "")),
            Some(b' ') => return Some((&text[..colon], &text[colon + 2..])),
            Some(_) => colon += 1,
        }
    }
}

/// Splits `TAG[PID]`.
pub(super) fn split_pid(head: &str) -> (&str, Option<&str>) {
    let Some(inside) = head.strip_suffix(']') else { return (head, None) };
    let Some(bracket) = inside.bytes().rposition(|b| b == b'[') else { return (head, None) };
    let (name, pid) = (&inside[..bracket], &inside[bracket + 1..]);
    if name.is_empty() || pid.bytes().any(|b| b == b' ') {
        return (head, None);
    }
    (name, Some(pid).filter(|pid| !pid.is_empty()))
}

/// `true` if the word before a single word and a colon is a host: it has a letter, or is an address.
/// Programs on the same machine send no host, so that a tag of two words is taken for a host and a tag.
fn is_name(word: &str, own: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%');
    let lettered = word.bytes().any(|b| b.is_ascii_alphabetic()) && word.bytes().all(named);
    lettered || is_host(word, own)
}

/// `true` if the word is a host whatever follows it: the name of this machine, a name with letters and a
/// digit or a dot, or an address.
fn is_host(word: &str, own: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| word.as_bytes().iter().any(&wanted);
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if word.is_empty() || !word.bytes().all(named) {
        return false;
    }
    let letters = has(u8::is_ascii_alphabetic);
    let address = word.split('.').count() == 4 && !letters;
    is_own(word, own) || address || letters && (has(u8::is_ascii_digit) || word.contains('.'))
}

/// `true` if the host is this machine, by its full name or its first label.
pub(super) fn is_own(host: &str, own: &str) -> bool {
    if host == own || host.eq_ignore_ascii_case(own) {
        return true;
    }
    let short = own.bytes().position(|b| b == b'.').unwrap_or(own.len());
    short > 0 && host.eq_ignore_ascii_case(&own[..short])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_usual_headers_as_the_general_way(
            own in "web1|WEB|web1\\.org|a:|é|",
            text in "(web1 |WEB |web1\\.org |a: |é |db |)([a-z]{1,4}|sh op|x/y|a\\.b|-|_|1|\\{a|)(\\[[0-9]{0,3}\\]|\\[a|\\[1\\]\\]|\\]|)(: |:|:  | |)([a-z :\\[\\]1]{0,9}|é)",
        ) {
            if let Some((usual, msg)) = Header::usual(&text, &own) {
                let (general, general_msg) = Header::split_any(&text, true, &own).expect("a header");
                prop_assert_eq!((usual.name, usual.pid, msg), (general.name, general.pid, general_msg));
                prop_assert!(usual.host.is_none() && general.host.is_none_or(|host| is_own(host, &own)));
            }
        }
    }

    #[test]
    fn bounds_usual_headers() {
        let header = |len: usize| format!("{}: x", "a".repeat(len));
        assert!(Header::usual(&header(NAME_MAX), "web1").is_some());
        assert!(Header::usual(&header(NAME_MAX + 1), "web1").is_none());
        assert!(Header::split_any(&header(NAME_MAX), true, "web1").is_some());
        assert!(Header::split_any(&header(NAME_MAX + 1), true, "web1").is_none());
    }
}
