//! Tests eight bytes at once, as one number (SWAR). No instruction of one processor is needed, and texts are often too
//! short for more bytes.

/// A one in each byte.
pub(super) const EACH: u64 = u64::MAX / 255;

/// The highest bit of each byte: where tests mark the byte.
pub(super) const HIGH: u64 = EACH * 0x80;

/// The eight bytes from `at` on, the first one lowest. `None` if there are fewer.
#[inline]
pub(super) fn eight_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight))
}

/// The last eight bytes, the last one lowest. `None` if there are fewer.
#[inline]
pub(super) fn last_eight(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk::<8>().map(|eight| u64::from_be_bytes(*eight))
}

/// How many bytes are lower than the first mark: 8 if there is none.
#[inline]
pub(super) const fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// Marks the bytes that are a digit. Only the first mark is exact: the subtraction borrows from the bytes after it.
#[inline]
pub(super) const fn digits(eight: u64) -> u64 {
    // A digit becomes a byte below 10, and the subtraction borrows into its highest bit.
    let values = eight ^ (EACH * b'0' as u64);
    values.wrapping_sub(EACH * 10) & !values & HIGH
}

/// Marks the bytes that are no digit. Only the first mark is exact: the sum carries into the bytes after it.
#[inline]
pub(super) const fn no_digits(eight: u64) -> u64 {
    let values = eight ^ (EACH * b'0' as u64);
    (values.wrapping_add(EACH * (0x80 - 10)) | values) & HIGH
}

/// Marks the bytes that are no small ASCII letter. All marks are exact.
#[inline]
pub(super) const fn no_small_letters(eight: u64) -> u64 {
    // Without their highest bits, no sum carries.
    let low = eight & !HIGH;
    let from_a = low + EACH * (0x80 - b'a' as u64);
    let after_z = low + EACH * (0x7f - b'z' as u64);
    (!from_a | after_z | eight) & HIGH
}

/// Marks the quotes and backslashes. Only the first mark is exact: the subtractions borrow from the bytes after it.
#[inline]
pub(super) const fn quotes_and_backslashes(eight: u64) -> u64 {
    let quotes = (eight ^ (EACH * b'"' as u64)).wrapping_sub(EACH);
    let backslashes = (eight ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    // Bytes of characters that are not ASCII have the bit from the beginning.
    (quotes | backslashes) & !eight & HIGH
}

/// Marks the bytes that need an escape in a JSON string: quotes, backslashes and control characters. Only the first mark is
/// exact: the subtractions borrow from the bytes after it.
#[inline]
pub(super) const fn escaped(eight: u64) -> u64 {
    // With this bit turned, the quote is next to the control characters: 0x22 becomes 0x20, and 0x20 becomes 0x22.
    let controls_and_quotes = (eight ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
    let backslashes = (eight ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    (controls_and_quotes | backslashes) & !eight & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marks_what_a_test_of_each_byte_finds(
            bytes in prop::array::uniform8(prop_oneof![4 => b' '..=b'~', 1 => any::<u8>()]),
        ) {
            let eight = eight_at(&bytes, 0).expect("eight bytes");
            let first_of = |is_wanted: fn(u8) -> bool| bytes.iter().position(|b| is_wanted(*b)).unwrap_or(8);
            prop_assert_eq!(first(digits(eight)), first_of(|b| b.is_ascii_digit()));
            prop_assert_eq!(first(no_digits(eight)), first_of(|b| !b.is_ascii_digit()));
            prop_assert_eq!(first(quotes_and_backslashes(eight)), first_of(|b| matches!(b, b'"' | b'\\')));
            prop_assert_eq!(first(escaped(eight)), first_of(|b| b < 0x20 || matches!(b, b'"' | b'\\')));
            let no_letter = bytes.map(|b| if b.is_ascii_lowercase() { 0 } else { 0x80 });
            prop_assert_eq!(no_small_letters(eight), u64::from_le_bytes(no_letter));
            prop_assert_eq!(last_eight(&bytes), Some(eight.swap_bytes()));
        }
    }

    #[test]
    fn marks_each_byte_at_each_place() {
        for b in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = *b"xxxxxxxx";
                bytes[at] = b;
                let eight = u64::from_le_bytes(bytes);
                let place = |is_marked: bool| if is_marked { at } else { 8 };
                assert_eq!(first(digits(eight)), place(b.is_ascii_digit()), "{b}");
                assert_eq!(first(no_small_letters(eight)), place(!b.is_ascii_lowercase()), "{b}");
                let is_quote = matches!(b, b'"' | b'\\');
                assert_eq!(first(quotes_and_backslashes(eight)), place(is_quote), "{b}");
                assert_eq!(first(escaped(eight)), place(is_quote || b < 0x20), "{b}");
                let mut bytes = *b"00000000";
                bytes[at] = b;
                let eight = u64::from_le_bytes(bytes);
                assert_eq!(first(no_digits(eight)), place(!b.is_ascii_digit()), "{b}");
            }
        }
    }
}
