//! Durations for people.

use std::fmt;

/// Displays a duration in seconds with at most three decimals and a fitting unit: `40ms`, `1.234s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Took(pub f64);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        // What rounds up to 1000 of a unit is 1 of the next.
        let (number, unit) = match seconds {
            s if s >= 0.999_999_5 || s == 0.0 => (s, "s"),
            s if s >= 0.000_999_999_5 => (s * 1e3, "ms"),
            s if s >= 0.000_000_999_999_5 => (s * 1e6, "us"),
            s => (s * 1e9, "ns"),
        };
        let text = format!("{number:.3}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{text}{unit}"))
    }
}
