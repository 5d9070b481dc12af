//! The terminal escaper: untrusted text, harmless to a terminal and still readable.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns the text on one line, with every character escaped that drives a terminal, reorders the
/// text or is invisible: `\n`, `\x1b`, `\u{202e}`. Backslashes are not escaped, so the result
/// cannot be reversed. Borrowed if there is nothing to escape.
///
/// ```
/// use pulsed::render::escape;
///
/// assert_eq!(escape("query took 40ms"), "query took 40ms");
/// assert_eq!(escape("\u{1b}[2J\n\u{202e}"), r"\x1b[2J\n\u{202e}");
/// ```
pub fn escape(text: &str) -> Cow<'_, str> {
    if is_plain(text) || text.chars().all(is_harmless) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    push(&mut out, text);
    out.into()
}

/// Appends the result of [`escape`].
pub(super) fn push(out: &mut String, text: &str) {
    if is_plain(text) {
        return out.push_str(text);
    }
    push_with(out, text, is_harmless, push_escaped);
}

/// Appends the text: characters that `kept` accepts as they are, the others by `write`.
pub(super) fn push_with(
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

/// `true` if the text is printable ASCII. A fold, because most texts are and `all` branches at each
/// byte.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |all, b| all & (b' '..=b'~').contains(&b))
}

pub(super) fn push_escaped(out: &mut String, c: char) {
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

/// `true` if a terminal only displays the character. Zero-width joiners stay, because emoji and
/// some scripts need them.
pub(super) fn is_harmless(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_control() => false,
        // Bidirectional formatting: reorders the text.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => false,
        '\u{2066}'..='\u{2069}' => false,
        // Line breaks that are not "\n".
        '\u{2028}' | '\u{2029}' => false,
        // Invisible: hides text, and makes different names look alike.
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => false,
        '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{2060}'..='\u{2065}' => false,
        '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => false,
        '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1345f}' => false,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => false,
        '\u{e0000}'..='\u{e0fff}' => false,
        // Noncharacters.
        '\u{fdd0}'..='\u{fdef}' => false,
        c => u32::from(c) & 0xfffe != 0xfffe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_attacks() {
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
            ("noncharacter", "\u{ffff}", "\\u{ffff}"),
            ("tab in a place for one word", "a\tb", "a\\tb"),
        ] {
            assert_eq!(escape(text), shown, "{attack}");
        }
    }

    #[test]
    fn borrows_ordinary_text() {
        for text in ["", "query took 40ms", r#"C:\temp "x""#, "naïve 日本語 🏳️‍🌈", "שלום", "\u{e0b0}"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn leaves_no_harmful_character(text in any::<String>()) {
            prop_assert!(escape(&text).chars().all(is_harmless));
            let mut out = String::new();
            push(&mut out, &text);
            prop_assert!(out.chars().all(is_harmless));
        }
    }
}
