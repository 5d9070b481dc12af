//! Text of unknown origin, made harmless to a terminal and still readable.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text on one line, with everything that could drive a terminal, reorder what is read or hide
/// shown escaped: `\n`, `\x1b`, `\u{202e}`. Backslashes stay as they are, so the result is for
/// people: JSON is what tells texts exactly. Borrowed when there was nothing to escape.
pub fn escape(text: &str) -> Cow<'_, str> {
    if is_plain(text) || text.chars().all(is_harmless) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    push(&mut out, text);
    out.into()
}

/// Appends what [`escape`] makes of the text.
pub(super) fn push(out: &mut String, text: &str) {
    if is_plain(text) {
        return out.push_str(text);
    }
    push_with(out, text, is_harmless, push_escaped);
}

/// Appends one line of a message: as [`push`], but a tab stays a tab. It only moves to the right.
pub(super) fn push_message_line(out: &mut String, text: &str) {
    if is_plain(text) {
        return out.push_str(text);
    }
    push_with(out, text, |c| is_harmless(c) || c == '\t', push_escaped);
}

/// Appends a line of JSON, with the same value, and all that is harmful as JSON's own `\u` escapes.
/// The agent escapes what JSON demands; DEL, C1 and formatting characters it leaves as they are.
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

/// Appends a value of a `key=value`: as it is if it is one plain word, else in quotes, within which
/// `"` and `\` are escaped too.
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

/// Appends the text, in runs of what `kept` holds harmless; `write` appends the rest.
fn push_with(
    out: &mut String,
    text: &str,
    kept: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char),
) {
    let mut run = 0;
    for (at, c) in text.char_indices() {
        if !kept(c) {
            out.push_str(&text[run..at]);
            run = at + c.len_utf8();
            write(out, c);
        }
    }
    out.push_str(&text[run..]);
}

/// Nearly every text is: the whole check without a branch is the fast way to know.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |all, b| all & (b' '..=b'~').contains(&b))
}

fn push_escaped(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '"' => out.write_str("\\\""),
        '\\' => out.write_str("\\\\"),
        c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    };
}

/// Whether a terminal only shows it. Zero-width joiners stay, since emoji and some scripts need
/// them.
fn is_harmless(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_control() => false,
        // Bidirectional formatting: makes a line read as another one.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => false,
        '\u{2066}'..='\u{2069}' => false,
        // Line breaks that are not "\n".
        '\u{2028}' | '\u{2029}' => false,
        // Invisible: text can hide in them, and two names that differ look the same.
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => false,
        '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{2060}'..='\u{2065}' => false,
        '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => false,
        '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1345f}' => false,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => false,
        '\u{e0000}'..='\u{e0fff}' => false,
        // Never characters.
        '\u{fdd0}'..='\u{fdef}' => false,
        c => u32::from(c) & 0xfffe != 0xfffe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn attacks_are_shown_and_do_nothing() {
        for (attack, text, shown) in [
            ("OSC 52: writes the clipboard", "\x1b]52;c;ZXZpbA==\x07", "\\x1b]52;c;ZXZpbA==\\x07"),
            ("clears the screen", "\x1b[2J", "\\x1b[2J"),
            ("CR: forges the line", "ok\rroot logged in", "ok\\rroot logged in"),
            ("newline: forges another line", "ok\nroot", "ok\\nroot"),
            ("backspace: wipes", "no\x08\x08ok", "no\\x08\\x08ok"),
            ("DEL", "a\x7fb", "a\\x7fb"),
            ("NUL", "a\0b", "a\\x00b"),
            ("C1 CSI: as ESC [ on some terminals", "\u{9b}2J", "\\u{9b}2J"),
            ("C1 NEL: a line break", "a\u{85}b", "a\\u{85}b"),
            ("bidi override", "user \u{202e}toor", "user \\u{202e}toor"),
            ("bidi isolate", "\u{2067}a\u{2069}", "\\u{2067}a\\u{2069}"),
            ("bidi mark", "\u{200f}\u{61c}", "\\u{200f}\\u{61c}"),
            ("line separator", "a\u{2028}b", "a\\u{2028}b"),
            ("zero-width space", "ro\u{200b}ot", "ro\\u{200b}ot"),
            ("hidden tag characters", "a\u{e0041}", "a\\u{e0041}"),
            ("byte order mark", "\u{feff}a", "\\u{feff}a"),
            ("never a character", "\u{ffff}", "\\u{ffff}"),
            ("tab in a place for one word", "a\tb", "a\\tb"),
        ] {
            assert_eq!(escape(text), shown, "{attack}");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "query took 40ms", r#"C:\temp "x""#, "naïve 日本語 🏳️‍🌈", "שלום", "\u{e0b0}"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn values_are_one_word_or_quoted() {
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

    proptest! {
        #[test]
        fn json_keeps_its_value(text in "\\PC{0,9}|[\\u{0}-\\u{a0}]{0,9}|[\\u{2000}-\\u{206f}\\u{e0000}-\\u{e0020}]{0,9}") {
            let mut line = Vec::new();
            crate::event::json::string(&mut line, &text);
            let line = String::from_utf8(line).expect("utf-8");
            let mut out = String::new();
            push_json(&mut out, &line);
            prop_assert!(out.chars().all(is_harmless), "{:?}", out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).expect("valid"), text);
        }

        #[test]
        fn nothing_harmful_is_left(text in any::<String>()) {
            prop_assert!(escape(&text).chars().all(is_harmless));
            let mut out = String::new();
            push_value(&mut out, &text);
            push(&mut out, &text);
            prop_assert!(out.chars().all(is_harmless));
            push_message_line(&mut out, &text);
            prop_assert!(out.chars().all(|c| is_harmless(c) || c == '\t'));
        }
    }
}
