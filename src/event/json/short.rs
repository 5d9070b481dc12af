//! Short strings of JSON: most keys and many values have fewer than eight bytes, and are read as one number.

use crate::event::swar::{eight_at, escaped, first, lowest, no_small_letters};

/// A text of at most seven bytes without control characters, as one number. All zero for the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed(u64);

impl Packed {
    /// The longest text, in bytes.
    pub const LEN_MAX: usize = 7;

    /// Packs a text. `None` if it is longer than [`Self::LEN_MAX`].
    pub const fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() > Self::LEN_MAX {
            return None;
        }
        let (mut packed, mut at) = (0, bytes.len());
        while at > 0 {
            at -= 1;
            packed = packed << 8 | bytes[at] as u64;
        }
        Some(Self(packed))
    }

    /// `true` if the text has this length and only small letters of ASCII.
    #[inline]
    pub const fn is_small_letters(self, len: usize) -> bool {
        first(no_small_letters(self.0)) == len
    }
}

/// Where the closing quote of a string stands whose inside begins at `start`, and its text. `None` if the text has an
/// escape, more than [`Packed::LEN_MAX`] bytes, or stands among the last bytes of all.
#[inline(always)]
pub fn short_string(bytes: &[u8], start: usize) -> Option<(usize, Packed)> {
    let eight = eight_at(bytes, start)?;
    let len = first(escaped(eight));
    let is_closed = len < 8 && (eight >> (8 * len)) as u8 == b'"';
    is_closed.then(|| (start + len, Packed(lowest(eight, len))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packs_up_to_seven_bytes() {
        assert_eq!(Packed::new("abcdefg"), Some(Packed(0x0067_6665_6463_6261)));
        assert_eq!(Packed::new("abcdefgh"), None);
        assert_eq!(Packed::new(""), Some(Packed::default()));
    }

    proptest! {
        #[test]
        fn reads_what_is_short_and_needs_no_escape(
            text in "[a-z]{0,9}|[ -~]{0,9}|\\PC{0,4}|[\\x00-\\x7f]{0,9}", before in 0usize..3, after in 0usize..9,
        ) {
            let whole = format!("{}{text}\"{}", &"\"\"\""[..before], &"}}}}}}}}}"[..after]);
            let found = short_string(whole.as_bytes(), before);
            let inside = text.split('"').next().unwrap_or_default();
            let is_plain = !inside.contains(|c| c < ' ' || c == '\\');
            if is_plain && inside.len() <= Packed::LEN_MAX && whole.len() >= before + 8 {
                let packed = Packed::new(inside).expect("short");
                prop_assert_eq!(found, Some((before + inside.len(), packed)));
                let is_small = inside.bytes().all(|b| b.is_ascii_lowercase());
                prop_assert_eq!(packed.is_small_letters(inside.len()), is_small);
            } else {
                prop_assert_eq!(found, None);
            }
        }
    }
}
