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

    /// The level with this name in the event line.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name.as_bytes() {
            b"emerg" => Self::Emerg,
            b"alert" => Self::Alert,
            b"crit" => Self::Crit,
            b"err" => Self::Err,
            b"warning" => Self::Warning,
            b"notice" => Self::Notice,
            b"info" => Self::Info,
            b"debug" => Self::Debug,
            _ => return None,
        })
    }

    /// The level of a syslog severity. Uses only the lowest three bits.
    pub const fn from_severity(severity: u8) -> Self {
        Self::ALL[(severity & 7) as usize]
    }

    /// Parses a level as people and programs write it, in any case: a name of syslog, another usual
    /// name, its short form, or a severity from 0 to 7. slog adds a difference to a name, as in
    /// `DEBUG-4`.
    ///
    /// # Errors
    /// [`UnknownLevel`] for any other text.
    pub fn from_typed(text: &str) -> Result<Self, UnknownLevel> {
        // Most senders write the names of the event line.
        if let Some(level) = Self::from_name(text) {
            return Ok(level);
        }
        let name = without_difference(text);
        let mut lower = [0; NAME_MAX];
        let lower = lower.get_mut(..name.len()).map(|lower| {
            lower.copy_from_slice(name.as_bytes());
            lower.make_ascii_lowercase();
            &*lower
        });
        let level = match lower.unwrap_or_default() {
            [digit @ b'0'..=b'7'] => Self::from_severity(digit - b'0'),
            b"emerg" | b"emergency" | b"panic" => Self::Emerg,
            b"alert" => Self::Alert,
            b"crit" | b"critical" | b"fatal" | b"ftl" | b"dpanic" | b"c" | b"f" => Self::Crit,
            b"err" | b"error" | b"severe" | b"fail" | b"e" => Self::Err,
            b"warning" | b"warn" | b"wrn" | b"w" => Self::Warning,
            b"notice" | b"note" | b"success" | b"n" => Self::Notice,
            b"info" | b"information" | b"informational" | b"inf" | b"i" => Self::Info,
            b"log" | b"http" | b"config" | b"default" | b"any" => Self::Info,
            b"debug" | b"debg" | b"dbug" | b"dbg" | b"d" => Self::Debug,
            b"trace" | b"trac" | b"trce" | b"trc" | b"t" => Self::Debug,
            b"verbose" | b"vrb" | b"v" | b"silly" => Self::Debug,
            b"fine" | b"finer" | b"finest" => Self::Debug,
            _ => return Err(UnknownLevel(text.into())),
        };
        Ok(level)
    }

    /// The level of a number of a logger: that of the greatest number of the scale that is not above it,
    /// so that levels between the usual ones count as the milder of both. `None` outside of the scale.
    pub fn from_number(scale: LoggerScale, number: i64) -> Option<Self> {
        let (steps, end) = scale.steps();
        let step = steps.iter().rev().find(|(least, _)| number >= *least)?;
        (number < end).then_some(step.1)
    }
}

/// The name before the difference that slog adds to it.
fn without_difference(text: &str) -> &str {
    match text.split_once(['+', '-']) {
        Some((name, by)) if !by.is_empty() && by.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => text,
    }
}

/// The longest name of a level, in bytes.
const NAME_MAX: usize = 13;

/// The numbers that loggers write instead of names. They overlap with each other and with the
/// severities of syslog, so that only the shape of an object tells which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggerScale {
    /// pino and bunyan: 10 (trace) to 60 (fatal).
    Pino,
    /// Monolog: 100 (debug) to 600 (emergency).
    Monolog,
    /// OpenTelemetry's `severityNumber`: 1 (trace) to 24 (fatal).
    OpenTelemetry,
}

