//! A JSON object as an event: with our keys, or those of other loggers (pulse-protocol(7), "What is
//! understood"). Nothing is refused: what does not fit is repaired.

mod json;
mod level;
mod measured;
mod reader;
mod roles;
mod scan;
#[cfg(test)]
mod tests;
mod usual;

use std::borrow::Cow;

use self::json::members;
use super::fields::{MORE, Repairs};
use super::lines::BLANK;
use crate::event::Draft;

/// The keys of an object of ours, for the manual. Those of other loggers are in `roles`.
pub const KEYS: [&str; 7] = ["tag", "level", "msg", "run", "took", "fields", "time"];

/// The longest number, in characters. A longer one becomes text.
const NUMBER_MAX: usize = 64;

/// The most parts of a flattened name. A value nested deeper is kept as JSON text.
pub const DEPTH_MAX: usize = 8;

/// An object as the agent will read it.
#[derive(Debug)]
pub struct Object<'a> {
    /// The event.
    pub draft: Draft<'a>,
    /// The object names a level, if only an unknown one.
    pub names_level: bool,
    /// The object has `took`. The duration of a draft may also come from another field.
    pub gives_took: bool,
    /// What follows its opening brace.
    pub members: Cow<'a, str>,
}

/// Makes a draft of an object. `None` if the text is none.
pub(super) fn draft(text: &str, repairs: Repairs) -> Option<Draft<'_>> {
    if repairs == Repairs::default()
        && let Some(draft) = usual::draft(text)
    {
        return Some(draft);
    }
    Some(reader::read(members(text, Some("fields"))?, repairs).draft)
}

/// Makes a draft of an object below a header of syslog, which names tag, level and fields. The tag of the header counts,
/// because it says which program sent the message: text of users in a message cannot choose another one. Returns the
/// header's draft if the text is no object, or if the header alone has too many fields: JSON text within JSON text
/// within JSON text would exceed the bound of a line.
pub(super) fn draft_under<'a>(header: Draft<'a>, text: &'a str) -> Draft<'a> {
    let is_full = header.fields.iter().any(|field| field.name == MORE);
    match members(text, Some("fields")) {
        Some(members) if !is_full => reader::read_under(header, members),
        _ => header,
    }
}

/// Makes a draft of an object whose end was cut off. `None` if too little of it is there.
#[cold]
pub(super) fn draft_cut(text: &str, repairs: Repairs) -> Option<Draft<'static>> {
    let whole = json::completed(text)?;
    Some(draft(&whole, repairs)?.into_owned())
}

/// Reads an object as the agent does, for a sender that adds to it. `cut`: the end is missing. `None` if
/// the text is none.
pub fn read(text: &str, cut: bool) -> Option<Object<'_>> {
    let text = text.trim_start_matches(BLANK);
    let rest = text.strip_prefix('{')?;
    let completed = if cut { json::completed(text) } else { None };
    let object = match &completed {
        Some(whole) => {
            let object = reader::read(members(whole, Some("fields"))?, Repairs::default());
            let Object { draft, names_level, gives_took, .. } = object;
            Object { draft: draft.into_owned(), names_level, gives_took, members: Cow::default() }
        }
        None => reader::read(members(text, Some("fields"))?, Repairs::default()),
    };
    Some(Object { members: rest.into(), ..object })
}
