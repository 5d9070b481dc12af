//! Fields that hold a duration by their name: `duration_ms`, `elapsed`, `responseTime`.

use super::NUMBER_MAX;
use super::json::string;
use super::roles::Shape;
use crate::event::duration;

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
        let Some(unit) = unit(path) else { return };
        match (unit, string(raw)) {
            (Unit::Named(exponent), None) => self.seconds = scaled(raw, exponent),
            (Unit::Unnamed, None) if raw.starts_with(|c: char| c.is_ascii_digit()) => {
                self.unnamed.get_or_insert(raw);
            }
            (Unit::Unnamed, None) => {}
            (unit, Some((text, _))) => {
                let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                self.seconds = match unit {
                    Unit::Named(exponent) if plain => scaled(&text, exponent),
                    Unit::Unnamed if plain => None,
                    _ => duration::parse(&text),
                };
            }
        }
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

/// The unit that a name states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A power of ten of a second.
    Named(i8),
    /// Only the value, or the logger, tells it.
    Unnamed,
}

/// What the last part of a name says.
enum Last {
    Unit(i8),
    /// A duration without another word.
    Alone,
    /// A moment, unless the word before it says otherwise.
    Time,
}

/// Words before a unit.
const MEASURED: [&str; 12] = [
    "took", "time", "duration", "dur", "elapsed", "latency", "service", "runtime", "response",
    "request", "query", "exec",
];

/// Words before `time` that make it a duration.
const TIMED: [&str; 9] = [
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

/// Words that make it a limit or a moment, not what was measured.
const NOT: [&str; 16] = [
    "up", "m", "start", "end", "max", "min", "ban", "life", "timeout", "limit", "avg", "mean",
    "interval", "ttl", "retry", "expected",
];

/// The longest word that is looked for, in bytes.
const WORD_MAX: usize = "milliseconds".len();

/// The unit of a field that holds a duration. `None` for other fields. Parts of a name are separated by
/// `_ . -` or begin with an upper-case letter.
pub(super) fn unit(name: &str) -> Option<Unit> {
    let mut parts = Parts(name);
    let last = last(parts.next()?)?;
    let is = |part: &str, words: &[&str]| words.iter().any(|word| part.eq_ignore_ascii_case(word));
    if Parts(name).any(|part| is(part, &NOT)) {
        return None;
    }
    match (last, parts.next(), parts.next()) {
        (Last::Unit(exponent), Some(word), _) => {
            is(word, &MEASURED).then_some(Unit::Named(exponent))
        }
        (Last::Unit(exponent), None, _) => {
            (exponent == -3 && name.len() == 2).then_some(Unit::Named(-3))
        }
        // The event.duration of the Elastic Common Schema is in nanoseconds.
        (Last::Alone, Some("event"), None) if name == "event.duration" => Some(Unit::Named(-9)),
        (Last::Alone, ..) => Some(Unit::Unnamed),
        (Last::Time, Some(word), _) => is(word, &TIMED).then_some(Unit::Unnamed),
        (Last::Time, None, _) => None,
    }
}

fn last(part: &str) -> Option<Last> {
    let mut lower = [0; WORD_MAX];
    let lower = lower.get_mut(..part.len())?;
    lower.copy_from_slice(part.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"ns" | b"nsec" | b"nanos" | b"nanoseconds" => Last::Unit(-9),
        b"us" | b"usec" | b"micros" | b"microseconds" => Last::Unit(-6),
        b"ms" | b"msec" | b"msecs" | b"millis" | b"milliseconds" => Last::Unit(-3),
        b"s" | b"sec" | b"secs" | b"seconds" => Last::Unit(0),
        b"took" | b"duration" | b"dur" | b"elapsed" | b"latency" | b"runtime" | b"responsetime" => {
            Last::Alone
        }
        b"time" => Last::Time,
        _ => return None,
    })
}

/// The parts of a name, the last one first.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let end = bytes.iter().rposition(|b| !is_separator(*b))? + 1;
        let mut from = end - 1;
        while from > 0 && !is_separator(bytes[from - 1]) {
            if bytes[from].is_ascii_uppercase() && bytes[from - 1].is_ascii_lowercase() {
                break;
            }
            from -= 1;
        }
        // Both ends are beside ASCII, or at an end.
        let part = self.0.get(from..end)?;
        self.0 = self.0.get(..from)?;
        Some(part)
    }
}

const fn is_separator(b: u8) -> bool {
    matches!(b, b'_' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unit_that_a_name_states() {
        for (name, exponent) in [
            ("duration_ms", -3),
            ("elapsed_ns", -9),
            ("elapsedMs", -3),
            ("latencyUs", -6),
            ("http.request.duration_ms", -3),
            ("responseTimeMs", -3),
            ("took-seconds", 0),
            ("durationSeconds", 0),
            ("query_time_s", 0),
            ("duration.ms", -3),
            ("ms", -3),
            ("event.duration", -9),
            ("DURATION_MS", -3),
        ] {
            assert_eq!(unit(name), Some(Unit::Named(exponent)), "{name}");
        }
        for name in [
            "elapsed",
            "duration",
            "latency",
            "responseTime",
            "response_time",
            "http.duration",
            "took",
        ] {
            assert_eq!(unit(name), Some(Unit::Unnamed), "{name}");
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
            assert_eq!(unit(name), None, "{name}");
        }
    }
}
