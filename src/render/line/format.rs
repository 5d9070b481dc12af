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
    /// The same with microseconds.
    ShortPrecise,
    /// The same with weekday, date and zone.
    ShortFull,
    /// As short-full, with the systemd unit instead of the tag.
    WithUnit,
    /// The JSON line.
    Json,
    /// The JSON object on several lines.
    JsonPretty,
    /// The message, and whether the run was abandoned.
    Cat,
    /// Every key as `key=value`, on one line.
    Logfmt,
    /// Every key on a line of its own.
    Verbose,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 10] = [
        Self::Short,
        Self::ShortIso,
        Self::ShortPrecise,
        Self::ShortFull,
        Self::WithUnit,
        Self::Json,
        Self::JsonPretty,
        Self::Cat,
        Self::Logfmt,
        Self::Verbose,
    ];

    /// The name, as in `-o NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::ShortIso => "short-iso",
            Self::ShortPrecise => "short-precise",
            Self::ShortFull => "short-full",
            Self::WithUnit => "with-unit",
            Self::Json => "json",
            Self::JsonPretty => "json-pretty",
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
            Self::ShortPrecise => "the same, with microseconds",
            Self::ShortFull => "the same, with weekday, date and time zone",
            Self::WithUnit => "as short-full, with the systemd unit instead of the tag",
            Self::Json => "the event line itself",
            Self::JsonPretty => "the same object on several lines",
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
#[error("unknown format {0:?}: use {meant}", meant = meant(.0))]
pub struct UnknownFormat(pub String);

/// What to use instead: for a format of journalctl, the one that is nearest.
fn meant(name: &str) -> String {
    match name {
        "export" | "json-sse" | "json-seq" => Format::Json.name().into(),
        "short-iso-precise" => format!("{}, which has microseconds", Format::Logfmt),
        "short-monotonic" | "short-unix" | "short-delta" => Format::ShortPrecise.name().into(),
        _ => Format::ALL.map(Format::name).join(", "),
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| UnknownFormat(text.into()))
    }
}
