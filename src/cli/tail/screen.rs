//! Times as programs print them: date(1), systemctl(1), journalctl(1), ls(1) and pulse-tail itself.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Offset, TimeZone};

use crate::event::Timestamp;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The parts of a time that were read. Each occurs at most once.
#[derive(Default)]
struct Parts<'a> {
    weekday: Option<Weekday>,
    date: Option<Date>,
    month: Option<i8>,
    day: Option<i8>,
    year: Option<i16>,
    time: Option<Time>,
    afternoon: Option<bool>,
    zone: Option<Zone<'a>>,
}

#[derive(Clone, Copy)]
enum Zone<'a> {
    Offset(Offset),
    /// An abbreviation, which is one of the local zone.
    Local(&'a str),
}

/// Parses a text in lower case: a date (`2026-11-27`, or month and day in any order with an optional year), an
/// optional time, and an optional zone. A date without a year is the last one that is not more than a day
/// ahead. `None` for anything else.
pub(super) fn parse(text: &str, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
    // systemctl: `Fri 2026-11-27 20:00:00 UTC; 5min ago`, or for a timer `…; 5min left`.
    let text = match text.split_once("; ") {
        Some((time, age)) if age.ends_with(" ago") || age.ends_with(" left") => time,
        _ => text,
    };
    let mut parts = Parts::default();
    for word in text.split_ascii_whitespace() {
        parts.word(word)?;
    }
    parts.moment(now, tz)
}

impl<'a> Parts<'a> {
    fn word(&mut self, word: &'a str) -> Option<()> {
        // date -R: `Fri, 27 Nov 2026`.
        let word = word.strip_suffix(',').unwrap_or(word);
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number(word);
        }
        if let Some(at) = named(&WEEKDAYS, word) {
            let weekday = Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()?;
            return set(&mut self.weekday, weekday);
        }
        if let Some(at) = named(&MONTHS, word) {
            return set(&mut self.month, i8::try_from(at + 1).ok()?);
        }
        match word {
            "am" | "pm" => set(&mut self.afternoon, word == "pm"),
            _ => set(&mut self.zone, zone(word)?),
        }
    }

    /// A word that begins with a digit.
    fn number(&mut self, word: &'a str) -> Option<()> {
        if word.as_bytes().get(4) == Some(&b'-') {
            let (date, rest) = word.split_at_checked(10)?;
            let shape = |b: u8| b.is_ascii_digit() || b == b'-';
            set(&mut self.date, date.parse().ok().filter(|_| date.bytes().all(shape))?)?;
            return match rest.strip_prefix('t') {
                Some(time) => self.clock(time),
                None => rest.is_empty().then_some(()),
            };
        }
        if word.contains(':') {
            return self.clock(word);
        }
        let plain = word.bytes().all(|b| b.is_ascii_digit());
        match word.len() {
            1 | 2 if plain => set(&mut self.day, word.parse().ok()?),
            4 if plain => set(&mut self.year, word.parse().ok()?),
            _ => None,
        }
    }

    /// A time, with an optional zone joined to it.
    fn clock(&mut self, word: &'a str) -> Option<()> {
        let end = word.find(['+', '-', 'z']).unwrap_or(word.len());
        if end < word.len() {
            set(&mut self.zone, zone(&word[end..])?)?;
        }
        set(&mut self.time, clock(&word[..end])?)
    }

    fn moment(self, now: Timestamp, tz: &TimeZone) -> Option<Timestamp> {
        let time = match (self.afternoon, self.time) {
            (None, time) => time.unwrap_or(Time::midnight()),
            (Some(afternoon), Some(time)) if (1..=12).contains(&time.hour()) => {
                let hour = time.hour() % 12 + if afternoon { 12 } else { 0 };
                time.with().hour(hour).build().ok()?
            }
            _ => return None,
        };
        let moment = |date: Date| {
            self.weekday.is_none_or(|weekday| weekday == date.weekday()).then_some(())?;
            in_zone(date, time, self.zone, tz)
        };
        if let Some(date) = self.date {
            let twice = self.month.is_some() || self.day.is_some() || self.year.is_some();
            return if twice { None } else { moment(date) };
        }
        let (month, day) = (self.month?, self.day?);
        if let Some(year) = self.year {
            return moment(Date::new(year, month, day).ok()?);
        }
        let here = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
        let year = tz.to_datetime(here).year();
        // Yesterday's screen in January, and a screen in a zone that is ahead.
        let latest = now.plus_micros(24 * 60 * 60 * 1_000_000);
        let this = Date::new(year, month, day).ok().and_then(moment);
        this.filter(|time| *time <= latest)
            .or_else(|| moment(Date::new(year.checked_sub(1)?, month, day).ok()?))
    }
}