impl LoggerScale {
    /// The least number of each level, and what is no longer on the scale.
    const fn steps(self) -> (&'static [(i64, Level)], i64) {
        match self {
            Self::Pino => (
                &[
                    (10, Level::Debug),
                    (30, Level::Info),
                    (40, Level::Warning),
                    (50, Level::Err),
                    (60, Level::Crit),
                ],
                70,
            ),
            Self::Monolog => (
                &[
                    (100, Level::Debug),
                    (200, Level::Info),
                    (250, Level::Notice),
                    (300, Level::Warning),
                    (400, Level::Err),
                    (500, Level::Crit),
                    (550, Level::Alert),
                    (600, Level::Emerg),
                ],
                700,
            ),
            Self::OpenTelemetry => (
                &[
                    (1, Level::Debug),
                    (9, Level::Info),
                    (13, Level::Warning),
                    (17, Level::Err),
                    (21, Level::Crit),
                ],
                25,
            ),
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
        Self::from_name(text).ok_or_else(|| UnknownLevel(text.into()))
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
        assert!(Level::from_typed("8").is_err());
        assert!("error".parse::<Level>().is_err(), "the event line has one name for each");
    }

    #[test]
    fn knows_the_usual_names_in_any_case() {
        for (names, level) in [
            ("emerg Emergency PANIC panic", Level::Emerg),
            ("alert ALERT", Level::Alert),
            ("crit CRITICAL fatal FATAL Ftl dpanic F C", Level::Crit),
            ("err ERROR Error SEVERE E fail", Level::Err),
            ("warning WARN Warn wrn W", Level::Warning),
            ("notice NOTICE note SUCCESS N", Level::Notice),
            (
                "info INFO Information informational inf I INFO+2 LOG http CONFIG DEFAULT ANY",
                Level::Info,
            ),
            (
                "debug DEBUG dbg DBUG trace TRACE trc verbose Verbose VRB fine FINEST silly D T V DEBUG-4",
                Level::Debug,
            ),
        ] {
            for name in names.split(' ') {
                assert_eq!(Level::from_typed(name), Ok(level), "{name}");
            }
        }
        for bad in [
            "",
            " err",
            "err ",
            "loud",
            "-1",
            "8",
            "07",
            "10",
            "errors",
            "informationals",
            "é",
            "warn.",
            "warn-",
            "warn-x",
            "-4",
        ] {
            assert_eq!(Level::from_typed(bad), Err(UnknownLevel(bad.into())));
        }
    }

    #[test]
    fn knows_the_numbers_of_loggers() {
        use LoggerScale::{Monolog, OpenTelemetry, Pino};
        for (scale, number, level) in [
            (Pino, 10, Some(Level::Debug)),
            (Pino, 20, Some(Level::Debug)),
            (Pino, 30, Some(Level::Info)),
            (Pino, 35, Some(Level::Info)),
            (Pino, 40, Some(Level::Warning)),
            (Pino, 50, Some(Level::Err)),
            (Pino, 60, Some(Level::Crit)),
            (Pino, 69, Some(Level::Crit)),
            (Pino, 9, None),
            (Pino, 70, None),
            (Pino, -10, None),
            (Monolog, 100, Some(Level::Debug)),
            (Monolog, 200, Some(Level::Info)),
            (Monolog, 250, Some(Level::Notice)),
            (Monolog, 300, Some(Level::Warning)),
            (Monolog, 400, Some(Level::Err)),
            (Monolog, 500, Some(Level::Crit)),
            (Monolog, 550, Some(Level::Alert)),
            (Monolog, 600, Some(Level::Emerg)),
            (Monolog, 99, None),
            (Monolog, 700, None),
            (OpenTelemetry, 1, Some(Level::Debug)),
            (OpenTelemetry, 9, Some(Level::Info)),
            (OpenTelemetry, 16, Some(Level::Warning)),
            (OpenTelemetry, 17, Some(Level::Err)),
            (OpenTelemetry, 24, Some(Level::Crit)),
            (OpenTelemetry, 0, None),
            (OpenTelemetry, 25, None),
        ] {
            assert_eq!(Level::from_number(scale, number), level, "{scale:?} {number}");
        }
    }
}
