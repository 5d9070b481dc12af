//! Levels: the eight severities of syslog (RFC 5424, section 6.2.1).

use std::fmt;
use std::str::FromStr;

/// A syslog severity. The worst level is the smallest, as in syslog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The system is unusable.
    Emerg,
    /// Action must be taken immediately.
    Alert,
    /// Critical conditions.
    Crit,
    /// An error.
    Err,
    /// A warning.
    Warning,
    /// Normal but significant.
    Notice,
    /// Informational.
    #[default]
    Info,
    /// Debugging.
    Debug,
}

impl Level {
    /// All levels, the worst first. The index is the syslog severity.
    pub const ALL: [Self; 8] = [
        Self::Emerg,
        Self::Alert,
        Self::Crit,
        Self::Err,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// The name in the event line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Err => "err",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of a syslog severity. Uses only the lowest three bits.
    pub const fn from_severity(severity: u8) -> Self {
        Self::ALL[(severity & 7) as usize]
    }

    /// Parses what a user types: a name in any case, a synonym that logger(1) knows (`panic`,
    /// `error`, `warn`), or a severity from 0 to 7.
    ///
    /// # Errors
    /// [`UnknownLevel`] for any other text.
    pub fn from_typed(text: &str) -> Result<Self, UnknownLevel> {
        match text.to_ascii_lowercase().as_str() {
            "panic" => Ok(Self::Emerg),
            "error" => Ok(Self::Err),
            "warn" => Ok(Self::Warning),
            lower => match lower.as_bytes() {
                [digit @ b'0'..=b'7'] => Ok(Self::from_severity(digit - b'0')),
                _ => lower.parse().map_err(|_| UnknownLevel(text.into())),
            },
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not a level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown level {0:?}: use emerg, alert, crit, err, warning, notice, info or debug")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let found = Self::ALL.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| UnknownLevel(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_and_severities() {
        for (severity, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(level.name().parse(), Ok(level));
            assert_eq!(Level::from_severity(severity as u8), level);
            assert_eq!(Level::from_typed(&severity.to_string()), Ok(level));
        }
        assert_eq!(Level::from_typed("WARN"), Ok(Level::Warning));
        assert!(Level::from_typed("8").is_err());
        assert!("error".parse::<Level>().is_err(), "the event line has one name for each");
    }
}
