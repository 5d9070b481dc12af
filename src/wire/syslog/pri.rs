//! The priority `<N>`: facility and severity (RFC 5424, section 6.2.1).

use crate::event::Level;

/// The highest priority: local7.debug.
const PRIORITY_MAX: u8 = 191;

/// The longest `<N>`, in bytes.
pub(super) const LEN_MAX: usize = "<191>".len();

/// The facilities by number, with the names of `logger -p`. Those that it has no name for are named
/// after their description in RFC 5424.
const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// The default facility. It does not become a field.
const USER: u8 = 1;

/// A facility and a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priority(u8);

impl Priority {
    /// Splits off the priority at the beginning.
    pub(super) fn strip(text: &str) -> Option<(Self, &str)> {
        let (priority, len) = Self::read(text.as_bytes())?;
        Some((priority, &text[len..]))
    }

    /// The priority at the beginning, and its length in bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let digits = bytes.strip_prefix(b"<")?;
        let end = digits.iter().take(4).position(|b| *b == b'>')?;
        if end == 0 {
            return None;
        }
        let number = digits[..end].iter().try_fold(0u8, |number, b| {
            if !b.is_ascii_digit() {
                return None;
            }
            number.checked_mul(10)?.checked_add(b - b'0')
        })?;
        (number <= PRIORITY_MAX).then_some((Self(number), end + 2))
    }

    pub(super) const fn level(self) -> Level {
        Level::from_severity(self.0)
    }

    /// The name of the facility. `None` for `user`.
    pub(super) fn facility(self) -> Option<&'static str> {
        let facility = self.0 >> 3;
        (facility != USER).then(|| FACILITIES[usize::from(facility)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_the_bound() {
        let (last, rest) = Priority::strip("<191>x").expect("a priority");
        assert_eq!((last.level(), last.facility(), rest), (Level::Debug, Some("local7"), "x"));
        for text in
            ["<192>", "<256>", "<999>", "<1000>", "<0000>", "<>", "<-1>", "<+1>", "<1", "<", ""]
        {
            assert_eq!(Priority::strip(text), None, "{text:?}");
        }
        assert_eq!("<191>".len(), LEN_MAX);
    }

    #[test]
    fn splits_facility_and_level() {
        for (text, facility, level) in [
            ("<0>", Some("kern"), Level::Emerg),
            ("<13>", None, Level::Notice),
            ("<013>", None, Level::Notice),
            ("<85>", Some("authpriv"), Level::Notice),
            ("<131>", Some("local0"), Level::Err),
        ] {
            let (priority, _) = Priority::strip(text).expect("a priority");
            assert_eq!((priority.facility(), priority.level()), (facility, level), "{text:?}");
        }
    }
}
