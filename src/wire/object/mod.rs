//! A JSON object as an event: with our keys, or those of other loggers (pulse-protocol(7), "What is
//! understood"). Nothing is refused: what does not fit is repaired.

mod json;
mod measured;
mod roles;
#[cfg(test)]
mod tests;
mod usual;

use std::borrow::Cow;

use self::json::{Members, elements, members, string};
use self::measured::Unit;
use self::roles::{Role, Shape};
use super::event::BLANK;
use super::fields::{Fields, Repair, Repairs, SENT};
use crate::event::{
    Draft, FIELD_NAME_MAX, Level, RUN_MAX, Tag, Value, check_run, cut, json as event_json, took,
};

/// The keys of an object of ours, for the manual. Those of other loggers are in [`roles`].
pub const KEYS: [&str; 7] = ["tag", "level", "msg", "run", "took", "fields", "time"];

/// The longest number, in characters. A longer one becomes text.
const NUMBER_MAX: usize = 64;

/// The most parts of a flattened name. A value nested deeper is kept as JSON text.
const DEPTH_MAX: usize = 8;

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
    let members = members(text, Some("fields"))?;
    if repairs == Repairs::default()
        && let Some(draft) = usual::draft(&members)
    {
        return Some(draft);
    }
    Some(general(members, repairs).draft)
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
            let object = general(members(whole, Some("fields"))?, Repairs::default());
            let Object { draft, names_level, gives_took, .. } = object;
            Object { draft: draft.into_owned(), names_level, gives_took, members: Cow::default() }
        }
        None => general(members(text, Some("fields"))?, Repairs::default()),
    };
    Some(Object { members: rest.into(), ..object })
}

fn general(members: Members<'_>, repairs: Repairs) -> Object<'_> {
    let mut reader = Reader { fields: Fields::new(None, repairs), ..Reader::default() };
    reader.note_repairs(members.had_duplicates, members.had_surrogate);
    for (key, raw) in members.all {
        reader.member(key, raw);
    }
    reader.finish()
}

/// A value that has a meaning.
#[derive(Debug)]
struct Said<'a> {
    rank: u8,
    path: Cow<'a, str>,
    raw: &'a str,
}

#[derive(Debug, Default)]
struct Reader<'a> {
    fields: Fields<'a>,
    msg: Option<Said<'a>>,
    tag: Option<Said<'a>>,
    time: Option<Said<'a>>,
    level: Option<(Level, Said<'a>)>,
    /// A level by a number that only the shape of the object explains.
    level_number: Option<Said<'a>>,
    /// A level that is none.
    has_bad_level: bool,
    run: Option<Cow<'a, str>>,
    took: Option<f64>,
    /// The duration in another field.
    measured: Option<f64>,
    /// A number that is a duration if the logger's unit is known.
    unnamed: Option<&'a str>,
    shape: Shape,
    /// The positions of the fields `name` and `channel`, which may be the tag.
    name_at: Option<usize>,
    channel_at: Option<usize>,
}

impl<'a> Reader<'a> {
    /// Takes a member of the outermost object.
    fn member(&mut self, key: Cow<'a, str>, raw: &'a str) {
        if raw == "null" {
            return;
        }
        self.shape.note(&key);
        match &*key {
            "fields" => self.all_fields(raw),
            "run" => self.run(key, raw),
            "took" => self.took(key, raw),
            name if roles::is_claim(name) => {
                self.fields.repairs.add(Repair::Claim);
                self.value(key, raw, 1, false);
            }
            _ => self.value(key, raw, 1, true),
        }
    }

    /// Takes the object `fields`. Nothing in it has a meaning but `took` and other durations.
    fn all_fields(&mut self, raw: &'a str) {
        match raw.as_bytes().first() {
            Some(b'{') => {
                let Some(members) = members(raw, None) else { return };
                self.note_repairs(members.had_duplicates, members.had_surrogate);
                for (key, raw) in members.all {
                    match &*key {
                        "took" if raw != "null" => self.took(key, raw),
                        _ => self.value(key, raw, 1, false),
                    }
                }
            }
            // PHP writes an empty map so.
            Some(b'[') if is_empty(raw) => {}
            _ => {
                self.fields.repairs.add(Repair::Fields);
                self.value("fields".into(), raw, 1, false);
            }
        }
    }

