//! A scanner of JSON text (RFC 8259): finds where each member of an object ends, in one pass, and accepts exactly what
//! serde_json accepts. Nothing is decoded, and nothing recurses. Allocates only for nested values.

#[cfg(test)]
mod tests;

use crate::event::json::{self, Packed};

/// Reads the members of an object, in order: each key, then its value or the members within it.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// A member of the innermost object was read.
    has_member: bool,
}

/// The key of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    pub(super) has_escape: bool,
    /// The key, if it has at most seven bytes and no escape.
    pub(super) packed: Packed,
}

impl<'a> Key<'a> {
    /// The inside of its quotes.
    #[inline]
    pub(super) fn inside(&self) -> &'a str {
        &self.text[self.start..self.end]
    }
}

/// The value of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    pub(super) kind: Kind,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string without escapes.
    Text,
    /// A string with escapes.
    Escaped,
    Number,
    True,
    False,
    Null,
    /// An object or an array.
    Nested,
}

impl<'a> Scanned<'a> {
    /// The value as JSON text.
    #[inline]
    pub(super) fn raw(&self) -> &'a str {
        &self.text[self.start..self.end]
    }

    /// The inside of the quotes of a string.
    #[inline]
    pub(super) fn inside(&self) -> &'a str {
        &self.text[self.start + 1..self.end - 1]
    }
}

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

impl<'a> Scanner<'a> {
    /// Begins with the object that `text` is.
    pub(super) fn new(text: &'a str) -> Result<Self, NotJson> {
        let at = after_blank(text.as_bytes(), 0);
        let mut scanner = Self { text, at, has_member: false };
        if scanner.enter() { Ok(scanner) } else { Err(NotJson) }
    }

    /// Enters the object that comes next as a value. `false` if another value comes. [`Self::key`] returns its keys
    /// until it is complete, and then those of the object around it.
    pub(super) fn enter(&mut self) -> bool {
        let is_object = self.text.as_bytes().get(self.at) == Some(&b'{');
        if is_object {
            self.at += 1;
            self.has_member = false;
        }
        is_object
    }

    /// The key of the next member, whose value must be read next. `None` at the end of the object.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Result<Option<Key<'a>>, NotJson> {
        let (text, bytes) = (self.text, self.text.as_bytes());
        // Most programs write no white space.
        let start = match bytes.get(self.at..) {
            Some([b',', b'"', ..]) if self.has_member => self.at + 2,
            Some([b'"', ..]) if !self.has_member => self.at + 1,
            _ => match self.key_start()? {
                Some(start) => start,
                None => return Ok(None),
            },
        };
        self.has_member = true;
        let (end, has_escape, packed) = match json::short_string(bytes, start) {
            Some((end, packed)) => (end, false, packed),
            None => {
                let (end, has_escape) = long_string_end(bytes, start)?;
                let short = if has_escape { None } else { Packed::new(&text[start..end]) };
                (end, has_escape, short.unwrap_or_default())
            }
        };
        self.at = match bytes.get(end + 1..) {
            Some([b':', next, ..]) if *next > b' ' => end + 2,
            _ => value_start(bytes, end + 1)?,
        };
        Ok(Some(Key { text, start, end, has_escape, packed }))
    }

    /// Where the inside of the next key begins. `None` after the end of the object.
    #[inline(never)]
    fn key_start(&mut self) -> Result<Option<usize>, NotJson> {
        let bytes = self.text.as_bytes();
        let mut at = after_blank(bytes, self.at);
        match bytes.get(at) {
            Some(b'}') => {
                self.at = at + 1;
                // The object is a member of the one around it.
                self.has_member = true;
                return Ok(None);
            }
            Some(b',') if self.has_member => at = after_blank(bytes, at + 1),
            _ if self.has_member => return Err(NotJson),
            _ => {}
        }
        if bytes.get(at) == Some(&b'"') { Ok(Some(at + 1)) } else { Err(NotJson) }
    }

    /// The value of the member.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<Scanned<'a>, NotJson> {
        let (text, bytes, start) = (self.text, self.text.as_bytes(), self.at);
        let (end, kind) = match bytes.get(start) {
            Some(b'"') => {
                let (end, has_escape) = string_end(bytes, start + 1)?;
                (end + 1, if has_escape { Kind::Escaped } else { Kind::Text })
            }
            Some(b'{' | b'[') => (nested_end(bytes, start)?, Kind::Nested),
            _ => scalar_end(bytes, start)?,
        };
        self.at = end;
        Ok(Scanned { text, start, end, kind })
    }

    /// Ends with the outermost object: only white space may follow.
    pub(super) fn finish(self) -> Result<(), NotJson> {
        let bytes = self.text.as_bytes();
        if after_blank(bytes, self.at) == bytes.len() { Ok(()) } else { Err(NotJson) }
    }
}

