//! Tags: dotted names such as `shop.query`.

use std::borrow::Cow;
use std::fmt;

/// The longest tag, in bytes.
pub const TAG_MAX: usize = 128;

/// A checked tag: 1 to [`TAG_MAX`] of `[A-Za-z0-9_./:-]`, in dot-separated parts that are not
/// empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag<'a>(Cow<'a, str>);

impl<'a> Tag<'a> {
    /// Checks a tag.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Result<Self, BadTag> {
        let text = text.into();
        if text.is_empty() {
            return Err(BadTag::Empty);
        }
        if text.len() > TAG_MAX {
            return Err(BadTag::Long);
        }
        // One loop that does not branch, because most tags are valid. What stands outside of the tag ends a part too.
        let (mut all, mut before, mut has_empty) = (0, DOT, 0);
        for b in text.bytes() {
            let class = CLASSES[usize::from(b)];
            all |= class;
            has_empty |= class & before;
            before = class;
        }
        let (is_tag, has_empty) = (all & NO_TAG == 0, (has_empty | before) & DOT != 0);
        if !is_tag {
            let bad = text.chars().find(|c| !c.is_ascii() || !is_tag_byte(*c as u8));
            return Err(BadTag::Character(bad.unwrap_or_default()));
        }
        if has_empty {
            return Err(BadTag::Part);
        }
        Ok(Self(text))
    }

    /// Makes a tag from any name: replaces other characters by `_`, truncates to [`TAG_MAX`], and
    /// drops empty parts. An empty result is `_`. A valid tag is borrowed unchanged.
    pub fn repaired(name: &'a str) -> Self {
        Self::new(name).unwrap_or_else(|_| {
            let clean: String = name
                .chars()
                .map(|c| if c.is_ascii() && is_tag_byte(c as u8) { c } else { '_' })
                .take(TAG_MAX)
                .collect();
            let parts: Vec<&str> = clean.split('.').filter(|part| !part.is_empty()).collect();
            if parts.is_empty() { Self("_".into()) } else { Self(parts.join(".").into()) }
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same tag, owning its text.
    pub fn into_owned(self) -> Tag<'static> {
        Tag(Cow::Owned(self.0.into_owned()))
    }
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const fn is_tag_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b':' | b'-')
}

/// The class of a byte that ends a part of a tag.
const DOT: u8 = 1;

/// The class of a byte that no tag has.
const NO_TAG: u8 = 2;

/// The class of each byte: [`DOT`], [`NO_TAG`], or 0.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut b = 0;
    while b < classes.len() {
        classes[b] = match b as u8 {
            b'.' => DOT,
            b if is_tag_byte(b) => 0,
            _ => NO_TAG,
        };
        b += 1;
    }
    classes
};

/// Why a text is not a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTag {
    /// No characters.
    #[error("the tag is empty")]
    Empty,
    /// Over [`TAG_MAX`].
    #[error("the tag is longer than {TAG_MAX} bytes")]
    Long,
    /// An invalid character.
    #[error("the tag has the character {0:?}: use letters, digits and _ . / : -")]
    Character(char),
    /// Two adjacent dots, or a dot at an end.
    #[error("the tag has an empty part between its dots")]
    Part,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_the_length() {
        assert!(Tag::new("a".repeat(TAG_MAX)).is_ok());
        assert_eq!(Tag::new("a".repeat(TAG_MAX + 1)), Err(BadTag::Long));
        assert_eq!(BadTag::Long.to_string(), "the tag is longer than 128 bytes");
        assert_eq!(Tag::new(""), Err(BadTag::Empty));
    }

    #[test]
    fn checks_parts_and_characters() {
        assert!(Tag::new("shop.query/2:x-y_z").is_ok());
        for text in [".", "a.", ".a", "a..b"] {
            assert_eq!(Tag::new(text), Err(BadTag::Part), "{text:?}");
        }
        assert_eq!(Tag::new("a b"), Err(BadTag::Character(' ')));
        assert_eq!(Tag::new("naïve"), Err(BadTag::Character('ï')));
        assert_eq!(Tag::new("a..\u{0}"), Err(BadTag::Character('\0')), "before the parts");
        for c in (0..=u8::MAX).map(char::from) {
            let is_ok = c.is_ascii_alphanumeric() || "_/:-".contains(c);
            assert_eq!(Tag::new(format!("a{c}b")).is_ok(), is_ok || c == '.', "{c:?}");
            assert_eq!(Tag::new(c.to_string()).is_ok(), is_ok, "{c:?}");
        }
    }

    #[test]
    fn repairs_any_name() {
        for (name, tag) in [
            ("www-data", "www-data"),
            ("a b", "a_b"),
            ("..", "_"),
            ("", "_"),
            ("a..b.", "a.b"),
            ("é", "_"),
        ] {
            assert_eq!(Tag::repaired(name).as_str(), tag);
        }
        let long = Tag::repaired(&"é".repeat(500)).into_owned();
        assert_eq!(Tag::new(long.as_str().to_owned()), Ok(long));
    }
}
