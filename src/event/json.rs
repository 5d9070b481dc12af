//! The JSON (RFC 8259) of event and gap lines: encoding, and a reader that borrows from the line.

use std::borrow::Cow;

use super::Value;
use super::swar::{self, eight_at};

/// Appends a JSON string with its quotes. Escapes only what JSON demands.
pub fn string(out: &mut Vec<u8>, text: &str) {
    string_after(out, text, plain_len(text.as_bytes()));
}

/// The same, where [`plain_len`] of the text is known.
pub(super) fn string_after(out: &mut Vec<u8>, text: &str, plain: usize) {
    let (plain, rest) = text.as_bytes().split_at(plain);
    out.push(b'"');
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        escape(out, rest);
    }
    out.push(b'"');
}

/// Appends `open`, the quoted name and a colon, and sets `open` to `,`. It is `{` before the first
/// member. The name must need no escape.
pub fn member(out: &mut Vec<u8>, open: &mut u8, name: &str) {
    out.push(*open);
    *open = b',';
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends a field value.
pub fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(text) => string(out, text),
        Value::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

/// How many bytes of a text stand before the first one that a JSON string cannot hold without an escape: a quote, a
/// backslash or a control character. Looks at many bytes at once: most texts are short, some are long, and few have one.
#[inline]
pub fn plain_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    match eight_at(bytes, at).map(swar::escaped) {
        Some(0) => at += 8,
        Some(marks) => return swar::first(marks),
        None => return bytes.iter().position(|b| must_escape(*b)).unwrap_or(bytes.len()),
    }
    for block in bytes[at..].as_chunks::<32>().0 {
        // A fold, because `any` branches at each byte. The first test is that of `swar::escaped`.
        if block.iter().map(|b| (b ^ 0x02 < 0x21) | (*b == b'\\')).fold(false, |any, b| any | b) {
            break;
        }
        at += block.len();
    }
    while let Some(marks) = eight_at(bytes, at).map(swar::escaped) {
        if marks != 0 {
            return at + swar::first(marks);
        }
        at += 8;
    }
    // Read again with some of the bytes before them, which are plain.
    let last = bytes.len() - 8;
    last + eight_at(bytes, last).map_or(8, |eight| swar::first(swar::escaped(eight)))
}

const fn must_escape(b: u8) -> bool {
    b < 0x20 || b == b'"' || b == b'\\'
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut plain_from = 0;
    for (at, b) in bytes.iter().enumerate() {
        if !must_escape(*b) {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..at]);
        plain_from = at + 1;
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *b]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let (high, low) = (HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
}

/// An encoded value, borrowed from its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// The inside of a string, with escapes.
    Text(&'a str),
    /// The literal text of a number, `true`, `false`, `null`, an object or an array.
    Other(&'a str),
}

impl<'a> Raw<'a> {
    /// The text of a string without escapes, or the literal text of another value.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(raw) => unescape(raw),
            Self::Other(literal) => literal.into(),
        }
    }

    /// The number. `None` for other values, also for a string of digits.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Other(literal) => literal.parse().ok(),
        }
    }
}

/// Decodes the inside of a JSON string. If an escape is invalid, the text is returned unchanged.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return raw.into();
    }
    let quoted = format!("\"{raw}\"");
    match serde_json::from_str(&quoted) {
        Ok(text) => Cow::Owned(text),
        Err(_) => raw.into(),
    }
}

/// Iterates over the members of a JSON object without white space. Ends at the first syntax error;
/// [`Members::finish`] reports it.
pub struct Members<'a> {
    rest: &'a str,
    /// `true` before the first member.
    opened: bool,
    /// `true` after a syntax error.
    broken: bool,
    /// How deep values may be nested.
    levels: u8,
}

/// How deep the values of an object may be nested. The agent writes at most one level; the rest is
/// for keys of newer versions.
const LEVELS_MAX: u8 = 8;

impl<'a> Members<'a> {
    /// A reader of the object that `object` begins with.
    pub fn new(object: &'a str) -> Self {
        Self::with_levels(object, LEVELS_MAX)
    }

    fn with_levels(object: &'a str, levels: u8) -> Self {
        let rest = object.strip_prefix('{');
        Self { rest: rest.unwrap_or(object), opened: true, broken: rest.is_none(), levels }
    }

    /// What follows the closing brace. `None` after a syntax error, or if there are more members.
    pub fn finish(self) -> Option<&'a str> {
        if self.broken { None } else { self.rest.strip_prefix('}') }
    }

    fn read(&mut self) -> Option<(&'a str, Raw<'a>)> {
        let rest = if self.opened { self.rest } else { self.rest.strip_prefix(',')? };
        let (name, rest) = split_string(rest)?;
        let rest = rest.strip_prefix(':')?;
        let (value, rest) = split_value(rest, self.levels)?;
        self.rest = rest;
        self.opened = false;
        Some((name, value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.rest.starts_with('}') {
            return None;
        }
        let member = self.read();
        self.broken = member.is_none();
        member
    }
}

/// Splits off a string literal: its inside, and what follows its closing quote.
fn split_string(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let bytes = inside.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            return Some((&inside[..at], &inside[at + 1..]));
        }
        // The escaped character may have more bytes; none of them is a quote or a backslash.
        at += 2;
        if at > bytes.len() {
            return None;
        }
    }
}

