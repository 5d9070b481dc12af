//! Timestamps: microseconds since 1970, written as RFC 3339 in UTC.

use std::fmt;
use std::str::FromStr;

/// A moment, in microseconds since 1970-01-01T00:00:00Z, without leap seconds. Years 0 to 9999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Timestamp {
    /// The first microsecond of the year 0.
    pub const MIN: Self = Self(-62_167_219_200 * SECOND);
    /// The last microsecond of the year 9999.
    pub const MAX: Self = Self(253_402_300_800 * SECOND - 1);
    /// The length of the text `2026-11-22T17:32:05.123456Z`, in bytes.
    pub const TEXT_LEN: usize = 27;

    /// The moment `micros` microseconds after 1970, clamped to the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The moment `micros` microseconds later, clamped to the years 0 to 9999.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// The RFC 3339 text, in UTC, with six decimals.
    pub fn text(self) -> [u8; Self::TEXT_LEN] {
        let (days, within) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let (seconds, micros) = (within / SECOND, within % SECOND);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        digits(&mut text[0..4], year);
        digits(&mut text[5..7], month);
        digits(&mut text[8..10], day);
        digits(&mut text[11..13], seconds / 3600);
        digits(&mut text[14..16], seconds / 60 % 60);
        digits(&mut text[17..19], seconds % 60);
        digits(&mut text[20..26], micros);
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().iter().try_for_each(|b| fmt::Write::write_char(f, char::from(*b)))
    }
}

/// The text is not an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time: one looks like 2026-11-22T17:32:05.123456Z")]
pub struct BadTime;

impl FromStr for Timestamp {
    type Err = BadTime;

    /// Parses RFC 3339 (section 5.6) with any offset. Ignores decimals after the sixth.
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bytes = text.as_bytes();
        let date_time = bytes.get(..19).ok_or(BadTime)?;
        let shape = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if shape.iter().any(|(at, mark)| date_time[*at] != *mark)
            || !matches!(date_time[10], b'T' | b't' | b' ')
        {
            return Err(BadTime);
        }
        let number = |from: usize, to: usize| parse_digits(&bytes[from..to]);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let real = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !real {
            return Err(BadTime);
        }
        let (micros, rest) = parse_fraction(&bytes[19..])?;
        let offset = parse_offset(rest)?;
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let moment = (seconds - offset) * SECOND + micros;
        if !(Self::MIN.0..=Self::MAX.0).contains(&moment) {
            return Err(BadTime);
        }
        Ok(Self(moment))
    }
}

fn parse_fraction(bytes: &[u8]) -> Result<(i64, &[u8]), BadTime> {
    let Some((b'.', rest)) = bytes.split_first() else { return Ok((0, bytes)) };
    // As the agent, and most programs, write it.
    if let Some((six, zone)) = rest.split_first_chunk::<6>()
        && !zone.first().is_some_and(u8::is_ascii_digit)
        && let Ok(micros) = parse_digits(six)
    {
        return Ok((micros, zone));
    }
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 {
        return Err(BadTime);
    }
    let micros = (0..6).fold(0, |sum, at| {
        let digit = if at < len { i64::from(rest[at] - b'0') } else { 0 };
        sum * 10 + digit
    });
    Ok((micros, &rest[len..]))
}

/// The offset from UTC, in seconds.
fn parse_offset(bytes: &[u8]) -> Result<i64, BadTime> {
    match bytes {
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (parse_digits(&[*h1, *h2])?, parse_digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return Err(BadTime);
            }
            let seconds = hours * 3600 + minutes * 60;
            Ok(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => Err(BadTime),
    }
}

#[inline]
fn parse_digits(bytes: &[u8]) -> Result<i64, BadTime> {
    let (mut number, mut is_number) = (0, true);
    for b in bytes {
        is_number &= b.is_ascii_digit();
        number = number * 10 + i64::from(b & 0x0f);
    }
    if is_number { Ok(number) } else { Err(BadTime) }
}

fn digits(to: &mut [u8], mut number: i64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The days since 1970 of a date in the proleptic Gregorian calendar. Counts in eras of 400 years
/// that begin in March, so that the leap day is the last day of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formats_and_parses_known_moments() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_368_725_123_456, "2026-11-22T17:32:05.123456Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (Timestamp::MIN.micros(), "0000-01-01T00:00:00.000000Z"),
            (Timestamp::MAX.micros(), "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn parses_offsets_and_decimals() {
        let moment: Timestamp = "2026-11-22T17:32:05.5Z".parse().expect("valid");
        assert_eq!("2026-11-22 18:32:05.500000999+01:00".parse(), Ok(moment));
        assert_eq!("2026-11-22t16:02:05.5-01:30".parse(), Ok(moment));
    }

    #[test]
    fn rejects_other_texts() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T17:32:05",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T17:32:05.Z",
            "2026-11-22T17:32:05+1:00",
            "2026-11-22T17:32:05Zx",
            "+026-11-22T17:32:05Z",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(BadTime), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trips_through_text(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }
}
