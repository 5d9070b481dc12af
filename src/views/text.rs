//! Bounded texts of rows.

use std::borrow::Cow;

use crate::event::json::{Raw, cut_escaped};
use crate::event::{Timestamp, cut};

/// The longest message in a row, in bytes. Longer ones are truncated.
pub const MSG_MAX: usize = 512;

/// The longest page in a row, in bytes.
pub const PAGE_MAX: usize = 256;

/// The longest user, request, host, token or address in a row, in bytes. Longer ones with the same
/// beginning are one.
pub const NAME_MAX: usize = 128;

/// The overhead of an allocation, in bytes.
pub(super) const ALLOCATION: usize = 16;

/// Unescapes the beginning of a value: at most `max` bytes of the line.
pub(super) fn head(raw: Raw<'_>, max: usize) -> Cow<'_, str> {
    match raw {
        Raw::Text(inside) => Raw::Text(cut_escaped(inside, max)).text(),
        Raw::Other(literal) => cut(literal, max).into(),
    }
}

/// Sets `out` to the key of these parts. Each part is prefixed with its length, so that keys are
/// unique.
pub(super) fn set_key(out: &mut String, parts: &[&str]) {
    out.clear();
    for part in parts {
        out.push_str(itoa::Buffer::new().format(part.len()));
        out.push(':');
        out.push_str(part);
    }
}

/// A text that is replaced often. Its capacity is its longest length.
#[derive(Clone, Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Replaces the text, truncated to `max` bytes.
    pub(super) fn set(&mut self, text: &str, max: usize) {
        let text = cut(text, max);
        self.0.clear();
        self.0.reserve_exact(text.len());
        self.0.push_str(text);
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text for a snapshot. `None` if it is empty.
    pub(super) fn shown(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.0.capacity() + ALLOCATION
    }
}

/// `N` short texts in one allocation.
#[derive(Clone, Debug)]
pub(super) struct Texts<const N: usize> {
    text: Box<str>,
    ends: [u16; N],
}

impl<const N: usize> Texts<N> {
    /// Joins texts of at most 64 KiB in all.
    pub(super) fn new(texts: [&str; N]) -> Self {
        let mut ends = [0; N];
        let mut end = 0;
        for (text, at) in texts.iter().zip(&mut ends) {
            end += text.len();
            *at = u16::try_from(end).unwrap_or(u16::MAX);
        }
        Self { text: texts.concat().into(), ends }
    }

    /// Returns the text at `index`.
    pub(super) fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[usize::from(start)..usize::from(self.ends[index])]
    }

    /// The text for a snapshot. `None` if it is empty.
    pub(super) fn shown(&self, index: usize) -> Option<String> {
        let text = self.get(index);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.text.len() + ALLOCATION
    }
}

/// Serializes a time as RFC 3339.
pub(super) fn time<S: serde::Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(time)
}

/// The same for an optional time.
pub(super) fn some_time<S: serde::Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.collect_str(time),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_outside_of_escapes() {
        for (inside, max, text) in [
            (r"ab\ncd", 6, "ab\ncd"),
            (r"ab\ncd", 4, "ab\n"),
            (r"ab\ncd", 3, "ab"),
            (r"a\u0001b", 6, "a"),
            (r"a\u0001bcd", 8, "a\u{1}b"),
            (r"a\\\\b", 5, r"a\\"),
            (r"a\\\\b", 4, r"a\"),
            (r"a\\nb", 4, r"a\n"),
        ] {
            let found = head(Raw::Text(inside), max);
            assert_eq!(found, text, "{inside} {max}");
        }
        assert_eq!(head(Raw::Other("12345"), 2), "12");
    }

    #[test]
    fn keys_are_unique() {
        let key = |parts: &[&str]| {
            let mut out = "before".to_owned();
            set_key(&mut out, parts);
            out
        };
        assert_eq!(key(&["ab", "c"]), "2:ab1:c");
        assert_ne!(key(&["a", "1:b"]), key(&["a1:b"]));
        assert_ne!(key(&["", "a"]), key(&["a", ""]));
    }

    #[test]
    fn stores_texts() {
        let texts = Texts::new(["a", "", "bcd"]);
        assert_eq!((texts.get(0), texts.get(1), texts.get(2)), ("a", "", "bcd"));
        assert_eq!((texts.shown(1), texts.shown(2)), (None, Some("bcd".into())));
        let mut text = Text::default();
        text.set("abcdef", 4);
        assert_eq!((text.as_str(), text.size()), ("abcd", 4 + ALLOCATION));
    }
}
