//! Decimal numbers: `40`, `1.5`, `.5`.

use crate::event::swar::{self, eight_at};

/// The most digits before the point. Longer numbers are ids.
const WHOLE_MAX: usize = 18;

/// The most significant digits that are kept. No float holds more.
const KEPT_MAX: usize = 18;

/// The most digits after the point. Longer numbers are ids.
const DECIMALS_MAX: usize = 40;

/// A number: the mantissa divided by ten to the power of the scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) mantissa: u64,
    pub(super) scale: u32,
    /// The digits after the point, also those that are not kept.
    pub(super) decimals: usize,
    /// Where it ends in the text.
    pub(super) end: usize,
    /// `false` for a number with too many digits.
    pub(super) is_short: bool,
}

impl Number {
    /// Reads the number at `start`. `None` if there is none.
    pub(super) fn read(bytes: &[u8], start: usize) -> Option<Self> {
        let digit = match bytes.get(start..)? {
            [b'0'..=b'9', ..] => start,
            [b'.', b'0'..=b'9', ..] => start + 1,
            _ => return None,
        };
        Some(Self::read_at(bytes, start, digit))
    }

    /// Reads the number at `start` whose first digit is at `digit`: there, or after the point.
    #[inline(always)]
    pub(super) fn read_at(bytes: &[u8], start: usize, digit: usize) -> Self {
        let mut mantissa = 0;
        let whole_end = match digit == start {
            true => digits(bytes, start, WHOLE_MAX, &mut mantissa),
            false => start,
        };
        let whole = whole_end - start;
        let is_short = whole <= WHOLE_MAX;
        let mut number = Self { mantissa, scale: 0, decimals: 0, end: whole_end, is_short };
        if let [b'.', b'0'..=b'9', ..] = bytes[whole_end..] {
            number.read_decimals(bytes);
        }
        number
    }

    /// Reads the decimals behind the point at which the number ends so far.
    #[inline]
    fn read_decimals(&mut self, bytes: &[u8]) {
        let first = self.end + 1;
        // Zeros before the first other digit take no place in the mantissa.
        let significant = self.mantissa.checked_ilog10().map_or(0, |log| log as usize + 1);
        let kept = KEPT_MAX.saturating_sub(significant);
        self.end = digits(bytes, first, kept, &mut self.mantissa);
        self.decimals = self.end - first;
        self.scale = self.decimals.min(kept) as u32;
        self.is_short &= self.decimals <= DECIMALS_MAX;
    }

    /// Where the number ends whose first digit is at `digit`.
    #[inline]
    pub(super) fn end(bytes: &[u8], digit: usize) -> usize {
        let end = digits_end(bytes, digit);
        match bytes[end..] {
            [b'.', b'0'..=b'9', ..] if digit == 0 || bytes[digit - 1] != b'.' => {
                digits_end(bytes, end + 1)
            }
            _ => end,
        }
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.decimals == 0
    }
}

/// Appends at most `most` digits at `start` to a number. Returns the end of all digits.
#[inline]
fn digits(bytes: &[u8], start: usize, most: usize, number: &mut u64) -> usize {
    let mut at = start;
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        if at - start == most {
            return digits_end(bytes, at);
        }
        *number = *number * 10 + u64::from(digit - b'0');
        at += 1;
    }
    at
}

#[inline]
fn digits_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(others) = eight_at(bytes, at).map(swar::no_digits) {
        at += swar::first(others);
        if others != 0 {
            return at;
        }
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}
