//! Makes drafts: the options set what all events have in common, each message adds its own.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::priority::Priority;
use crate::event::{
    self, BadField, Draft, FIELDS_MAX, Field, Level, Tag, Value, check_field_name, duration,
};
use crate::wire::{self, Claims};

/// The value of `-F`: a field, or the duration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    /// The field `took`, in seconds.
    Took(f64),
    /// Any other field.
    Field(Field<'static>),
}

/// Why a value of `-F` is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadClaim {
    /// There is no `=`.
    #[error("use key=text, or key:=json")]
    Form,
    /// The value after `:=` is not JSON.
    #[error("what follows := is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The name or the value is not allowed.
    #[error(transparent)]
    Field(#[from] BadField),
}

/// Parses `key=text` or `key:=json`.
pub(super) fn parse_claim(text: &str) -> Result<Claim, BadClaim> {
    let (name, text) = text.split_once('=').ok_or(BadClaim::Form)?;
    let (name, value) = match name.strip_suffix(':') {
        None => (name, Value::Text(text.to_owned().into())),
        Some(name) => (name, typed(name, text)?),
    };
    if name == "took" {
        let seconds = match &value {
            Value::Text(text) => duration::parse(text),
            Value::Number(digits) => digits.parse().ok().and_then(duration::check),
            Value::Bool(_) | Value::Null => None,
        };
        return Ok(Claim::Took(seconds.ok_or(BadField::Took)?));
    }
    check_field_name(name)?;
    Ok(Claim::Field(Field { name: name.to_owned().into(), value }))
}

fn typed(name: &str, json: &str) -> Result<Value<'static>, BadClaim> {
    let raw = serde_json::from_str::<&RawValue>(json)?.get();
    Ok(match raw.as_bytes().first() {
        Some(b'"') => Value::Text(serde_json::from_str::<String>(raw)?.into()),
        Some(b'{' | b'[') => return Err(BadField::Nested(name.into()).into()),
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        _ => Value::Number(raw.to_owned().into()),
    })
}

/// What all events have in common, and how a message becomes an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Template {
    /// From `-t` or `$PULSED_TAG`. The agent repairs it.
    pub(super) tag: Option<String>,
    /// From `-p`.
    pub(super) priority: Option<Priority>,
    /// From `--run`.
    pub(super) run: Option<String>,
    /// From `-F took=`.
    pub(super) took: Option<f64>,
    /// From `-F`; each name once.
    pub(super) fields: Vec<Field<'static>>,
    /// From `-S`: longer messages are cut to this length in bytes.
    pub(super) size: Option<usize>,
    /// From `--json`: messages are JSON objects.
    pub(super) json: bool,
    /// From `--prio-prefix`: lines may begin with `<N>`.
    pub(super) prio_prefix: bool,
}

/// A message as an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message<'a> {
    /// The event.
    pub(super) draft: Draft<'a>,
    /// The tag of the options, if the agent will change it.
    tag: Option<&'a str>,
    /// The level of the options, if it is unknown.
    level: Option<&'a str>,
    /// The line, if the agent is to read the object itself and to note what it repairs.
    pub(super) object: Option<ObjectLine<'a>>,
    /// Whether its message was cut to the size of `-S`.
    pub(super) cut: bool,
    /// Whether it was not UTF-8.
    pub(super) lossy: bool,
}

/// An object, and what the options add to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ObjectLine<'a> {
    /// What the object does not have itself.
    pub(super) added: Draft<'a>,
    /// What follows the opening brace.
    pub(super) members: String,
}

impl Message<'_> {
    /// What the agent will repair in the options.
    pub(super) fn claims(&self) -> Claims<'_> {
        Claims { tag: self.tag, level: self.level }
    }
}

