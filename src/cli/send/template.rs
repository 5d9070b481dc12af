//! From what the user gives to a draft: the options say what all events have in common, each message
//! adds its own.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::priority::Priority;
use crate::event::{
    BadField, BadTag, Draft, FIELDS_MAX, Field, Tag, Value, check_field_name, took,
};
use crate::wire::{Decoder, Request};

/// One `-F`: a field, or the duration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    /// The field `took`, in seconds.
    Took(f64),
    /// Any other.
    Field(Field<'static>),
}

/// Why a `-F` is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadClaim {
    /// No `=`.
    #[error("use key=text, or key:=json")]
    Form,
    /// Not JSON.
    #[error("what follows := is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The name or the value.
    #[error(transparent)]
    Field(#[from] BadField),
}

/// Reads `key=text` or `key:=json`.
pub(super) fn parse_claim(text: &str) -> Result<Claim, BadClaim> {
    let (name, text) = text.split_once('=').ok_or(BadClaim::Form)?;
    let (name, value) = match name.strip_suffix(':') {
        None => (name, Value::Text(text.to_owned().into())),
        Some(name) => (name, typed(name, text)?),
    };
    if name == "took" {
        let seconds = match &value {
            Value::Text(text) => took::parse(text),
            Value::Number(digits) => digits.parse().ok().and_then(took::check),
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

/// What all events of this command have in common, and how messages become events.
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
    /// Messages are cut to so many bytes.
    pub(super) size: Option<usize>,
    /// Messages are JSON objects.
    pub(super) json: bool,
    /// Lines begin with `<N>`.
    pub(super) prio_prefix: bool,
}

/// Why a message does not become an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMessage {
    /// A JSON object that the protocol refuses.
    #[error("{0}")]
    Json(String),
    /// The options and the object have too many fields together.
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

    /// The tag, if the text is one.
    pub(super) fn set_tag(&mut self, text: String) -> Result<(), BadTag> {
        self.tag = Some(Tag::new(text)?);
        Ok(())
    }

    /// The draft of one line of input. The flag tells whether the message was cut.
    pub(super) fn line<'a>(&'a self, line: &'a str) -> Result<(Draft<'a>, bool), BadMessage> {
        match Priority::split_prefix(line).filter(|_| self.prio_prefix) {
            None => self.message(line.into()),
            Some((own, text)) => {
                let (mut draft, cut) = self.message(text.into())?;
                draft.level = own.level;
                if let Some(facility) = own.facility {
                    draft.fields.retain(|field| field.name != "facility");
                    draft.fields.push(facility_field(facility));
                }
                Ok((draft, cut))
            }
        }
    }

    /// The draft of one message. The flag tells whether the message was cut.
    pub(super) fn message<'a>(
        &'a self,
        text: Cow<'a, str>,
    ) -> Result<(Draft<'a>, bool), BadMessage> {
        if !self.json {
            return Ok(self.plain(text));
        }
        let mut draft = self.object(&text)?;
        let cut = self.size.is_some_and(|size| cut(&mut draft.msg, size));
        Ok((draft, cut))
    }

    /// The draft of a message that is text. The flag tells whether it was cut.
    pub(super) fn plain<'a>(&'a self, text: Cow<'a, str>) -> (Draft<'a>, bool) {
        let mut draft = self.text(text);
        let cut = self.size.is_some_and(|size| cut(&mut draft.msg, size));
        (draft, cut)
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

    /// What the object says itself is stronger than what the options say.
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

/// Reads an object as the agent would, so that both refuse the same in the same words.
fn decode(text: &str) -> Result<Draft<'static>, BadMessage> {
    let bad = |why: &str| Err(BadMessage::Json(why.into()));
    if !text.trim_start().starts_with('{') {
        return bad("not a JSON object");
    }
    if text.contains('\n') {
        return bad("a line break within a JSON object");
    }
    let mut decoder = Decoder::new();
    decoder.push(b"SEND ");
    decoder.push(text.trim_start().as_bytes());
    decoder.finish();
    match decoder.next() {
        Some(Ok(Request::Send(draft))) => Ok(owned(draft)),
        Some(Err(refused)) => bad(&refused.why),
        _ => bad("not a JSON object"),
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

/// Cuts a text to at most `size` bytes, between two characters.
fn cut(text: &mut Cow<'_, str>, size: usize) -> bool {
    if text.len() <= size {
        return false;
    }
    let end = (0..=size).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
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
    fn claims_have_the_type_that_was_asked_for() {
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
    fn each_name_comes_once_and_only_so_many() {
        let names: Vec<String> = (0..FIELDS_MAX).map(|n| format!("f{n}=x")).collect();
        let mut full = template(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let add = |template: &mut Template, text| template.add(parse_claim(text).expect("a claim"));
        assert_eq!(add(&mut full, "one=more"), Err(BadField::Many));
        assert_eq!(add(&mut full, "f1=y"), Err(BadField::Twice("f1".into())));
        let mut timed = template(&["took=1s"]);
        assert_eq!(add(&mut timed, "took=2s"), Err(BadField::Twice("took".into())));
    }

    #[test]
    fn a_line_has_what_the_options_say_and_its_prefix_is_stronger() {
        let mut template = template(&["user=7"]);
        template.priority = Priority::parse("daemon.err").ok();
        template.prio_prefix = true;
        fn facility<'a>(draft: &Draft<'a>) -> Option<Value<'a>> {
            draft.fields.last().map(|field| field.value.clone())
        }
        let (plain, _) = template.line("<x>y").expect("a line");
        assert_eq!((plain.level, &*plain.msg), (Level::Err, "<x>y"));
        assert_eq!(facility(&plain), Some(Value::Text("daemon".into())));
        let (own, _) = template.line("<22>z").expect("a line");
        assert_eq!((own.level, &*own.msg, own.fields.len()), (Level::Info, "z", 2));
        assert_eq!(facility(&own), Some(Value::Text("mail".into())));
    }

    #[test]
    fn an_object_is_stronger_than_the_options() {
        let mut template = template(&["user=7", "page=/"]);
        template.json = true;
        template.priority = Priority::parse("err").ok();
        template.set_tag("shop".into()).expect("a tag");
        let (own, _) = template
            .line(r#"{"tag":"a","level":"debug","msg":"m","fields":{"user":8}}"#)
            .expect("an object");
        assert_eq!(own.tag.as_ref().map(Tag::as_str), Some("a"));
        assert_eq!((own.level, own.fields.len()), (Level::Debug, 2));
        assert_eq!(own.fields[0].value, Value::Number("8".into()));
        let (bare, _) = template.line(r#" {"msg":"m"}"#).expect("an object");
        assert_eq!(bare.tag.as_ref().map(Tag::as_str), Some("shop"));
        assert_eq!((bare.level, bare.fields.len()), (Level::Err, 2));
        for bad in ["", "m", "[1]", r#"{"seq":1}"#, r#"{"msg":"m""#, "{}\nQUIT"] {
            assert!(template.line(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let mut template = Template { size: Some(3), ..Template::default() };
        let msg = |template: &Template, text: &'static str| {
            let (draft, cut) = template.message(text.into()).expect("text");
            (draft.msg.into_owned(), cut)
        };
        assert_eq!(msg(&template, "abc"), ("abc".into(), false));
        assert_eq!(msg(&template, "abcd"), ("abc".into(), true));
        assert_eq!(msg(&template, "abé"), ("ab".into(), true));
        template.size = None;
        assert_eq!(msg(&template, "abcd"), ("abcd".into(), false));
    }
}
