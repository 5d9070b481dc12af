//! The shape of a message: the message with its values masked. Messages that differ only in values
//! have the same shape.
//!
//! Numbers, durations, quoted texts, placeholders, UUIDs and hexadecimal ids become `?`, adjacent ones
//! a single `?`. In SQL, the lists of `IN` and `VALUES` become `(…)`, and double-quoted identifiers are
//! kept. Comments are dropped, and white space becomes one space.

use crate::event::{cut, duration};

/// The longest shape, in bytes.
pub const SHAPE_MAX: usize = 256;

/// The shortest hexadecimal id, in digits.
const HEX_MIN: usize = 8;

/// The fewest digits at the end of a word that are masked. `utf8` and `sha256` are names.
const DIGITS_MIN: usize = 4;

/// The length of a UUID.
const UUID_LEN: usize = 36;

/// Words that begin a statement: in capitals anywhere, in any case at the beginning of a message.
const SQL: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"];

/// Sets `out` to the shape of a message, truncated to [`SHAPE_MAX`] bytes.
pub(super) fn set_shape(out: &mut String, msg: &str) {
    out.clear();
    let mut shaper = Shaper { msg, at: 0, out, sql: false };
    while shaper.at < msg.len() && shaper.out.len() < SHAPE_MAX {
        shaper.step();
    }
    let len = cut(out, SHAPE_MAX).trim_end().len();
    out.truncate(len);
}

struct Shaper<'a> {
    msg: &'a str,
    /// The offset in the message, at a character boundary.
    at: usize,
    out: &'a mut String,
    /// `true` after a word of [`SQL`].
    sql: bool,
}

impl Shaper<'_> {
    /// Consumes at least one byte.
    fn step(&mut self) {
        let rest = &self.msg.as_bytes()[self.at..];
        let next = rest.get(1).copied().unwrap_or(b' ');
        match rest[0] {
            b if b.is_ascii_whitespace() => self.space(1),
            b'-' if next == b'-' && self.comment_begins() => self.space(until(rest, b"\n")),
            b'/' if next == b'*' => self.space(until(&rest[2..], b"*/") + 2),
            b'\'' if !self.follows_word() => self.mask(quoted_len(rest)),
            b'"' => self.double_quoted(),
            b'`' => self.copy(quoted_len(rest)),
            b'?' => self.mask(1),
            b'$' if next.is_ascii_digit() => self.number(1),
            b'-' | b'+' if next.is_ascii_digit() && self.may_be_signed() => self.number(1),
            b if b.is_ascii_digit() => self.number(0),
            b if is_word(b) => self.word(),
            b'(' if self.sql && self.list_begins() => self.list(),
            _ => self.copy(1),
        }
    }

    fn rest(&self) -> &str {
        &self.msg[self.at..]
    }

    fn copy(&mut self, len: usize) {
        self.out.push_str(&self.msg[self.at..self.at + len]);
        self.at += len;
    }

    /// Replaces `len` bytes by a space.
    fn space(&mut self, len: usize) {
        self.at += len;
        if !self.out.is_empty() && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
    }

    /// Masks a value of `len` bytes. Merges it with a value before it.
    fn mask(&mut self, len: usize) {
        self.at += len;
        let joined = self.out.trim_end_matches([' ', ',', '-', ':', '/', '.']);
        if joined.ends_with('?') && self.out.len() - joined.len() <= 2 {
            self.out.truncate(joined.len());
        } else {
            self.out.push('?');
        }
    }

    fn number(&mut self, signs: usize) {
        let uuid = uuid_len(self.rest());
        if uuid > 0 {
            return self.mask(uuid);
        }
        let bytes = self.rest().as_bytes();
        let mut len = signs;
        while let Some(b) = bytes.get(len) {
            let decimal = *b == b'.' && bytes.get(len + 1).is_some_and(u8::is_ascii_digit);
            if !(decimal || b.is_ascii_alphanumeric() || *b == b'_') {
                break;
            }
            len += 1;
        }
        len += unit_len(&self.rest()[len..]);
        self.mask(len);
    }

    fn word(&mut self) {
        let len = self.rest().bytes().take_while(|b| is_word(*b)).count();
        let uuid = uuid_len(self.rest());
        if uuid > 0 {
            return self.mask(uuid);
        }
        let word = &self.msg[self.at..self.at + len];
        let id = id_len(word);
        if id == len {
            return self.mask(len);
        }
        self.sql |= SQL
            .iter()
            .any(|sql| word == *sql || self.out.is_empty() && word.eq_ignore_ascii_case(sql));
        self.copy(len - id);
        if id > 0 {
            self.out.push('?');
            self.at += id;
        }
    }

    fn double_quoted(&mut self) {
        let len = quoted_len(self.rest().as_bytes());
        let inside = self.rest()[1..len].trim_end_matches('"');
        let named = inside.bytes().all(|b| is_word(b) || b == b'$') && !inside.is_empty();
        let next = self.rest().as_bytes().get(len).copied().unwrap_or(b' ');
        let before = self.out.trim_end();
        let value = before.ends_with(['=', '<', '>']) || ends_with_word(before, "LIKE");
        let name = match self.sql {
            true => next == b'.' || !value,
            // A key in JSON.
            false => next == b':',
        };
        if named && name { self.copy(len) } else { self.mask(len) }
    }

    /// Masks the list of an `IN`, or all lists of a `VALUES`.
    fn list(&mut self) {
        self.at += list_len(self.rest());
        self.out.push_str("(…)");
        loop {
            let next = self.rest().trim_start().strip_prefix(',').map(str::trim_start);
            let Some(next) = next.filter(|next| next.starts_with('(')) else { break };
            self.at = self.msg.len() - next.len() + list_len(next);
        }
    }

    fn list_begins(&self) -> bool {
        let before = self.out.trim_end();
        let word = self.rest()[1..].trim_start();
        let word = &word[..word.bytes().take_while(|b| is_word(*b)).count()];
        let nested = ["SELECT", "WITH"].iter().any(|sql| word.eq_ignore_ascii_case(sql));
        !nested && (ends_with_word(before, "IN") || ends_with_word(before, "VALUES"))
    }

    fn comment_begins(&self) -> bool {
        let apart = |b: Option<&u8>| b.is_none_or(u8::is_ascii_whitespace);
        let bytes = self.msg.as_bytes();
        apart(bytes.get(self.at + 2)) && apart(bytes[..self.at].last())
    }

    /// `true` directly after a letter or a digit, where an apostrophe is not a quote.
    fn follows_word(&self) -> bool {
        self.msg.as_bytes()[..self.at].last().is_some_and(|b| is_word(*b))
    }

    /// `true` where a sign belongs to the number after it.
    fn may_be_signed(&self) -> bool {
        let before = self.msg.as_bytes()[..self.at].last();
        before.is_none_or(|b| b.is_ascii_whitespace() || b"(=<>,".contains(b))
    }
}

