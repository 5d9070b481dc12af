//! The fields of one event, and what was repaired in it (pulse-protocol(7), "What is understood").

use std::borrow::Cow;

use crate::event::{
    FIELDS_MAX, Field, Value, check_field_name, json, numbered_field_name, repaired_field_name,
};

/// The field that lists the repairs. Only the agent sets it.
const REPAIRED: &str = "repaired";

/// The field that holds, as JSON text, what exceeds [`FIELDS_MAX`].
pub(super) const MORE: &str = "more";

/// The time by the sender's clock.
pub(super) const SENT: &str = "sent";

/// The fields of most events. Their memory is allocated once.
pub(super) const FIELDS_USUAL: usize = 8;

/// The name of a field whose own name has no valid character.
const NAMELESS: &str = "field";

/// One kind of repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// Invalid UTF-8, or half a surrogate pair, became U+FFFD.
    Utf8,
    /// The line was truncated.
    Cut,
    /// An object that is none became text.
    Object,
    /// A syslog header has mistakes.
    Header,
    /// The tag was changed.
    Tag,
    /// The level is unknown.
    Level,
    /// The message was not a string.
    Msg,
    /// The run was not a string, or too long.
    Run,
    /// `took` is no duration.
    Took,
    /// A key that only the agent sets became a field.
    Claim,
    /// A nested value was flattened, kept as JSON text, or was empty.
    Nested,
    /// A field was renamed, replaced or collected in [`MORE`].
    Fields,
}

/// The names in the field `repaired`, in the order of `Repair`.
pub const REPAIRS: [&str; 12] = [
    "utf8", "cut", "object", "header", "tag", "level", "msg", "run", "took", "claim", "nested",
    "fields",
];

/// The repairs of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repairs(u16);

impl Repairs {
    /// Notes a repair.
    pub(super) fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u16;
    }

    /// These repairs, and this one if `made`.
    pub(super) fn with(mut self, repair: Repair, made: bool) -> Self {
        if made {
            self.add(repair);
        }
        self
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The repairs with these names, separated by spaces.
    fn from_text(text: &str) -> Self {
        let made = text.split(' ').filter_map(|name| REPAIRS.iter().position(|it| *it == name));
        Self(made.fold(0, |bits, at| bits | 1 << at))
    }

    /// The names, separated by spaces. `None` if there were none.
    fn text(self) -> Option<Cow<'static, str>> {
        let made = |at: usize| self.0 & 1 << at != 0;
        let mut names =
            REPAIRS.iter().enumerate().filter(|(at, _)| made(*at)).map(|(_, name)| *name);
        let first = names.next()?;
        Some(names.fold(Cow::Borrowed(first), |text, name| format!("{text} {name}").into()))
    }

    /// The field that lists them, if there were any.
    pub(super) fn fields<'a>(self) -> Vec<Field<'a>> {
        if self.is_empty() {
            return Vec::new();
        }
        Fields::new(None, self).finish()
    }
}

/// Collects the fields of one event, with unique names and within all bounds. Never drops one.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    fields: Vec<Field<'a>>,
    /// The members of [`MORE`], without braces.
    more: Vec<u8>,
    pub(super) repairs: Repairs,
}

impl<'a> Fields<'a> {
    pub(super) fn new(facility: Option<&'static str>, repairs: Repairs) -> Self {
        let mut fields = Self { repairs, ..Self::default() };
        if let Some(name) = facility {
            fields.header("facility", name);
        }
        fields
    }

    /// Continues with the fields of a draft that was finished.
    pub(super) fn resume(mut fields: Vec<Field<'a>>) -> Self {
        let mut repairs = Repairs::default();
        if let Some(Value::Text(text)) =
            fields.pop_if(|field| field.name == REPAIRED).map(|field| field.value)
        {
            repairs = Repairs::from_text(&text);
        }
        Self { fields, repairs, ..Self::default() }
    }

    /// Adds a field of the header. `name` must be valid and unique.
    pub(super) fn header(&mut self, name: &'static str, text: impl Into<Cow<'a, str>>) {
        self.push(Field { name: name.into(), value: Value::Text(text.into()) });
    }

    /// Adds the process id that the sender claims, as a number if it is one.
    pub(super) fn pid(&mut self, text: &'a str) {
        self.push(Field { name: "pid".into(), value: Value::from_pid(text) });
    }

    /// Adds any field: repairs an invalid name and numbers one that is taken.
    pub(super) fn add(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        if self.is_full() {
            return self.more(&name, |out| json::value(out, &without_controls(&value)));
        }
        let name = self.valid(name);
        let free = self.free_name(name);
        self.push(Field { name: free, value });
    }

