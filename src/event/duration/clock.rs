//! Durations as a stopwatch shows them: `1:05:30`, `0:01.25`.

use super::exact::Exact;
use super::number::Number;
use super::unit::Unit;

/// The most digits of the first part.
const FIRST_MAX: usize = 3;

/// `[h:]mm:ss[.f]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    pub(super) value: Exact,
    pub(super) end: usize,
    /// It cannot be a time of day: it has no hours, or zero of them, and is no `hh:mm`.
    pub(super) is_unlike_clock: bool,
}

impl Stopwatch {
    /// Reads what begins with `first` at `start`. `None` if it has another form.
    pub(super) fn read(bytes: &[u8], start: usize, first: Number) -> Option<Self> {
        if !first.is_whole() || first.end - start > FIRST_MAX {
            return None;
        }
        let second = sixty(bytes, first.end)?;
        let (hours, minutes, seconds) = match sixty(bytes, second.end) {
            Some(third) if second.is_whole() => (Some(first), second, third),
            Some(_) => return None,
            None => (None, first, second),
        };
        let mut value =
            Exact::new(seconds, Unit::Second).plus(Exact::new(minutes, Unit::Minute))?;
        if let Some(hours) = hours {
            value = value.plus(Exact::new(hours, Unit::Hour))?;
        }
        let is_unlike_clock = match hours {
            Some(hours) => hours.mantissa == 0,
            None => !seconds.is_whole() || bytes[start] == b'0',
        };
        let end = seconds.end;
        (!is_clock_after(&bytes[end..])).then_some(Self { value, end, is_unlike_clock })
    }
}

/// A colon and a number of two digits before the point, below 60.
fn sixty(bytes: &[u8], at: usize) -> Option<Number> {
    let colon = bytes.get(at) == Some(&b':');
    let number = Number::read(bytes, at + 1).filter(|_| colon)?;
    let point = number.end - number.decimals - usize::from(!number.is_whole());
    let fits = number.mantissa < 60 * 10_u64.pow(number.scale.min(17));
    (point == at + 3 && fits && number.is_short).then_some(number)
}

/// `true` if what follows makes it a time of day, or of another form.
fn is_clock_after(rest: &[u8]) -> bool {
    let half = |rest: &[u8]| {
        rest.get(..2)
            .is_some_and(|two| two.eq_ignore_ascii_case(b"am") || two.eq_ignore_ascii_case(b"pm"))
    };
    match rest {
        [b':' | b'+' | b'-', next, ..] if next.is_ascii_digit() => true,
        [b' ', rest @ ..] => half(rest),
        _ => false,
    }
}
