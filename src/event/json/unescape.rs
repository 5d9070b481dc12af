//! Decoding the inside of a JSON string: all of it, or no more of a long one than is needed.

use std::borrow::Cow;

use crate::event::cut;

/// The longest escape, `\uXXXX`, in bytes. It stands for at least one byte.
const ESCAPE_MAX: usize = 6;

/// Two of them, which stand for one character together (RFC 8259, section 7).
const PAIR: usize = 2 * ESCAPE_MAX;

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

/// The beginning of the decoded text: all of it, or at least its first `len` bytes.
pub(super) fn beginning(raw: &str, len: usize) -> Cow<'_, str> {
    unescape(cut_escaped(raw, len.saturating_mul(ESCAPE_MAX).saturating_add(2 * PAIR)))
}

/// `false` if the decoded text cannot be `text`, because of its length.
pub(super) fn may_be(raw: &str, text: &str) -> bool {
    (text.len()..=text.len().saturating_mul(ESCAPE_MAX)).contains(&raw.len())
}

/// At most the first `max` bytes of the inside of a JSON string, without an escape, or a pair of them, that is cut.
pub fn cut_escaped(raw: &str, max: usize) -> &str {
    let text = cut(raw, max);
    if text.len() == raw.len() {
        return text;
    }
    let text = without_cut_escape(text);
    // Of a pair, the first one may be left.
    let before = text.len().saturating_sub(ESCAPE_MAX);
    match text.as_bytes()[before..] {
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..]
            if is_escape(text, before) =>
        {
            &text[..before]
        }
        _ => text,
    }
}

fn without_cut_escape(text: &str) -> &str {
    let near = text.len().saturating_sub(ESCAPE_MAX - 1);
    let last = text.as_bytes()[near..].iter().rposition(|b| *b == b'\\').map(|at| near + at);
    match last {
        Some(last) if is_escape(text, last) && !is_whole(&text[last..]) => &text[..last],
        _ => text,
    }
}

/// `true` if the backslash at `at` begins an escape. In a row of backslashes, each second one is escaped itself.
fn is_escape(text: &str, at: usize) -> bool {
    text.as_bytes()[..at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0
}

fn is_whole(escape: &str) -> bool {
    match escape.as_bytes() {
        [_, b'u', digits @ ..] => digits.len() >= ESCAPE_MAX - 2,
        [_, _, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json::{Raw, string};
    use proptest::prelude::*;

    /// As encoders of other programs write it: each UTF-16 unit as an escape.
    fn escaped(text: &str) -> String {
        text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect()
    }

    proptest! {
        #[test]
        fn begins_as_the_whole_does(
            text in "([\\\\\"\n\u{1}aé😀]|\\\\u00e9){0,60}", max in 0_usize..80, all in any::<bool>(),
        ) {
            let mut quoted = Vec::new();
            string(&mut quoted, &text);
            let own = String::from_utf8(quoted).expect("UTF-8");
            let raw = if all { escaped(&text) } else { own[1..own.len() - 1].to_owned() };
            let cut = cut_escaped(&raw, max);
            prop_assert!(cut.len() <= max && cut.len() + PAIR + 3 >= max.min(raw.len()));
            let decoded = unescape(cut);
            prop_assert!(text.starts_with(&*decoded), "{cut} {decoded}");
            let begin = Raw::Text(&raw).beginning(max);
            prop_assert!(text.starts_with(&*begin) && begin.len() >= max.min(text.len()));
        }

        #[test]
        fn is_equal_as_decoded(text in "[\\\\\"\u{1}aé😀]{0,6}", other in "[\\\\\"\u{1}aé😀]{0,6}") {
            for raw in [escaped(&text), text.replace('\\', "\\\\").replace('"', "\\\"")] {
                prop_assert!(Raw::Text(&raw).is(&unescape(&raw)));
                prop_assert_eq!(Raw::Text(&raw).is(&other), *unescape(&raw) == *other);
            }
        }
    }

    #[test]
    fn decodes_little_of_a_long_text() {
        let raw = "\\u0001".repeat(60_000);
        assert!((4096..4200).contains(&Raw::Text(&raw).beginning(4096).len()));
        assert!(!may_be(&raw, "\u{1}"));
    }
}
