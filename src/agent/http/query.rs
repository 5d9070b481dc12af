//! The query string of a request. Unknown and repeated parameters are errors, as unknown keys of a TAIL are.

use std::borrow::Cow;
use std::str::FromStr;

use crate::event::{Cursor, Timestamp};
use crate::render::escape;
use crate::wire::{Code, Refused, Tail};

/// The parameters of a TAIL.
const TAIL: [&str; 10] =
    ["host", "after", "before", "lines", "since", "until", "match", "reverse", "follow", "rate"];

/// A query string, decoded.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Decodes a query string (the URL standard's application/x-www-form-urlencoded).
    ///
    /// # Errors
    /// A parameter that is not among `known`, or is given twice.
    pub(super) fn parse(text: &'a str, known: &[&str]) -> Result<Self, Refused> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&&*name) {
                let known = known.join(", ");
                return Err(refuse(format!("unknown parameter {name:?}: use {known}")));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(refuse(format!("parameter {name} is given twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter that is not empty, parsed.
    pub(super) fn value<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refused>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(name).filter(|text| !text.is_empty());
        text.map(str::parse).transpose().map_err(|error| refuse(format!("{name}: {error}")))
    }
}

/// The events that a request is about: the parameters of a TAIL. `follow` is the default, unless they end in the past.
///
/// # Errors
/// What is wrong with the query string.
pub(super) fn tail(text: &str, follow: bool) -> Result<Tail, Refused> {
    let query = Query::parse(text, &TAIL)?;
    let matching = query.text("match").filter(|text| !text.is_empty()).map(str::to_owned);
    let tail = Tail {
        host: query.text("host").filter(|text| !text.is_empty()).map(str::to_owned),
        after: query.value::<Cursor>("after")?,
        before: query.value::<Cursor>("before")?,
        lines: query.value("lines")?,
        since: query.value::<Timestamp>("since")?,
        until: query.value::<Timestamp>("until")?,
        matching,
        reverse: query.value("reverse")?.unwrap_or(false),
        follow: query.value("follow")?.unwrap_or(follow && query.text("until").is_none()),
        rate: query.value("rate")?,
    };
    tail.check()?;
    Ok(tail)
}

/// Parses the query string of `GET /events`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_query(text: &str) -> Result<Tail, String> {
    tail(text, true).map_err(|refused| refused.why)
}

/// A request that cannot be understood.
pub(super) fn refuse(why: String) -> Refused {
    // It may quote the request: in one line, whatever that contains.
    let why = escape(&why).into_owned();
    Refused { code: Code::Usage, why, event: false }
}