/// Where the value begins after the key that ends at `at`.
#[inline(never)]
fn value_start(bytes: &[u8], at: usize) -> Result<usize, NotJson> {
    let colon = after_blank(bytes, at);
    if bytes.get(colon) == Some(&b':') { Ok(after_blank(bytes, colon + 1)) } else { Err(NotJson) }
}

/// The end of the white space at `at`.
#[inline]
fn after_blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the closing quote of a string stands whose inside begins at `start`, and `true` if it has escapes.
#[inline(always)]
fn string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), NotJson> {
    // Most keys, and many values, have fewer than eight bytes.
    match json::short_string(bytes, start) {
        Some((end, _)) => Ok((end, false)),
        None => long_string_end(bytes, start),
    }
}

/// As [`string_end`], for any string.
#[inline(never)]
fn long_string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), NotJson> {
    let at = plain_end(bytes, start);
    match bytes.get(at) {
        Some(b'"') => Ok((at, false)),
        Some(b'\\') => escaped_end(bytes, at).map(|end| (end, true)),
        _ => Err(NotJson),
    }
}

/// The same, from an escape on.
#[inline(never)]
fn escaped_end(bytes: &[u8], mut at: usize) -> Result<usize, NotJson> {
    loop {
        at = match bytes.get(at..).unwrap_or_default() {
            [b'"', ..] => return Ok(at),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => at + 2,
            [b'\\', b'u', digits @ ..] => match digits.first_chunk::<4>() {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => at + 6,
                _ => return Err(NotJson),
            },
            _ => return Err(NotJson),
        };
        at = plain_end(bytes, at);
    }
}

/// The first byte from `start` on that ends a string, begins an escape, or may not be in a string. The end of the text if
/// there is none.
#[inline]
fn plain_end(bytes: &[u8], start: usize) -> usize {
    start + json::plain_len(bytes.get(start..).unwrap_or_default())
}

/// The end of a number: no leading zero, and digits on both sides of the point.
#[inline]
fn number_end(bytes: &[u8], start: usize) -> Result<usize, NotJson> {
    let digits = |from: usize| {
        let mut at = from;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let some_digits = |from: usize| Some(digits(from)).filter(|end| *end > from).ok_or(NotJson);
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = if bytes.get(first) == Some(&b'0') { first + 1 } else { some_digits(first)? };
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at = some_digits(at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-'))))?;
    }
    Ok(at)
}

/// The end of a number, `true`, `false` or `null`, and which of them it is.
#[inline]
fn scalar_end(bytes: &[u8], start: usize) -> Result<(usize, Kind), NotJson> {
    match bytes.get(start..).unwrap_or_default() {
        [b'-' | b'0'..=b'9', ..] => Ok((number_end(bytes, start)?, Kind::Number)),
        [b't', b'r', b'u', b'e', ..] => Ok((start + 4, Kind::True)),
        [b'f', b'a', b'l', b's', b'e', ..] => Ok((start + 5, Kind::False)),
        [b'n', b'u', b'l', b'l', ..] => Ok((start + 4, Kind::Null)),
        _ => Err(NotJson),
    }
}

/// The end of the object or array at `start`.
fn nested_end(bytes: &[u8], start: usize) -> Result<usize, NotJson> {
    // The brackets that close what is open.
    let mut open = Vec::new();
    let mut at = start;
    loop {
        let mut is_first = false;
        at = match bytes.get(at) {
            Some(b'"') => string_end(bytes, at + 1)?.0 + 1,
            Some(bracket @ (b'{' | b'[')) => {
                open.push(bracket + 2);
                is_first = true;
                at + 1
            }
            _ => scalar_end(bytes, at)?.0,
        };
        // What follows it: the ends of what is complete, or a comma.
        loop {
            at = after_blank(bytes, at);
            let Some(close) = open.last() else { return Ok(at) };
            match bytes.get(at) {
                Some(b) if b == close => {
                    at += 1;
                    open.pop();
                    if open.is_empty() {
                        return Ok(at);
                    }
                    is_first = false;
                }
                Some(b',') if !is_first => {
                    at = after_blank(bytes, at + 1);
                    break;
                }
                Some(_) if is_first => break,
                _ => return Err(NotJson),
            }
        }
        if open.last() == Some(&b'}') {
            if bytes.get(at) != Some(&b'"') {
                return Err(NotJson);
            }
            at = value_start(bytes, string_end(bytes, at + 1)?.0 + 1)?;
        }
    }
}
