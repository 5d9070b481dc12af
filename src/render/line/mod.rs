//! Event and gap lines as text.

mod clock;
mod duration;
mod format;
mod gap;
mod keys;
mod message;
mod paint;
mod quote;
mod short;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;

use self::clock::Decimals;
use self::short::Short;
use crate::event::{EventLine, GapLine, Line};

pub use duration::Took;
pub use format::{Format, UnknownFormat};
pub use message::MESSAGE_SHOWN_MAX;
pub use short::FIELD_SHOWN_MAX;

/// How lines are displayed.
///
/// ```
/// use pulsed::event::Line;
/// use pulsed::render::{Format, Style};
///
/// let line = concat!(
///     r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"shop.query","#,
///     r#""level":"warning","msg":"query took 40ms","took":0.04,"fields":{"user":"123"}}"#,
/// );
/// let line = Line::parse(line).expect("a line");
/// let mut out = String::new();
/// Style::new(Format::Short).line(&line, &mut out);
/// assert_eq!(out, "Nov 22 17:32:05.123 web1 shop.query warning: query took 40ms user=123\n");
/// ```
#[derive(Clone, Debug)]
pub struct Style {
    /// The output format.
    pub format: Format,
    /// The time zone of the reader.
    pub tz: TimeZone,
    /// `true` to show the host in the formats short and short-iso.
    pub hostname: bool,
    /// `true` to show the whole of a text that is longer than [`MESSAGE_SHOWN_MAX`] or
    /// [`FIELD_SHOWN_MAX`].
    pub all: bool,
    /// `true` to colour by level.
    pub color: bool,
    /// `true` to show the bytes of a message in the format cat. Not for terminals.
    pub exact: bool,
    /// The current year. The formats short and short-precise show the year of an event from another one.
    pub this_year: Option<i16>,
}

impl Style {
    /// A style in UTC, with host, truncated texts and no colour.
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            tz: TimeZone::UTC,
            hostname: true,
            all: false,
            color: false,
            exact: false,
            this_year: None,
        }
    }

    /// Appends the line as text, with a line end.
    pub fn line(&self, line: &Line<'_>, out: &mut String) {
        match line {
            Line::Event(event) => self.event(event, out),
            Line::Gap(gap) => self.gap(gap, out),
        }
        out.push('\n');
    }

    fn event(&self, event: &EventLine<'_>, out: &mut String) {
        let Self { hostname, all, color, .. } = *self;
        let short = Short { hostname, all, color, unit: false };
        match self.format {
            Format::Short => {
                clock::push_short(out, event.time, &self.tz, self.this_year, Decimals::Three);
                short.push(event, out);
            }
            Format::ShortPrecise => {
                clock::push_short(out, event.time, &self.tz, self.this_year, Decimals::Six);
                short.push(event, out);
            }
            Format::ShortFull => {
                clock::push_full(out, event.time, &self.tz);
                short.push(event, out);
            }
            Format::WithUnit => {
                clock::push_full(out, event.time, &self.tz);
                Short { unit: true, ..short }.push(event, out);
            }
            Format::ShortIso => {
                clock::push_iso(out, event.time, &self.tz, Decimals::Three);
                short.push(event, out);
            }
            Format::Json => quote::push_json(out, event.line),
            Format::JsonPretty => quote::push_json_pretty(out, event.line),
            Format::Cat if self.exact => short::push_message_exactly(event, out),
            Format::Cat => short::push_message_only(event, out),
            Format::Logfmt => keys::push_logfmt(event, &self.tz, out),
            Format::Verbose => keys::push_verbose(event, &self.tz, self.all, out),
        }
    }

    fn gap(&self, gap: &GapLine<'_>, out: &mut String) {
        match self.format {
            Format::Json => quote::push_json(out, gap.line),
            Format::Logfmt => keys::push_logfmt_gap(gap, &self.tz, out),
            Format::JsonPretty => quote::push_json_pretty(out, gap.line),
            Format::Short
            | Format::ShortIso
            | Format::ShortPrecise
            | Format::ShortFull
            | Format::WithUnit
            | Format::Cat
            | Format::Verbose => {
                paint::push(out, self.color, paint::GAP, |out| gap::push(out, gap.gap));
            }
        }
    }
}
