//! Makes drafts: the options set what all events have in common, each message adds its own.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::priority::Priority;
use crate::event::{
    self, BadField, BadTag, Draft, FIELDS_MAX, Field, Tag, Value, check_field_name, duration,
};
use crate::wire::{Decoder, Request};

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
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// From `-t` or `$PULSED_TAG`.
    pub(super) tag: Option<Tag<'static>>,
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

/// A message as a draft.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message<'a> {
    /// The event.
    pub(super) draft: Draft<'a>,
    /// Whether its message was cut to the size of `-S`.
    pub(super) cut: bool,
}

/// Why a message does not become an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMessage {
    /// It is not an object.
    #[error("not a JSON object")]
    NotObject,
    /// The protocol is one object a line.
    #[error("a line break within a JSON object")]
    LineBreak,
    /// The protocol's decoder refuses it.
    #[error("{0}")]
    Refused(String),
    /// The options and the object together have too many fields.
    #[error(transparent)]
    Field(#[from] BadField),
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

    /// Sets the tag.
    ///
    /// # Errors
    /// [`BadTag`] if the text is not one.
    pub(super) fn set_tag(&mut self, text: String) -> Result<(), BadTag> {
        self.tag = Some(Tag::new(text)?);
        Ok(())
    }

    /// Makes the event of a line of input.
    ///
    /// # Errors
    /// Those of [`Self::message`].
    pub(super) fn line<'a>(&'a self, line: &'a str) -> Result<Message<'a>, BadMessage> {
        match Priority::split_prefix(line).filter(|_| self.prio_prefix) {
            None => self.message(line.into()),
            Some((own, text)) => {
                let mut message = self.message(text.into())?;
                let draft = &mut message.draft;
                draft.level = own.level;
                if let Some(facility) = own.facility {
                    draft.fields.retain(|field| field.name != "facility");
                    draft.fields.push(facility_field(facility));
                }
                Ok(message)
            }
        }
    }

    /// Makes the event of a message.
    ///
    /// # Errors
    /// [`BadMessage`], only with `--json`.
    pub(super) fn message<'a>(&'a self, text: Cow<'a, str>) -> Result<Message<'a>, BadMessage> {
        if self.json { Ok(self.fit(self.object(&text)?)) } else { Ok(self.plain(text)) }
    }

    /// Makes the event of a message that is plain text.
    pub(super) fn plain<'a>(&'a self, text: Cow<'a, str>) -> Message<'a> {
        self.fit(self.text(text))
    }

    /// Cuts the message to the size of `-S`.
    fn fit<'a>(&self, mut draft: Draft<'a>) -> Message<'a> {
        let cut = self.size.is_some_and(|size| cut(&mut draft.msg, size));
        Message { draft, cut }
    }

    fn text<'a>(&'a self, msg: Cow<'a, str>) -> Draft<'a> {
        let mut draft = Draft {
            tag: self.tag.clone(),
            level: self.priority.map(|p| p.level).unwrap_or_default(),
            msg,
            run: self.run.as_deref().map(Cow::Borrowed),
            took: self.took,
            fields: self.fields.clone(),
        };
        draft.fields.extend(self.priority.and_then(|p| p.facility).map(facility_field));
        draft
    }

    /// Keys of the object override the options.
    fn object(&self, text: &str) -> Result<Draft<'static>, BadMessage> {
        let mut draft = decode(text)?;
        draft.tag = draft.tag.or_else(|| self.tag.clone());
        draft.run = draft.run.or_else(|| self.run.clone().map(Cow::Owned));
        draft.took = draft.took.or(self.took);
        if let Some(priority) = self.priority
            && !names_level(text)
        {
            draft.level = priority.level;
        }
        let facility = self.priority.and_then(|p| p.facility).map(facility_field);
        for field in self.fields.iter().cloned().chain(facility) {
            if !draft.fields.iter().any(|own| own.name == field.name) {
                draft.fields.push(field);
            }
        }
        if draft.fields.len() > FIELDS_MAX {
            return Err(BadField::Many.into());
        }
        Ok(draft)
    }
}

