//! Durations as values.

use proptest::prelude::*;

use super::super::{SECONDS_MAX, check, named, parse, parse_exact};
use crate::event::duration::Exact;

#[test]
fn parses_values() {
    for (text, took) in [
        ("40ms", Some(0.04)),
        ("1.5 s", Some(1.5)),
        ("1.5\u{a0}s", Some(1.5)),
        ("0.25", Some(0.25)),
        (".5", Some(0.5)),
        ("3", Some(3.0)),
        ("2m5s", Some(125.0)),
        ("3h0m0s", Some(10_800.0)),
        ("2min 4.25s", Some(124.25)),
        ("2 minutes 4 seconds", Some(124.0)),
        ("1h90m", Some(9000.0)),
        ("1.5h", Some(5400.0)),
        ("1d", Some(86_400.0)),
        ("2w", Some(1_209_600.0)),
        ("1 month", Some(2_629_800.0)),
        ("1y", Some(31_557_600.0)),
        ("7 Hours", Some(25_200.0)),
        ("12µs", Some(0.000012)),
        ("12 usec", Some(0.000012)),
        ("999ns", Some(0.000000999)),
        ("", None),
        ("ms", None),
        (" 40ms", None),
        ("40 ", None),
        ("40ms ", None),
        ("40  ms", None),
        ("1m  30s", None),
        ("1m 30", None),
        ("-1", None),
        ("-1s", None),
        ("+1s", None),
        ("40msx", None),
        ("40MS", None),
        ("5M", None),
        ("1e3", None),
        ("1,5s", None),
        ("1.s", None),
        ("5.", None),
        ("1.2.3s", None),
        ("inf", None),
        ("NaN", None),
        ("1 hour and 2 minutes", None),
        ("99999999999999999999s", None),
        ("999999999999y", None),
    ] {
        assert_eq!(parse(text), took, "{text:?}");
    }
}

#[test]
fn bounds_values() {
    assert_eq!(check(SECONDS_MAX), Some(SECONDS_MAX));
    assert_eq!(parse("1000000000000s"), Some(SECONDS_MAX));
    assert_eq!(parse("1000000000000.001s"), None);
    for bad in [SECONDS_MAX * 1.1, -0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(check(bad), None);
    }
    let duration = |text| parse_exact(text).and_then(Exact::duration).map(|d| d.as_nanos());
    assert_eq!(duration("1min 0.5ns"), Some(60_000_000_000));
    assert_eq!(duration("0.000000001"), Some(1));
    assert_eq!(duration("999999999999999999y"), None);
}

#[test]
fn leading_zeros_take_no_decimals() {
    for zeros in 0..=15 {
        let text = format!("{}40.125s", "0".repeat(zeros));
        assert_eq!(parse(&text), Some(40.125), "{text}");
        let exact = parse_exact(text.trim_end_matches('s')).map(Exact::seconds);
        assert_eq!(exact, Some(40.125), "{text}");
    }
}

#[test]
fn reads_the_unit_of_a_key() {
    for (key, number, took) in [
        ("duration_ms", "45", Some(0.045)),
        ("durationMs", "45.5", Some(0.0455)),
        ("elapsed_us", "45", Some(0.000045)),
        ("latency_seconds", "4.5e1", Some(45.0)),
        ("took_ns", "45", Some(0.000000045)),
        ("event.duration.ms", "45", Some(0.045)),
        ("time_taken_ms", "45", Some(0.045)),
        ("query_ms", "45", Some(0.045)),
        ("responseMs", "45", Some(0.045)),
        ("dur_ms", "45", Some(0.045)),
        ("query_cache_ms", "45", None),
        ("request_timeout_ms", "45", None),
        ("duration", "45", None),
        ("timeout_ms", "45", None),
        ("retry_time_ms", "45", None),
        ("start_time_ms", "45", None),
        ("time_ms", "1795368725123", None),
        ("duration_ms", "-45", None),
        ("duration_ms", "x", None),
        ("items", "45", None),
        ("", "45", None),
    ] {
        assert_eq!(named(key, number), took, "{key}={number}");
    }
}

proptest! {
    #[test]
    fn a_number_of_seconds_reads_back(seconds in 0.0..SECONDS_MAX) {
        prop_assert_eq!(parse(&seconds.to_string()), Some(seconds));
    }

    #[test]
    fn parts_are_summed(h in 0u64..1000, m in 0u64..1000, ms in 0u64..1_000_000, space in " ?") {
        let text = format!("{h}h{space}{m}m{space}{}.{:03}s", ms / 1000, ms % 1000);
        let expected = (h * 3_600_000 + m * 60_000 + ms) as f64 / 1000.0;
        prop_assert_eq!(parse(&text), Some(expected));
        let exact = parse_exact(&text).and_then(Exact::duration).map(|d| d.as_millis() as f64 / 1000.0);
        prop_assert_eq!(exact, Some(expected));
    }

    #[test]
    fn garbage_is_no_value(text in "[0-9a-zA-Zµ. +-]{0,20}|\\PC{0,20}") {
        if let Some(seconds) = parse(&text) {
            prop_assert!((0.0..=SECONDS_MAX).contains(&seconds));
        }
    }
}
