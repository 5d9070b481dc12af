//! The level of an object: by a name, or by a number of the logger that wrote it.

use super::json::string;
use super::roles::{Role, Said, Shape};
use crate::event::{Level, LoggerScale};

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
        let value = text.as_ref().map_or(said.raw, |(text, _)| text);
        let number = value.parse::<u16>().ok();
        let level = match role {
            Role::Severity => number
                .and_then(|number| Level::from_number(LoggerScale::OpenTelemetry, number.into())),
            _ => Level::from_typed(value.trim()).ok(),
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
        let scale = match (shape.is_pino(), shape.is_monolog()) {
            (true, _) => Some(LoggerScale::Pino),
            (false, true) => Some(LoggerScale::Monolog),
            (false, false) => None,
        };
        let number = shape.level_number.unwrap_or_default().into();
        let Some(level) = scale.and_then(|scale| Level::from_number(scale, number)) else {
            self.has_bad = true;
            return (named, Some(numbered));
        };
        // Monolog writes the name too.
        let other = known.filter(|(named, _)| *named != level).map(|(_, said)| said);
        (Some(level), other)
    }
}
