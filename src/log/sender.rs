//! Whose an event is, as far as fairness goes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::event::EventLine;
use crate::event::json::Raw;

/// A sender that has its share of history: a user, or a token of the bridge. Small, so that the log counts by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A user of this machine, by its uid.
    User(u32),
    /// A token, by a hash of its name. Two tokens of one hash share a share.
    Token(u64),
}

impl Sender {
    /// The token of this name.
    pub fn token(name: &str) -> Self {
        // Not keyed: the operator chooses the names.
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self::Token(hasher.finish())
    }

    /// The sender of an event, by its origin. `None` if it has neither a token nor a uid.
    pub(crate) fn of_event(event: &EventLine<'_>) -> Option<Self> {
        let mut uid = None;
        for (name, value) in event.origin() {
            match (name, value) {
                ("token", Raw::Text(_)) => return Some(Self::token(&value.text())),
                ("uid", Raw::Other(digits)) => uid = digits.parse().ok(),
                _ => {}
            }
        }
        uid.map(Self::User)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Batch, Draft, Line, Origin, Seq, Stamp, Timestamp};

    fn sender_of(origin: &Origin, msg: &str) -> Option<Sender> {
        let (mut encoded, mut batch) = (Vec::new(), Batch::default());
        origin.encode(&mut encoded);
        batch.push(&Draft { msg: msg.into(), ..Draft::default() }, "t", &encoded);
        let mut line = Vec::new();
        let body = batch.bodies().next().expect("one");
        Stamp::new(Timestamp::default(), "h").line(Seq::BEFORE_FIRST, body, |part| {
            line.extend_from_slice(part);
        });
        let line = String::from_utf8(line).expect("UTF-8");
        let Some(Line::Event(event)) = Line::parse(&line) else { panic!("not an event: {line}") };
        Sender::of_event(&event)
    }

    #[test]
    fn comes_from_the_origin_and_not_from_the_message() {
        let of_uid = Origin { pid: Some(7), uid: Some(33), ..Origin::default() };
        let claim = r#"x","origin":{"uid":34,"token":"root"}"#;
        assert_eq!(sender_of(&of_uid, claim), Some(Sender::User(33)));
        let of_token = Origin { token: Some("a\"b".into()), ..Origin::default() };
        assert_eq!(sender_of(&of_token, claim), Some(Sender::token("a\"b")));
        assert_ne!(Sender::token("a"), Sender::token("b"));
        assert_eq!(sender_of(&Origin::default(), claim), None);
    }
}