impl Template {
    /// Adds a field.
    ///
    /// # Errors
    /// [`BadField::Twice`], [`BadField::Many`].
    pub(super) fn add(&mut self, claim: Claim) -> Result<(), BadField> {
        let field = match claim {
            Claim::Took(_) if self.took.is_some() => return Err(BadField::Twice("took".into())),
            Claim::Took(seconds) => {
                self.took = Some(seconds);
                return Ok(());
            }
            Claim::Field(field) => field,
        };
        if self.fields.iter().any(|other| other.name == field.name) {
            return Err(BadField::Twice(field.name.into()));
        }
        if self.fields.len() == FIELDS_MAX {
            return Err(BadField::Many);
        }
        self.fields.push(field);
        Ok(())
    }

    /// Makes the event of a line of input. `cut`: its end is missing. `None` for a blank line between
    /// objects.
    pub(super) fn line<'a>(&'a self, line: &'a str, cut: bool) -> Option<Message<'a>> {
        if self.json {
            let blank = line.trim_matches(['\u{feff}', ' ', '\t']).is_empty();
            return (!blank).then(|| self.object(line, cut));
        }
        let Some((own, text)) = Priority::split_prefix(line).filter(|_| self.prio_prefix) else {
            return Some(self.plain(line.into()));
        };
        let mut message = self.plain(text.into());
        message.level = None;
        let draft = &mut message.draft;
        draft.level = own.level;
        if let Some(facility) = own.facility {
            draft.fields.retain(|field| field.name != "facility");
            draft.fields.push(facility_field(facility));
        }
        Some(message)
    }

    /// Makes the event of a message.
    pub(super) fn message<'a>(&'a self, text: Cow<'a, str>) -> Message<'a> {
        if self.json { self.object(&text, false) } else { self.plain(text) }
    }

    /// Makes the event of a message that is plain text.
    pub(super) fn plain<'a>(&'a self, text: Cow<'a, str>) -> Message<'a> {
        let tag = self.tag.as_deref();
        let mut draft = Draft {
            tag: tag.map(Tag::repaired),
            level: self.priority.as_ref().map(|p| p.level).unwrap_or_default(),
            msg: text,
            run: self.run.as_deref().map(Cow::Borrowed),
            took: self.took,
            fields: self.fields.clone(),
        };
        draft.fields.extend(self.facility());
        let tag = tag.filter(|tag| draft.tag.as_ref().is_none_or(|made| made.as_str() != *tag));
        let level = self.priority.as_ref().and_then(|priority| priority.unknown.as_deref());
        self.fit(Message { draft, tag, level, object: None, cut: false, lossy: false })
    }

    /// Makes the event of an object. Its keys override the options. Other text is the message.
    fn object<'a>(&'a self, text: &str, cut: bool) -> Message<'a> {
        let Some(object) = wire::read_object(text, cut) else {
            let mut message = self.plain(text.to_owned().into());
            // The agent notes that it is no object.
            let rest = text.strip_prefix('{').filter(|_| !text.contains('\n'));
            if let Some(rest) = rest.filter(|_| *self == Self { json: true, ..Self::default() }) {
                message.object = Some(ObjectLine { members: rest.into(), ..ObjectLine::default() });
            }
            return message;
        };
        let Message { draft: mut added, tag, level, .. } = self.plain(Cow::default());
        // A line break may stand only between the parts of an object.
        let members = object.members.replace(['\n', '\r'], " ");
        let (names_level, gives_took) = (object.names_level, object.gives_took);
        let mut draft = object.draft.into_owned();
        draft.fields.retain(|field| field.name != "repaired");
        let tag = tag.filter(|_| draft.tag.is_none());
        let level = level.filter(|_| !names_level);
        match &draft.tag {
            Some(_) => added.tag = None,
            None => draft.tag = added.tag.clone(),
        }
        match &draft.run {
            Some(_) => added.run = None,
            None if added.run.is_some() => {
                draft.run = added.run.clone();
                // Only a given duration ends a run.
                draft.took = draft.took.filter(|_| gives_took);
            }
            None => {}
        }
        match gives_took {
            true => added.took = None,
            false => draft.took = added.took.or(draft.took),
        }
        match names_level {
            true => added.level = Level::default(),
            false => draft.level = added.level,
        }
        added.fields.retain(|field| draft.fields.iter().all(|own| own.name != field.name));
        draft.fields.extend(added.fields.iter().cloned());
        let object = Some(ObjectLine { added, members });
        self.fit(Message { draft, tag, level, object, cut: false, lossy: false })
    }

    fn facility(&self) -> Option<Field<'static>> {
        self.priority.as_ref()?.facility.clone().map(facility_field)
    }

    /// Cuts the message to the size of `-S`.
    fn fit<'a>(&self, mut message: Message<'a>) -> Message<'a> {
        message.cut = self.size.is_some_and(|size| cut(&mut message.draft.msg, size));
        if message.cut {
            // The object has the whole message.
            message.object = None;
        }
        message
    }
}

