//! Drafts: events as their senders claim them.

use std::borrow::Cow;

use super::{Level, Tag, duration};

/// The most fields of a draft.
pub const FIELDS_MAX: usize = 64;

/// The longest field name, in bytes.
pub const FIELD_NAME_MAX: usize = 64;

/// The longest `run`, in characters.
pub const RUN_MAX: usize = 64;

/// An event as its sender claims it, before the agent stamps it. Nothing in it is verified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft<'a> {
    /// The sender's tag. The agent replaces `None` by the sender's login name.
    pub tag: Option<Tag<'a>>,
    /// The level; `info` by default.
    pub level: Level,
    /// The message. The agent never changes it.
    pub msg: Cow<'a, str>,
    /// The run that this event belongs to. With [`Draft::took`] the event ends the run, without it
    /// begins it.
    pub run: Option<Cow<'a, str>>,
    /// The duration that the sender gives, in seconds. See [`Draft::duration`].
    pub took: Option<f64>,
    /// Flat fields with unique names, at most [`FIELDS_MAX`].
    pub fields: Vec<Field<'a>>,
}

impl Draft<'_> {
    /// The same draft, owning its texts.
    pub fn into_owned(self) -> Draft<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Draft {
            tag: self.tag.map(Tag::into_owned),
            level: self.level,
            msg: owned(self.msg),
            run: self.run.map(owned),
            took: self.took,
            fields: self.fields.into_iter().map(Field::into_owned).collect(),
        }
    }

    /// The duration of the event, in seconds: the given one, else the one found in the message. The
    /// message of a draft with a run is not searched, so that only a given duration ends a run.
    pub fn duration(&self) -> Option<f64> {
        self.duration_by(duration::find)
    }

    /// The same, where `find` searches the message.
    pub(super) fn duration_by(&self, find: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        match self.run {
            Some(_) => self.took,
            None => self.took.or_else(|| find(&self.msg)),
        }
    }

    /// The size of the message and the fields, in bytes.
    pub fn size(&self) -> usize {
        let fields = self.fields.iter().map(|field| field.name.len() + field.value.size());
        self.msg.len() + fields.sum::<usize>()
    }
}

/// One field of a draft.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// The name, checked by [`check_field_name`].
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Value<'a>,
}

impl Field<'_> {
    /// The same field, owning its texts.
    pub fn into_owned(self) -> Field<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Field {
            name: owned(self.name),
            value: match self.value {
                Value::Text(text) => Value::Text(owned(text)),
                Value::Number(digits) => Value::Number(owned(digits)),
                Value::Bool(yes) => Value::Bool(yes),
                Value::Null => Value::Null,
            },
        }
    }
}

/// The value of a field: flat, never nested.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A JSON number, with the sender's digits.
    Number(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// Null.
    Null,
}

impl<'a> Value<'a> {
    /// The process id that a sender claims: a number if it can be one, else text. Every door and option
    /// uses it.
    pub fn from_pid(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        // As many digits as a 32-bit number can have; JSON has no leading zeros.
        let is_number = (1..=10).contains(&text.len())
            && !text.starts_with('0')
            && text.bytes().all(|b| b.is_ascii_digit());
        if is_number { Self::Number(text) } else { Self::Text(text) }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Number(text) => text.len(),
            Self::Bool(_) | Self::Null => 0,
        }
    }
}

/// A valid name of a field from any text, in ASCII. `None` if nothing of the text is left.
pub fn repaired_field_name(name: &str) -> Option<String> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let clean: String = name
        .trim_start_matches('_')
        .chars()
        .map(|c| if named(c) { c } else { '-' })
        .take(FIELD_NAME_MAX)
        .collect();
    (!clean.is_empty()).then_some(clean)
}

/// A valid name of a field with a number, for a name that is taken.
pub fn numbered_field_name(name: &str, number: usize) -> String {
    let end = format!(".{number}");
    let kept = name.len().min(FIELD_NAME_MAX - end.len());
    format!("{}{end}", &name[..kept])
}

