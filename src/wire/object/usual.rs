//! The usual object: our keys and plain fields, each with a value that needs no repair. This is the hot path: it reads
//! the text once, and leaves everything else to the general way.

use std::borrow::Cow;

use super::NUMBER_MAX;
use super::json::decoded;
use super::measured::{self, Measured};
use super::roles::{self, Shape};
use super::scan::{Key, Kind, Scanned, Scanner};
use crate::event::json::Packed;
use crate::event::{
    Draft, FIELDS_MAX, Field, Level, Tag, Value, check_field_name, check_run, duration,
};
use crate::wire::fields::FIELDS_USUAL;

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
    names: Names,
    measured: Measured<'a>,
}

impl<'a> Reader<'a> {
    /// Reads a member of the outermost object. `None` if it is unusual.
    #[inline]
    fn member(&mut self, key: Key<'a>, scanner: &mut Scanner<'a>) -> Option<()> {
        const TAG: Packed = packed("tag");
        const LEVEL: Packed = packed("level");
        const MSG: Packed = packed("msg");
        const FIELDS: Packed = packed("fields");
        const RUN: Packed = packed("run");
        if key.packed == FIELDS && !self.has_fields {
            self.has_fields = true;
            return self.fields(scanner);
        }
        let value = scanner.value().ok()?;
        // A key may repeat.
        match key.packed {
            MSG if !self.has_msg => {
                self.has_msg = true;
                self.draft.msg = text(&value)?;
            }
            TAG if self.draft.tag.is_none() => {
                self.draft.tag = Some(Tag::new(text(&value)?).ok()?);
            }
            LEVEL if !self.has_level => {
                self.has_level = true;
                self.draft.level = Level::from_typed(&text(&value)?).ok()?;
            }
            RUN if self.draft.run.is_none() => {
                let run = text(&value)?;
                check_run(&run).ok()?;
                self.draft.run = Some(run);
            }
            TOOK => self.took(&value)?,
            _ if roles::may_mean(key.inside()) => return None,
            // Null means absent here, but a second member of the same name would be a repair.
            _ if value.kind == Kind::Null => return None,
            _ => self.field(&key, &value)?,
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
            if key.packed == TOOK {
                self.took(&value)?;
            } else {
                self.field(&key, &value)?;
            }
        }
        Some(())
    }

    fn took(&mut self, value: &Scanned<'a>) -> Option<()> {
        if self.draft.took.is_some() {
            return None;
        }
        let seconds = match value.kind {
            Kind::Text | Kind::Escaped => duration::parse(&text(value)?),
            _ => value.raw().parse().ok().and_then(duration::check),
        };
        self.draft.took = Some(seconds?);
        Some(())
    }

    #[inline]
    fn field(&mut self, key: &Key<'a>, value: &Scanned<'a>) -> Option<()> {
        let name = key.inside();
        // Most names are a short word.
        let is_name = key.packed.is_small_letters(name.len()) && !name.is_empty();
        if !is_name && (key.has_escape || name == REPAIRED || check_field_name(name).is_err()) {
            return None;
        }
        let fields = &mut self.draft.fields;
        let is_taken = || fields.iter().any(|field| field.name == name);
        if fields.len() >= FIELDS_MAX || (self.names.note(name) && is_taken()) {
            return None;
        }
        let given = match value.kind {
            Kind::Text | Kind::Escaped => Value::Text(text(value)?),
            Kind::Number if value.raw().len() > NUMBER_MAX => return None,
            Kind::Number => Value::Number(value.raw().into()),
            Kind::True => Value::Bool(true),
            Kind::False => Value::Bool(false),
            Kind::Null => Value::Null,
            Kind::Nested => return None,
        };
        if measured::may_be_key(name) {
            self.measured.note(name, value.raw(), 1);
        }
        if fields.capacity() == 0 {
            *fields = Vec::with_capacity(FIELDS_USUAL);
        }
        fields.push(Field { name: name.into(), value: given });
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

const TOOK: Packed = packed("took");

/// The name of a field that only the agent sets.
const REPAIRED: &str = "repaired";

const fn packed(key: &str) -> Packed {
    Packed::new(key).expect("a short key")
}

/// Which names may be taken: one bit for all names that have some bytes in common.
#[derive(Clone, Copy, Debug, Default)]
struct Names(u64);

impl Names {
    /// Notes a name. `true` if it may have been noted before.
    #[inline]
    fn note(&mut self, name: &str) -> bool {
        let [first, .., last] = *name.as_bytes() else { return true };
        let bit = 1 << ((usize::from(first) + 3 * usize::from(last) + 7 * name.len()) % 64);
        let is_noted = self.0 & bit != 0;
        self.0 |= bit;
        is_noted
    }
}

/// The text of a string. `None` for other values, and for a string with half a surrogate pair.
#[inline]
fn text<'a>(value: &Scanned<'a>) -> Option<Cow<'a, str>> {
    match value.kind {
        Kind::Text => Some(value.inside().into()),
        Kind::Escaped => {
            let (text, whole) = decoded(value.raw());
            whole.then_some(text.into())
        }
        _ => None,
    }
}