    fn run(&mut self, key: Cow<'a, str>, raw: &'a str) {
        if let Some((text, whole)) = string(raw) {
            self.note_repairs(false, !whole);
            if check_run(&text).is_ok() {
                self.run = Some(text);
                return;
            }
            self.fields.repairs.add(Repair::Run);
            // An empty one says nothing.
            if !text.is_empty() {
                self.fields.add(key, Value::Text(text));
            }
            return;
        }
        self.fields.repairs.add(Repair::Run);
        match raw.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') if raw.len() <= RUN_MAX => self.run = Some(raw.into()),
            _ => self.value(key, raw, 1, false),
        }
    }

    fn took(&mut self, key: Cow<'a, str>, raw: &'a str) {
        let seconds = match string(raw) {
            Some((text, _)) => took::parse(&text),
            None => raw.parse().ok().and_then(took::check),
        };
        match seconds {
            Some(_) if self.took.is_none() => self.took = seconds,
            _ => {
                self.fields.repairs.add(Repair::Took);
                self.value(key, raw, 1, false);
            }
        }
    }

    /// Takes a value of any kind. `path` has `depth` parts. `meant`: it may have a meaning.
    fn value(&mut self, path: Cow<'a, str>, raw: &'a str, depth: usize, meant: bool) {
        let nested = matches!(raw.as_bytes().first(), Some(b'{' | b'['));
        if meant
            && let Some((role, rank)) = roles::role(&path)
            && (!nested || roles::is_any_message(&path))
            && is_fit(role, rank, raw)
        {
            return self.offer(role, Said { rank, path, raw });
        }
        if nested {
            return self.nested(path, raw, depth, meant);
        }
        if meant && depth == 1 {
            match &*path {
                "name" => self.name_at = Some(self.fields.next_at()),
                "channel" => self.channel_at = Some(self.fields.next_at()),
                _ => {}
            }
        }
        self.measure(&path, raw, depth);
        self.fields.repairs = self.fields.repairs.with(Repair::Nested, depth > 1);
        if self.fields.is_full() {
            return self.fields.more(&path, |out| out.extend_from_slice(raw.as_bytes()));
        }
        let value = self.scalar(raw);
        self.fields.add(path, value);
    }

    /// Takes a value for its meaning, unless a better one is there. The other one is a field.
    fn offer(&mut self, role: Role, said: Said<'a>) {
        let slot = match role {
            Role::Msg => &mut self.msg,
            Role::Tag => &mut self.tag,
            Role::Time => {
                let number = !said.raw.starts_with('"');
                self.shape.time_number |= said.path == "time" && number;
                &mut self.time
            }
            Role::Level | Role::Severity => return self.offer_level(role, said),
        };
        let lost = match slot {
            Some(other) if other.rank <= said.rank => Some(said),
            _ => slot.replace(said),
        };
        self.keep(lost);
    }

    fn offer_level(&mut self, role: Role, said: Said<'a>) {
        let text = string(said.raw);
        let number = text.as_ref().map_or(said.raw, |(text, _)| text).parse::<u16>().ok();
        let level = match (role, &text, number) {
            (Role::Severity, _, number) => number.and_then(roles::level_of_opentelemetry),
            (_, None, Some(number)) => u8::try_from(number)
                .ok()
                .filter(|severity| usize::from(*severity) < Level::ALL.len())
                .map(Level::from_severity),
            (_, Some((text, _)), _) => roles::level_named(text),
            (_, None, None) => None,
        };
        if let Some((text, _)) = &text {
            let upper = text.bytes().any(|b| b.is_ascii_uppercase());
            self.shape.level_upper |= upper && !text.bytes().any(|b| b.is_ascii_lowercase());
        }
        match (level, number) {
            (Some(level), _) => {
                let lost = match &mut self.level {
                    Some((_, other)) if other.rank <= said.rank => Some(said),
                    slot => slot.replace((level, said)).map(|(_, said)| said),
                };
                self.keep(lost);
            }
            (None, Some(number)) if said.path == "level" => {
                self.shape.level_number = Some(number);
                self.level_number = Some(said);
            }
            (None, _) => {
                self.has_bad_level = true;
                self.keep(Some(said));
            }
        }
    }

    /// Makes a field of a value whose meaning another one has.
    fn keep(&mut self, said: Option<Said<'a>>) {
        if let Some(Said { path, raw, .. }) = said {
            self.value(path, raw, 1, false);
        }
    }

    /// Takes the values within an array or an object.
    fn nested(&mut self, path: Cow<'a, str>, raw: &'a str, depth: usize, meant: bool) {
        if is_empty(raw) || depth >= DEPTH_MAX || self.fields.is_full() {
            self.fields.repairs.add(Repair::Nested);
            match (is_empty(raw), self.fields.is_full()) {
                (true, _) => {}
                (false, true) => {
                    self.fields.more(&path, |out| out.extend_from_slice(raw.as_bytes()));
                }
                (false, false) => self.fields.add(path, Value::Text(raw.into())),
            }
            return;
        }
        if raw.starts_with('[') {
            let all = elements(raw);
            let numbered = all.into_iter().enumerate();
            let mut rest = numbered.map(|(at, raw)| match attribute(raw) {
                Some((key, raw)) => (key, raw),
                None => (at.to_string().into(), raw),
            });
            self.each(&path, &mut rest, depth, meant);
        } else if let Some(members) = members(raw, None) {
            self.note_repairs(members.had_duplicates, members.had_surrogate);
            self.each(&path, &mut members.all.into_iter(), depth, meant);
        }
    }

    /// Takes the values below `path`, until the fields are full. The others stay together.
    fn each(
        &mut self,
        path: &str,
        rest: &mut dyn Iterator<Item = (Cow<'a, str>, &'a str)>,
        depth: usize,
        meant: bool,
    ) {
        // A longer name is cut anyway. Copying it for each value would take too long.
        let path = cut(path, FIELD_NAME_MAX);
        while !self.fields.is_full() {
            let Some((key, raw)) = rest.next() else { return };
            self.value(format!("{path}.{key}").into(), raw, depth + 1, meant);
        }
        let mut rest = rest.peekable();
        if rest.peek().is_some() {
            self.fields.repairs.add(Repair::Nested);
            self.fields.more(path, |out| {
                let mut open = b'{';
                for (key, raw) in rest {
                    out.push(std::mem::replace(&mut open, b','));
                    event_json::string(out, &key);
                    out.push(b':');
                    out.extend_from_slice(raw.as_bytes());
                }
                out.push(b'}');
            });
        }
    }

    /// Notes the duration that a field holds.
    fn measure(&mut self, path: &str, raw: &'a str, depth: usize) {
        if self.measured.is_some() || depth > 2 {
            return;
        }
        let Some(unit) = measured::unit(path) else { return };
        match (unit, string(raw)) {
            (Unit::Named(exponent), None) => self.measured = scaled(raw, exponent),
            (Unit::Unnamed, None) if raw.starts_with(|c: char| c.is_ascii_digit()) => {
                self.unnamed.get_or_insert(raw);
            }
            (Unit::Unnamed, None) => {}
            (unit, Some((text, _))) => {
                let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                self.measured = match unit {
                    Unit::Named(exponent) if plain => scaled(&text, exponent),
                    Unit::Unnamed if plain => None,
                    _ => took::parse(&text),
                };
            }
        }
    }

    /// The value of a field.
    fn scalar(&mut self, raw: &'a str) -> Value<'a> {
        match raw.as_bytes().first() {
            Some(b'"') => {
                let (text, whole) = string(raw).unwrap_or_default();
                self.note_repairs(false, !whole);
                Value::Text(text)
            }
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ if raw.len() > NUMBER_MAX => {
                self.fields.repairs.add(Repair::Fields);
                Value::Text(raw.into())
            }
            _ => Value::Number(raw.into()),
        }
    }

    fn note_repairs(&mut self, fields: bool, utf8: bool) {
        let repairs = self.fields.repairs.with(Repair::Fields, fields);
        self.fields.repairs = repairs.with(Repair::Utf8, utf8);
    }

    fn finish(mut self) -> Object<'a> {
        let level = self.finish_level();
        if level.is_none() && self.has_bad_level {
            self.fields.repairs.add(Repair::Level);
        }
        let tag = self.finish_tag();
        let msg = self.finish_msg();
        if let Some(said) = self.time.take() {
            let value = self.scalar(said.raw);
            self.fields.add_first(SENT, value);
        }
        // Only a given duration ends a run.
        let found = self.measured.filter(|_| self.run.is_none());
        let took = self.took.or(found).or_else(|| {
            let whole = |number: &str| number.bytes().all(|b| b.is_ascii_digit());
            let number = self.unnamed.filter(|_| self.run.is_none())?;
            scaled(number, self.shape.unit(whole(number))?)
        });
        Object {
            names_level: level.is_some() || self.has_bad_level,
            gives_took: self.took.is_some(),
            members: Cow::default(),
            draft: Draft {
                tag,
                level: level.unwrap_or_default(),
                msg,
                run: self.run,
                took,
                fields: self.fields.finish(),
            },
        }
    }

    fn finish_level(&mut self) -> Option<Level> {
        let known = self.level.take();
        let Some(numbered) = self.level_number.take() else { return Some(known?.0) };
        if let Some(level) = self.shape.level() {
            // Monolog writes the name too.
            self.keep(known.filter(|(named, _)| *named != level).map(|(_, said)| said));
            return Some(level);
        }
        self.has_bad_level = true;
        self.keep(Some(numbered));
        Some(known?.0)
    }

    fn finish_tag(&mut self) -> Option<Tag<'a>> {
        let text = match self.tag.take() {
            Some(said) => match string(said.raw) {
                Some((text, _)) => text,
                None => {
                    self.fields.repairs.add(Repair::Tag);
                    said.raw.into()
                }
            },
            None => self.logger()?,
        };
        if text.is_empty() {
            self.fields.repairs.add(Repair::Tag);
            return None;
        }
        if let Ok(tag) = Tag::new(text.clone()) {
            return Some(tag);
        }
        self.fields.repairs.add(Repair::Tag);
        Some(Tag::repaired(&text).into_owned())
    }

    /// The name of the logger, if the shape of the object says that a field has it.
    fn logger(&mut self) -> Option<Cow<'a, str>> {
        let channel = self.channel_at.filter(|_| self.shape.has_channel());
        let name = self.name_at.filter(|_| self.shape.names_logger());
        let found = channel.map(|at| (at, "channel")).or(name.map(|at| (at, "name")));
        let (at, field) = found?;
        match self.fields.take(at, field)? {
            Value::Text(text) if !text.is_empty() => Some(text),
            other => {
                self.fields.add(field.into(), other);
                None
            }
        }
    }

    fn finish_msg(&mut self) -> Cow<'a, str> {
        let Some(said) = self.msg.take() else { return Cow::default() };
        if let Some((text, whole)) = string(said.raw) {
            self.note_repairs(false, !whole);
            // Docker's log driver keeps the line end.
            return match (&*said.path, text) {
                ("log", Cow::Borrowed(text)) => text.strip_suffix('\n').unwrap_or(text).into(),
                ("log", Cow::Owned(mut text)) => {
                    text.truncate(text.strip_suffix('\n').unwrap_or(&text).len());
                    text.into()
                }
                (_, text) => text,
            };
        }
        self.fields.repairs.add(Repair::Msg);
        match bytes(said.raw) {
            // journald's form of a message that is not UTF-8.
            Some(bytes) => {
                self.note_repairs(false, std::str::from_utf8(&bytes).is_err());
                String::from_utf8_lossy(&bytes).into_owned().into()
            }
            None => said.raw.into(),
        }
    }
}

