//! The fields of a syslog message, and its repairs.

use std::borrow::Cow;

use crate::event::{FIELD_NAME_MAX, FIELDS_MAX, Field, Value, check_field_name};

/// The field that lists the repairs.
const REPAIRED: &str = "repaired";

/// The repairs of one message. Each is `true` if it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repaired {
    pub(super) utf8: bool,
    pub(super) cut: bool,
    pub(super) tag: bool,
    pub(super) fields: bool,
}

impl Repaired {
    /// The names of the repairs, separated by spaces. `None` if there were none.
    fn text(self) -> Option<Cow<'static, str>> {
        let all =
            [(self.utf8, "utf8"), (self.cut, "cut"), (self.tag, "tag"), (self.fields, "fields")];
        let mut names = all.into_iter().filter(|(was, _)| *was).map(|(_, name)| name);
        let first = names.next()?;
        let text = names.fold(Cow::Borrowed(first), |text, name| format!("{text} {name}").into());
        Some(text)
    }
}

/// Collects the fields of one message, with unique names and within all bounds.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    fields: Vec<Field<'a>>,
    pub(super) repaired: Repaired,
}

impl<'a> Fields<'a> {
    pub(super) fn new(facility: Option<&'static str>, repaired: Repaired) -> Self {
        let mut fields = Self { fields: Vec::new(), repaired };
        if let Some(name) = facility {
            fields.header("facility", name);
        }
        fields
    }

    /// Adds a field of the header. `name` must be valid and unique.
    pub(super) fn header(&mut self, name: &'static str, text: impl Into<Cow<'a, str>>) {
        self.fields.push(Field { name: name.into(), value: Value::Text(text.into()) });
    }

    /// Adds the process id that the sender claims, as a number if it is one.
    pub(super) fn pid(&mut self, text: &'a str) {
        self.fields.push(Field { name: "pid".into(), value: Value::from_pid(text) });
    }

    /// Adds a parameter of structured data. Repairs an invalid name, numbers a duplicate one, and
    /// drops the parameter at the bound.
    pub(super) fn param(&mut self, name: &'a str, value: Cow<'a, str>) {
        // The last field is reserved for `repaired`.
        if self.fields.len() >= FIELDS_MAX - 1 {
            self.repaired.fields = true;
            return;
        }
        let valid = valid_name(name);
        let free = self.free_name(valid);
        self.repaired.fields |= free != name;
        self.fields.push(Field { name: free, value: Value::Text(value) });
    }

    /// The name, or, if it is taken, the name with the number of the field appended.
    fn free_name(&self, name: Cow<'a, str>) -> Cow<'a, str> {
        let taken = |name: &str| name == REPAIRED || self.fields.iter().any(|f| f.name == name);
        if !taken(&name) {
            return name;
        }
        // More numbers than fields, so that one is free.
        let numbers = self.fields.len() + 1..=2 * FIELDS_MAX;
        let mut numbered = numbers.map(|number| {
            let end = format!(".{number}");
            let kept = name.len().min(FIELD_NAME_MAX - end.len());
            format!("{}{end}", &name[..kept])
        });
        numbered.find(|name| !taken(name)).map_or(name, Cow::Owned)
    }

    /// The fields, with `repaired` last if there were repairs.
    pub(super) fn finish(mut self) -> Vec<Field<'a>> {
        if let Some(text) = self.repaired.text() {
            self.header(REPAIRED, text);
        }
        self.fields
    }
}

/// Makes a field name from any text.
fn valid_name(name: &str) -> Cow<'_, str> {
    if check_field_name(name).is_ok() {
        return name.into();
    }
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let clean: String = name
        .trim_start_matches('_')
        .chars()
        .map(|c| if named(c) { c } else { '-' })
        .take(FIELD_NAME_MAX)
        .collect();
    if clean.is_empty() { "param".into() } else { clean.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &[&'static str]) -> Vec<String> {
        let mut fields = Fields::new(Some("kern"), Repaired::default());
        given.iter().for_each(|name| fields.param(name, "".into()));
        fields.finish().into_iter().map(|field| field.name.into_owned()).collect()
    }

    #[test]
    fn makes_names_valid_and_unique() {
        assert_eq!(names(&["a", "b"]), ["facility", "a", "b"]);
        assert_eq!(
            names(&["a", "a", "a", "a.5", "a", "facility", "repaired"]),
            ["facility", "a", "a.3", "a.4", "a.5", "a.6", "facility.7", "repaired.8", "repaired"]
        );
        assert_eq!(
            names(&["_pid", "a b", "é", "__"]),
            ["facility", "pid", "a-b", "-", "param", "repaired"]
        );
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
    fn bounds_the_number_of_fields() {
        // Facility and `repaired` are two more.
        let most = FIELDS_MAX - 2;
        let made = names(&vec!["a"; most]);
        assert_eq!((made.len(), made[FIELDS_MAX - 1].as_str()), (FIELDS_MAX, REPAIRED));
        assert_eq!(names(&vec!["a"; most + 1]), made);
        let all: Vec<&'static str> = (0..=most).map(|n| &*format!("n{n}").leak()).collect();
        assert_eq!(names(&all[..most]).len(), FIELDS_MAX - 1, "nothing was repaired");
        assert_eq!(names(&all).last().map(String::as_str), Some(REPAIRED));
    }

    #[test]
    fn lists_the_repairs() {
        let all = Repaired { utf8: true, cut: true, tag: true, fields: true };
        assert_eq!(all.text().as_deref(), Some("utf8 cut tag fields"));
        assert_eq!(Repaired::default().text(), None);
        assert!(matches!(
            Repaired { tag: true, ..Repaired::default() }.text(),
            Some(Cow::Borrowed("tag"))
        ));
    }
}
