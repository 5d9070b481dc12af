//! The types of values: each parses its text and has an example for errors.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::event::duration::{self, Exact};
use crate::event::size;

/// A value that is written as a TOML string.
trait Written: FromStr<Err = NotWritten> {
    /// An example, for error messages.
    const EXAMPLE: &'static str;
}

/// The text is not a value of this type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotWritten;

/// Deserializes a [`Written`] value. The error has its example.
fn written<'de, T: Written, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Reader<T>(PhantomData<T>);
    impl<T: Written> Visitor<'_> for Reader<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXAMPLE)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse()
                .map_err(|NotWritten| E::custom(format_args!("{text:?} is not {}", T::EXAMPLE)))
        }
    }
    deserializer.deserialize_str(Reader(PhantomData))
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(pub(super) u64);

/// What sizes are displayed in.
const SIZE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Written for Size {
    const EXAMPLE: &'static str = "a size in quotes such as \"64MiB\" (B, KiB, MiB, GiB or TiB)";
}

impl FromStr for Size {
    type Err = NotWritten;

    fn from_str(text: &str) -> Result<Self, NotWritten> {
        size::parse(text).map(Self).ok_or(NotWritten)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole =
            SIZE_UNITS.iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        let (name, bytes) = whole.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / bytes)
    }
}

/// A duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Period(pub(super) Duration);

/// What durations are displayed in, in nanoseconds.
const PERIOD_UNITS: [(&str, u128); 8] = [
    ("w", 7 * 86_400_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

impl Written for Period {
    const EXAMPLE: &'static str =
        "a duration in quotes such as \"12h\" or \"1h 30min\" (ms, s, min, h, d or w)";
}

impl FromStr for Period {
    type Err = NotWritten;

    fn from_str(text: &str) -> Result<Self, NotWritten> {
        let duration = duration::parse_exact(text).and_then(Exact::duration);
        duration.map(Self).ok_or(NotWritten)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.as_nanos();
        let whole =
            PERIOD_UNITS.iter().find(|(_, nanos)| all >= *nanos && all.is_multiple_of(*nanos));
        let (name, nanos) = whole.unwrap_or(&("s", 1));
        write!(f, "{}{name}", all / nanos)
    }
}

/// The value of `history.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncWord {
    Always,
    Never,
    Within(Period),
}

impl Written for SyncWord {
    const EXAMPLE: &'static str =
        "\"always\", \"never\", or a duration such as \"1s\" (ms, s, min, h)";
}

impl FromStr for SyncWord {
    type Err = NotWritten;

    fn from_str(text: &str) -> Result<Self, NotWritten> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            period => period.parse().map(Self::Within),
        }
    }
}

/// The mode of a file as in chmod(1): three octal digits, with or without a leading 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u32);

impl Written for Mode {
    const EXAMPLE: &'static str =
        "an octal mode in quotes such as \"0660\" (from \"0000\" to \"0777\")";
}

impl FromStr for Mode {
    type Err = NotWritten;

    fn from_str(text: &str) -> Result<Self, NotWritten> {
        let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
        let digits = digits.filter(|d| d.len() == 3 && d.bytes().all(|b| b.is_ascii_digit()));
        let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
        mode.map(Self).ok_or(NotWritten)
    }
}

macro_rules! deserialize_written {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                written(deserializer)
            }
        }
    )*};
}

deserialize_written!(Size, Period, SyncWord, Mode);

/// A user or a group, by name or by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Account {
    Name(String),
    Id(u32),
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Account;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name in quotes, or a number")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Account, E> {
                let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                match text.parse() {
                    _ if !digits => Ok(Account::Name(text.to_owned())),
                    Ok(number) => self.visit_i64(number),
                    Err(_) => Err(E::custom("this number is too large for a user or a group")),
                }
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Account, E> {
                // To chown(2) the largest number means "unchanged".
                let id = u32::try_from(number).ok().filter(|id| *id != u32::MAX);
                id.map(Account::Id).ok_or_else(|| {
                    E::custom(format_args!("{number} is not the number of a user or a group"))
                })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1GiB", Some(1 << 30)),
            ("64 MiB", Some(64 << 20)),
            ("512KiB", Some(512 << 10)),
            ("0B", Some(0)),
            ("16777215TiB", Some(16_777_215 << 40)),
            ("16777216TiB", None),
            ("64", Some(64)),
            ("64M", Some(64 << 20)),
            ("64MB", None),
            ("64mib", None),
            ("1.5GiB", None),
            ("-1B", None),
            ("+1B", None),
            ("1  B", None),
            (" 1B", None),
            ("1B ", None),
            ("MiB", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), bytes.map(Size), "{text:?}");
        }
    }

    #[test]
    fn periods() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("1s", Some(1000)),
            ("5min", Some(300_000)),
            ("12h", Some(43_200_000)),
            ("7d", Some(604_800_000)),
            ("1w", Some(604_800_000)),
            ("5m", Some(300_000)),
            ("5 minutes", Some(300_000)),
            ("1.5s", Some(1500)),
            ("1h 30min", Some(5_400_000)),
            ("2h0m0s", Some(7_200_000)),
            ("7", Some(7000)),
            ("0.5", Some(500)),
            ("5M", None),
            ("-5s", None),
            ("5s ", None),
            ("d", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
            ("999999999999999999y", None),
        ] {
            assert_eq!(
                text.parse().ok(),
                millis.map(|m| Period(Duration::from_millis(m))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn modes() {
        for (text, mode) in [
            ("0666", Some(0o666)),
            ("660", Some(0o660)),
            ("0000", Some(0)),
            ("0777", Some(0o777)),
            ("1777", None),
            ("0888", None),
            ("66", None),
            ("00666", None),
            ("+666", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), mode.map(Mode), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parses_what_it_displays(n in any::<u64>(), nanos in 0u64..1_000_000_000_000_000_000) {
            prop_assert_eq!(Size(n).to_string().parse(), Ok(Size(n)));
            let period = Period(Duration::from_nanos(nanos));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