    #[inline]
    fn push(&mut self, field: Field<'a>) {
        if self.fields.capacity() == 0 {
            self.fields = Vec::with_capacity(FIELDS_USUAL);
        }
        self.fields.push(field);
    }

    /// Adds a field before the others: the agent's own name wins over a sender's.
    pub(super) fn add_first(&mut self, name: &'static str, value: Value<'a>) {
        self.free(name);
        self.fields.insert(0, Field { name: name.into(), value });
    }

    /// Gives a number to a sender's field that has a name of the agent.
    fn free(&mut self, name: &'static str) {
        if let Some(at) = self.fields.iter().position(|field| field.name == name) {
            self.fields[at].name = self.free_name(name.into());
        }
    }

    /// `true` if further fields go to [`MORE`].
    pub(super) fn is_full(&self) -> bool {
        self.fields.len() >= FIELDS_MAX
    }

    /// Adds a member of [`MORE`]. `write` appends its value, as JSON.
    pub(super) fn more(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.repairs.add(Repair::Fields);
        if !self.more.is_empty() {
            self.more.push(b',');
        }
        let name = self.valid(name.into());
        json::string(&mut self.more, &name);
        self.more.push(b':');
        write(&mut self.more);
    }

    /// The position that the next field gets.
    pub(super) fn next_at(&self) -> usize {
        self.fields.len()
    }

    /// Removes the field at a position that [`Self::next_at`] returned, if it has this name still.
    pub(super) fn take(&mut self, at: usize, name: &str) -> Option<Value<'a>> {
        self.fields.get(at).filter(|field| field.name == name)?;
        Some(self.fields.remove(at).value)
    }

    fn valid<'n>(&mut self, name: Cow<'n, str>) -> Cow<'n, str> {
        if check_field_name(&name).is_ok() {
            return name;
        }
        self.repairs.add(Repair::Fields);
        repaired_field_name(&name).map_or(NAMELESS.into(), Cow::Owned)
    }

    /// The name, or, if it is taken, the name with the first free number from 2 on.
    fn free_name(&mut self, name: Cow<'a, str>) -> Cow<'a, str> {
        let taken = |name: &str| self.fields.iter().any(|field| field.name == name);
        if name == REPAIRED {
            self.repairs.add(Repair::Claim);
        } else if !taken(&name) {
            return name;
        } else {
            self.repairs.add(Repair::Fields);
        }
        // More numbers than fields, so that one is free.
        let mut numbered = (2..=FIELDS_MAX + 2).map(|number| numbered_field_name(&name, number));
        numbered.find(|name| !taken(name)).map_or(name.clone(), Cow::Owned)
    }

    /// The fields, with `repaired` last if there were repairs.
    pub(super) fn finish(mut self) -> Vec<Field<'a>> {
        let own = usize::from(!self.more.is_empty()) + usize::from(!self.repairs.is_empty());
        if self.fields.len() + own > FIELDS_MAX {
            self.make_room();
        }
        if !self.more.is_empty() {
            let members = String::from_utf8_lossy(&self.more);
            let text = format!("{{{members}}}").into();
            self.free(MORE);
            self.fields.push(Field { name: MORE.into(), value: Value::Text(text) });
        }
        if let Some(text) = self.repairs.text() {
            self.header(REPAIRED, text);
        }
        self.fields
    }

    /// Moves the last fields to [`MORE`], so that it and `repaired` have room.
    #[cold]
    fn make_room(&mut self) {
        let later = std::mem::take(&mut self.more);
        for field in self.fields.split_off(FIELDS_MAX - 2) {
            self.more(&field.name, |out| json::value(out, &without_controls(&field.value)));
        }
        if !later.is_empty() {
            self.more.push(b',');
            self.more.extend_from_slice(&later);
        }
    }
}

