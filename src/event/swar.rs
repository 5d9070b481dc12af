//! Tests eight bytes at once, as one number (SWAR). No instruction of one processor is needed, and texts are often too
//! short for more bytes.

/// A one in each byte.
pub(crate) const EACH: u64 = u64::MAX / 255;

/// The highest bit of each byte: where tests mark the byte.
pub(crate) const HIGH: u64 = EACH * 0x80;

/// The eight bytes from `at` on, the first one lowest. `None` if there are fewer.
#[inline]
pub(crate) fn eight_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight))
}

/// The same, with zeros for the bytes after the end. `None` if the text has fewer than eight bytes, and if it ends before
/// `at`.
#[inline]
pub(crate) fn padded_at(bytes: &[u8], at: usize) -> Option<u64> {
    if let Some(eight) = eight_at(bytes, at) {
        return Some(eight);
    }
    let last = bytes.last_chunk::<8>()?;
    let missing = 8 - bytes.len().checked_sub(at)? as u32;
    Some(u64::from_le_bytes(*last).checked_shr(8 * missing).unwrap_or(0))
}

/// The eight bytes before `end`, the last one lowest, with zeros for those before the beginning. `None` if the text has
/// fewer than eight bytes, and if `end` is not in it.
#[inline]
pub(crate) fn padded_before(bytes: &[u8], end: usize) -> Option<u64> {
    match end.checked_sub(8) {
        Some(start) => eight_at(bytes, start).map(u64::swap_bytes),
        None => {
            let (first, missing) = (bytes.first_chunk::<8>()?, 8 - end as u32);
            Some(u64::from_be_bytes(*first).checked_shr(8 * missing).unwrap_or(0))
        }
    }
}

/// The lowest `count` bytes of eight, which may be all.
#[inline]
pub(crate) const fn lowest(eight: u64, count: usize) -> u64 {
    if count < 8 { eight & ((1 << (8 * count)) - 1) } else { eight }
}

/// The number of one to eight digits. `digits` has the first one lowest, and no other byte.
#[inline]
pub(crate) const fn decimal(digits: u64, count: usize) -> u64 {
    // With zeros before them. Then neighbours are joined: to numbers of two digits, of four, of eight. Each product
    // adds one, times the power of ten, to the next one, in the place of the next one.
    let eight = (digits & (EACH * 0x0f)) << (8 * (8 - count));
    let twos = eight.wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = twos.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}

/// How many bytes are lower than the first mark: 8 if there is none.
#[inline]
pub(crate) const fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// The first byte from `start` on that is wanted. `marks` marks it among eight bytes; its first mark must be exact. Most texts
/// are short, some are long, and in most few bytes are wanted.
#[inline]
pub(crate) fn find(
    bytes: &[u8],
    start: usize,
    marks: impl Fn(u64) -> u64,
    is_wanted: impl Fn(u8) -> bool,
) -> Option<usize> {
    for at in [start, start + 8] {
        match eight_at(bytes, at).map(&marks) {
            Some(0) => {}
            Some(marks) => return Some(at + first(marks)),
            None => return Some(at + bytes.get(at..)?.iter().position(|b| is_wanted(*b))?),
        }
    }
    find_farther(bytes, start, marks, is_wanted)
}

/// The same, where the first sixteen bytes are not wanted.
#[inline(never)]
fn find_farther(
    bytes: &[u8],
    start: usize,
    marks: impl Fn(u64) -> u64,
    is_wanted: impl Fn(u8) -> bool,
) -> Option<usize> {
    // A fold, because `any` branches at each byte.
    let is_in = |block: &[u8; 32]| block.iter().fold(false, |any, b| any | is_wanted(*b));
    let mut at = start + 16;
    for block in bytes[at..].as_chunks::<32>().0 {
        if is_in(block) {
            break;
        }
        at += block.len();
    }
    // Reads some bytes again, which are not wanted.
    if bytes.len() - at < 32
        && let Some(block) = bytes[start..].last_chunk()
        && !is_in(block)
    {
        return None;
    }
    while let Some(marks) = eight_at(bytes, at).map(&marks) {
        if marks != 0 {
            return Some(at + first(marks));
        }
        at += 8;
    }
    let last = bytes.len() - 8;
    let marks = eight_at(bytes, last).map_or(0, marks);
    (marks != 0).then(|| last + first(marks))
}

/// Marks the bytes that are a digit. Only the first mark is exact: the subtraction borrows from the bytes after it.
#[inline]
pub(crate) const fn digits(eight: u64) -> u64 {
    // A digit becomes a byte below 10, and the subtraction borrows into its highest bit.
    let values = eight ^ (EACH * b'0' as u64);
    values.wrapping_sub(EACH * 10) & !values & HIGH
}

/// Marks the bytes that are no digit. Only the first mark is exact: the sum carries into the bytes after it.
#[inline]
pub(crate) const fn no_digits(eight: u64) -> u64 {
    let values = eight ^ (EACH * b'0' as u64);
    (values.wrapping_add(EACH * (0x80 - 10)) | values) & HIGH
}

