//! A duration as a value: what a sender gives (`took=40ms`), an option, a MATCH, the configuration.

use super::exact::{Exact, check};
use super::number::Number;
use super::place::after_space;
use super::unit::Unit;

/// Parses a duration, in seconds: a decimal number of seconds (`0.25`), or numbers with units, which
/// are summed (`40ms`, `1.5 s`, `1m30s`, `1min 30.5s`, `2h0m0s`). One space may stand between a number
/// and its unit, and between two parts.
///
/// `None` for any other text, and beyond [`super::SECONDS_MAX`].
pub fn parse(text: &str) -> Option<f64> {
    match parse_number(text) {
        Some(seconds) => check(seconds),
        None => parse_exact(text).map(Exact::seconds).and_then(check),
    }
}

/// Parses a duration as [`parse`] does, without its bound.
pub fn parse_exact(text: &str) -> Option<Exact> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut sum = Exact::ZERO;
    loop {
        let number = Number::read(bytes, at).filter(|number| number.is_short)?;
        if number.end == bytes.len() {
            return (at == 0).then(|| Exact::new(number, Unit::Second));
        }
        let (unit, end) = Unit::read(bytes, after_space(bytes, number.end))?;
        sum = sum.plus(Exact::new(number, unit))?;
        if end == bytes.len() {
            return Some(sum);
        }
        at = after_space(bytes, end);
    }
}

/// Parses a number of seconds with all its digits, so that every float reads back.
fn parse_number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !text.ends_with('.');
    text.parse().ok().filter(|_| plain)
}
