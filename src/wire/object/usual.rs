//! The usual object: our keys and plain fields, each with a value that needs no repair. This is the hot path: it reads
//! the text once, and leaves everything else to the general way.

use std::borrow::Cow;

use super::NUMBER_MAX;
use super::json::{decoded, plain};
use super::measured::Measured;
use super::roles::{self, Shape};
use super::scan::{Key, Scanned, Scanner};
use crate::event::{
    Draft, FIELDS_MAX, Field, Level, Tag, Value, check_field_name, check_run, duration,
};

/// Makes a draft of an object. `None` if the text is none, or any member is unusual.
pub(super) fn draft(text: &str) -> Option<Draft<'_>> {
    let mut scanner = Scanner::new(text).ok()?;
    let mut reader = Reader::default();
    while let Some(key) = scanner.key().ok()? {
        reader.member(key, &mut scanner)?;
    }
    scanner.finish().ok()?;
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader<'a> {
    draft: Draft<'a>,
    has_msg: bool,
    has_level: bool,
    has_fields: bool,
    measured: Measured<'a>,
}

impl<'a> Reader<'a> {
    /// Reads a member of the outermost object. `None` if it is unusual.
    #[inline]
    fn member(&mut self, key: Key<'a>, scanner: &mut Scanner<'a>) -> Option<()> {
        // A key may repeat.
        match key.inside {
            "fields" if !self.has_fields => {
                self.has_fields = true;
                return self.fields(scanner);
            }
            "fields" => return None,
            _ => {}
        }
        let value = scanner.value().ok()?;
        if !roles::may_mean(key.inside) {
            // Null means absent here, but a second member of the same name would be a repair.
            return if value.raw == "null" { None } else { self.field(key, value) };
        }
        match key.inside {
            "msg" if !self.has_msg => {
                self.has_msg = true;
                self.draft.msg = text(value)?;
            }
            "tag" if self.draft.tag.is_none() => {
                self.draft.tag = Some(Tag::new(text(value)?).ok()?);
            }
            "level" if !self.has_level => {
                self.has_level = true;
                self.draft.level = Level::from_typed(&text(value)?).ok()?;
            }
            "run" if self.draft.run.is_none() => {
                let run = text(value)?;
                check_run(&run).ok()?;
                self.draft.run = Some(run);
            }
            "took" => self.took(value)?,
            _ => return None,
        }
        Some(())
    }

    /// Reads the object `fields`.
    fn fields(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        if !scanner.enter() {
            return None;
        }
        while let Some(key) = scanner.key().ok()? {
            let value = scanner.value().ok()?;
            match key.inside {
                "took" => self.took(value)?,
                "repaired" => return None,
                _ => self.field(key, value)?,
            }
        }
        Some(())
    }

    fn took(&mut self, value: Scanned<'a>) -> Option<()> {
        if self.draft.took.is_some() {
            return None;
        }
        let seconds = match value.raw.as_bytes().first() {
            Some(b'"') => duration::parse(&text(value)?),
            _ => value.raw.parse().ok().and_then(duration::check),
        };
        self.draft.took = Some(seconds?);
        Some(())
    }

    #[inline]
    fn field(&mut self, key: Key<'a>, value: Scanned<'a>) -> Option<()> {
        let (name, raw) = (key.inside, value.raw);
        let fields = &mut self.draft.fields;
        if key.has_escape
            || check_field_name(name).is_err()
            || fields.len() >= FIELDS_MAX
            || fields.iter().any(|field| field.name == name)
        {
            return None;
        }
        let value = match raw.as_bytes().first() {
            Some(b'"') => Value::Text(text(value)?),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            Some(b'{' | b'[') => return None,
            _ if raw.len() > NUMBER_MAX => return None,
            _ => Value::Number(raw.into()),
        };
        self.measured.note(name, raw, 1);
        fields.push(Field { name: name.into(), value });
        Some(())
    }

    fn finish(self) -> Option<Draft<'a>> {
        let mut draft = self.draft;
        // Only the general way knows which logger wrote the object, and so the unit.
        if self.measured.needs_unit() {
            return None;
        }
        if draft.took.is_none() && draft.run.is_none() {
            draft.took = self.measured.seconds(&Shape::default());
        }
        Some(draft)
    }
}

/// The text of a string. `None` for other values, and for a string with half a surrogate pair.
#[inline]
fn text(value: Scanned<'_>) -> Option<Cow<'_, str>> {
    if value.has_escape {
        let (text, whole) = decoded(value.raw);
        return whole.then_some(text.into());
    }
    Some(plain(value.raw)?.into())
}
