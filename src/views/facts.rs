//! The facts of one event that views use, collected in one pass over its fields and one over its origin.

use std::borrow::Cow;

use serde::Serialize;

use super::text::{self, NAME_MAX, PAGE_MAX};
use crate::event::json::Raw;
use crate::event::{EventLine, RUN_MAX, TAG_MAX, cut, duration};

/// The most bytes of a message, as encoded in the line, that views read.
pub(super) const MSG_READ_MAX: usize = 4096;

/// The fields that claim a user, in order of precedence.
const USER_FIELDS: [&str; 4] = ["user", "user.id", "user.name", "user_id"];

/// The verified sender of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject<'a> {
    /// A user id on the event's host.
    Uid(u32),
    /// The name of a token.
    Token(Cow<'a, str>),
    /// The address of a peer without a token.
    Addr(Cow<'a, str>),
    /// No verified sender.
    Unverified,
}

impl Subject<'_> {
    /// The same, with an owned text.
    pub(super) fn into_owned(self) -> Subject<'static> {
        match self {
            Self::Uid(uid) => Subject::Uid(uid),
            Self::Token(name) => Subject::Token(name.into_owned().into()),
            Self::Addr(addr) => Subject::Addr(addr.into_owned().into()),
            Self::Unverified => Subject::Unverified,
        }
    }

    /// The parts of a key: kind and text. `digits` is the buffer for a number.
    pub(super) fn key<'a>(&'a self, digits: &'a mut itoa::Buffer) -> [&'a str; 2] {
        match self {
            Self::Uid(uid) => ["u", digits.format(*uid)],
            Self::Token(name) => ["t", name],
            Self::Addr(addr) => ["a", addr],
            Self::Unverified => ["", ""],
        }
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Token(text) | Self::Addr(text) => text.len() + text::ALLOCATION,
            Self::Uid(_) | Self::Unverified => 0,
        }
    }
}

/// The facts of one event. Texts are truncated and unescaped.
pub(super) struct Facts<'a> {
    pub(super) event: EventLine<'a>,
    /// The duration, in seconds. `None` also if it is out of bounds.
    pub(super) took: Option<f64>,
    pub(super) tag: &'a str,
    /// The beginning of the message.
    pub(super) msg: Cow<'a, str>,
    pub(super) host: Cow<'a, str>,
    pub(super) run: Option<Cow<'a, str>>,
    /// The user that the sender claims.
    pub(super) user: Option<Cow<'a, str>>,
    pub(super) page: Option<Cow<'a, str>>,
    pub(super) req: Option<Cow<'a, str>>,
    pub(super) subject: Subject<'a>,
    /// The login name in the origin.
    pub(super) login: Option<Cow<'a, str>>,
    pub(super) conn: Option<u64>,
}

impl<'a> Facts<'a> {
    pub(super) fn read(event: &EventLine<'a>) -> Self {
        let mut facts = Self {
            event: *event,
            took: event.took.and_then(duration::check),
            tag: cut(event.tag, TAG_MAX),
            msg: event.msg.map_or(Cow::Borrowed(""), |msg| text::head(msg, MSG_READ_MAX)),
            host: text::head(event.host, NAME_MAX),
            // A character has at most four bytes.
            run: event.run.and_then(|run| named(run, 4 * RUN_MAX)),
            user: None,
            page: None,
            req: None,
            subject: Subject::Unverified,
            login: None,
            conn: None,
        };
        facts.read_fields();
        facts.read_origin();
        facts
    }

    /// The duration of a query: of an event with `took` that is not abandoned, because an abandoned
    /// run would have taken longer.
    pub(super) fn query_took(&self) -> Option<f64> {
        self.took.filter(|_| !self.event.abandoned)
    }

    fn read_fields(&mut self) {
        let mut rank = USER_FIELDS.len();
        for (name, value) in self.event.fields() {
            match name {
                "page" => self.page = named(value, PAGE_MAX),
                "req" => self.req = named(value, NAME_MAX),
                _ => {
                    let better = USER_FIELDS[..rank].iter().position(|field| *field == name);
                    if let (Some(better), Some(user)) = (better, named(value, NAME_MAX)) {
                        (rank, self.user) = (better, Some(user));
                    }
                }
            }
        }
    }

