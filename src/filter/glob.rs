//! Globs: patterns of tags.

use std::fmt;

use crate::event::{BadTag, Tag};

/// A pattern of tags: `*` matches any text, dots and the empty text included; `?` matches one
/// character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Box<str>);

/// Why a text is not a pattern of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}{more}", more = match .0 {
    BadTag::Character(_) => ", and * and ? for any text and any character",
    _ => "",
})]
pub struct BadGlob(BadTag);

impl Glob {
    /// Checks a pattern. It must match some tag, and is as long as a tag at most.
    ///
    /// # Errors
    /// Why it matches no tag.
    pub fn new(text: &str) -> Result<Self, BadGlob> {
        Tag::new(text.replace(['*', '?'], "x")).map_err(BadGlob)?;
        Ok(Self(text.into()))
    }

    /// The pattern `*`, which matches every tag.
    pub fn any() -> Self {
        Self("*".into())
    }

    /// `true` if the pattern matches every tag.
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|b| b == b'*')
    }

    /// `true` if the pattern matches the whole tag.
    pub fn matches(&self, tag: &str) -> bool {
        // Tags are ASCII, so that bytes are characters.
        let (pattern, tag) = (self.0.as_bytes(), tag.as_bytes());
        let (mut p, mut t) = (0, 0);
        // The position after the last star, and the end of what it matches. Only the last star ever
        // backtracks: the shortest match of the earlier ones leaves the most for the rest.
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
                    let Some((after, end)) = star else { return false };
                    (p, t) = (after, end + 1);
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
    fn rejects_what_matches_no_tag() {
        assert_eq!(Glob::new(""), Err(BadGlob(BadTag::Empty)));
        assert_eq!(Glob::new("a[bc]"), Err(BadGlob(BadTag::Character('['))));
        assert_eq!(Glob::new("a..*"), Err(BadGlob(BadTag::Part)));
        assert!(Glob::new(&"*".repeat(TAG_MAX)).is_ok());
        assert_eq!(Glob::new(&"*".repeat(TAG_MAX + 1)), Err(BadGlob(BadTag::Long)));
    }

    /// The definition of a match, by recursion.
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
        fn agrees_with_the_model(pattern in "[ab*?]{1,8}", tag in "[ab]{1,12}") {
            let glob = Glob::new(&pattern).expect("valid");
            prop_assert_eq!(glob.matches(&tag), model(pattern.as_bytes(), tag.as_bytes()));
        }
    }
}
