//! Times in the time zone of the reader.

use jiff::tz::TimeZone;

use crate::event::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The decimals of a second, as the length of the text up to them.
#[derive(Clone, Copy)]
pub(super) enum Decimals {
    Three = 23,
    Six = 26,
}

/// Appends `Nov 22 17:32:05.123`, or `Nov 22 2025 17:32:05.123` if the year is not `this_year`.
pub(super) fn push_short(
    out: &mut String,
    time: Timestamp,
    tz: &TimeZone,
    this_year: Option<i16>,
    decimals: Decimals,
) {
    let (text, _) = local(time, tz);
    let month = usize::from((text[5] - b'0') * 10 + text[6] - b'0');
    out.push_str(MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default());
    out.push(' ');
    out.push_str(ascii(&text[8..10]));
    out.push(' ');
    if this_year.is_some_and(|year| ascii(&text[..4]).parse() != Ok(year)) {
        out.push_str(ascii(&text[..4]));
        out.push(' ');
    }
    out.push_str(ascii(&text[11..decimals as usize]));
}

/// Appends `Sun 2026-11-22 17:32:05 CET`, as systemctl prints times.
pub(super) fn push_full(out: &mut String, time: Timestamp, tz: &TimeZone) {
    let moment = jiff::Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    let days = tz.to_datetime(moment).weekday().to_monday_zero_offset();
    out.push_str(usize::try_from(days).map_or("", |days| WEEKDAYS[days % WEEKDAYS.len()]));
    out.push(' ');
    let (text, _) = local(time, tz);
    out.push_str(ascii(&text[..10]));
    out.push(' ');
    out.push_str(ascii(&text[11..19]));
    out.push(' ');
    out.push_str(tz.to_offset_info(moment).abbreviation());
}

/// Appends `2026-11-22T17:32:05.123+01:00` (RFC 3339).
pub(super) fn push_iso(out: &mut String, time: Timestamp, tz: &TimeZone, decimals: Decimals) {
    let (text, offset) = local(time, tz);
    out.push_str(ascii(&text[..decimals as usize]));
    let minutes = offset.abs() / 60;
    let mut zone = *b"+00:00";
    zone[0] = if offset < 0 { b'-' } else { b'+' };
    for (at, number) in [(1, minutes / 60), (4, minutes % 60)] {
        zone[at] = b'0' + (number / 10) as u8;
        zone[at + 1] = b'0' + (number % 10) as u8;
    }
    out.push_str(ascii(&zone));
}

/// The RFC 3339 text of the local time, and its offset from UTC in seconds.
fn local(time: Timestamp, tz: &TimeZone) -> ([u8; Timestamp::TEXT_LEN], i32) {
    let moment = jiff::Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    let offset = tz.to_offset(moment).seconds();
    (time.plus_micros(i64::from(offset) * 1_000_000).text(), offset)
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_local_times() {
        let time = "2026-11-22T23:32:05.123456Z".parse().expect("a time");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let kathmandu = TimeZone::posix("<+0545>-5:45").expect("a zone");
        let newfoundland = TimeZone::posix("NST3:30NDT,M3.2.0,M11.1.0").expect("a zone");
        for (tz, short, iso) in [
            (TimeZone::UTC, "Nov 22 23:32:05.123", "2026-11-22T23:32:05.123456+00:00"),
            (berlin, "Nov 23 00:32:05.123", "2026-11-23T00:32:05.123456+01:00"),
            (kathmandu, "Nov 23 05:17:05.123", "2026-11-23T05:17:05.123456+05:45"),
            (newfoundland, "Nov 22 20:02:05.123", "2026-11-22T20:02:05.123456-03:30"),
        ] {
            let (mut as_short, mut as_iso) = (String::new(), String::new());
            push_short(&mut as_short, time, &tz, Some(2026), Decimals::Three);
            push_iso(&mut as_iso, time, &tz, Decimals::Six);
            assert_eq!((as_short.as_str(), as_iso.as_str()), (short, iso));
            assert_eq!(iso.parse(), Ok(time));
        }
    }

    #[test]
    fn shows_another_year() {
        let berlin = TimeZone::posix("CET-1").expect("a zone");
        for (time, shown) in [
            ("2026-12-31T22:59:59Z", "Dec 31 23:59:59.000000"),
            ("2026-12-31T23:00:00Z", "Jan 01 2027 00:00:00.000000"),
            ("2025-12-31T22:59:59Z", "Dec 31 2025 23:59:59.000000"),
            ("2025-12-31T23:00:00Z", "Jan 01 00:00:00.000000"),
        ] {
            let mut out = String::new();
            let time = time.parse().expect("a time");
            push_short(&mut out, time, &berlin, Some(2026), Decimals::Six);
            assert_eq!(out, shown);
        }
    }

    #[test]
    fn writes_full_times_with_the_zone() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        for (time, shown) in [
            ("2026-11-22T23:32:05.9Z", "Mon 2026-11-23 00:32:05 CET"),
            ("2026-07-01T10:00:00Z", "Wed 2026-07-01 12:00:00 CEST"),
        ] {
            let mut out = String::new();
            push_full(&mut out, time.parse().expect("a time"), &berlin);
            assert_eq!(out, shown);
        }
    }

    #[test]
    fn writes_the_first_and_the_last_time() {
        for time in [Timestamp::MIN, Timestamp::MAX] {
            let mut out = String::new();
            push_short(&mut out, time, &TimeZone::UTC, None, Decimals::Six);
            push_full(&mut out, time, &TimeZone::UTC);
            push_iso(&mut out, time, &TimeZone::UTC, Decimals::Three);
            assert!(out.len() > 40);
        }
    }
}
