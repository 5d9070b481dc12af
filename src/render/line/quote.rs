//! Escaped text for the parts of a line: a message, a value, JSON.

use std::fmt::Write as _;

use crate::render::escape::{is_harmless, is_plain, push_escaped, push_with};

/// Appends one line of a message. Tabs stay, because they only move the cursor to the right.
pub(super) fn push_message_line(out: &mut String, text: &str) {
    if is_plain(text) {
        return out.push_str(text);
    }
    push_with(out, text, |c| is_harmless(c) || c == '\t', push_escaped);
}

/// Appends a line of JSON with the same value. Harmful characters become JSON's `\u` escapes: the
/// agent escapes only what JSON demands, which leaves DEL, C1 and formatting characters.
pub(super) fn push_json(out: &mut String, line: &str) {
    if is_plain(line) {
        return out.push_str(line);
    }
    push_with(out, line, is_harmless, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    });
}

/// The deepest level of JSON that is indented further, so that a line takes memory in proportion to its length.
const INDENTED_MAX: usize = 16;

/// Appends the same value as [`push_json`] on several lines. The agent writes no white space between the parts.
pub(super) fn push_json_pretty(out: &mut String, line: &str) {
    let mut compact = String::with_capacity(line.len());
    push_json(&mut compact, line);
    let (mut depth, mut in_text, mut escaped, mut opened) = (0_usize, false, false, false);
    for c in compact.chars() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        // An empty object or list stays on its line.
        if std::mem::take(&mut opened) != closes {
            push_line_end(out, depth);
        }
        out.push(c);
        match c {
            '{' | '[' => {
                depth += 1;
                opened = true;
            }
            ',' => push_line_end(out, depth),
            ':' => out.push(' '),
            _ => in_text = c == '"',
        }
    }
}

fn push_line_end(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(INDENTED_MAX)));
}

/// Appends the value of a `key=value`: as it is if it is one plain word, else in quotes, with `"`
/// and `\` escaped too.
pub(super) fn push_value(out: &mut String, text: &str) {
    let bare = |b: u8| b > b' ' && !matches!(b, b'"' | b'=' | b'\\' | 0x7f);
    if !text.is_empty()
        && text.bytes().all(bare)
        && (text.is_ascii() || text.chars().all(is_harmless))
    {
        out.push_str(text);
        return;
    }
    out.push('"');
    push_with(out, text, |c| is_harmless(c) && !matches!(c, '"' | '\\'), push_escaped);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_values_unless_they_are_one_word() {
        for (text, shown) in [
            ("123", "123"),
            ("a/b:c", "a/b:c"),
            ("é", "é"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("a\tb\n", "\"a\\tb\\n\""),
            ("\u{202e}x", "\"\\u{202e}x\""),
        ] {
            let mut out = String::new();
            push_value(&mut out, text);
            assert_eq!(out, shown);
        }
    }

    #[test]
    fn pretty_json_bounds_depth() {
        let shown = |line: &str| {
            let mut out = String::new();
            push_json_pretty(&mut out, line);
            out
        };
        let indent = |depth| shown(&"[".repeat(depth)).lines().last().map_or(0, |l| l.len() - 1);
        assert_eq!([2, 3, 17, 18, 1000].map(indent), [2, 4, 32, 32, 32]);
        // What is not balanced is shown all the same.
        assert_eq!(shown("}}]"), "\n}\n}\n]");
        assert_eq!(shown("{\"a"), "{\n  \"a");
    }

    #[test]
    fn pretty_json_has_one_member_a_line() {
        for (line, shown) in [
            ("{}", "{}"),
            (r#"{"a":1}"#, "{\n  \"a\": 1\n}"),
            (
                r#"{"a":{"b":"{,:\\\"}","c":null},"d":{},"e":true}"#,
                "{\n  \"a\": {\n    \"b\": \"{,:\\\\\\\"}\",\n    \"c\": null\n  },\n  \"d\": {},\n  \"e\": true\n}",
            ),
        ] {
            let mut out = String::new();
            push_json_pretty(&mut out, line);
            assert_eq!(out, shown);
        }
    }

    proptest! {
        #[test]
        fn preserves_the_value_of_json(text in "\\PC{0,9}|[\\u{0}-\\u{a0}]{0,9}|[\\u{2000}-\\u{206f}\\u{e0000}-\\u{e0020}]{0,9}") {
            let mut line = Vec::new();
            crate::event::json::string(&mut line, &text);
            let line = String::from_utf8(line).expect("utf-8");
            let mut out = String::new();
            push_json(&mut out, &line);
            prop_assert!(out.chars().all(is_harmless), "{:?}", out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).expect("valid"), text);
        }

        #[test]
        fn leaves_no_harmful_character(text in any::<String>()) {
            let mut out = String::new();
            push_value(&mut out, &text);
            prop_assert!(out.chars().all(is_harmless));
            push_message_line(&mut out, &text);
            prop_assert!(out.chars().all(|c| is_harmless(c) || c == '\t'));
        }
    }
}
