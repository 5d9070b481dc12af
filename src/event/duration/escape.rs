//! Escape sequences of terminals, which color a number without hiding it.

/// The first byte of every escape sequence.
pub(super) const ESC: u8 = 0x1b;

/// The text without escape sequences: CSI (colors and cursor movements), OSC (titles and links), and
/// the short ones.
pub(super) fn strip(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(char::from(ESC)) {
        plain.push_str(&rest[..at]);
        rest = after_sequence(&rest[at + 1..]);
    }
    plain.push_str(rest);
    plain
}

/// What follows the sequence whose ESC was read.
fn after_sequence(text: &str) -> &str {
    let ends_csi = |c: char| !matches!(c, ' '..='?');
    match text.chars().next() {
        Some('[') => match text[1..].find(ends_csi) {
            // The final byte is part of the sequence, any other character is text.
            Some(at) if matches!(text.as_bytes()[1 + at], b'@'..=b'~') => &text[at + 2..],
            Some(at) => &text[at + 1..],
            None => "",
        },
        Some(']') => match text.find(['\u{7}', '\u{1b}']) {
            Some(at) if text[at..].starts_with('\u{7}') => &text[at + 1..],
            // ST: the backslash is skipped as a sequence of two characters.
            Some(at) => &text[at..],
            None => "",
        },
        // `ESC ( B` chooses a character set.
        Some(' '..='/') => {
            let end = text.find(|c: char| !matches!(c, ' '..='/')).unwrap_or(text.len());
            let is_final = matches!(text.as_bytes().get(end), Some(b'0'..=b'~'));
            &text[end + usize::from(is_final)..]
        }
        Some(c) if c.is_ascii_graphic() => &text[1..],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_sequences_and_keeps_text() {
        for (text, plain) in [
            ("a", "a"),
            ("\u{1b}[32mok\u{1b}[0m", "ok"),
            ("\u{1b}[1;38;5;9mok\u{1b}[m", "ok"),
            ("\u{1b}[2Kok\u{1b}[?25h", "ok"),
            ("\u{1b}(B\u{1b}[mok", "ok"),
            ("\u{1b}]0;title\u{7}ok", "ok"),
            ("\u{1b}]8;;http://h/\u{1b}\\ok\u{1b}]8;;\u{1b}\\", "ok"),
            ("\u{1b}7ok\u{1b}8", "ok"),
            ("ok\u{1b}", "ok"),
            ("ok\u{1b}[", "ok"),
            ("ok\u{1b}[12", "ok"),
            ("\u{1b}[é", "é"),
            ("\u{1b}é", "é"),
            ("\u{1b}\u{1b}[1mok", "ok"),
            ("ok\u{1b}]0;open", "ok"),
        ] {
            assert_eq!(strip(text), plain, "{text:?}");
        }
    }
}
