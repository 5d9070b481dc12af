//! The usual number of a message: `0042`, `40ms`, `(12.5 ms)`, `took=0.045s`. This is the hot path: it looks at the
//! bytes around the number as two numbers of eight bytes, and leaves everything else to the general way.

use super::candidate::{Candidate, Needs, PLURAL_MIN};
use super::exact::Exact;
use super::number::Number;
use super::unit::Unit;
use crate::event::swar::{decimal, first, lowest, no_digits, padded_at};

/// What a number is, by the bytes around it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Usual {
    /// Nothing beside the number makes it a candidate. It ends here.
    NoCandidate(usize),
    Candidate(Candidate),
    /// The general way must read it.
    Unknown,
}

/// The most bytes of a number, so that one more is among the eight.
const NUMBER_MAX: usize = 7;

/// Reads the number whose first digit is at `digit`.
#[inline(always)]
pub(super) fn read(bytes: &[u8], digit: usize) -> Usual {
    let is_value = match bytes[..digit] {
        [.., last, b'='] if last.is_ascii_alphabetic() => true,
        [.., b'('] => false,
        [.., last, b' '] if last.is_ascii_alphanumeric() => false,
        // Another mark: the number may be a part of something, or the value of a key.
        _ => return Usual::Unknown,
    };
    let Some(number) = padded_at(bytes, digit).and_then(Digits::read) else {
        return Usual::Unknown;
    };
    let number_end = digit + number.len();
    let Some(after) = padded_at(bytes, number_end) else { return Usual::Unknown };
    let is_spaced = after as u8 == b' ';
    let name = if is_spaced { after >> 8 } else { after };
    let (unit, len) = match name.to_le_bytes() {
        [b'm', b's', ..] => (Unit::Millisecond, 2),
        [b's', ..] => (Unit::Second, 1),
        // U+00B5 and U+03BC.
        [0xc2, 0xb5, b's', ..] | [0xce, 0xbc, b's', ..] => (Unit::Microsecond, 3),
        // A stopwatch, and what the shell's `time` prints.
        [b':' | b't', ..] => return Usual::Unknown,
        [one, two, ..] if Unit::may_begin_with(one) && Unit::may_begin(&[one, two]) => {
            return Usual::Unknown;
        }
        // Its key may name a unit, or a duration in seconds.
        _ if is_value && (number.decimals > 0 || Unit::may_end(&bytes[..digit - 1])) => {
            return Usual::Unknown;
        }
        _ => return Usual::NoCandidate(number_end),
    };
    // At most the space, three bytes of the unit and three after it.
    if !ends(name >> (8 * len)) {
        return Usual::Unknown;
    }
    let end = number_end + usize::from(is_spaced) + len;
    let number = number.number(number_end);
    let is_plural = unit == Unit::Second && number.is_whole() && number.mantissa >= PLURAL_MIN;
    Usual::Candidate(Candidate {
        start: digit,
        end,
        value: Exact::new(number, unit),
        needs: if is_plural { Needs::Cue } else { Needs::Nothing },
        is_stopwatch: false,
    })
}

/// The digits of a number among eight bytes, without the point.
#[derive(Clone, Copy)]
struct Digits {
    /// The first one lowest.
    digits: u64,
    whole: usize,
    decimals: usize,
}

impl Digits {
    /// Reads the number that eight bytes begin with. `None` if more bytes may belong to it.
    #[inline(always)]
    fn read(eight: u64) -> Option<Self> {
        let whole = first(no_digits(eight));
        if whole >= NUMBER_MAX {
            return None;
        }
        let digits = lowest(eight, whole);
        let [point, next, ..] = (eight >> (8 * whole)).to_le_bytes();
        if point != b'.' || !next.is_ascii_digit() {
            return Some(Self { digits, whole, decimals: 0 });
        }
        let after = eight >> (8 * (whole + 1));
        let decimals = first(no_digits(after));
        let digits = digits | lowest(after, decimals) << (8 * whole);
        (whole + 1 + decimals <= NUMBER_MAX).then_some(Self { digits, whole, decimals })
    }

    /// Its bytes.
    const fn len(self) -> usize {
        self.whole + self.decimals + if self.decimals > 0 { 1 } else { 0 }
    }

    fn number(self, end: usize) -> Number {
        Number {
            mantissa: decimal(self.digits, self.whole + self.decimals),
            scale: self.decimals as u32,
            decimals: self.decimals,
            end,
            is_short: true,
        }
    }
}

/// `true` if nothing after a unit belongs to the duration or makes it a part of something else. `after` begins with the three
/// bytes that follow the unit; zero stands for the end.
#[inline]
fn ends(after: u64) -> bool {
    let [first, second, third, ..] = after.to_le_bytes();
    match first {
        0 | b')' | b';' | b']' | b'"' => true,
        // A further part of a sum, or *and*.
        b' ' => !(second.is_ascii_digit() || second == b'a'),
        b',' => second == b' ' && !(third.is_ascii_digit() || third == b'a'),
        b'.' => !second.is_ascii_alphanumeric(),
        _ => false,
    }
}
