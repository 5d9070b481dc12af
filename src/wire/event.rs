//! The line of one event: text, or an object.

use super::fields::{Repair, Repairs};
use super::lines::BLANK;
use super::object;
use crate::event::Draft;

/// Reads what follows SEND: an object if it begins with a brace and is one, else text. `cut`: the end
/// is missing.
pub(super) fn read(text: &str, repairs: Repairs, cut: bool) -> Draft<'_> {
    match text.as_bytes().first() {
        Some(b'{') => read_object(text, repairs, cut),
        // The bytes that `BLANK` begins with.
        Some(b' ' | b'\t' | 0xef) if text.trim_start_matches(BLANK).starts_with('{') => {
            read_object(text, repairs, cut)
        }
        _ => plain(text, repairs),
    }
}

/// Reads a line that should be an object. It is text if it is none.
pub(super) fn read_object(text: &str, repairs: Repairs, cut: bool) -> Draft<'_> {
    let object = text.trim_start_matches(BLANK);
    let draft = match cut {
        true => object::draft_cut(object, repairs),
        false => object::draft(object, repairs),
    };
    draft.unwrap_or_else(|| plain(text, repairs.with(Repair::Object, true)))
}

fn plain(text: &str, repairs: Repairs) -> Draft<'_> {
    Draft { msg: text.into(), fields: repairs.fields(), ..Draft::default() }
}