fn set<T>(part: &mut Option<T>, value: T) -> Option<()> {
    part.replace(value).is_none().then_some(())
}

/// The position of a name, by its first three letters or in full.
fn named(names: &[&str], word: &str) -> Option<usize> {
    names.iter().position(|name| *name == word || name[..3] == *word)
}

/// Parses `20`, `20:00`, `20:00:05`, `20:00:05.25` or `20:00:05,250`.
fn clock(text: &str) -> Option<Time> {
    let (whole, fraction) = match text.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut numbers = [0; 3];
    let mut count = 0;
    for part in whole.split(':') {
        let plain = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        *numbers.get_mut(count)? = part.parse().ok().filter(|_| plain)?;
        count += 1;
    }
    let nanos = match fraction {
        None => 0,
        Some(digits) if count == 3 && !digits.is_empty() => {
            let plain = digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
            format!("{digits:0<9}").parse().ok().filter(|_| plain)?
        }
        Some(_) => return None,
    };
    let [hour, minute, second] = numbers;
    Time::new(hour, minute, second, nanos).ok()
}

/// Parses `utc`, `gmt`, `z`, `+0100`, `+01:00` or `+01`. Any other word of letters is an abbreviation.
fn zone(word: &str) -> Option<Zone<'_>> {
    let utc = || Some(Zone::Offset(Offset::UTC));
    let (sign, digits) = match word.as_bytes() {
        b"utc" | b"gmt" | b"z" => return utc(),
        [b'+', ..] => (1, &word[1..]),
        [b'-', ..] => (-1, &word[1..]),
        _ => {
            let letters = word.len() >= 3 && word.bytes().all(|b| b.is_ascii_alphabetic());
            return letters.then_some(Zone::Local(word));
        }
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some(both), 5) => both,
        (None, 4) => digits.split_at_checked(2)?,
        (None, 2) => (digits, "00"),
        _ => return None,
    };
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i32>().ok().filter(|_| plain)
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|minutes| *minutes < 60)?);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().map(Zone::Offset)
}