/// The value without control characters that JSON text within JSON text would make seven times
/// longer: a line is bounded for six times. Line breaks and tabs stay.
fn without_controls<'v>(value: &'v Value<'_>) -> Value<'v> {
    let long = |c: char| c < ' ' && !matches!(c, '\n' | '\r' | '\t');
    match value {
        Value::Text(text) if text.contains(long) => {
            Value::Text(text.replace(long, "\u{fffd}").into())
        }
        Value::Text(text) => Value::Text((&**text).into()),
        Value::Number(digits) => Value::Number((&**digits).into()),
        Value::Bool(yes) => Value::Bool(*yes),
        Value::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FIELD_NAME_MAX;

    fn fields(given: &[&'static str]) -> Vec<Field<'static>> {
        let mut fields = Fields::default();
        fields.header("facility", "kern");
        for (at, name) in given.iter().enumerate() {
            fields.add((*name).into(), Value::Number(at.to_string().into()));
        }
        fields.finish()
    }

    fn names(given: &[&'static str]) -> Vec<String> {
        fields(given).into_iter().map(|field| field.name.into_owned()).collect()
    }

    fn text(field: &Field<'_>) -> String {
        match &field.value {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn makes_names_valid_and_unique() {
        assert_eq!(names(&["a", "b"]), ["facility", "a", "b"]);
        assert_eq!(
            names(&["a", "a", "a", "a.3", "a", "facility", "repaired"]),
            ["facility", "a", "a.2", "a.3", "a.3.2", "a.4", "facility.2", "repaired.2", "repaired"]
        );
        assert_eq!(
            names(&["_pid", "a b", "é", "__"]),
            ["facility", "pid", "a-b", "-", "field", "repaired"]
        );
    }

    #[test]
    fn numbers_do_not_depend_on_other_fields() {
        assert_eq!(names(&["x", "a", "y", "z", "a"])[5], "a.2");
        assert_eq!(names(&["a", "a"])[2], "a.2");
    }

    #[test]
    fn bounds_names() {
        let long: &'static str =
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let most = &long[..FIELD_NAME_MAX];
        assert_eq!(names(&[most]), ["facility", most]);
        let made = names(&[long, most, long]);
        assert_eq!(made[1], most);
        assert!(made.iter().all(|name| check_field_name(name).is_ok()), "{made:?}");
        assert_eq!(made[2].len(), FIELD_NAME_MAX);
    }

    #[test]
    fn keeps_what_exceeds_the_bound_in_one_field() {
        let all: Vec<&'static str> = (0..200).map(|n| &*format!("n{n}").leak()).collect();
        // With the facility, as many as may be.
        let most = FIELDS_MAX - 1;
        let made = names(&all[..most]);
        assert_eq!((made.len(), made[most].as_str()), (FIELDS_MAX, "n62"), "nothing was repaired");
        for count in [most + 1, most + 2, 200] {
            let made = fields(&all[..count]);
            assert_eq!(made.len(), FIELDS_MAX);
            assert_eq!(
                (&*made[FIELDS_MAX - 2].name, &*made[FIELDS_MAX - 1].name),
                (MORE, REPAIRED)
            );
            let more: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&text(&made[FIELDS_MAX - 2])).expect("JSON");
            assert_eq!(more.len(), count + 1 - (FIELDS_MAX - 2));
            assert_eq!(more[all[count - 1]], count - 1);
            assert_eq!(text(&made[FIELDS_MAX - 1]), "fields");
        }
        // A repair needs room too.
        let mut repaired = all[..most].to_vec();
        repaired[0] = "a b";
        assert_eq!(names(&repaired)[FIELDS_MAX - 2..], [MORE, REPAIRED]);
    }

    #[test]
    fn agent_wins_its_names() {
        let mut fields = Fields::default();
        for name in ["sent", "x", "more", "repaired"] {
            fields.add(name.into(), Value::Bool(true));
        }
        fields.add_first(SENT, Value::Bool(false));
        let made = fields.finish();
        let found: Vec<&str> = made.iter().map(|field| &*field.name).collect();
        assert_eq!(found, ["sent", "sent.2", "x", "more", "repaired.2", "repaired"]);
        assert_eq!(made[0].value, Value::Bool(false));
        assert_eq!(text(&made[5]), "claim fields");
        let all = (0..FIELDS_MAX).map(|n| &*format!("n{n}").leak());
        let made = names(&["more"].into_iter().chain(all).collect::<Vec<_>>());
        assert_eq!((made[1].as_str(), made[FIELDS_MAX - 2].as_str()), ("more.2", "more"));
    }

    #[test]
    fn lists_the_repairs() {
        let some = Repairs::default().with(Repair::Tag, true).with(Repair::Utf8, true);
        assert_eq!(some.text().as_deref(), Some("utf8 tag"));
        assert_eq!(Repairs::default().text(), None);
        let last = Repairs::default().with(Repair::Fields, true).with(Repair::Cut, false);
        assert!(matches!(last.text(), Some(Cow::Borrowed("fields"))));
        assert_eq!(REPAIRS[Repair::Fields as usize], "fields");
    }
}
