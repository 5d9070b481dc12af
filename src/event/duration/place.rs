//! What stands directly beside a number: whether it can be one that was measured.

/// The end of one space at `at`, also of a no-break, figure or thin one. `at` if there is none.
pub(super) fn after_space(bytes: &[u8], at: usize) -> usize {
    match &bytes[at.min(bytes.len())..] {
        [b' ', ..] => at + 1,
        [0xc2, 0xa0, ..] => at + 2,
        [0xe2, 0x80, 0xaf | 0x87 | 0x89, ..] => at + 3,
        _ => at,
    }
}

/// The end of what stands between two parts of a sum: nothing, a colon, a space, a comma, *and*.
pub(super) fn after_joiner(bytes: &[u8], at: usize) -> usize {
    // `1h:5m:30s`.
    if let [b':', b'0'..=b'9', ..] = bytes[at..] {
        return at + 1;
    }
    let comma = if bytes.get(at) == Some(&b',') { at + 1 } else { at };
    let space = after_space(bytes, comma);
    if space == comma {
        // A comma without a space separates values.
        return at;
    }
    if bytes[space..].starts_with(b"and ") { space + 4 } else { space }
}

/// What a byte directly before a number says.
#[derive(Clone, Copy)]
enum Before {
    /// The number stands alone.
    Apart,
    /// The number is a part of something else.
    Joined,
    /// It depends on what stands before the byte.
    Unclear,
}

/// By byte, because most numbers of a message are refused by it.
static BEFORE: [Before; 256] = {
    let mut table = [Before::Apart; 256];
    let mut at = 0;
    while at < table.len() {
        table[at] = match at as u8 {
            b'_' | b'.' | b'/' | b'+' | b'-' | b'<' | b'>' | b'#' | b'$' | b'@' | b'\\' => {
                Before::Joined
            }
            b',' | b'\'' | b':' | 0x80.. => Before::Unclear,
            b if b.is_ascii_alphanumeric() => Before::Joined,
            _ => Before::Apart,
        };
        at += 1;
    }
    table
};

/// `true` if what stands directly before `start` makes the number a part of something else.
#[inline]
pub(super) fn joins_before(text: &str, start: usize) -> bool {
    let Some(last) = start.checked_sub(1) else { return false };
    match BEFORE[usize::from(text.as_bytes()[last])] {
        Before::Apart => false,
        Before::Joined => true,
        Before::Unclear => joins_before_slowly(text, start),
    }
}

#[cold]
fn joins_before_slowly(text: &str, start: usize) -> bool {
    match text.as_bytes()[..start] {
        // `1,234ms`, `1'234ms`, `10:40s`, `fe80::1s`.
        [.., b'0'..=b'9' | b':', b',' | b'\'' | b':'] => true,
        [.., 0x80..=0xff] => joins_other_before(&text[..start]),
        _ => false,
    }
}

/// As [`joins_before`], for a text that does not end with an ASCII character.
fn joins_other_before(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next_back().is_some_and(|c| match c {
        // A space between groups of digits.
        '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' => {
            chars.as_str().ends_with(|c: char| c.is_ascii_digit())
        }
        '−' | '±' | '€' | '£' | '≤' | '≥' => true,
        c => joins(c),
    })
}

/// `true` if what stands directly after the unit makes it a part of something else: a word, the name
/// of a file, a range, a rate.
pub(super) fn joins_after(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    let next = |wanted: fn(&u8) -> bool| bytes.get(end + 1).is_some_and(wanted);
    match bytes.get(end) {
        None | Some(b' ' | b',' | b')') => false,
        Some(b'_' | b'=' | b'&' | b'@') => true,
        Some(b'.' | b'-') => next(u8::is_ascii_alphanumeric),
        Some(b'/') => next(u8::is_ascii_alphabetic),
        Some(0x80..) => text[end..].chars().next().is_some_and(joins),
        Some(b) => b.is_ascii_alphanumeric(),
    }
}

/// `true` for a letter or a digit that belongs to the same word as the number beside it. Scripts
/// without spaces have no words to belong to.
fn joins(c: char) -> bool {
    let spaceless = matches!(c,
        // Thai, Lao, Tibetan, Burmese; Hangul, whose particles follow directly; Khmer.
        '\u{e00}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' |
        // Kana, Chinese characters, Yi, Hangul, full-width forms.
        '\u{2e80}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' |
        '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}');
    c.is_alphanumeric() && !spaceless
}

/// `true` if a number is compared with something: `> 5s`, `>= 5s`, `± 5ms`. `before` is what stands
/// before it, without white space. An arrow compares nothing.
#[inline(never)]
pub(super) fn is_compared(before: &[u8]) -> bool {
    match before {
        [.., b'-' | b'=', b'>'] => false,
        [.., b'<' | b'>' | b'!' | b'~', b'='] | [.., b'<' | b'>'] => true,
        [.., 0xc2, 0xb1] | [.., 0xe2, 0x89, 0xa4 | 0xa5] => true,
        _ => false,
    }
}

/// `true` if a number that ends at `end` is in square brackets at the beginning of a line that goes on
/// after them: the time since a start. `before` is what stands before it, without white space.
#[inline(never)]
pub(super) fn is_line_prefix(bytes: &[u8], before: &[u8], end: usize) -> bool {
    let Some(before) = before.strip_suffix(b"[") else { return false };
    let blank = |b: &&u8| matches!(**b, b' ' | b'\t');
    let indent = before.iter().rev().take(INDENT_MAX).take_while(blank).count();
    let begins = matches!(before[..before.len() - indent].last(), None | Some(b'\n' | b'\r'));
    let Some(after) = bytes[end..].trim_ascii_start().strip_prefix(b"]") else { return false };
    let rest = after.iter().find(|b| !blank(b));
    begins && rest.is_some_and(|b| !matches!(b, b'\n' | b'\r'))
}

/// The most spaces before a bracket that still begins its line.
const INDENT_MAX: usize = 64;

/// Whether the word that a number stands in is a path, a URL or a query string.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// What was read.
    end: usize,
    /// `true` if the word at `end` is one.
    in_path: bool,
}

impl Paths {
    /// `true` if `/`, `?` or `&` stands before `start` in the same word. `start` must not decrease:
    /// each byte is read at most once.
    #[inline]
    pub(super) fn contain(&mut self, bytes: &[u8], start: usize) -> bool {
        // Most numbers stand after a space.
        if let Some(b' ') = start.checked_sub(1).and_then(|before| bytes.get(before))
            && start > self.end
        {
            (self.end, self.in_path) = (start, false);
            return false;
        }
        self.read(bytes, start)
    }

    fn read(&mut self, bytes: &[u8], start: usize) -> bool {
        let mut at = start;
        let found = loop {
            if at <= self.end {
                break self.in_path;
            }
            at -= 1;
            match bytes[at] {
                b'/' | b'?' | b'&' => break true,
                b'\t'..=b'\r' | b' ' | b'"' | b'\'' | b'|' => break false,
                b'(' | b')' | b'[' | b']' | b'{' | b'}' => break false,
                // The last byte of a no-break space.
                0xa0 | 0xaf
                    if bytes[..at].ends_with(b"\xc2") || bytes[..at].ends_with(b"\xe2\x80") =>
                {
                    break false;
                }
                _ => {}
            }
        };
        (self.end, self.in_path) = (self.end.max(start), found);
        found
    }
}