/// Checks the name of a field: 1 to [`FIELD_NAME_MAX`] of `[A-Za-z0-9_.-]`, not beginning with `_`.
///
/// # Errors
/// [`BadField::Reserved`], [`BadField::Name`].
pub fn check_field_name(name: &str) -> Result<(), BadField> {
    if name.starts_with('_') {
        return Err(BadField::Reserved(name.into()));
    }
    let is_named = |name: &str| name.bytes().fold(true, |all, b| all & IN_NAMES[usize::from(b)]);
    if name.is_empty() || name.len() > FIELD_NAME_MAX || !is_named(name) {
        return Err(BadField::Name(name.chars().take(FIELD_NAME_MAX).collect()));
    }
    Ok(())
}

/// The bytes of names of fields.
static IN_NAMES: [bool; 256] = {
    let mut named = [false; 256];
    let mut b = 0;
    while b < named.len() {
        named[b] = (b as u8).is_ascii_alphanumeric() || matches!(b as u8, b'_' | b'.' | b'-');
        b += 1;
    }
    named
};

/// Checks a `run`: 1 to [`RUN_MAX`] characters.
///
/// # Errors
/// [`BadField::Run`].
pub fn check_run(run: &str) -> Result<(), BadField> {
    // Stops counting at the bound: the text may be long.
    let chars = run.chars().take(RUN_MAX + 1).count();
    if (1..=RUN_MAX).contains(&chars) { Ok(()) } else { Err(BadField::Run) }
}

/// Why a field or a `run` is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// Not a field name.
    #[error("field name {0:?}: use 1 to {FIELD_NAME_MAX} letters, digits and _ . -")]
    Name(String),
    /// A name that begins with `_`.
    #[error("field name {0:?}: names that begin with _ belong to the agent")]
    Reserved(String),
    /// A duplicate name.
    #[error("field {0:?} is given twice")]
    Twice(String),
    /// Over [`FIELDS_MAX`].
    #[error("more than {FIELDS_MAX} fields")]
    Many,
    /// An array or an object.
    #[error("field {0:?} is nested: values are strings, numbers, booleans or null")]
    Nested(String),
    /// A `took` that is not a duration.
    #[error(
        "took is neither a duration such as 40ms or 1m30s nor a number of seconds from 0 to {max:e}",
        max = duration::SECONDS_MAX
    )]
    Took,
    /// A `run` that is empty or over [`RUN_MAX`].
    #[error("run: use 1 to {RUN_MAX} characters")]
    Run,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_field_names() {
        assert_eq!(check_field_name(&"a".repeat(FIELD_NAME_MAX)), Ok(()));
        assert!(check_field_name(&"a".repeat(FIELD_NAME_MAX + 1)).is_err());
        assert!(check_field_name("").is_err());
        assert!(check_field_name("user.id-2_x").is_ok());
        assert!(check_field_name("a b").is_err());
        assert_eq!(check_field_name("_pid"), Err(BadField::Reserved("_pid".into())));
    }

    #[test]
    fn a_pid_is_a_number_where_it_can_be_one() {
        for text in ["1", "812", "4194304", "4294967295"] {
            assert_eq!(Value::from_pid(text), Value::Number(text.into()));
        }
        for text in ["", "0", "012", "-1", "+1", "812a", "12345678901", "1.5", "éé", "-"] {
            assert_eq!(Value::from_pid(text), Value::Text(text.into()));
        }
    }

    #[test]
    fn bounds_runs() {
        assert_eq!(check_run(&"é".repeat(RUN_MAX)), Ok(()));
        assert_eq!(check_run(&"é".repeat(RUN_MAX + 1)), Err(BadField::Run));
        assert_eq!(check_run(""), Err(BadField::Run));
    }

    #[test]
    fn errors_name_the_bounds() {
        for (error, text) in [
            (
                BadField::Name("a b".into()),
                "field name \"a b\": use 1 to 64 letters, digits and _ . -",
            ),
            (BadField::Many, "more than 64 fields"),
            (
                BadField::Took,
                "took is neither a duration such as 40ms or 1m30s nor a number of seconds from 0 to 1e12",
            ),
            (BadField::Run, "run: use 1 to 64 characters"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
