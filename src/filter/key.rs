//! The keys of a MATCH.

use std::borrow::Cow;
use std::fmt;

use super::quote::shown;
use crate::event::{BadField, EventLine, Level, check_field_name, json::Raw};

/// The prefix that reaches any field, also one with the name of a known key: `fields.tag`.
pub const FIELD_PREFIX: &str = "fields.";

/// A key that is not a field.
#[derive(Debug)]
pub struct KnownKey {
    /// The key in a MATCH.
    pub name: &'static str,
    /// Its meaning, in one line.
    pub doc: &'static str,
    key: Key,
}

/// Every key that is not a field. Help and man page list them.
pub static KEYS: [KnownKey; 15] = [
    known("tag", "the tag: = and != take globs, in which * crosses dots", Key::Tag),
    known("level", "the level: level>=warning is that and worse", Key::Level),
    known("host", "the machine", Key::Host),
    known("msg", "the message", Key::Msg),
    known("run", "the run that the event begins or ends", Key::Run),
    known("abandoned", "true for a run that the agent ended: abandoned=true", Key::Abandoned),
    known("took", "the duration: 100ms, 1m30s, or a number of seconds", Key::Took),
    known("_pid", "the process that connected", Key::Origin("pid")),
    known("_uid", "its user id", Key::Origin("uid")),
    known("_user", "its user name", Key::Origin("user")),
    known("_comm", "its command name", Key::Origin("comm")),
    known("_unit", "its systemd unit, by its whole name: nginx.service", Key::Origin("unit")),
    known("_addr", "the address of a TCP peer", Key::Origin("addr")),
    known("_token", "the name of the token of a TCP peer", Key::Origin("token")),
    known("_conn", "the number of the connection that began the run", Key::Origin("conn")),
];

/// The journal's names (systemd.journal-fields(7)) of what has a key of ours.
const JOURNAL: [(&str, &str); 12] = [
    ("MESSAGE", "msg"),
    ("PRIORITY", "level"),
    ("SYSLOG_IDENTIFIER", "tag"),
    ("SYSLOG_FACILITY", "facility"),
    ("SYSLOG_PID", "pid"),
    ("MESSAGE_ID", "msgid"),
    ("UNIT", "_unit"),
    ("_HOSTNAME", "host"),
    ("_PID", "_pid"),
    ("_UID", "_uid"),
    ("_COMM", "_comm"),
    ("_SYSTEMD_UNIT", "_unit"),
];

/// The key of what the journal calls so, if it is one of its names.
pub fn journal_key(name: &str) -> Option<&'static str> {
    JOURNAL.iter().find(|(journal, _)| *journal == name).map(|(_, key)| *key)
}

const fn known(name: &'static str, doc: &'static str, key: Key) -> KnownKey {
    KnownKey { name, doc, key }
}

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A key that begins with `_` and is not in the origin.
    #[error("unknown key {0:?}: what begins with _ is one of {list}", list = origin_keys())]
    Unknown(String),
    /// A name of the journal. Holds the name and the key.
    #[error("{name} is a name of the journal: the key is {key}{}", field_hint(name))]
    Journal {
        /// The journal's name.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// A key that is not known and not the name of a field.
    #[error("a key that is none of {list} is a field: {0}", list = plain_keys())]
    Field(BadField),
}

/// How to reach a field with a name of the journal. Fields do not begin with `_`.
fn field_hint(name: &str) -> String {
    if name.starts_with('_') {
        return String::new();
    }
    format!(" ({FIELD_PREFIX}{name} is the field of that name)")
}

fn origin_keys() -> String {
    let names = KEYS.iter().map(|known| known.name).filter(|name| name.starts_with('_'));
    names.collect::<Vec<_>>().join(" ")
}

fn plain_keys() -> String {
    let names = KEYS.iter().map(|known| known.name).filter(|name| !name.starts_with('_'));
    format!("{} {FIELD_PREFIX}NAME", names.collect::<Vec<_>>().join(" "))
}

/// A parsed key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Tag,
    Level,
    Host,
    Msg,
    Run,
    Abandoned,
    Took,
    /// A part of the origin, with its name in the line.
    Origin(&'static str),
    /// A field, with its checked name.
    Field(Box<str>),
}

/// The value of a key in an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Level(Level),
    Seconds(f64),
    Raw(Raw<'a>),
}

impl Key {
    pub(super) fn parse(name: &str) -> Result<Self, BadKey> {
        if let Some(known) = KEYS.iter().find(|known| known.name == name) {
            return Ok(known.key.clone());
        }
        if let Some(key) = journal_key(name) {
            return Err(BadKey::Journal { name: name.into(), key });
        }
        if name.starts_with('_') {
            return Err(BadKey::Unknown(shown(name)));
        }
        let field = name.strip_prefix(FIELD_PREFIX).unwrap_or(name);
        // `shown` truncates only what is too long for a name.
        check_field_name(&shown(field)).map_err(BadKey::Field)?;
        Ok(Self::Field(field.into()))
    }

    /// `true` if the value may be a number, so that `<` and `>` make sense.
    pub(super) fn may_be_number(&self) -> bool {
        matches!(self, Self::Took | Self::Field(_) | Self::Origin("pid" | "uid" | "conn"))
    }

