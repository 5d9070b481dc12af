//! The syslog dialect: RFC 3164 and RFC 5424, framed by line ends or by octet counts (RFC 6587).
//!
//! No message is rejected, because a syslog sender reads no answers. An invalid message is
//! repaired, and the field `repaired` lists the repairs: `utf8` (invalid UTF-8 became U+FFFD),
//! `cut` (the message was truncated), `tag` (invalid characters became `_`), `fields` (structured
//! data was renamed or dropped).

mod fields;
mod frame;
mod pri;
mod rfc3164;
mod rfc5424;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::fields::{Fields, Repaired};
use self::frame::{Frame, Frames};
use self::pri::Priority;
use crate::event::{Draft, Field, Level, Tag, Value};

/// The decoder of one syslog connection.
#[derive(Debug, Default)]
pub(super) struct Syslog {
    frames: Frames,
    /// The tag of the previous message, which a line without a priority inherits; empty if it had
    /// none.
    tag: String,
    /// The level of the previous message.
    level: Level,
    /// The name of this machine, which distinguishes a host from the first word of a tag and does
    /// not become a field; empty if it is unknown.
    host: Box<str>,
}

/// The result of [`Syslog::next`].
#[derive(Debug)]
pub(super) struct Taken<'b> {
    /// The number of bytes consumed. 0 if the message is incomplete.
    pub(super) consumed: usize,
    /// `None` if the message is incomplete, empty or skipped.
    pub(super) draft: Option<Draft<'b>>,
}

impl Syslog {
    /// A decoder for a connection to the machine `host`.
    pub(super) fn with_host(host: Box<str>) -> Self {
        Self { host, ..Self::default() }
    }

    /// Decodes the next message of `buffer`, which holds all bytes that are not consumed yet.
    /// `at_end`: the connection ends with `buffer`, so that the rest is a message.
    ///
    /// A buffer of `DRAFT_MAX` + 64 bytes is never incomplete.
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], at_end: bool) -> Taken<'b> {
        let Frame { consumed, message } = self.frames.next(buffer, at_end);
        let draft = message.map(|message| {
            let repaired = Repaired { cut: message.cut, ..Repaired::default() };
            self.draft(message.bytes, repaired)
        });
        Taken { consumed, draft }
    }

    /// Decodes a datagram, which is one message and does not depend on the previous one. `cut`: its end is missing.
    /// `None` if it is empty.
    pub(super) fn datagram<'b>(&mut self, bytes: &'b [u8], cut: bool) -> Option<Draft<'b>> {
        self.tag.clear();
        self.level = Level::default();
        let message = frame::datagram(bytes, cut)?;
        Some(self.draft(message.bytes, Repaired { cut: message.cut, ..Repaired::default() }))
    }

    fn draft<'b>(&mut self, bytes: &'b [u8], repaired: Repaired) -> Draft<'b> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.read(text, repaired),
            Err(_) => {
                let text = String::from_utf8_lossy(bytes);
                into_owned(self.read(&text, Repaired { utf8: true, ..repaired }))
            }
        }
    }

    fn read<'b>(&mut self, text: &'b str, repaired: Repaired) -> Draft<'b> {
        let Some((priority, text)) = Priority::strip(text) else {
            return self.further_line(text, repaired);
        };
        let fields = || Fields::new(priority.facility(), repaired);
        let mut draft = rfc5424::read(text, &self.host, fields())
            .unwrap_or_else(|| rfc3164::read(text, &self.host, fields()));
        draft.level = priority.level();
        self.level = draft.level;
        let tag = draft.tag.as_ref().map_or("", Tag::as_str);
        if self.tag != tag {
            tag.clone_into(&mut self.tag);
        }
        draft
    }

    /// A line without a priority, for example the second line of a message with a line break.
    fn further_line<'b>(&self, text: &'b str, repaired: Repaired) -> Draft<'b> {
        Draft {
            tag: Tag::new(self.tag.clone()).ok(),
            level: self.level,
            msg: Cow::Borrowed(text),
            fields: Fields::new(None, repaired).finish(),
            ..Draft::default()
        }
    }
}

fn into_owned(draft: Draft<'_>) -> Draft<'static> {
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let value = |value: Value<'_>| match value {
        Value::Text(text) => Value::Text(owned(text)),
        Value::Number(digits) => Value::Number(owned(digits)),
        Value::Bool(yes) => Value::Bool(yes),
        Value::Null => Value::Null,
    };
    let field = |field: Field<'_>| Field { name: owned(field.name), value: value(field.value) };
    Draft {
        tag: draft.tag.map(Tag::into_owned),
        level: draft.level,
        msg: owned(draft.msg),
        run: draft.run.map(owned),
        took: draft.took,
        fields: draft.fields.into_iter().map(field).collect(),
    }
}