fn facility_field(facility: Cow<'static, str>) -> Field<'static> {
    Field { name: "facility".into(), value: Value::Text(facility) }
}

/// Cuts a text to at most `size` bytes at a character boundary. Returns `true` if it was longer.
fn cut(text: &mut Cow<'_, str>, size: usize) -> bool {
    if text.len() <= size {
        return false;
    }
    let end = event::cut(text, size).len();
    match text {
        Cow::Borrowed(text) => *text = &text[..end],
        Cow::Owned(text) => text.truncate(end),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::args::Ack;
    use super::super::outbox::Outbox;
    use super::*;
    use crate::event::FIELD_NAME_MAX;

    fn template(claims: &[&str]) -> Template {
        let mut template = Template::default();
        for claim in claims {
            template.add(parse_claim(claim).expect("a claim")).expect("room");
        }
        template
    }

    #[test]
    fn parses_claims_with_their_types() {
        let value = |text| match parse_claim(text) {
            Ok(Claim::Field(field)) => field.value,
            other => panic!("{other:?}"),
        };
        assert_eq!(value("a=1"), Value::Text("1".into()));
        assert_eq!(value("a=b=c"), Value::Text("b=c".into()));
        assert_eq!(value("a:=1.50"), Value::Number("1.50".into()));
        assert_eq!(value("a:= true "), Value::Bool(true));
        assert_eq!(value("a:=null"), Value::Null);
        assert_eq!(value(r#"a:="x\ny""#), Value::Text("x\ny".into()));
        assert_eq!(parse_claim("took=40ms").ok(), Some(Claim::Took(0.04)));
        assert_eq!(parse_claim("took:=0.5").ok(), Some(Claim::Took(0.5)));
        let long = format!("{}=x", "a".repeat(FIELD_NAME_MAX + 1));
        for bad in ["a", "=x", "_a=x", "a b=x", "a:={}", "a:=[1]", "a:=x", "took=soon", &long] {
            assert!(parse_claim(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rejects_repeated_names_and_too_many_fields() {
        let names: Vec<String> = (0..FIELDS_MAX).map(|n| format!("f{n}=x")).collect();
        let mut full = template(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let add = |template: &mut Template, text| template.add(parse_claim(text).expect("a claim"));
        assert_eq!(add(&mut full, "one=more"), Err(BadField::Many));
        assert_eq!(add(&mut full, "f1=y"), Err(BadField::Twice("f1".into())));
        let mut timed = template(&["took=1s"]);
        assert_eq!(add(&mut timed, "took=2s"), Err(BadField::Twice("took".into())));
    }

    /// The line that is sent for a line of input.
    fn sent(template: &Template, line: &str) -> String {
        let mut outbox = Outbox::new(Ack::None);
        if let Some(message) = template.line(line, false) {
            outbox.push(&message);
        }
        outbox.text()
    }

    #[test]
    fn a_prefix_overrides_the_options() {
        let mut template = template(&["user=7"]);
        template.priority = Some(Priority::read("daemon.err"));
        template.prio_prefix = true;
        fn facility<'a>(draft: &Draft<'a>) -> Option<Value<'a>> {
            draft.fields.last().map(|field| field.value.clone())
        }
        let plain = template.line("<x>y", false).expect("a line").draft;
        assert_eq!((plain.level, &*plain.msg), (Level::Err, "<x>y"));
        assert_eq!(facility(&plain), Some(Value::Text("daemon".into())));
        let own = template.line("<22>z", false).expect("a line").draft;
        assert_eq!((own.level, &*own.msg, own.fields.len()), (Level::Info, "z", 2));
        assert_eq!(facility(&own), Some(Value::Text("mail".into())));
    }

    #[test]
    fn an_object_overrides_the_options() {
        let mut template = template(&["user=7", "page=/", "took=2s"]);
        template.json = true;
        template.priority = Some(Priority::read("err"));
        template.tag = Some("shop".into());
        template.run = Some("r".into());
        let own = r#"{"tag":"a","level":"debug","msg":"m","run":"s","took":1,"fields":{"user":8}}"#;
        let draft = template.line(own, false).expect("a line").draft;
        assert_eq!(draft.tag.as_ref().map(Tag::as_str), Some("a"));
        assert_eq!((draft.level, draft.took, draft.fields.len()), (Level::Debug, Some(1.0), 2));
        assert_eq!(
            sent(&template, own),
            format!("SEND {{\"fields\":{{\"page\":\"/\"}},{}\n", &own[1..])
        );
        let bare = template.line(r#" {"msg":"m"}"#, false).expect("a line").draft;
        assert_eq!(bare.tag.as_ref().map(Tag::as_str), Some("shop"));
        assert_eq!((bare.level, bare.took, bare.fields.len()), (Level::Err, Some(2.0), 2));
        template.took = None;
        // Other durations neither end the run nor are they lost.
        let timed = template.line(r#"{"msg":"m","duration_ms":5}"#, false).expect("a line").draft;
        assert_eq!((timed.took, timed.run.as_deref()), (None, Some("r")));
    }

    #[test]
    fn the_agent_repairs_objects_and_options() {
        let mut template = Template { json: true, ..Template::default() };
        for (line, sent_line) in [
            (r#"{"seq":1}"#, r#"SEND {"seq":1}"#),
            ("\u{feff} {\"a\":\n1}\r", "SEND {\"a\": 1} "),
            ("{user} logged in", "SEND {user} logged in"),
            ("{\"msg\":\"m\"", "SEND {\"msg\":\"m\""),
            ("[1]", "SEND [1]"),
            ("plain", "SEND plain"),
            ("{}\nQUIT", "SEND {\"msg\":\"{}\\nQUIT\"}"),
        ] {
            assert_eq!(sent(&template, line), format!("{sent_line}\n"), "{line:?}");
        }
        for blank in ["", " ", "\u{feff}", "\t"] {
            assert_eq!(template.line(blank, false), None, "{blank:?}");
        }
        template.tag = Some("my script".into());
        template.priority = Some(Priority::read("loud"));
        assert_eq!(sent(&template, "{}"), "SEND {\"tag\":\"my script\",\"level\":\"loud\"}\n");
        assert_eq!(
            sent(&template, r#"{"logger":"a","level":4}"#),
            "SEND {\"logger\":\"a\",\"level\":4}\n"
        );
        template.json = false;
        assert_eq!(
            sent(&template, "hello"),
            "SEND {\"tag\":\"my script\",\"level\":\"loud\",\"msg\":\"hello\"}\n"
        );
    }

    #[test]
    fn cuts_between_characters() {
        let mut template = Template { size: Some(3), ..Template::default() };
        let msg = |template: &Template, text: &'static str| {
            let message = template.message(text.into());
            (message.draft.msg.into_owned(), message.cut)
        };
        assert_eq!(msg(&template, "abc"), ("abc".into(), false));
        assert_eq!(msg(&template, "abcd"), ("abc".into(), true));
        assert_eq!(msg(&template, "abé"), ("ab".into(), true));
        template.size = None;
        assert_eq!(msg(&template, "abcd"), ("abcd".into(), false));
    }
}
