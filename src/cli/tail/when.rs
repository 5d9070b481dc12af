//! Times as people type them: `--since` and `--until`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::screen;
use crate::event::{Timestamp, duration};

/// The text is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a time: {0:?}: use for example \"2026-11-22 17:00\", 17:00, today, yesterday, -5min, \
     \"10 minutes ago\", @1795368725 or 2026-11-22T17:00:00Z"
)]
pub(super) struct BadTime(pub String);

/// Parses a time as journalctl does: a local date and time, a date alone (the start of that day), a time
/// alone (today), `now`, `today`, `yesterday`, `tomorrow`, a span from now (`-5min`, `+1h`,
/// `10 minutes ago`; without a sign it is in the past), seconds since 1970 (`@1795368725`), RFC 3339, or as
/// programs print it (`screen`).
///
/// # Errors
/// [`BadTime`], whose message has examples.
pub(super) fn parse(text: &str, now: Timestamp, tz: &TimeZone) -> Result<Timestamp, BadTime> {
    let trimmed = text.trim();
    let lower = trimmed.to_ascii_lowercase();
    let (lower, tz) = match lower.strip_suffix(" utc") {
        Some(rest) => (rest.trim_end(), &TimeZone::UTC),
        None => (lower.as_str(), tz),
    };
    let found = trimmed
        .parse()
        .ok()
        .or_else(|| by_name(lower, now, tz))
        .or_else(|| since_1970(lower))
        .or_else(|| by_calendar(lower, now, tz))
        .or_else(|| screen::parse(lower, now, tz))
        .or_else(|| from_now(lower, now));
    found.ok_or_else(|| BadTime(text.into()))
}

/// Parses `now`, or the name of a day with an optional time.
fn by_name(text: &str, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
    let (name, time) = text.split_once(' ').unwrap_or((text, "00:00"));
    let today = today(now, tz);
    let day = match name {
        "now" => return (text == "now").then_some(now),
        "today" => today,
        "yesterday" => today.yesterday().ok()?,
        "tomorrow" => today.tomorrow().ok()?,
        _ => return None,
    };
    in_zone(day.to_datetime(clock_time(time)?), tz)
}

fn since_1970(text: &str) -> Option<Timestamp> {
    let seconds = text.strip_prefix('@')?;
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    let micros = seconds.parse::<f64>().ok().filter(|_| seconds.chars().all(plain))? * 1e6;
    Some(Timestamp::from_micros(micros.round() as i64))
}

/// Parses a date, a time, or both.
fn by_calendar(text: &str, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
    if let Some(time) = clock_time(text) {
        return in_zone(today(now, tz).to_datetime(time), tz);
    }
    let (date, time) = text.split_once([' ', 't']).unwrap_or((text, "00:00"));
    // Only the long form: 20261122 is ambiguous.
    let shape = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = date.parse().ok().filter(|_| shape)?;
    in_zone(date.to_datetime(clock_time(time)?), tz)
}

/// Parses `17:00`, `17:00:05` or `17:00:05.25`.
fn clock_time(text: &str) -> Option<Time> {
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b':' | b'.');
    let (hour, _) = text.split_once(':')?;
    if !text.bytes().all(plain) || !matches!(hour.len(), 1 | 2) {
        return None;
    }
    let padded = if hour.len() == 1 { format!("0{text}") } else { text.into() };
    padded.parse().ok()
}

