//! Patterns of tags.

use std::fmt;

use crate::event::{BadTag, Tag};

/// A pattern of tags: `*` stands for any text, dots included, also none; `?` for one character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Box<str>);

/// Why a text is no pattern of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}{more}", more = match .0 {
    BadTag::Character(_) => ", and * and ? for any text and any character",
    _ => "",
})]
pub struct BadGlob(BadTag);

impl Glob {
    /// Takes a pattern that some tag could match; its length is bounded as a tag's.
    ///
    /// # Errors
    /// Why no tag could.
    pub fn new(text: &str) -> Result<Self, BadGlob> {
        Tag::new(text.replace(['*', '?'], "x")).map_err(BadGlob)?;
        Ok(Self(text.into()))
    }

    /// The pattern of every tag: `*`.
    pub fn any() -> Self {
        Self("*".into())
    }

    /// Whether every tag is as the pattern says.
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|b| b == b'*')
    }

    /// Whether the whole tag is as the pattern says.
    pub fn matches(&self, tag: &str) -> bool {
        // Tags are ASCII, so that bytes are characters.
        let (pattern, tag) = (self.0.as_bytes(), tag.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Behind the last star, and how much of the tag it may have to take. Only the last one ever
        // needs another try: the earlier ones have what they need, and the shortest way to it.
        let mut star = None;
        while t < tag.len() {
            match pattern.get(p) {
                Some(b'*') if p + 1 == pattern.len() => return true,
                Some(b'*') => {
                    p += 1;
                    star = Some((p, t));
                }
                Some(b'?') => (p, t) = (p + 1, t + 1),
                Some(b) if *b == tag[t] => (p, t) = (p + 1, t + 1),
                _ => {
                    let Some((behind, taken)) = star else { return false };
                    (p, t) = (behind, taken + 1);
                    star = Some((p, t));
                }
            }
        }
        pattern[p..].iter().all(|b| *b == b'*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TAG_MAX;
    use proptest::prelude::*;

    #[test]
    fn stars_cross_dots() {
        for (glob, tag, matched) in [
            ("*", "shop", true),
            ("shop", "shop", true),
            ("shop", "shop.query", false),
            ("shop", "Shop", false),
            ("shop.*", "shop.query", true),
            ("shop.*", "shop.query.slow", true),
            ("shop.*", "shop", false),
            ("shop*", "shop", true),
            ("*.query", "shop.eu.query", true),
            ("*.query", "shop.query.x", false),
            ("s*p.*y", "shop.query", true),
            ("shop.?", "shop.q", true),
            ("shop.?", "shop.qq", false),
            ("?", "ab", false),
            ("a**b", "ab", true),
            ("*a*a*a*b", "aaaaaaaaaaaa", false),
        ] {
            assert_eq!(Glob::new(glob).expect("valid").matches(tag), matched, "{glob} {tag}");
        }
    }

    #[test]
    fn what_no_tag_could_match_is_refused() {
        assert_eq!(Glob::new(""), Err(BadGlob(BadTag::Empty)));
        assert_eq!(Glob::new("a[bc]"), Err(BadGlob(BadTag::Character('['))));
        assert_eq!(Glob::new("a..*"), Err(BadGlob(BadTag::Part)));
        assert!(Glob::new(&"*".repeat(TAG_MAX)).is_ok());
        assert_eq!(Glob::new(&"*".repeat(TAG_MAX + 1)), Err(BadGlob(BadTag::Long)));
    }

    /// Slow and plain.
    fn model(pattern: &[u8], tag: &[u8]) -> bool {
        match (pattern, tag) {
            ([], _) => tag.is_empty(),
            ([b'*', rest @ ..], _) => (0..=tag.len()).any(|n| model(rest, &tag[n..])),
            ([b'?', rest @ ..], [_, more @ ..]) => model(rest, more),
            ([b, rest @ ..], [first, more @ ..]) => b == first && model(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn as_the_model_says(pattern in "[ab*?]{1,8}", tag in "[ab]{1,12}") {
            let glob = Glob::new(&pattern).expect("valid");
            prop_assert_eq!(glob.matches(&tag), model(pattern.as_bytes(), tag.as_bytes()));
        }
    }
}
