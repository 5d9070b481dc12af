//! The JSON (RFC 8259) of event and gap lines: encoding, and a reader that borrows from the line.

mod members;
mod short;
mod unescape;

use std::borrow::Cow;

use super::Value;
use super::swar;

pub use members::Members;
pub use short::{Packed, short_string};
pub use unescape::{cut_escaped, unescape};

/// Appends a JSON string with its quotes. Escapes only what JSON demands.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    string_rest(out, text, plain_len(text.as_bytes()));
}

/// The same after the opening quote, where [`plain_len`] of the text is known.
#[inline]
pub(super) fn string_rest(out: &mut Vec<u8>, text: &str, plain: usize) {
    let (plain, rest) = text.as_bytes().split_at(plain);
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        escape(out, rest);
    }
    out.push(b'"');
}

/// Appends `open`, the quoted name and a colon, and sets `open` to `,`. It is `{` before the first
/// member. The name must need no escape.
#[inline]
pub fn member(out: &mut Vec<u8>, open: &mut u8, name: &str) {
    // Each piece is a call.
    out.extend_from_slice(&[*open, b'"']);
    *open = b',';
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
pub fn plain_len(bytes: &[u8]) -> usize {
    swar::find(bytes, 0, swar::escaped, must_escape).unwrap_or(bytes.len())
}

const fn must_escape(b: u8) -> bool {
    // With this bit turned, the quote is next to the control characters, as in `swar::escaped`.
    (b ^ 0x02 < 0x21) | (b == b'\\')
}

#[inline(never)]
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

    /// The beginning of [`Self::text`]: all of it, or at least its first `len` bytes. Decodes little more than that.
    pub fn beginning(self, len: usize) -> Cow<'a, str> {
        match self {
            Self::Text(raw) => unescape::beginning(raw, len),
            Self::Other(literal) => literal.into(),
        }
    }

    /// `true` if [`Self::text`] is `text`. Decodes no value that is too long for that.
    pub fn is(self, text: &str) -> bool {
        match self {
            Self::Text(raw) => unescape::may_be(raw, text) && *unescape(raw) == *text,
            Self::Other(literal) => literal == text,
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

#[cfg(test)]
mod tests {
    use super::members::LEVELS_MAX;
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
            let object = format!("{{{encoded}:{encoded}}}");
            let mut members = Members::new(&object);
            let (name, value) = members.next().expect("a member");
            prop_assert_eq!(unescape(name), text.as_str());
            prop_assert_eq!(value.text(), text);
            prop_assert_eq!(members.finish(), Some(""));
        }
    }
}
