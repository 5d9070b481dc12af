//! Fields that hold a duration by their name: `duration_ms`, `elapsed`, `responseTime`.

use super::NUMBER_MAX;
use super::json::string;
use super::roles::Shape;
use crate::event::duration::{self, Key};

/// The most parts of the name of a field that may be the duration: not those of one entry of a list.
const DEPTH_MAX: usize = 2;

/// The duration in the fields of an object.
#[derive(Debug, Default)]
pub(super) struct Measured<'a> {
    seconds: Option<f64>,
    /// A number that is a duration if the logger's unit is known.
    unnamed: Option<&'a str>,
}

impl<'a> Measured<'a> {
    /// Notes a field, whose name has `depth` parts. The first duration counts.
    pub(super) fn note(&mut self, path: &str, raw: &'a str, depth: usize) {
        if self.seconds.is_some() || depth > DEPTH_MAX {
            return;
        }
        let Some(key) = key(path) else { return };
        let text = string(raw);
        let number = match &text {
            None => Some(raw),
            Some((text, _)) => {
                let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                plain.then_some(&**text)
            }
        };
        match (key, number) {
            (Key::Named, Some(number)) => self.seconds = duration::named(alias(path), number),
            (Key::Implied, Some(_)) => {
                // A number in text has no unit of the logger.
                if text.is_none() && raw.starts_with(|c: char| c.is_ascii_digit()) {
                    self.unnamed.get_or_insert(raw);
                }
            }
            (_, None) => self.seconds = text.and_then(|(text, _)| duration::parse(&text)),
        }
    }

    /// `true` if the unit of its number must be known.
    pub(super) fn needs_unit(&self) -> bool {
        self.seconds.is_none() && self.unnamed.is_some()
    }

    /// The duration in seconds. `shape` tells the unit of a number without one.
    pub(super) fn seconds(&self, shape: &Shape) -> Option<f64> {
        self.seconds.or_else(|| {
            let number = self.unnamed?;
            let whole = number.bytes().all(|b| b.is_ascii_digit());
            scaled(number, shape.unit(whole)?)
        })
    }
}

/// A number times a power of ten. Read as one decimal text, so that 45 and -3 yield exactly the float
/// nearest to 0.045.
fn scaled(number: &str, exponent: i8) -> Option<f64> {
    let number = number.get(..NUMBER_MAX).unwrap_or(number);
    let seconds = match number.contains(['e', 'E']) {
        true => number.parse::<f64>().ok()? * 10f64.powi(exponent.into()),
        false => format!("{number}e{exponent}").parse().ok()?,
    };
    duration::check(seconds)
}

/// Words before `time` that make it a duration without a unit.
const TIMED: [&str; 10] = [
    "run",
    "response",
    "request",
    "query",
    "exec",
    "execution",
    "elapsed",
    "process",
    "processing",
    "service",
];

/// `false` for most names of fields that are no duration, which [`Measured::note`] need not see.
#[inline]
pub(super) fn may_be_key(path: &str) -> bool {
    duration::may_be_key(path)
}

/// What the name of a field says about its number. `None` for a field that is no duration.
pub(super) fn key(path: &str) -> Option<Key> {
    let key = duration::key(alias(path))?;
    (key == Key::Named || is_measured(path)).then_some(key)
}

/// The name that states the unit of a field whose own name does not: `event.duration` is that of the Elastic
/// Common Schema.
fn alias(path: &str) -> &str {
    match path {
        "ms" => "took_ms",
        "event.duration" => "took_ns",
        path => path,
    }
}

/// `true` unless a name without a unit ends with a word that is more often no duration: only beside another
/// word is `time` one.
fn is_measured(path: &str) -> bool {
    if let Some(before) = before(path, "time") {
        let before = before.trim_end_matches(['_', '.', '-']);
        return TIMED.iter().any(|word| self::before(before, word).is_some());
    }
    before(path, "service").is_none()
}

/// What stands before a word at the end, in any case.
fn before<'p>(path: &'p str, word: &str) -> Option<&'p str> {
    let (before, end) = path.split_at_checked(path.len().checked_sub(word.len())?)?;
    end.eq_ignore_ascii_case(word).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_name_states() {
        for name in [
            "duration_ms",
            "elapsed_ns",
            "elapsedMs",
            "latencyUs",
            "http.request.duration_ms",
            "responseTimeMs",
            "took-seconds",
            "durationSeconds",
            "query_time_s",
            "duration.ms",
            "ms",
            "event.duration",
            "DURATION_MS",
            "query_ms",
            "time_taken_ms",
        ] {
            assert_eq!(key(name), Some(Key::Named), "{name}");
        }
        for name in [
            "elapsed",
            "duration",
            "latency",
            "responseTime",
            "response_time",
            "http.duration",
            "took",
            "dur",
            "responsetime",
            "runtime",
            "REQUEST_TIME",
        ] {
            assert_eq!(key(name), Some(Key::Implied), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_durations() {
        for name in [
            "",
            "_",
            ".",
            "é",
            "user",
            "rows",
            "time",
            "timeout",
            "timeout_ms",
            "max_duration",
            "duration_max",
            "uptime",
            "up_time_s",
            "start_time",
            "s",
            "ns",
            "size_ms",
            "items",
            "class",
            "status",
            "é_ms",
            "retry_latency_ms",
            "avg_latency_ms",
            "durations",
            "endTime",
            "service",
        ] {
            assert_eq!(key(name), None, "{name}");
        }
    }
}
