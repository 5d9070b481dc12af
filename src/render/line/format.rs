//! The names of the output formats.

use std::fmt;
use std::str::FromStr;

/// An output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As in journalctl: time, host, tag, message, fields.
    #[default]
    Short,
    /// The same with an RFC 3339 time.
    ShortIso,
    /// The JSON line.
    Json,
    /// The message, and whether the run was abandoned.
    Cat,
    /// Every key as `key=value`, on one line.
    Logfmt,
    /// Every key on a line of its own.
    Verbose,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Short, Self::ShortIso, Self::Json, Self::Cat, Self::Logfmt, Self::Verbose];

    /// The name, as in `-o NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::ShortIso => "short-iso",
            Self::Json => "json",
            Self::Cat => "cat",
            Self::Logfmt => "logfmt",
            Self::Verbose => "verbose",
        }
    }

    /// A description for the help text.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Short => "as in journalctl: time, host, tag, message, fields",
            Self::ShortIso => "the same, with RFC 3339 times",
            Self::Json => "the event line itself",
            Self::Cat => "the message only",
            Self::Logfmt => "every key as key=value, on one line",
            Self::Verbose => "every key on a line of its own",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not the name of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}: use short, short-iso, json, cat, logfmt or verbose")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| UnknownFormat(text.into()))
    }
}
