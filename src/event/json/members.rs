//! Reads the members of a JSON object without white space, in order.

use super::Raw;
use crate::event::swar;

/// Iterates over the members of a JSON object without white space. Ends at the first syntax error;
/// [`Members::finish`] reports it.
pub struct Members<'a> {
    text: &'a str,
    /// What is read.
    at: usize,
    /// `true` before the first member.
    opened: bool,
    /// `true` after a syntax error.
    broken: bool,
}

/// How deep the values of an object may be nested. The agent writes at most one level; the rest is
/// for keys of newer versions.
pub(super) const LEVELS_MAX: u8 = 8;

impl<'a> Members<'a> {
    /// A reader of the object that `object` begins with.
    pub fn new(object: &'a str) -> Self {
        let is_object = object.starts_with('{');
        Self { text: object, at: usize::from(is_object), opened: true, broken: !is_object }
    }

    /// What follows the closing brace. `None` after a syntax error, or if there are more members.
    pub fn finish(self) -> Option<&'a str> {
        if self.broken { None } else { self.text[self.at..].strip_prefix('}') }
    }

    /// The value of the next member if the text goes on with `prefix`: a brace or a comma, and the key with its quotes and
    /// its colon. `None` if it does not, and after a syntax error.
    #[inline]
    pub(in crate::event) fn value_after<const N: usize>(
        &mut self,
        prefix: &[u8; N],
    ) -> Option<Raw<'a>> {
        if self.broken {
            return None;
        }
        // The brace is read already.
        let from = self.at - usize::from(self.opened);
        if self.text.as_bytes().get(from..)?.first_chunk::<N>() != Some(prefix) {
            return None;
        }
        self.read_value(from + N)
    }

    /// Reads the value at `start`.
    fn read_value(&mut self, start: usize) -> Option<Raw<'a>> {
        let end = value_end(self.text.as_bytes(), start, LEVELS_MAX);
        self.broken = end.is_none();
        (self.at, self.opened) = (end?, false);
        Some(self.value(start))
    }

    /// The value from `start` to what is read.
    #[inline]
    fn value(&self, start: usize) -> Raw<'a> {
        match self.text.as_bytes()[start] {
            b'"' => Raw::Text(&self.text[start + 1..self.at - 1]),
            _ => Raw::Other(&self.text[start..self.at]),
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        if self.broken || bytes.get(self.at) == Some(&b'}') {
            return None;
        }
        let Some(member) = Member::read(bytes, self.at, self.opened, LEVELS_MAX) else {
            self.broken = true;
            return None;
        };
        (self.at, self.opened) = (member.end, false);
        Some((&self.text[member.name..member.name_end], self.value(member.name_end + 2)))
    }
}

/// Where a member stands.
struct Member {
    /// Where its key begins, without quotes.
    name: usize,
    name_end: usize,
    /// Where its value ends.
    end: usize,
}

impl Member {
    /// Reads the member at `at`, which a comma precedes unless it is the first one (`opened`).
    #[inline]
    fn read(bytes: &[u8], at: usize, opened: bool, levels: u8) -> Option<Self> {
        let quote = match opened {
            true => at,
            false => after(bytes, at, b',')?,
        };
        let name = after(bytes, quote, b'"')?;
        let name_end = string_end(bytes, name)?;
        let value = after(bytes, name_end + 1, b':')?;
        Some(Self { name, name_end, end: value_end(bytes, value, levels)? })
    }
}

/// The place after this byte. `None` if another one is at `at`.
#[inline]
fn after(bytes: &[u8], at: usize, b: u8) -> Option<usize> {
    (bytes.get(at) == Some(&b)).then_some(at + 1)
}

/// Where the closing quote stands of a string whose inside begins at `start`.
#[inline]
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let at = quote_or_backslash(bytes, start)?;
    if bytes[at] == b'"' { Some(at) } else { escaped_end(bytes, at) }
}

/// The same, from a backslash on.
#[inline(never)]
fn escaped_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    while bytes[at] != b'"' {
        // The escaped character may have more bytes; none of them is a quote or a backslash.
        at = quote_or_backslash(bytes, at + 2)?;
    }
    Some(at)
}

#[inline]
fn quote_or_backslash(bytes: &[u8], start: usize) -> Option<usize> {
    swar::find(bytes, start, swar::quotes_and_backslashes, |b| matches!(b, b'"' | b'\\'))
}

/// Where the value at `start` ends: a string, a literal, or an array or object of at most `levels` levels.
#[inline(always)]
fn value_end(bytes: &[u8], start: usize, levels: u8) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => string_end(bytes, start + 1).map(|quote| quote + 1),
        b'0'..=b'9' => Some(literal_end(bytes, start + 1)),
        _ => other_end(bytes, start, levels),
    }
}

#[inline(never)]
fn other_end(bytes: &[u8], start: usize, levels: u8) -> Option<usize> {
    match bytes.get(start)? {
        b'{' => object_end(bytes, start, levels.checked_sub(1)?),
        b'[' => array_end(bytes, start, levels.checked_sub(1)?),
        _ => Some(literal_end(bytes, start)).filter(|end| *end > start),
    }
}

/// Where the literal ends that `at` is in, or begins or ends.
#[inline]
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
    at + bytes[at..].iter().take_while(|b| is_part(b)).count()
}

/// Where the object at `start` ends, whose values have at most `levels` levels.
fn object_end(bytes: &[u8], start: usize, levels: u8) -> Option<usize> {
    let mut at = start + 1;
    let mut opened = true;
    while bytes.get(at) != Some(&b'}') {
        at = Member::read(bytes, at, opened, levels)?.end;
        opened = false;
    }
    Some(at + 1)
}

/// Where the array at `start` ends, whose values have at most `levels` levels.
fn array_end(bytes: &[u8], start: usize, levels: u8) -> Option<usize> {
    let mut at = start + 1;
    if bytes.get(at) == Some(&b']') {
        return Some(at + 1);
    }
    loop {
        at = value_end(bytes, at, levels)?;
        match bytes.get(at)? {
            b',' => at += 1,
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}