fn facility_field(facility: &'static str) -> Field<'static> {
    Field { name: "facility".into(), value: Value::Text(facility.into()) }
}

/// Decodes an object with the agent's decoder, so that both refuse the same in the same words.
fn decode(text: &str) -> Result<Draft<'static>, BadMessage> {
    if !text.trim_start().starts_with('{') {
        return Err(BadMessage::NotObject);
    }
    if text.contains('\n') {
        return Err(BadMessage::LineBreak);
    }
    let mut decoder = Decoder::new();
    decoder.push(b"SEND ");
    decoder.push(text.trim_start().as_bytes());
    decoder.finish();
    match decoder.next() {
        Some(Ok(Request::Send(draft))) => Ok(owned(draft)),
        Some(Err(refused)) => Err(BadMessage::Refused(refused.why)),
        _ => Err(BadMessage::NotObject),
    }
}

fn names_level(object: &str) -> bool {
    #[derive(Deserialize)]
    struct Named {
        level: Option<IgnoredAny>,
    }
    serde_json::from_str::<Named>(object).is_ok_and(|named| named.level.is_some())
}

fn owned(draft: Draft<'_>) -> Draft<'static> {
    let text = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let field = |field: Field<'_>| Field {
        name: text(field.name),
        value: match field.value {
            Value::Text(value) => Value::Text(text(value)),
            Value::Number(digits) => Value::Number(text(digits)),
            Value::Bool(yes) => Value::Bool(yes),
            Value::Null => Value::Null,
        },
    };
    Draft {
        tag: draft.tag.map(Tag::into_owned),
        level: draft.level,
        msg: text(draft.msg),
        run: draft.run.map(text),
        took: draft.took,
        fields: draft.fields.into_iter().map(field).collect(),
    }
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
    use super::*;
    use crate::event::{FIELD_NAME_MAX, Level};

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

    #[test]
    fn a_prefix_overrides_the_options() {
        let mut template = template(&["user=7"]);
        template.priority = Priority::parse("daemon.err").ok();
        template.prio_prefix = true;
        fn facility<'a>(draft: &Draft<'a>) -> Option<Value<'a>> {
            draft.fields.last().map(|field| field.value.clone())
        }
        let plain = template.line("<x>y").expect("a line").draft;
        assert_eq!((plain.level, &*plain.msg), (Level::Err, "<x>y"));
        assert_eq!(facility(&plain), Some(Value::Text("daemon".into())));
        let own = template.line("<22>z").expect("a line").draft;
        assert_eq!((own.level, &*own.msg, own.fields.len()), (Level::Info, "z", 2));
        assert_eq!(facility(&own), Some(Value::Text("mail".into())));
    }

    #[test]
    fn an_object_overrides_the_options() {
        let mut template = template(&["user=7", "page=/"]);
        template.json = true;
        template.priority = Priority::parse("err").ok();
        template.set_tag("shop".into()).expect("a tag");
        let own = template
            .line(r#"{"tag":"a","level":"debug","msg":"m","fields":{"user":8}}"#)
            .expect("an object")
            .draft;
        assert_eq!(own.tag.as_ref().map(Tag::as_str), Some("a"));
        assert_eq!((own.level, own.fields.len()), (Level::Debug, 2));
        assert_eq!(own.fields[0].value, Value::Number("8".into()));
        let bare = template.line(r#" {"msg":"m"}"#).expect("an object").draft;
        assert_eq!(bare.tag.as_ref().map(Tag::as_str), Some("shop"));
        assert_eq!((bare.level, bare.fields.len()), (Level::Err, 2));
        for bad in ["", "m", "[1]", r#"{"seq":1}"#, r#"{"msg":"m""#, "{}\nQUIT"] {
            assert!(template.line(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cuts_between_characters() {
        let mut template = Template { size: Some(3), ..Template::default() };
        let msg = |template: &Template, text: &'static str| {
            let message = template.message(text.into()).expect("text");
            (message.draft.msg.into_owned(), message.cut)
        };
        assert_eq!(msg(&template, "abc"), ("abc".into(), false));
        assert_eq!(msg(&template, "abcd"), ("abc".into(), true));
        assert_eq!(msg(&template, "abé"), ("ab".into(), true));
        template.size = None;
        assert_eq!(msg(&template, "abcd"), ("abcd".into(), false));
    }
}