/// Splits off a value: a string, a literal, or an array or object of at most `levels` levels.
fn split_value(text: &str, levels: u8) -> Option<(Raw<'_>, &str)> {
    let nested = |rest: &'_ str| Raw::Other(&text[..text.len() - rest.len()]);
    match text.as_bytes().first()? {
        b'"' => split_string(text).map(|(inside, rest)| (Raw::Text(inside), rest)),
        b'{' => {
            let mut members = Members::with_levels(text, levels.checked_sub(1)?);
            members.by_ref().for_each(drop);
            members.finish().map(|rest| (nested(rest), rest))
        }
        b'[' => after_array(text, levels.checked_sub(1)?).map(|rest| (nested(rest), rest)),
        _ => {
            let literal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
            let len = text.bytes().take_while(|b| literal(*b)).count();
            (len > 0).then(|| (Raw::Other(&text[..len]), &text[len..]))
        }
    }
}

/// What follows an array whose values have at most `levels` levels.
fn after_array(text: &str, levels: u8) -> Option<&str> {
    let mut rest = text.strip_prefix('[')?;
    if let Some(after) = rest.strip_prefix(']') {
        return Some(after);
    }
    loop {
        rest = split_value(rest, levels)?.1;
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.strip_prefix(']'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_members_in_order() {
        let text = r#"{"a":"x\"y","b":-1.5e3,"c":{"d":null},"e":true}rest"#;
        let mut members = Members::new(text);
        let read: Vec<_> = members.by_ref().collect();
        assert_eq!(
            read,
            [
                ("a", Raw::Text(r#"x\"y"#)),
                ("b", Raw::Other("-1.5e3")),
                ("c", Raw::Other(r#"{"d":null}"#)),
                ("e", Raw::Other("true"))
            ]
        );
        assert_eq!(members.finish(), Some("rest"));
        assert_eq!(read[0].1.text(), "x\"y");
        assert_eq!(read[1].1.number(), Some(-1500.0));
    }

    #[test]
    fn reports_syntax_errors() {
        for text in [
            "",
            "x",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":"\"#,
            r#"{"a":"\"}"#,
            r#"{"a":{"b":{"c":1}}"#,
            r#"{"a":{"b" :1}}"#,
            r#"{"a":[1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1 ,2]}"#,
            r#"{"a":[}"#,
            r#"{"a":["#,
        ] {
            let mut members = Members::new(text);
            members.by_ref().for_each(drop);
            assert_eq!(members.finish(), None, "{text:?}");
        }
        let mut empty = Members::new("{}");
        assert_eq!(empty.next(), None);
        assert_eq!(empty.finish(), Some(""));
    }

    #[test]
    fn reads_a_nested_value_as_one() {
        for value in [r#"{"b":{"c":1}}"#, "[1]", "[]", "{}", r#"[[],{"]":"}"},"[{",null]"#] {
            let text = format!(r#"{{"a":{value},"z":0}}"#);
            let mut members = Members::new(&text);
            assert_eq!(members.next(), Some(("a", Raw::Other(value))));
            assert_eq!(members.next(), Some(("z", Raw::Other("0"))));
            assert_eq!(members.finish(), Some(""));
        }
    }

    #[test]
    fn bounds_nesting() {
        let is_read = |open: &str, close: &str, levels: usize| {
            let text = format!("{{\"a\":{}1{}}}", open.repeat(levels), close.repeat(levels));
            let mut members = Members::new(&text);
            members.by_ref().for_each(drop);
            members.finish().is_some()
        };
        for (open, close) in [("{\"b\":", "}"), ("[", "]")] {
            assert!(is_read(open, close, usize::from(LEVELS_MAX)));
            assert!(!is_read(open, close, usize::from(LEVELS_MAX) + 1));
            assert!(!is_read(open, close, 200_000), "without recursion to that depth");
        }
    }

    proptest! {
        #[test]
        fn finds_the_first_byte_that_needs_an_escape(
            bytes in prop::collection::vec(prop_oneof![20 => b' '..=b'~', 1 => any::<u8>()], 0..90),
        ) {
            let expected = bytes.iter().position(|b| must_escape(*b)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_len(&bytes), expected);
            // Each place of each byte.
            for b in 0..=u8::MAX {
                let mut bytes = vec![b'x'; bytes.len()];
                if let Some(last) = bytes.last_mut() {
                    *last = b;
                }
                let expected = bytes.len() - usize::from(!bytes.is_empty() && must_escape(b));
                prop_assert_eq!(plain_len(&bytes), expected);
            }
        }

        #[test]
        fn strings_round_trip(text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}|[\"\\\\ub0-9é]{0,9}") {
            let mut out = Vec::new();
            string(&mut out, &text);
            let encoded = String::from_utf8(out).expect("utf-8");
            prop_assert_eq!(&serde_json::from_str::<String>(&encoded).expect("valid"), &text);
            let (inside, rest) = split_string(&encoded).expect("a string");
            prop_assert_eq!(rest, "");
            prop_assert_eq!(unescape(inside), text);
        }
    }
}
