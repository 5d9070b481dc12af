//! `-p facility.level` and `<N>`, as syslog has them (RFC 5424, section 6.2.1).

use crate::event::{Level, UnknownLevel};

/// The facilities of syslog in the order of their numbers. Those without a common name are called by
/// their number.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "12", "13", "14", "15", "local0", "local1", "local2", "local3", "local4", "local5",
    "local6", "local7",
];

/// A level, and a facility if one was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priority {
    /// The severity.
    pub(super) level: Level,
    /// Becomes the field `facility`.
    pub(super) facility: Option<&'static str>,
}

/// Why a text is not a priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadPriority {
    /// The level is unknown.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
    /// The facility is unknown.
    #[error("unknown facility {0:?}: use one of syslog's, such as user, daemon, cron or local0")]
    Facility(String),
}

impl Priority {
    /// Parses `level` or `facility.level`.
    pub(super) fn parse(text: &str) -> Result<Self, BadPriority> {
        let Some((name, level)) = text.split_once('.') else {
            return Ok(Self { level: Level::from_typed(text)?, facility: None });
        };
        let lower = name.to_ascii_lowercase();
        // logger still knows the old name of auth.
        let known = if lower == "security" { "auth" } else { lower.as_str() };
        let facility = FACILITIES.into_iter().find(|facility| *facility == known);
        let facility = facility.ok_or_else(|| BadPriority::Facility(name.into()))?;
        Ok(Self { level: Level::from_typed(level)?, facility: Some(facility) })
    }

    /// Splits the `<N>` off the beginning of a line. `None` if there is none. A number below 8 is a level
    /// without a facility.
    pub(super) fn split_prefix(line: &str) -> Option<(Self, &str)> {
        let (digits, text) = line.strip_prefix('<')?.split_once('>')?;
        let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse::<u8>().ok().filter(|_| plain)?;
        let facility = *FACILITIES.get(usize::from(number / 8))?;
        let facility = (number >= 8).then_some(facility);
        Some((Self { level: Level::from_severity(number), facility }, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_logger_accepts() {
        let priority = |level, facility| Ok(Priority { level, facility });
        assert_eq!(Priority::parse("warn"), priority(Level::Warning, None));
        assert_eq!(Priority::parse("local7.ERR"), priority(Level::Err, Some("local7")));
        assert_eq!(Priority::parse("security.3"), priority(Level::Err, Some("auth")));
        assert_eq!(Priority::parse("x.err"), Err(BadPriority::Facility("x".into())));
        assert_eq!(Priority::parse("user."), Err(UnknownLevel(String::new()).into()));
    }

    #[test]
    fn splits_only_valid_prefixes() {
        let split =
            |line| Priority::split_prefix(line).map(|(p, rest)| (p.level, p.facility, rest));
        assert_eq!(split("<3>bad"), Some((Level::Err, None, "bad")));
        assert_eq!(split("<13> x"), Some((Level::Notice, Some("user"), " x")));
        assert_eq!(split("<191>"), Some((Level::Debug, Some("local7"), "")));
        for text in ["<192>x", "<>x", "<+1>x", "<1x", "x<1>", "", "<1000>x"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