/// `true` if the value may have this meaning.
fn is_fit(role: Role, rank: u8, raw: &str) -> bool {
    let text = raw.starts_with('"');
    match role {
        Role::Msg => text || rank <= 2 && raw != "null",
        Role::Tag => text && raw.len() > 2 || rank == 0 && raw != "null",
        Role::Time => text || raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
        Role::Level | Role::Severity => raw != "null",
    }
}

/// `true` for `[]` and `{}`.
fn is_empty(raw: &str) -> bool {
    raw.get(1..raw.len().saturating_sub(1)).is_none_or(|inside| inside.trim().is_empty())
}

/// A number times a power of ten. Read as one decimal text, so that 45 and -3 yield exactly the float
/// nearest to 0.045.
fn scaled(number: &str, exponent: i8) -> Option<f64> {
    let number = number.get(..NUMBER_MAX).unwrap_or(number);
    let seconds = match number.contains(['e', 'E']) {
        true => number.parse::<f64>().ok()? * 10f64.powi(exponent.into()),
        false => format!("{number}e{exponent}").parse().ok()?,
    };
    took::check(seconds)
}

/// An element of the attributes of OpenTelemetry, `{"key":…,"value":{"stringValue":…}}`: its name and value.
fn attribute(raw: &str) -> Option<(Cow<'_, str>, &str)> {
    if !raw.starts_with('{') {
        return None;
    }
    let found = members(raw, None)?.all;
    let [(first, key), (second, value)] = found.as_slice() else { return None };
    if first != "key" || second != "value" {
        return None;
    }
    let inside = members(value, None).map(|value| value.all).unwrap_or_default();
    match inside.as_slice() {
        [(kind, inner)] if kind.ends_with("Value") => Some((string(key)?.0, inner)),
        _ => None,
    }
}

/// The bytes of an array of numbers from 0 to 255. `None` for anything else.
fn bytes(raw: &str) -> Option<Vec<u8>> {
    raw.starts_with('[').then(|| serde_json::from_str(raw).ok()).flatten()
}