    fn read_origin(&mut self) {
        let (mut uid, mut token, mut addr) = (None, None, None);
        for (name, value) in self.event.origin() {
            match (name, value) {
                ("uid", Raw::Other(digits)) => uid = digits.parse().ok(),
                ("conn", Raw::Other(digits)) => self.conn = digits.parse().ok(),
                ("token", value) => token = named(value, NAME_MAX),
                ("addr", value) => addr = named(value, NAME_MAX),
                ("user", value) => self.login = named(value, NAME_MAX),
                _ => {}
            }
        }
        self.subject = match (uid, token, addr) {
            (Some(uid), _, _) => Subject::Uid(uid),
            (None, Some(token), _) => Subject::Token(token),
            (None, None, Some(addr)) => Subject::Addr(addr),
            (None, None, None) => Subject::Unverified,
        };
    }
}

/// The value as text. `None` if it is empty or null.
fn named(value: Raw<'_>, max: usize) -> Option<Cow<'_, str>> {
    let text = text::head(value, max);
    (!text.is_empty() && value != Raw::Other("null")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Line;

    fn line(fields: &str, origin: &str) -> String {
        format!(
            concat!(
                r#"{{"seq":1,"time":"2026-11-22T17:32:05.000000Z","host":"web1","tag":"a","#,
                r#""level":"info","fields":{{{}}},"origin":{{{}}}}}"#
            ),
            fields, origin
        )
    }

    fn read(line: &str, then: impl FnOnce(Facts<'_>)) {
        match Line::parse(line) {
            Some(Line::Event(event)) => then(Facts::read(&event)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prefers_user_fields_in_order() {
        for (fields, user) in [
            (r#""user_id":7,"user.name":"n","user.id":5,"user":"u""#, Some("u")),
            (r#""user":"u","user.id":5"#, Some("u")),
            (r#""user.name":"n","user.id":5,"user":null"#, Some("5")),
            (r#""user_id":7,"user":"""#, Some("7")),
            (r#""users":"x""#, None),
        ] {
            read(&line(fields, ""), |facts| assert_eq!(facts.user.as_deref(), user, "{fields}"));
        }
    }

    #[test]
    fn reads_the_verified_subject() {
        let token = || Subject::Token("shop".into());
        for (origin, subject) in [
            (r#""uid":33,"user":"www","token":"shop""#, Subject::Uid(33)),
            (r#""addr":"10.0.0.1:7","token":"shop""#, token()),
            (r#""addr":"10.0.0.1:7""#, Subject::Addr("10.0.0.1:7".into())),
            (r#""conn":3"#, Subject::Unverified),
        ] {
            read(&line("", origin), |facts| assert_eq!(facts.subject, subject, "{origin}"));
        }
        read(&line(r#""uid":1"#, r#""user":"www","conn":3"#), |facts| {
            assert_eq!((facts.conn, facts.login.as_deref()), (Some(3), Some("www")));
            assert_eq!(facts.subject, Subject::Unverified, "a field is only a claim");
        });
        let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
        assert_ne!(token().key(&mut one), Subject::Addr("shop".into()).key(&mut other));
        assert_eq!(Subject::Uid(33).key(&mut one), ["u", "33"]);
    }

    #[test]
    fn truncates_texts() {
        let long = "x".repeat(5000);
        let fields = format!(r#""user":"{long}","page":"{long}","req":"{long}""#);
        read(&line(&fields, &format!(r#""token":"{long}""#)), |facts| {
            let len = |text: &Option<Cow<'_, str>>| text.as_deref().map_or(0, str::len);
            assert_eq!([len(&facts.user), len(&facts.req)], [NAME_MAX; 2]);
            assert_eq!(len(&facts.page), PAGE_MAX);
            assert_eq!(facts.subject.key(&mut itoa::Buffer::new())[1].len(), NAME_MAX);
        });
    }
}
