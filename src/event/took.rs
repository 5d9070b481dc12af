//! Durations: given by a sender (`took=40ms`), or found in a message ("query took 40ms").

/// The units with their powers of ten. No name is a prefix of another.
const UNITS: [(&str, i8); 6] =
    [("ns", -9), ("us", -6), ("µs", -6), ("μs", -6), ("ms", -3), ("s", 0)];

/// The longest number of a duration, in bytes. Longer ones are ids.
const DIGITS_MAX: usize = 18;

/// The longest duration, in seconds: about 31,700 years.
pub const SECONDS_MAX: f64 = 1e12;

/// Finds a duration in a message, in seconds: the first number with a unit joined to it, or with
/// `ms` after one space.
///
/// The number must not follow a letter, a digit or any of `_ . , : / + -`. A letter, a digit or `_`
/// must not follow the unit.
pub fn find(msg: &str) -> Option<f64> {
    let bytes = msg.as_bytes();
    // A fold, because many messages have no digit and `any` branches at each byte.
    if !bytes.iter().fold(false, |any, b| any | b.is_ascii_digit()) {
        return None;
    }
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + found;
        let end = start + number_len(&bytes[start..]);
        at = end;
        if !msg[..start].chars().next_back().is_some_and(joins_before)
            && let Some(exponent) = unit_at(&msg[end..])
            && let Some(seconds) = seconds(&msg[start..end], exponent)
        {
            return Some(seconds);
        }
    }
    None
}

/// Parses a given duration, in seconds: a number with a unit (`40ms`, `1.5 s`), or a number of
/// seconds. `None` for any other text.
pub fn parse(text: &str) -> Option<f64> {
    let len = number_len(text.as_bytes());
    if len == 0 {
        return None;
    }
    let (number, rest) = text.split_at(len);
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    if rest.is_empty() && !text.ends_with(' ') {
        return seconds(number, 0);
    }
    let unit = UNITS.iter().find(|(name, _)| *name == rest)?;
    seconds(number, unit.1)
}

/// Checks a number of seconds. `None` unless it is from 0 to [`SECONDS_MAX`].
pub fn check(seconds: f64) -> Option<f64> {
    // Adding zero turns -0.0 into 0.0.
    (0.0..=SECONDS_MAX).contains(&seconds).then_some(seconds + 0.0)
}

/// The length of `digits` or `digits.digits` at the beginning; 0 if there is none.
fn number_len(bytes: &[u8]) -> usize {
    let count = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = count(bytes);
    if whole == 0 || bytes.get(whole) != Some(&b'.') {
        return whole;
    }
    match count(&bytes[whole + 1..]) {
        0 => whole,
        decimals => whole + 1 + decimals,
    }
}

fn unit_at(rest: &str) -> Option<i8> {
    let (name, exponent) = UNITS
        .iter()
        .find(|(name, _)| rest.starts_with(name))
        .copied()
        .or_else(|| rest.starts_with(" ms").then_some((" ms", -3)))?;
    let joined = rest[name.len()..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    (!joined).then_some(exponent)
}

fn joins_before(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ',' | ':' | '/' | '+' | '-')
}

/// The number times a power of ten. Parsed as one decimal text, so that 40 and -3 yield exactly the
/// float nearest to 0.04.
fn seconds(number: &str, exponent: i8) -> Option<f64> {
    if number.len() > DIGITS_MAX {
        return None;
    }
    let parsed =
        if exponent == 0 { number.parse() } else { format!("{number}e{exponent}").parse() };
    parsed.ok().and_then(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_durations_in_messages() {
        for (msg, took) in [
            ("query took 40ms", 0.04),
            ("40ms", 0.04),
            ("(1.5s)", 1.5),
            ("took=12us;", 0.000012),
            ("12µs and 3ms", 0.000012),
            ("12μs", 0.000012),
            ("7ns", 0.000000007),
            ("took 40 ms", 0.04),
            ("2 rows in 3.25ms.", 0.00325),
            ("0.3ms", 0.0003),
            ("v1.2.3 took 5ms", 0.005),
            ("5 s, then 6ms", 0.006),
            ("1e3ms 4ms", 0.004),
            ("«40ms»", 0.04),
            ("0s", 0.0),
            ("123456789012345678901ms 4ms", 0.004),
        ] {
            assert_eq!(find(msg), Some(took), "{msg:?}");
        }
    }

    #[test]
    fn ignores_other_numbers() {
        for msg in [
            "",
            "query took long",
            "40",
            "40 s",
            "x40ms",
            "_40ms",
            ".5s",
            "1,234ms",
            "10:40s",
            "/40ms",
            "+40ms",
            "-40ms",
            "40msec",
            "40ms_",
            "40min",
            "40 msec",
            "40  ms",
            "1.2.3s",
            "40MS",
            "é40ms",
            "40msé",
            "40.ms",
        ] {
            assert_eq!(find(msg), None, "{msg:?}");
        }
    }

    #[test]
    fn parses_given_durations() {
        for (text, took) in [
            ("40ms", Some(0.04)),
            ("1.5 s", Some(1.5)),
            ("0.25", Some(0.25)),
            ("3", Some(3.0)),
            ("", None),
            ("ms", None),
            ("40 ", None),
            ("-1", None),
            ("40msx", None),
            ("1e3", None),
        ] {
            assert_eq!(parse(text), took, "{text:?}");
        }
        assert_eq!(check(SECONDS_MAX), Some(SECONDS_MAX));
        for bad in [SECONDS_MAX * 1.1, -0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(check(bad), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_bounded(msg in "\\PC{0,40}") {
            if let Some(seconds) = find(&msg) {
                prop_assert!((0.0..=SECONDS_MAX).contains(&seconds));
            }
        }

        #[test]
        fn finds_a_duration_between_words(n in 0u32..100_000, unit in 0usize..6,
            before in "[a-z ]{0,10} ", after in "( [a-z ]{0,10})?") {
            let (name, exponent) = UNITS[unit];
            let msg = format!("{before}{n}{name}{after}");
            let expected: f64 = format!("{n}e{exponent}").parse().expect("a number");
            prop_assert_eq!(find(&msg), Some(expected));
        }
    }
}