/// Parses `-5min`, `+1h`, `5min ago`, `1h 30min`.
fn from_now(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (text, ago) = match text.strip_suffix("ago") {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let (text, sign) = match text.as_bytes().first()? {
        b'-' | b'+' if ago => return None,
        b'-' => (&text[1..], -1.0),
        b'+' => (&text[1..], 1.0),
        _ => (text, -1.0),
    };
    let micros = span(text)? * sign;
    // The cast saturates at the bounds of i64, the sum at those of a timestamp.
    Some(now.plus_micros(micros.round() as i64))
}

/// Parses a duration with units. Returns microseconds. A number alone may also be a year or a time.
fn span(text: &str) -> Option<f64> {
    let has_unit = text.ends_with(char::is_alphabetic);
    duration::parse_exact(text.trim()).filter(|_| has_unit).map(|span| span.seconds() * 1e6)
}

fn today(now: Timestamp, tz: &TimeZone) -> Date {
    let now = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
    tz.to_datetime(now).date()
}

fn in_zone(local: DateTime, tz: &TimeZone) -> Option<Timestamp> {
    tz.to_timestamp(local).ok().map(|time| Timestamp::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("RFC 3339")
    }

    /// Parses in Berlin, at 00:30 on Monday the 23rd.
    fn parsed(text: &str) -> Result<Timestamp, BadTime> {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        parse(text, at("2026-11-22T23:30:00Z"), &berlin)
    }

    #[test]
    fn parses_every_form() {
        for (text, moment) in [
            ("2026-11-22 17:00", "2026-11-22T16:00:00Z"),
            ("2026-11-22T17:00", "2026-11-22T16:00:00Z"),
            ("2026-11-22 17:00:05.25", "2026-11-22T16:00:05.25Z"),
            ("2026-11-22 17:00 UTC", "2026-11-22T17:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("17:00", "2026-11-23T16:00:00Z"),
            ("9:05", "2026-11-23T08:05:00Z"),
            ("17:00:05", "2026-11-23T16:00:05Z"),
            ("now", "2026-11-22T23:30:00Z"),
            ("Today", "2026-11-22T23:00:00Z"),
            ("yesterday", "2026-11-21T23:00:00Z"),
            ("yesterday 17:00", "2026-11-22T16:00:00Z"),
            ("tomorrow", "2026-11-23T23:00:00Z"),
            ("today utc", "2026-11-22T00:00:00Z"),
            ("-5min", "2026-11-22T23:25:00Z"),
            ("+5min", "2026-11-22T23:35:00Z"),
            ("10 minutes ago", "2026-11-22T23:20:00Z"),
            ("10m ago", "2026-11-22T23:20:00Z"),
            ("10m", "2026-11-22T23:20:00Z"),
            ("-1h 30min", "2026-11-22T22:00:00Z"),
            ("1h30m ago", "2026-11-22T22:00:00Z"),
            ("-1.5h", "2026-11-22T22:00:00Z"),
            ("2 days ago", "2026-11-20T23:30:00Z"),
            ("1 week ago", "2026-11-15T23:30:00Z"),
            ("-250ms", "2026-11-22T23:29:59.75Z"),
            ("@1795368725", "2026-11-22T17:32:05Z"),
            ("@1795368725.5", "2026-11-22T17:32:05.5Z"),
            ("@0", "1970-01-01T00:00:00Z"),
            ("2026-11-22T17:00:00+02:00", "2026-11-22T15:00:00Z"),
            ("2026-11-22T17:00:00Z", "2026-11-22T17:00:00Z"),
            (" now ", "2026-11-22T23:30:00Z"),
        ] {
            assert_eq!(parsed(text), Ok(at(moment)), "{text}");
        }
    }

    #[test]
    fn accepts_times_at_a_clock_change() {
        assert_eq!(parsed("2026-03-29 02:30"), Ok(at("2026-03-29T01:30:00Z")));
        assert_eq!(parsed("2026-10-25 02:30"), Ok(at("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn saturates_at_the_bounds_of_time() {
        assert_eq!(parsed("-9999999 years"), Ok(Timestamp::MIN));
        assert_eq!(parsed("+9999999 years"), Ok(Timestamp::MAX));
        assert_eq!(parsed("@99999999999999999999"), Ok(Timestamp::MAX));
    }

    #[test]
    fn rejects_anything_else_with_examples() {
        for text in [
            "",
            "soon",
            "17",
            "1700",
            "20261122",
            "25:00",
            "17:60",
            "2026-13-01",
            "2026-02-30",
            "22.11.2026",
            "11/22/2026",
            "2026-11-22 soon",
            "now 17:00",
            "-",
            "5",
            "-5",
            "-5 parsecs",
            "-5min ago",
            "ago",
            "@",
            "@x",
            "@nan",
            "@1e9",
            "1..5h",
            "--5min",
            "tomorrow 25:00",
        ] {
            let error = parsed(text).expect_err(text);
            assert_eq!(error, BadTime(text.into()));
            assert!(error.to_string().contains("10 minutes ago"));
        }
    }
}
