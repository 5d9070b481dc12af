//! Reads the members of any object: gives each its meaning, or makes it a field.

use std::borrow::Cow;

use super::json::{Members, attribute, bytes, elements, members, string};
use super::level::Levels;
use super::measured::Measured;
use super::roles::{self, Role, Said, Shape};
use super::{DEPTH_MAX, NUMBER_MAX, Object};
use crate::event::{Draft, FIELD_NAME_MAX, RUN_MAX, Tag, Value, check_run, cut, duration, json};
use crate::wire::fields::{Fields, Repair, Repairs, SENT};

/// Makes a draft of the members of an object, whatever they are.
pub(super) fn read(members: Members<'_>, repairs: Repairs) -> Object<'_> {
    let reader = Reader { fields: Fields::new(None, repairs), ..Reader::default() };
    reader.read(members)
}

/// As [`read`], below this header.
pub(super) fn read_under<'a>(mut header: Draft<'a>, members: Members<'a>) -> Draft<'a> {
    let mut fields = std::mem::take(&mut header.fields);
    let sent = fields.iter().position(|field| field.name == SENT);
    let sent = sent.map(|at| fields.remove(at).value);
    let reader = Reader { fields: Fields::resume(fields), header, sent, ..Reader::default() };
    reader.read(members).draft
}

#[derive(Debug, Default)]
struct Reader<'a> {
    fields: Fields<'a>,
    /// What a header said before the object. Its tag takes precedence.
    header: Draft<'a>,
    /// The time in the header.
    sent: Option<Value<'a>>,
    msg: Option<Said<'a>>,
    tag: Option<Said<'a>>,
    time: Option<Said<'a>>,
    levels: Levels<'a>,
    run: Option<Cow<'a, str>>,
    took: Option<f64>,
    /// The duration in another field.
    measured: Measured<'a>,
    shape: Shape,
    /// The positions of the fields `name` and `channel`, which may be the tag.
    name_at: Option<usize>,
    channel_at: Option<usize>,
}

impl<'a> Reader<'a> {
    fn read(mut self, members: Members<'a>) -> Object<'a> {
        self.note_repairs(members.had_duplicates, members.had_surrogate);
        for (key, raw) in members.all {
            self.member(key, raw);
        }
        self.finish()
    }

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
            Some((text, _)) => duration::parse(&text),
            None => raw.parse().ok().and_then(duration::check),
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
        self.measured.note(&path, raw, depth);
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
            Role::Level | Role::Severity => {
                let lost = self.levels.offer(role, said, &mut self.shape);
                return self.keep(lost);
            }
        };
        let lost = match slot {
            Some(other) if other.rank <= said.rank => Some(said),
            _ => slot.replace(said),
        };
        self.keep(lost);
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
                    json::string(out, &key);
                    out.push(b':');
                    out.extend_from_slice(raw.as_bytes());
                }
                out.push(b'}');
            });
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
        let (level, other) = self.levels.finish(&self.shape);
        self.keep(other);
        if level.is_none() && self.levels.has_bad {
            self.fields.repairs.add(Repair::Level);
        }
        let tag = self.finish_tag();
        let msg = self.finish_msg();
        if let Some(said) = self.time.take() {
            self.sent = Some(self.scalar(said.raw));
        }
        if let Some(sent) = self.sent {
            self.fields.add_first(SENT, sent);
        }
        // Only a given duration ends a run.
        let found = self.measured.seconds(&self.shape).filter(|_| self.run.is_none());
        let took = self.took.or(self.header.took).or(found);
        Object {
            names_level: level.is_some() || self.levels.has_bad,
            gives_took: self.took.is_some(),
            members: Cow::default(),
            draft: Draft {
                tag,
                level: level.unwrap_or(self.header.level),
                msg,
                run: self.run,
                took,
                fields: self.fields.finish(),
            },
        }
    }

    fn finish_tag(&mut self) -> Option<Tag<'a>> {
        if let Some(tag) = self.header.tag.take() {
            let other = self.tag.take();
            self.keep(other);
            return Some(tag);
        }
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