    /// The value in an event. `None` if the key is absent.
    pub(super) fn find<'a>(&self, event: &EventLine<'a>) -> Option<Found<'a>> {
        match self {
            Self::Tag => Some(Found::Raw(Raw::Text(event.tag))),
            Self::Level => Some(Found::Level(event.level)),
            Self::Host => Some(Found::Raw(event.host)),
            Self::Msg => event.msg.map(Found::Raw),
            Self::Run => event.run.map(Found::Raw),
            Self::Abandoned => event.abandoned.then_some(Found::Raw(Raw::Other("true"))),
            Self::Took => event.took.map(Found::Seconds),
            Self::Origin(part) => event.origin_part(part).map(Found::Raw),
            Self::Field(name) => event.field(name).map(Found::Raw),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => {
                let hidden =
                    KEYS.iter().any(|known| *known.name == **name) || journal_key(name).is_some();
                let prefix =
                    if hidden || name.starts_with(FIELD_PREFIX) { FIELD_PREFIX } else { "" };
                write!(f, "{prefix}{name}")
            }
            key => {
                let known = KEYS.iter().find(|known| known.key == *key);
                f.write_str(known.map_or("", |known| known.name))
            }
        }
    }
}

impl<'a> Found<'a> {
    /// The value as decoded text.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Level(level) => level.name().into(),
            Self::Seconds(seconds) => seconds.to_string().into(),
            Self::Raw(raw) => raw.text(),
        }
    }

    /// The beginning of [`Self::text`]: all of it, or at least its first `len` bytes.
    pub(super) fn beginning(self, len: usize) -> Cow<'a, str> {
        match self {
            Self::Raw(raw) => raw.beginning(len),
            other => other.text(),
        }
    }

    /// `true` if [`Self::text`] is `text`.
    pub(super) fn is(self, text: &str) -> bool {
        match self {
            Self::Raw(raw) => raw.is(text),
            other => *other.text() == *text,
        }
    }

    /// The value as a number, also one that is given as text: `-F status=503`. `None` if it is not one.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Self::Level(_) => None,
            Self::Seconds(seconds) => Some(seconds),
            Self::Raw(Raw::Text(text)) => number(text),
            Self::Raw(raw) => raw.number(),
        }
    }
}

/// A key outside of a MATCH: its value in an event.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyName(Key);

impl KeyName {
    /// Parses a key, as in a term of a MATCH.
    ///
    /// # Errors
    /// [`BadKey`]
    pub fn parse(name: &str) -> Result<Self, BadKey> {
        Key::parse(name).map(Self)
    }

    pub(super) const fn new(key: Key) -> Self {
        Self(key)
    }

    /// The value in an event, as text. `None` if the key is absent.
    pub fn value<'a>(&self, event: &EventLine<'a>) -> Option<Cow<'a, str>> {
        self.0.find(event).map(Found::text)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses a whole text as a number: digits, with a sign, a point or an exponent. `None` for any other
/// text, also for `5%`, `1.2.3` and `inf`.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    text.parse().ok().filter(|number: &f64| is_number && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FIELD_NAME_MAX;

    #[test]
    fn parses_and_displays_every_known_key() {
        for known in &KEYS {
            let key = Key::parse(known.name).expect("known");
            assert_eq!((&key, key.to_string().as_str()), (&known.key, known.name));
            let field = Key::parse(&format!("fields.{}", known.name));
            match known.name.strip_prefix('_') {
                None => {
                    assert_eq!(field, Ok(Key::Field(known.name.into())));
                    assert_eq!(
                        field.expect("a field").to_string(),
                        format!("fields.{}", known.name)
                    );
                }
                Some(_) => assert!(field.is_err(), "fields never begin with _"),
            }
        }
    }

    #[test]
    fn other_keys_are_fields() {
        for (name, field, text) in [
            ("user", "user", "user"),
            ("fields.user", "user", "user"),
            ("fields.fields.x", "fields.x", "fields.fields.x"),
            ("fields", "fields", "fields"),
            ("a.b-c_d", "a.b-c_d", "a.b-c_d"),
            ("Tag", "Tag", "Tag"),
        ] {
            let key = Key::parse(name).expect("a field");
            assert_eq!(key, Key::Field(field.into()));
            assert_eq!(key.to_string(), text);
        }
        for name in ["", "a b", "fields.", "é", "fields._pid"] {
            assert!(matches!(Key::parse(name), Err(BadKey::Field(_))), "{name:?}");
        }
        assert!(Key::parse(&"a".repeat(FIELD_NAME_MAX)).is_ok());
        assert!(Key::parse(&"a".repeat(FIELD_NAME_MAX + 1)).is_err());
    }

    #[test]
    fn a_name_of_the_journal_is_reported_with_our_key() {
        for (name, key) in JOURNAL {
            assert_eq!(Key::parse(name), Err(BadKey::Journal { name: name.into(), key }));
            assert!(Key::parse(key).is_ok(), "{key}");
            let field = format!("fields.{name}");
            let error = BadKey::Journal { name: name.into(), key }.to_string();
            assert!(error.starts_with(name) && error.contains(&format!("the key is {key}")));
            assert_eq!(error.contains(&field), !name.starts_with('_'), "{error}");
            if !name.starts_with('_') {
                assert_eq!(Key::parse(&field).expect("a field").to_string(), field);
            }
        }
    }

    #[test]
    fn an_unknown_origin_key_is_reported_with_the_known_ones() {
        let error = Key::parse("_EXE").expect_err("unknown").to_string();
        assert!(error.contains("\"_EXE\""), "{error}");
        for known in KEYS.iter().filter(|known| known.name.starts_with('_')) {
            assert!(error.contains(known.name), "{error}");
        }
    }
}
