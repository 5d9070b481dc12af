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

    /// The pattern of pairs of a text that this one matches, and a text that `other` matches. It matches what
    /// [`Self::text_of_pair`] returns.
    pub fn pair(&self, other: &Self) -> Self {
        match self.is_any() && other.is_any() {
            true => Self::any(),
            false => Self(Self::text_of_pair(&self.0, &other.0).into()),
        }
    }

    /// Two texts as one, for [`Self::pair`]. Neither has control characters, as no tag and no name of a host has.
    pub fn text_of_pair(first: &str, second: &str) -> String {
        format!("{first}\u{1f}{second}")
    }

    /// `true` if this is a pattern of pairs whose first part matches a text.
    pub fn matches_first(&self, text: &str) -> bool {
        self.0.split_once('\u{1f}').is_some_and(|(first, _)| Self(first.into()).matches(text))
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
    fn pairs_match_both_texts() {
        let glob = |text: &str| Glob::new(text).expect("valid");
        for (host, tag, pair, matched) in [
            ("*", "*", ("web1", "shop"), true),
            ("web*", "*", ("web1", "shop"), true),
            ("web*", "*", ("db1", "web1"), false),
            ("*", "shop.*", ("web1", "shop.a"), true),
            ("*", "shop.*", ("shop.a", "cron"), false),
            ("web1", "shop", ("web1", "shop"), true),
            ("web1", "shop", ("web", "1shop"), false),
        ] {
            let text = Glob::text_of_pair(pair.0, pair.1);
            assert_eq!(
                glob(host).pair(&glob(tag)).matches(&text),
                matched,
                "{host} {tag} {pair:?}"
            );
        }
        let pair = glob("web*").pair(&glob("shop"));
        assert!(pair.matches_first("web1") && !pair.matches_first("db1"));
        assert!(glob("**").pair(&Glob::any()).is_any());
        assert!(!glob("*").pair(&glob("a*")).is_any());
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
