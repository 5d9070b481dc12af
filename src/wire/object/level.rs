//! The level of an object: by a name, or by a number of the logger that wrote it.

use super::json::string;
use super::roles::{Role, Said, Shape};
use crate::event::Level;

/// What an object says of its level.
#[derive(Debug, Default)]
pub(super) struct Levels<'a> {
    known: Option<(Level, Said<'a>)>,
    /// A number that only the shape of the object explains.
    numbered: Option<Said<'a>>,
    /// A level that is none.
    pub(super) has_bad: bool,
}

impl<'a> Levels<'a> {
    /// Takes a value for the level. Returns the one that is a field instead.
    pub(super) fn offer(
        &mut self,
        role: Role,
        said: Said<'a>,
        shape: &mut Shape,
    ) -> Option<Said<'a>> {
        let text = string(said.raw);
        let number = text.as_ref().map_or(said.raw, |(text, _)| text).parse::<u16>().ok();
        let level = match (role, &text, number) {
            (Role::Severity, _, number) => number.and_then(level_of_opentelemetry),
            (_, None, Some(number)) => u8::try_from(number)
                .ok()
                .filter(|severity| usize::from(*severity) < Level::ALL.len())
                .map(Level::from_severity),
            (_, Some((text, _)), _) => level_named(text),
            (_, None, None) => None,
        };
        if let Some((text, _)) = &text {
            let upper = text.bytes().any(|b| b.is_ascii_uppercase());
            shape.level_upper |= upper && !text.bytes().any(|b| b.is_ascii_lowercase());
        }
        match (level, number) {
            (Some(level), _) => match &mut self.known {
                Some((_, other)) if other.rank <= said.rank => Some(said),
                slot => slot.replace((level, said)).map(|(_, said)| said),
            },
            (None, Some(number)) if said.path == "level" => {
                shape.level_number = Some(number);
                self.numbered = Some(said);
                None
            }
            (None, _) => {
                self.has_bad = true;
                Some(said)
            }
        }
    }

    /// The level, and the value that is a field instead.
    pub(super) fn finish(&mut self, shape: &Shape) -> (Option<Level>, Option<Said<'a>>) {
        let known = self.known.take();
        let named = known.as_ref().map(|(level, _)| *level);
        let Some(numbered) = self.numbered.take() else { return (named, None) };
        let number = shape.level_number.unwrap_or_default();
        let level = if shape.is_pino() {
            level_of_pino(number)
        } else if shape.is_monolog() {
            level_of_monolog(number)
        } else {
            self.has_bad = true;
            return (named, Some(numbered));
        };
        // Monolog writes the name too.
        let other = known.filter(|(named, _)| *named != level).map(|(_, said)| said);
        (Some(level), other)
    }
}

/// The level of a number of pino or bunyan.
fn level_of_pino(number: u16) -> Level {
    match number {
        ..30 => Level::Debug,
        30..40 => Level::Info,
        40..50 => Level::Warning,
        50..60 => Level::Err,
        60.. => Level::Crit,
    }
}

/// The level of a number of Monolog.
fn level_of_monolog(number: u16) -> Level {
    match number {
        ..200 => Level::Debug,
        200..250 => Level::Info,
        250..300 => Level::Notice,
        300..400 => Level::Warning,
        400..500 => Level::Err,
        500..550 => Level::Crit,
        550..600 => Level::Alert,
        600.. => Level::Emerg,
    }
}

/// The level of a severity number of OpenTelemetry, from 1 to 24.
fn level_of_opentelemetry(number: u16) -> Option<Level> {
    Some(match number {
        1..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warning,
        17..=20 => Level::Err,
        21..=24 => Level::Crit,
        _ => return None,
    })
}

/// The level with a name. slog adds a difference to it, as in `DEBUG-4`.
fn level_named(text: &str) -> Option<Level> {
    // The names of the event line are the usual case and need no copy.
    if let Some(level) = Level::ALL.into_iter().find(|level| level.name() == text) {
        return Some(level);
    }
    let name = match text.split_once(['+', '-']) {
        Some((name, by)) if !by.is_empty() && by.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => text,
    };
    Level::from_typed(name.trim()).ok()
}
