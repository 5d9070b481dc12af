//! `-p facility.level` and `<N>`, as syslog has them (RFC 5424, section 6.2.1).

use std::borrow::Cow;

use crate::event::Level;

/// The facilities of syslog in the order of their numbers. Those without a common name are called by
/// their number.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "12", "13", "14", "15", "local0", "local1", "local2", "local3", "local4", "local5",
    "local6", "local7",
];

/// A level, and a facility if one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Priority {
    /// The severity.
    pub(super) level: Level,
    /// What was given instead of a level that is known. The agent keeps it.
    pub(super) unknown: Option<String>,
    /// Becomes the field `facility`.
    pub(super) facility: Option<Cow<'static, str>>,
}

impl Priority {
    /// Reads `level` or `facility.level`. An event is not lost for an unknown one.
    pub(super) fn read(text: &str) -> Self {
        let (facility, name) = match text.split_once('.') {
            None => (None, text),
            Some((name, level)) => (Some(name), level),
        };
        let level = Level::from_typed(name);
        Self {
            unknown: level.is_err().then(|| name.to_owned()),
            level: level.unwrap_or_default(),
            facility: facility.filter(|name| !name.is_empty()).map(|name| {
                let lower = name.to_ascii_lowercase();
                // logger still knows the old name of auth.
                let known = if lower == "security" { "auth" } else { lower.as_str() };
                let facility = FACILITIES.into_iter().find(|facility| *facility == known);
                facility.map_or_else(|| name.to_owned().into(), Cow::Borrowed)
            }),
        }
    }

    /// Splits the `<N>` off the beginning of a line. `None` if there is none. A number below 8 is a level
    /// without a facility.
    pub(super) fn split_prefix(line: &str) -> Option<(Self, &str)> {
        let (digits, text) = line.strip_prefix('<')?.split_once('>')?;
        let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse::<u8>().ok().filter(|_| plain)?;
        let facility = *FACILITIES.get(usize::from(number / 8))?;
        let facility = (number >= 8).then_some(Cow::Borrowed(facility));
        Some((Self { level: Level::from_severity(number), unknown: None, facility }, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_logger_accepts() {
        for (text, level, facility) in [
            ("warn", Level::Warning, None),
            ("local7.ERR", Level::Err, Some("local7")),
            ("security.3", Level::Err, Some("auth")),
            ("shop.err", Level::Err, Some("shop")),
            (".err", Level::Err, None),
        ] {
            let facility = facility.map(Cow::Borrowed);
            assert_eq!(Priority::read(text), Priority { level, unknown: None, facility }, "{text}");
        }
        for (text, unknown, facility) in
            [("loud", "loud", None), ("user.", "", Some("user")), ("a.b.c", "b.c", Some("a"))]
        {
            let read = Priority::read(text);
            assert_eq!((read.level, read.unknown.as_deref()), (Level::Info, Some(unknown)));
            assert_eq!(read.facility.as_deref(), facility);
        }
    }

    #[test]
    fn splits_only_valid_prefixes() {
        let split =
            |line| Priority::split_prefix(line).map(|(p, rest)| (p.level, p.facility, rest));
        let some = |facility: &'static str| Some(Cow::Borrowed(facility));
        assert_eq!(split("<3>bad"), Some((Level::Err, None, "bad")));
        assert_eq!(split("<13> x"), Some((Level::Notice, some("user"), " x")));
        assert_eq!(split("<191>"), Some((Level::Debug, some("local7"), "")));
        for text in ["<192>x", "<>x", "<+1>x", "<1x", "x<1>", "", "<1000>x"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
