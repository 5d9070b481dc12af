//! The usual object: our keys, each with a value that needs no repair. This is the hot path; everything
//! else takes the general way.

use super::json::{Members, members, string};
use super::{NUMBER_MAX, measured};
use crate::event::{
    Draft, FIELDS_MAX, Field, Level, Tag, Value, check_field_name, check_run, duration,
};

/// Makes a draft of the members. `None`, without having done much, if any of them is unusual.
pub(super) fn draft<'a>(object: &Members<'a>) -> Option<Draft<'a>> {
    let mut draft = Draft::default();
    if object.had_duplicates || object.had_surrogate {
        return None;
    }
    for (key, raw) in &object.all {
        match &**key {
            "msg" => draft.msg = text(raw)?,
            "tag" => draft.tag = Some(Tag::new(text(raw)?).ok()?),
            "level" => draft.level = Level::from_typed(&text(raw)?).ok()?,
            "run" => {
                let run = text(raw)?;
                check_run(&run).ok()?;
                draft.run = Some(run);
            }
            "fields" => add_fields(&mut draft, raw)?,
            _ => return None,
        }
    }
    Some(draft)
}

fn add_fields<'a>(draft: &mut Draft<'a>, raw: &'a str) -> Option<()> {
    // The key may repeat.
    if !draft.fields.is_empty() || draft.took.is_some() || !raw.starts_with('{') {
        return None;
    }
    let inside = members(raw, None)?;
    if inside.had_duplicates || inside.had_surrogate || inside.all.len() > FIELDS_MAX {
        return None;
    }
    for (name, raw) in inside.all {
        let value = match raw.as_bytes().first() {
            Some(b'"') => Value::Text(text(raw)?),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            Some(b'{' | b'[') => return None,
            _ if raw.len() > NUMBER_MAX => return None,
            _ => Value::Number(raw.into()),
        };
        match (&*name, &value) {
            ("took", Value::Text(text)) => draft.took = Some(duration::parse(text)?),
            ("took", Value::Number(digits)) => {
                draft.took = Some(digits.parse().ok().and_then(duration::check)?);
            }
            ("took" | "repaired", _) => return None,
            (name, _) if check_field_name(name).is_err() || measured::key(name).is_some() => {
                return None;
            }
            _ => draft.fields.push(Field { name, value }),
        }
    }
    Some(())
}

/// The text of a string. `None` for other values, and for a string with half a surrogate pair.
fn text(raw: &str) -> Option<std::borrow::Cow<'_, str>> {
    string(raw).filter(|(_, whole)| *whole).map(|(text, _)| text)
}
