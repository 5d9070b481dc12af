//! Event and gap lines in the formats that people choose from.

mod clock;
mod gap;
mod keys;
mod quote;
mod short;

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::event::Line;

pub use short::{FIELD_SHOWN_MAX, MESSAGE_SHOWN_MAX};

/// What goes before each further line of a message, so that none can be taken for an event.
const INDENT: &str = "    ";

/// What a line becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As journalctl: time, host, tag, message, fields.
    #[default]
    Short,
    /// The same with the whole date and the offset from UTC.
    ShortIso,
    /// The line of JSON itself.
    Json,
    /// The message only.
    Cat,
    /// `key=value` for everything, on one line.
    Logfmt,
    /// Everything, a key a line.
    Verbose,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Short, Self::ShortIso, Self::Json, Self::Cat, Self::Logfmt, Self::Verbose];

    /// The name, as one types it.
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

    /// What it is, in a few words for a help text.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Short => "as journalctl: time, host, tag, message, fields",
            Self::ShortIso => "the same, with RFC 3339 times",
            Self::Json => "the event line itself",
            Self::Cat => "the message only",
            Self::Logfmt => "key=value for everything, on one line",
            Self::Verbose => "everything, a key a line",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no format.
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

/// How lines are shown.
#[derive(Clone, Debug)]
pub struct Style {
    /// What a line becomes.
    pub format: Format,
    /// Where the reader is.
    pub tz: TimeZone,
    /// Whether to show the host, in the formats that leave anything out.
    pub hostname: bool,
    /// Whether to show in full what is longer than [`MESSAGE_SHOWN_MAX`] or [`FIELD_SHOWN_MAX`].
    pub all: bool,
    /// Whether to colour by level.
    pub color: bool,
}

impl Style {
    /// This format, with UTC, the host, long texts cut, and no colour.
    pub const fn new(format: Format) -> Self {
        Self { format, tz: TimeZone::UTC, hostname: true, all: false, color: false }
    }

    /// Appends the line as text, with its line end.
    pub fn line(&self, line: &Line<'_>, out: &mut String) {
        match (self.format, line) {
            (Format::Json, Line::Event(event)) => quote::push_json(out, event.line),
            (Format::Json, Line::Gap(told)) => quote::push_json(out, told.line),
            (Format::Short | Format::ShortIso, Line::Event(event)) => {
                short::event(self, event, out)
            }
            (Format::Cat, Line::Event(event)) => short::message_only(event, out),
            (Format::Logfmt, Line::Event(event)) => keys::logfmt(self, event, out),
            (Format::Verbose, Line::Event(event)) => keys::verbose(self, event, out),
            (Format::Logfmt, Line::Gap(told)) => keys::logfmt_gap(self, told, out),
            (_, Line::Gap(told)) => short::gap(self, told, out),
        }
        out.push('\n');
    }
}

/// A duration for people, with at most three decimals: `40ms`, `1.234s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Took(pub f64);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        // What would round up to 1000 of a unit is one of the next.
        let (number, unit) = match seconds {
            s if s >= 0.999_999_5 || s == 0.0 => (s, "s"),
            s if s >= 0.000_999_999_5 => (s * 1e3, "ms"),
            s if s >= 0.000_000_999_999_5 => (s * 1e6, "us"),
            s => (s * 1e9, "ns"),
        };
        let text = format!("{number:.3}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{text}{unit}"))
    }
}

#[cfg(test)]
mod tests;
