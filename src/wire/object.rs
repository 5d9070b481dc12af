//! The object of `SEND {…}`: flat, with the keys that a sender may set.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::{
    BadField, BadTag, Draft, FIELDS_MAX, Field, Level, Tag, UnknownLevel, Value, check_field_name,
    check_run, took,
};

/// The longest number, in characters. A number keeps the sender's digits.
const NUMBER_MAX: usize = 64;

/// The most characters of an unknown key or a nested field's name that an error quotes.
const QUOTED_MAX: usize = 64;

/// Why an object is not a draft.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadObject {
    #[error("not a JSON object: {0}")]
    Json(String),
    #[error("unknown key {0:?}: use tag, level, msg, run, fields and time")]
    Key(String),
    #[error("key {0:?} is given twice")]
    Twice(&'static str),
    #[error("{0} must be a string")]
    NotText(&'static str),
    #[error("fields must be an object")]
    NotFields,
    #[error("time must be a string or a number")]
    BadTime,
    #[error("a number of more than {NUMBER_MAX} characters")]
    LongNumber,
    #[error(transparent)]
    Tag(#[from] BadTag),
    #[error(transparent)]
    Level(#[from] UnknownLevel),
    #[error(transparent)]
    Field(#[from] BadField),
}

/// Parses the object of a SEND.
pub(super) fn draft(text: &str) -> Result<Draft<'_>, BadObject> {
    let mut draft = Draft::default();
    let mut seen = Vec::new();
    for (key, value) in members(text)? {
        let known = ["tag", "level", "msg", "run", "fields", "time"];
        let Some(key) = known.into_iter().find(|name| *name == key) else {
            return Err(BadObject::Key(key.chars().take(QUOTED_MAX).collect()));
        };
        if seen.contains(&key) {
            return Err(BadObject::Twice(key));
        }
        seen.push(key);
        let text = || string(value).ok_or(BadObject::NotText(key));
        match key {
            "tag" => draft.tag = Some(Tag::new(text()?)?),
            "level" => draft.level = Level::from_typed(&text()?)?,
            "msg" => draft.msg = text()?,
            "run" => {
                let run = text()?;
                check_run(&run)?;
                draft.run = Some(run);
            }
            "fields" => add_fields(&mut draft, value)?,
            _ => add(&mut draft, "sent".into(), sent(value)?)?,
        }
    }
    Ok(draft)
}

/// The members of an object, in order, each value as JSON text. Deeply nested values do not recurse.
fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, BadObject> {
    let bad = |e: serde_json::Error| BadObject::Json(e.to_string());
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members).map_err(bad)?;
    reader.end().map_err(bad)?;
    Ok(members)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        // One member over the bound suffices: the caller refuses it.
        while let Some(key) = map.next_key::<&RawValue>()? {
            let value: &RawValue = map.next_value()?;
            if members.len() <= FIELDS_MAX {
                members.push((string(key.get()).unwrap_or_default(), value.get()));
            }
        }
        Ok(members)
    }
}

/// The text of a JSON string. `None` if it is not a string.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(inside.into())
    }
}

fn add_fields<'a>(draft: &mut Draft<'a>, object: &'a str) -> Result<(), BadObject> {
    if !object.starts_with('{') {
        return Err(BadObject::NotFields);
    }
    for (name, raw) in members(object)? {
        if name == "took" {
            let seconds = match value("took", raw)? {
                Value::Text(text) => took::parse(&text),
                Value::Number(digits) => digits.parse().ok().and_then(took::check),
                Value::Bool(_) | Value::Null => None,
            };
            if draft.took.replace(seconds.ok_or(BadField::Took)?).is_some() {
                return Err(BadField::Twice("took".into()).into());
            }
            continue;
        }
        let value = value(&name, raw)?;
        add(draft, name, value)?;
    }
    Ok(())
}

fn add<'a>(draft: &mut Draft<'a>, name: Cow<'a, str>, value: Value<'a>) -> Result<(), BadObject> {
    check_field_name(&name)?;
    if draft.fields.iter().any(|field| field.name == name) {
        return Err(BadField::Twice(name.into()).into());
    }
    if draft.fields.len() == FIELDS_MAX {
        return Err(BadField::Many.into());
    }
    draft.fields.push(Field { name, value });
    Ok(())
}

fn value<'a>(name: &str, raw: &'a str) -> Result<Value<'a>, BadObject> {
    match raw.as_bytes().first() {
        Some(b'"') => string(raw).map(Value::Text).ok_or(BadObject::Json("a broken string".into())),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'n') => Ok(Value::Null),
        Some(b'{' | b'[') => Err(BadField::Nested(name.chars().take(QUOTED_MAX).collect()).into()),
        _ if raw.len() > NUMBER_MAX => Err(BadObject::LongNumber),
        _ => Ok(Value::Number(raw.into())),
    }
}

/// The time that the sender claims. It becomes a field: the event's time is the agent's.
fn sent(raw: &str) -> Result<Value<'_>, BadObject> {
    match value("time", raw) {
        Ok(value @ (Value::Text(_) | Value::Number(_))) => Ok(value),
        _ => Err(BadObject::BadTime),
    }
}