/// `true` for a letter, a digit, `_`, and bytes of characters beyond ASCII.
fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(start) = bytes.len().checked_sub(word.len()) else { return false };
    let apart = start.checked_sub(1).is_none_or(|before| !is_word(bytes[before]));
    apart && bytes[start..].eq_ignore_ascii_case(word.as_bytes())
}

/// The length up to and including `end`, or of everything if there is no `end`.
fn until(bytes: &[u8], end: &[u8]) -> usize {
    let found = bytes.windows(end.len()).position(|window| window == end);
    found.map_or(bytes.len(), |at| at + end.len())
}

/// The length of a quoted text with its quotes, or of everything if it is not closed. The first byte is
/// the quote.
fn quoted_len(bytes: &[u8]) -> usize {
    let quote = bytes[0];
    let mut at = 1;
    while let Some(b) = bytes.get(at) {
        at += match *b {
            b'\\' if bytes.len() > at + 1 => 2,
            // A doubled quote is an escaped one.
            b if b == quote && bytes.get(at + 1) == Some(&quote) => 2,
            b if b == quote => return at + 1,
            _ => 1,
        };
    }
    bytes.len()
}

/// The length of a list with its parentheses, or of everything if it is not closed.
fn list_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(b) = bytes.get(at) {
        at += match b {
            b'\'' | b'"' => quoted_len(&bytes[at..]),
            _ => 1,
        };
        match b {
            b'(' => depth += 1,
            b')' if depth == 1 => return at,
            b')' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// The length of the unit after a number, with the space before it. 0 if there is none.
fn unit_len(rest: &str) -> usize {
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let len = duration::unit_len(unit);
    let ends = unit.as_bytes().get(len).is_none_or(|b| !is_word(*b));
    if len > 0 && ends { rest.len() - unit.len() + len } else { 0 }
}

/// The length of the UUID at the beginning. 0 if there is none.
fn uuid_len(text: &str) -> usize {
    let Some(uuid) = text.as_bytes().get(..UUID_LEN) else { return 0 };
    let is_uuid = uuid.iter().enumerate().all(|(at, b)| match at {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    });
    let ends = text.as_bytes().get(UUID_LEN).is_none_or(|b| !is_word(*b));
    if is_uuid && ends { UUID_LEN } else { 0 }
}

/// The length of the id at the end of a word. 0 if there is none.
fn id_len(word: &str) -> usize {
    if !word.bytes().any(|b| b.is_ascii_digit()) {
        return 0;
    }
    let last = word.rsplit('_').next().unwrap_or(word);
    let hex = last.bytes().all(|b| b.is_ascii_hexdigit());
    if hex && last.len() >= HEX_MIN && last.bytes().any(|b| b.is_ascii_digit()) {
        return last.len();
    }
    let digits = word.bytes().rev().take_while(u8::is_ascii_digit).count();
    if digits >= DIGITS_MIN { digits } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn shape(msg: &str) -> String {
        let mut out = "before".to_owned();
        set_shape(&mut out, msg);
        out
    }

    #[test]
    fn masks_values() {
        for (msg, expected) in [
            ("query took 40ms", "query took ?"),
            ("query took 1m 30s", "query took ?"),
            ("query took 1.5 seconds, 12 rows", "query took ? rows"),
            ("query took 1 hour 2 mins", "query took ?"),
            ("query took 12 usecs in all", "query took ? in all"),
            ("12 mice and 3 hens", "? mice and ? hens"),
            ("took 12 µs or 12µs", "took ? or ?"),
            ("user 123 logged in", "user ? logged in"),
            ("user 'bob smith' isn't here", "user ? isn't here"),
            ("user \"bob\" logged in", "user ? logged in"),
            ("{\"event\":\"login\",\"n\":5}", "{\"event\":?,\"n\":?}"),
            ("GET /orders/123/items?page=2", "GET /orders/?/items?page=?"),
            ("at 2026-11-22T17:32:05.123Z from 10.0.0.1:80", "at ? from ?"),
            ("balance -5 is below +3.5e7", "balance ? is below ?"),
            ("id 3f2504e0-4f89-41d3-9a0c-0305e82c3301.", "id ?."),
            ("id abcdefab-cdef-abcd-efab-cdefabcdefab", "id ?"),
            ("commit 7f3a9c21 deadbeef 0x1F", "commit ? deadbeef ?"),
            ("sess_9f8a7b6c5d order12345 utf8 sha256", "sess_? order? utf8 sha256"),
            ("naïve café 7", "naïve café ?"),
            ("  a\t\n b  ", "a b"),
            ("", ""),
            ("---", "---"),
            ("it's 5 o'clock", "it's ? o'clock"),
        ] {
            assert_eq!(shape(msg), expected, "{msg}");
        }
    }

    #[test]
    fn keeps_identifiers_of_statements() {
        for (msg, expected) in [
            (
                "SELECT * FROM t1 WHERE a = 'x''y' AND b IN (1, 2,3) LIMIT 10, 20",
                "SELECT * FROM t1 WHERE a = ? AND b IN (…) LIMIT ?",
            ),
            ("select `a_2024` from t where x in (select y from z where q = 7)", {
                "select `a_2024` from t where x in (select y from z where q = ?)"
            }),
            (
                "SELECT \"u\".\"id\" FROM \"u\" WHERE \"u\".\"name\" = \"bob\" AND a = \"u\".\"b\"",
                "SELECT \"u\".\"id\" FROM \"u\" WHERE \"u\".\"name\" = ? AND a = \"u\".\"b\"",
            ),
            ("INSERT INTO t (a, b) VALUES (1, NOW()), (2, ')'),(3,4) RETURNING id", {
                "INSERT INTO t (a, b) VALUES (…) RETURNING id"
            }),
            ("SELECT a -- why\nFROM t /* c */ WHERE b=$1 AND c=?", {
                "SELECT a FROM t WHERE b=? AND c=?"
            }),
            ("12ms: SELECT 1 FROM t WHERE x IN ($1,$2)", "?: SELECT ? FROM t WHERE x IN (…)"),
            ("UPDATE t SET a = \"x y\" WHERE b LIKE \"z\"", "UPDATE t SET a = ? WHERE b LIKE ?"),
            ("SELECT 'unfinished", "SELECT ?"),
            ("SELECT a IN (1, 2", "SELECT a IN (…)"),
            ("SELECT a /* unfinished", "SELECT a"),
            ("please put it in (here) and select", "please put it in (here) and select"),
        ] {
            assert_eq!(shape(msg), expected, "{msg}");
        }
    }

    #[test]
    fn lists_of_any_length_have_one_shape() {
        let list = |n: usize| {
            let ids: Vec<String> = (0..n).map(|n| n.to_string()).collect();
            shape(&format!("SELECT a FROM t WHERE id IN ({})", ids.join(", ")))
        };
        assert!((2..300).all(|n| list(n) == list(1)));
    }

    #[test]
    fn bounds_the_length() {
        let words = |len: usize| "a".repeat(len);
        assert_eq!(shape(&words(SHAPE_MAX)).len(), SHAPE_MAX);
        assert_eq!(shape(&words(SHAPE_MAX + 1)), words(SHAPE_MAX));
        assert_eq!(shape(&"é".repeat(SHAPE_MAX)).len(), SHAPE_MAX);
        assert_eq!(shape(&format!("{}é", words(SHAPE_MAX - 1))), words(SHAPE_MAX - 1));
    }

    proptest! {
        #[test]
        fn bounds_the_shape_of_any_text(msg in "\\PC{0,80}|[-a1'\"`(),?$/*_ \\\\\n]{0,300}") {
            let once = shape(&msg);
            prop_assert!(once.len() <= SHAPE_MAX);
            prop_assert!(!once.contains('\n') || once.contains('`'));
        }

        #[test]
        fn shapes_do_not_depend_on_values(a in 0u64..1_000_000, b in "[a-z ]{0,12}") {
            let query = |a: u64, b: &str| {
                shape(&format!("SELECT x FROM t WHERE a={a} AND b='{b}' -- {a}"))
            };
            prop_assert_eq!(query(a, &b), query(1, "x"));
        }
    }
}
