//! The members of a JSON object, each value as JSON text. Nothing here recurses.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::scan::Scanner;

/// Up to this many members of an object, duplicate keys are searched one by one.
const SEARCHED_MAX: usize = 32;

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Each key once, except for the one that may repeat.
    pub(super) all: Vec<(Cow<'a, str>, &'a str)>,
    /// A key was there twice: the last value is kept.
    pub(super) had_duplicates: bool,
    /// A key had half a surrogate pair.
    pub(super) had_surrogate: bool,
}

/// The members of an object, in order. The key `repeated` may occur several times. `None` if the text
/// is not an object.
pub(super) fn members<'a>(text: &'a str, repeated: Option<&'static str>) -> Option<Members<'a>> {
    let mut members = Members::default();
    // Not built for most objects: the first one of a thread costs a system call.
    let mut index: Option<HashMap<Cow<'_, str>, usize>> = None;
    let mut scanner = Scanner::new(text).ok()?;
    while let Some(key) = scanner.key().ok()? {
        let (inside, raw) = (key.inside(), scanner.value().ok()?.raw());
        let key = if key.has_escape {
            let (key, whole) = decoded(&format!("\"{inside}\""));
            members.had_surrogate |= !whole;
            Cow::Owned(key)
        } else {
            Cow::Borrowed(inside)
        };
        let all = &mut members.all;
        let earlier = if all.len() <= SEARCHED_MAX {
            all.iter().position(|(other, _)| *other == key)
        } else {
            let known = || all.iter().enumerate().map(|(at, (key, _))| (key.clone(), at));
            let index = index.get_or_insert_with(|| known().collect());
            match index.entry(key.clone()) {
                Entry::Occupied(entry) => Some(*entry.get()),
                Entry::Vacant(entry) => {
                    entry.insert(all.len());
                    None
                }
            }
        };
        match earlier.filter(|_| repeated.is_none_or(|name| name != key)) {
            Some(at) => {
                all[at].1 = raw;
                members.had_duplicates = true;
            }
            None => all.push((key, raw)),
        }
    }
    scanner.finish().ok()?;
    Some(members)
}

/// The elements of an array. Empty if the text is not one.
pub(super) fn elements(text: &str) -> Vec<&str> {
    struct Elements;
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(element) = seq.next_element::<&RawValue>()? {
                all.push(element.get());
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(Elements).unwrap_or_default()
}

/// The text of a JSON string, and `true` unless half a surrogate pair became U+FFFD. `None` if it is
/// not a string.
pub(super) fn string(raw: &str) -> Option<(Cow<'_, str>, bool)> {
    let inside = plain(raw)?;
    if !has_escape(inside) {
        return Some((inside.into(), true));
    }
    let (text, whole) = decoded(raw);
    Some((text.into(), whole))
}

/// The text of a JSON string with escapes, and `true` unless half a surrogate pair became U+FFFD.
pub(super) fn decoded(raw: &str) -> (String, bool) {
    match serde_json::from_str(raw) {
        Ok(text) => (text, true),
        Err(_) => (unescape(plain(raw).unwrap_or_default()), false),
    }
}

/// A fold, because most texts have no escape and `any` branches at each byte.
fn has_escape(inside: &str) -> bool {
    inside.bytes().fold(false, |any, b| any | (b == b'\\'))
}

/// The inside of a JSON string, with its escapes. `None` if it is not a string.
pub(super) fn plain(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

/// Decodes the inside of a string with half a surrogate pair in it.
#[cold]
fn unescape(inside: &str) -> String {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, escaped)) = rest.split_once('\\') {
        text.push_str(before);
        let Some(kind) = escaped.chars().next() else { break };
        rest = &escaped[kind.len_utf8()..];
        match kind {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'u' => {
                let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
                let first = unit(rest).unwrap_or(0xd800);
                let second = rest.get(4..).and_then(|after| unit(after.strip_prefix("\\u")?));
                let pair = char::decode_utf16([first].into_iter().chain(second)).next();
                let decoded = pair.and_then(Result::ok);
                let used = if decoded.is_some_and(|c| c.len_utf16() == 2) { 10 } else { 4 };
                rest = rest.get(used..).unwrap_or_default();
                text.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => text.push(other),
        }
    }
    text.push_str(rest);
    text
}

/// An element of the attributes of OpenTelemetry, `{"key":…,"value":{"stringValue":…}}`: its name and value.
pub(super) fn attribute(raw: &str) -> Option<(Cow<'_, str>, &str)> {
    if !raw.starts_with('{') {
        return None;
    }
    let found = members(raw, None)?.all;
    let [(first, key), (second, value)] = found.as_slice() else { return None };
    if first != "key" || second != "value" {
        return None;
    }
    let inside = members(value, None).map(|value| value.all).unwrap_or_default();
    match inside.as_slice() {
        [(kind, inner)] if kind.ends_with("Value") => Some((string(key)?.0, inner)),
        _ => None,
    }
}

/// The bytes of an array of numbers from 0 to 255. `None` for anything else.
pub(super) fn bytes(raw: &str) -> Option<Vec<u8>> {
    raw.starts_with('[').then(|| serde_json::from_str(raw).ok()).flatten()
}

/// Completes an object whose end is missing because its line was truncated: closes what is open, after
/// the last member that has a value. `None` if there is none.
pub(super) fn completed(text: &str) -> Option<String> {
    let mut scan = Scan::default();
    let mut last = None;
    for (at, b) in text.bytes().enumerate() {
        // Only a comma of the outermost object is a place to go back to: its state is known.
        if b == b',' && !scan.in_string && scan.open.len() == 1 {
            last = Some(at);
        }
        scan.step(b);
    }
    if scan.in_string && (scan.after_colon || scan.open.last() == Some(&b'[')) {
        let mut whole = without_half_escape(text).to_owned();
        whole.push('"');
        whole.extend(scan.open.iter().rev().map(|b| char::from(b + 2)));
        if members(&whole, None).is_some() {
            return Some(whole);
        }
    }
    let whole = format!("{}}}", &text[..last?]);
    members(&whole, None).is_some().then_some(whole)
}

/// How far a text is within JSON.
#[derive(Default)]
struct Scan {
    /// The open brackets.
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// The next string in an object is a value, not a key.
    after_colon: bool,
}

impl Scan {
    fn step(&mut self, b: u8) {
        if self.in_string {
            self.in_string = b != b'"' || self.escaped;
            self.escaped = b == b'\\' && !self.escaped;
            return;
        }
        match b {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.open.push(b),
            b'}' | b']' => drop(self.open.pop()),
            b':' => self.after_colon = true,
            _ => {}
        }
        if matches!(b, b'{' | b',') {
            self.after_colon = false;
        }
    }
}

/// Drops an incomplete escape at the end: `\`, or `\u` with fewer than four digits.
fn without_half_escape(text: &str) -> &str {
    let near = text.len().saturating_sub(5);
    let near = (near..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let Some(at) = text[near..].rfind('\\').map(|at| near + at) else { return text };
    // An even number of backslashes before it, or it is itself escaped.
    let before = text[..at].bytes().rev().take_while(|b| *b == b'\\').count();
    let whole = match text.as_bytes().get(at + 1) {
        Some(b'u') => text.len() >= at + 6,
        Some(_) => true,
        None => false,
    };
    if before % 2 == 1 || whole { text } else { &text[..at] }
}