fn in_zone(date: Date, time: Time, zone: Option<Zone<'_>>, tz: &TimeZone) -> Option<Timestamp> {
    let local = date.to_datetime(time);
    let moment = match zone {
        None => tz.to_timestamp(local).ok()?,
        Some(Zone::Offset(offset)) => offset.to_timestamp(local).ok()?,
        Some(Zone::Local(name)) => {
            let is_named = |moment: &jiff::Timestamp| {
                tz.to_offset_info(*moment).abbreviation().eq_ignore_ascii_case(name)
            };
            // At a clock change, the name decides which of the two it is.
            let both = tz.to_ambiguous_timestamp(local);
            let found = [both.earlier(), both.later()];
            found.into_iter().flatten().find(is_named)?
        }
    };
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses in Berlin, at 00:30 on Monday, 4 January 2027.
    fn parsed(text: &str) -> Option<String> {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let now = "2027-01-03T23:30:00Z".parse().expect("a time");
        parse(&text.to_ascii_lowercase(), now, &berlin).map(|time| time.to_string())
    }

    #[test]
    fn parses_what_programs_print() {
        for (text, moment) in [
            // pulse-tail
            ("Jan 03 22:15:04.123", "2027-01-03T21:15:04.123000Z"),
            ("Jan 04 2025 17:32:05.123456", "2025-01-04T16:32:05.123456Z"),
            ("Nov 22 17:32:05.123", "2026-11-22T16:32:05.123000Z"),
            ("2026-11-22T17:32:05.123-0330", "2026-11-22T21:02:05.123000Z"),
            ("Sun 2026-11-22 17:32:05 CET", "2026-11-22T16:32:05.000000Z"),
            // date, date -R, date -I, date --rfc-3339
            ("Wed Jul  1 12:00:00 CEST 2026", "2026-07-01T10:00:00.000000Z"),
            ("Wed Jul  1 12:00:00 PM CEST 2026", "2026-07-01T10:00:00.000000Z"),
            ("Wed Jul  1 12:05:00 AM CEST 2026", "2026-06-30T22:05:00.000000Z"),
            ("Sun 22 Nov 2026 05:32:05 PM UTC", "2026-11-22T17:32:05.000000Z"),
            ("Sun, 22 Nov 2026 17:32:05 +0530", "2026-11-22T12:02:05.000000Z"),
            ("2026-11-22T17+00:00", "2026-11-22T17:00:00.000000Z"),
            ("2026-11-22T17:32+00:00", "2026-11-22T17:32:00.000000Z"),
            ("2026-11-22T17:32:05,123456789+01:00", "2026-11-22T16:32:05.123456Z"),
            ("2026-11-22 17:32:05.123456789+01:00", "2026-11-22T16:32:05.123456Z"),
            ("2026-11-22T17:32:05Z", "2026-11-22T17:32:05.000000Z"),
            // systemctl, ls, and words in full
            ("Sun 2026-11-22 17:32:05 UTC; 3 weeks 2 days ago", "2026-11-22T17:32:05.000000Z"),
            ("2026-11-22 17:32:05.000000000 +0100", "2026-11-22T16:32:05.000000Z"),
            ("Nov 22 17:32", "2026-11-22T16:32:00.000000Z"),
            ("Nov 22  2024", "2024-11-21T23:00:00.000000Z"),
            ("Sunday, November 22, 2026", "2026-11-21T23:00:00.000000Z"),
            // Tomorrow's date in a zone that is ahead.
            ("Jan 05 00:10", "2027-01-04T23:10:00.000000Z"),
            // Both sides of a clock change.
            ("Sun Oct 25 02:30:00 CEST 2026", "2026-10-25T00:30:00.000000Z"),
            ("Sun Oct 25 02:30:00 CET 2026", "2026-10-25T01:30:00.000000Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn rejects_anything_else() {
        for text in [
            "",
            "nov",
            "22",
            "2026",
            "17:32",
            "nov 2026",
            "nov 31 10:00",
            "nov 22 25:00",
            "nov 22 17:60",
            "nov 22 17:32 17:33",
            "nov 22 nov",
            "nov 22 2026 2025",
            "pm nov 22",
            "nov 22 13:00 pm",
            "nov 22 0:30 am",
            "mon 2026-11-22",
            "2026-11-22 nov 22",
            "sun 2026-11-22 17:32:05 est",
            "2026-11-22t",
            "2026-11-22 17:32:05 +1",
            "2026-11-22 17:32:05 +01:60",
            "2026-11-22 17:32:05 +9900",
            "2026-11-22 17:32:05 soon",
            "2026-11-22 17:32:05.",
            "2026-11-22 17:32.5",
            "nov 22 1:2:3:4",
            "22.11.2026",
            "november22",
            "2026-11-222",
            "202-11-22",
            "é 2026-11-22",
            "2026-11-2é",
            "nov 22; ago",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
