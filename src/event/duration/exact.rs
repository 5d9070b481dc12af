//! Seconds as an exact decimal, so that `40ms` is the float nearest to 0.04.

use std::time::Duration;

use super::number::Number;
use super::unit::Unit;

/// The longest duration, in seconds: about 31,700 years.
pub const SECONDS_MAX: f64 = 1e12;

/// The powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The greatest mantissa that a float holds exactly.
const MANTISSA_MAX: u64 = 1 << 53;

/// Checks a number of seconds. `None` unless it is from 0 to [`SECONDS_MAX`].
pub fn check(seconds: f64) -> Option<f64> {
    // Adding zero turns -0.0 into 0.0.
    (0.0..=SECONDS_MAX).contains(&seconds).then_some(seconds + 0.0)
}

/// A number of seconds: the mantissa divided by ten to the power of the scale.
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    mantissa: u128,
    scale: u32,
}

impl Exact {
    pub(super) const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// The number of units in seconds.
    pub(super) fn new(number: Number, unit: Unit) -> Self {
        let (factor, shift) = unit.seconds();
        // 64 and 32 bits.
        let mantissa = u128::from(number.mantissa) * u128::from(factor);
        Self { mantissa, scale: number.scale + shift }
    }

    /// The sum. `None` if it is too large.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self { mantissa: a.checked_add(b)?, scale })
    }

    /// `true` if this one is shorter. `false` also for numbers that are too large to compare.
    pub(super) fn is_less(self, other: Self) -> bool {
        self.aligned(other).is_some_and(|(a, b, _)| a < b)
    }

    /// Both mantissas at the greater scale.
    fn aligned(self, other: Self) -> Option<(u128, u128, u32)> {
        let scale = self.scale.max(other.scale);
        let at_scale =
            |exact: Self| exact.mantissa.checked_mul(10_u128.checked_pow(scale - exact.scale)?);
        Some((at_scale(self)?, at_scale(other)?, scale))
    }

    /// The nearest float.
    pub fn seconds(self) -> f64 {
        match (u64::try_from(self.mantissa), POWERS.get(self.scale as usize)) {
            // The quotient of two exact floats is correctly rounded.
            (Ok(mantissa), Some(power)) if mantissa <= MANTISSA_MAX => mantissa as f64 / power,
            _ => self.seconds_of_text(),
        }
    }

    /// The nearest float of more digits than a float holds. Does not allocate.
    #[cold]
    fn seconds_of_text(self) -> f64 {
        // 39 digits, `e-` and a scale of at most 10 digits.
        let mut text = [0_u8; 56];
        let mut len = 0;
        let (mut mantissa, mut scale) = (itoa::Buffer::new(), itoa::Buffer::new());
        for part in [mantissa.format(self.mantissa), "e-", scale.format(self.scale)] {
            text[len..len + part.len()].copy_from_slice(part.as_bytes());
            len += part.len();
        }
        let text = std::str::from_utf8(&text[..len]).unwrap_or_default();
        text.parse().unwrap_or(f64::INFINITY)
    }

    /// As a [`Duration`], without what is shorter than a nanosecond. `None` if it is longer than one
    /// can be.
    pub fn duration(self) -> Option<Duration> {
        let nanos = match self.scale.checked_sub(9) {
            Some(excess) => self.mantissa / 10_u128.checked_pow(excess)?,
            None => self.mantissa.checked_mul(10_u128.pow(9 - self.scale))?,
        };
        let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
        Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
    }
}