/// Marks the bytes that are no small ASCII letter. All marks are exact.
#[inline]
pub(crate) const fn no_small_letters(eight: u64) -> u64 {
    // Without their highest bits, no sum carries.
    let low = eight & !HIGH;
    let from_a = low + EACH * (0x80 - b'a' as u64);
    let after_z = low + EACH * (0x7f - b'z' as u64);
    (!from_a | after_z | eight) & HIGH
}

/// Marks the quotes and backslashes. Only the first mark is exact: the subtractions borrow from the bytes after it.
#[inline]
pub(crate) const fn quotes_and_backslashes(eight: u64) -> u64 {
    let quotes = (eight ^ (EACH * b'"' as u64)).wrapping_sub(EACH);
    let backslashes = (eight ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    // Bytes of characters that are not ASCII have the bit from the beginning.
    (quotes | backslashes) & !eight & HIGH
}

/// Marks the spaces. Only the first mark is exact: the subtraction borrows from the bytes after it.
#[inline]
pub(crate) const fn spaces(eight: u64) -> u64 {
    let others = eight ^ (EACH * b' ' as u64);
    others.wrapping_sub(EACH) & !others & HIGH
}

/// Marks the bytes that need an escape in a JSON string: quotes, backslashes and control characters. Only the first mark is
/// exact: the subtractions borrow from the bytes after it.
#[inline]
pub(crate) const fn escaped(eight: u64) -> u64 {
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
        fn finds_the_first_byte_that_is_wanted(
            bytes in prop::collection::vec(prop_oneof![20 => b'a'..=b'z', 1 => any::<u8>()], 0..90), start in 0usize..95,
        ) {
            let is_wanted = |b| matches!(b, b'"' | b'\\');
            let from = bytes.get(start..).unwrap_or_default();
            let expected = from.iter().position(|b| is_wanted(*b)).map(|found| start + found);
            prop_assert_eq!(find(&bytes, start, quotes_and_backslashes, is_wanted), expected);
        }

        #[test]
        fn marks_what_a_test_of_each_byte_finds(
            bytes in prop::array::uniform8(prop_oneof![4 => b' '..=b'~', 1 => any::<u8>()]),
        ) {
            let eight = eight_at(&bytes, 0).expect("eight bytes");
            let first_of = |is_wanted: fn(u8) -> bool| bytes.iter().position(|b| is_wanted(*b)).unwrap_or(8);
            prop_assert_eq!(first(digits(eight)), first_of(|b| b.is_ascii_digit()));
            prop_assert_eq!(first(no_digits(eight)), first_of(|b| !b.is_ascii_digit()));
            prop_assert_eq!(first(quotes_and_backslashes(eight)), first_of(|b| matches!(b, b'"' | b'\\')));
            prop_assert_eq!(first(spaces(eight)), first_of(|b| b == b' '));
            prop_assert_eq!(first(escaped(eight)), first_of(|b| b < 0x20 || matches!(b, b'"' | b'\\')));
            let no_letter = bytes.map(|b| if b.is_ascii_lowercase() { 0 } else { 0x80 });
            prop_assert_eq!(no_small_letters(eight), u64::from_le_bytes(no_letter));
        }

        #[test]
        fn pads_with_zeros(bytes in prop::collection::vec(any::<u8>(), 8..30), at in 0usize..40) {
            let after: Vec<u8> = bytes.iter().skip(at).copied().chain([0; 8]).take(8).collect();
            let expected = (at <= bytes.len()).then(|| eight_at(&after, 0).expect("eight bytes"));
            prop_assert_eq!(padded_at(&bytes, at), expected);
            let before: Vec<u8> = [0; 8].iter().chain(bytes.iter().take(at)).copied().collect();
            let expected = eight_at(&before, before.len() - 8).map(u64::swap_bytes);
            prop_assert_eq!(padded_before(&bytes, at), expected.filter(|_| at <= bytes.len()));
            prop_assert_eq!((padded_at(&bytes[..7], 0), padded_before(&bytes[..7], 7)), (None, None));
        }

        #[test]
        fn reads_decimals(number in 0u64..100_000_000, width in 1usize..=8, rest in any::<u64>()) {
            let number = number % 10_u64.pow(width as u32);
            let text = format!("{number:0width$}        ");
            let digits = lowest(eight_at(text.as_bytes(), 0).expect("eight bytes"), width);
            prop_assert_eq!(decimal(digits, width), number);
            let kept = rest.to_le_bytes();
            let mut low = [0; 8];
            low[..width].copy_from_slice(&kept[..width]);
            prop_assert_eq!(lowest(rest, width), u64::from_le_bytes(low));
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
                assert_eq!(first(spaces(eight)), place(b == b' '), "{b}");
                assert_eq!(first(escaped(eight)), place(is_quote || b < 0x20), "{b}");
                let mut bytes = *b"00000000";
                bytes[at] = b;
                let eight = u64::from_le_bytes(bytes);
                assert_eq!(first(no_digits(eight)), place(!b.is_ascii_digit()), "{b}");
            }
        }
    }
}
