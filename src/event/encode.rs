//! Encodes events. A body is everything in a line after the host. It is encoded outside of any
//! lock; the log prepends the stamp when it appends the event.

use super::{Draft, Field, Level, Seq, Timestamp, duration, json};

/// Encoded bodies of events that are not stamped yet.
///
/// ```
/// use pulsed::event::{Batch, Draft, Line, Seq, Stamp, Timestamp};
///
/// let draft = Draft { msg: "query took 40ms".into(), ..Draft::default() };
/// let mut batch = Batch::default();
/// batch.push(&draft, "www-data", br#"{"pid":812}"#);
///
/// let stamp = Stamp::new(Timestamp::from_micros(1_795_368_725_123_456), "web1");
/// let mut line = Vec::new();
/// for body in batch.bodies() {
///     stamp.line(Seq::ZERO.next(), body, |part| line.extend_from_slice(part));
/// }
///
/// let line = String::from_utf8(line).expect("UTF-8");
/// let Some(Line::Event(event)) = Line::parse(&line) else { panic!("an event") };
/// assert_eq!((event.tag, event.took), ("www-data", Some(0.04)));
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    /// The bodies, concatenated.
    bytes: Vec<u8>,
    /// The end of each body in `bytes`.
    ends: Vec<usize>,
}

impl Batch {
    /// An empty batch with memory for bodies of this size, in bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::new() }
    }

    /// Encodes a draft. `default_tag` must be a valid tag. `origin` is the origin's JSON object, or
    /// empty.
    pub fn push(&mut self, draft: &Draft<'_>, default_tag: &str, origin: &[u8]) {
        let plain_len = json::plain_len(draft.msg.as_bytes());
        // Searched for control characters once, for the message and for its duration.
        let took = match plain_len == draft.msg.len() {
            true => draft.duration_by(duration::find_in_plain),
            false => draft.duration(),
        };
        let body = Body {
            tag: draft.tag.as_ref().map_or(default_tag, |tag| tag.as_str()),
            level: draft.level,
            msg: &draft.msg,
            plain_len,
            run: draft.run.as_deref(),
            took,
            abandoned: false,
            fields: &draft.fields,
        };
        self.push_body(&body, origin);
    }

    /// Encodes the end of an abandoned run. `origin` is that of the run's begin.
    pub fn push_abandoned(&mut self, end: &Abandoned<'_>, origin: &[u8]) {
        let body = Body {
            tag: end.tag,
            level: Level::Warning,
            msg: end.msg,
            plain_len: json::plain_len(end.msg.as_bytes()),
            run: Some(end.run),
            took: Some(end.took),
            abandoned: true,
            fields: end.fields,
        };
        self.push_body(&body, origin);
    }

    fn push_body(&mut self, body: &Body<'_>, origin: &[u8]) {
        body.encode(origin, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// `true` if there are no events.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The size of all bodies, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Removes the events and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The memory allocated for bodies, in bytes.
    pub fn kept(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bodies, in order.
    pub fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let body = &self.bytes[from..*end];
            from = *end;
            body
        })
    }
}

/// The event that the agent writes for a run whose connection closed before its end came: level
/// `warning`, `"abandoned":true`. No sender can claim it.
#[derive(Clone, Copy, Debug)]
pub struct Abandoned<'a> {
    /// The begin's tag. Must be a valid tag.
    pub tag: &'a str,
    /// The begin's `run`, checked by [`super::check_run`].
    pub run: &'a str,
    /// What was kept of the begin's message.
    pub msg: &'a str,
    /// The time from the begin to the close, measured by the agent, in seconds.
    pub took: f64,
    /// What was kept of the begin's fields.
    pub fields: &'a [Field<'a>],
}

/// The parts of a body except the origin, in the order of the line.
struct Body<'a> {
    tag: &'a str,
    level: Level,
    msg: &'a str,
    /// [`json::plain_len`] of the message.
    plain_len: usize,
    run: Option<&'a str>,
    took: Option<f64>,
    abandoned: bool,
    fields: &'a [Field<'a>],
}

impl Body<'_> {
    fn encode(&self, origin: &[u8], out: &mut Vec<u8>) {
        // Neither tags nor levels have characters that JSON would escape.
        out.extend_from_slice(b",\"tag\":\"");
        out.extend_from_slice(self.tag.as_bytes());
        let until_msg = until_msg(self.level).as_bytes();
        if self.msg.is_empty() {
            out.extend_from_slice(&until_msg[..until_msg.len() - OPEN_MSG.len()]);
        } else {
            out.extend_from_slice(until_msg);
            json::string_rest(out, self.msg, self.plain_len);
        }
        if let Some(run) = self.run {
            out.extend_from_slice(b",\"run\":");
            json::string(out, run);
        }
        if let Some(seconds) = self.took {
            out.extend_from_slice(b",\"took\":");
            duration::print(seconds, out);
        }
        if self.abandoned {
            out.extend_from_slice(b",\"abandoned\":true");
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(b",\"fields\":");
            encode_fields(self.fields, out);
        }
        if !origin.is_empty() {
            out.extend_from_slice(b",\"origin\":");
            out.extend_from_slice(origin);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// What a message begins with in a line.
const OPEN_MSG: &str = ",\"msg\":\"";

/// The line from the end of the tag to the beginning of the message, in one piece, because each piece is a call.
const fn until_msg(level: Level) -> &'static str {
    macro_rules! until_msg {
        ($name:literal) => {
            concat!("\",\"level\":\"", $name, "\",\"msg\":\"")
        };
    }
    match level {
        Level::Emerg => until_msg!("emerg"),
        Level::Alert => until_msg!("alert"),
        Level::Crit => until_msg!("crit"),
        Level::Err => until_msg!("err"),
        Level::Warning => until_msg!("warning"),
        Level::Notice => until_msg!("notice"),
        Level::Info => until_msg!("info"),
        Level::Debug => until_msg!("debug"),
    }
}

fn encode_fields(fields: &[Field<'_>], out: &mut Vec<u8>) {
    let mut open = b'{';
    for field in fields {
        json::member(out, &mut open, &field.name);
        json::value(out, &field.value);
    }
    out.push(b'}');
}

/// What the agent prepends to each body: number, time and host. Encoded once for all events of one
/// append.
#[derive(Debug)]
pub struct Stamp {
    /// `,"time":"…","host":"…"`
    moment: Vec<u8>,
}

impl Stamp {
    /// The stamp of events that the agent on `host` receives at `time`.
    pub fn new(time: Timestamp, host: &str) -> Self {
        let mut moment = Vec::with_capacity(64);
        moment.extend_from_slice(b",\"time\":\"");
        moment.extend_from_slice(&time.text());
        moment.extend_from_slice(b"\",\"host\":");
        json::string(&mut moment, host);
        Self { moment }
    }

    /// The length of a line with this stamp and the number [`Seq::MAX`], in bytes.
    pub fn line_len_max(&self, body_len: usize) -> usize {
        b"{\"seq\":9007199254740991".len() + self.moment.len() + body_len
    }

    /// Calls `put` with the parts of one line, in order.
    pub fn line(&self, seq: Seq, body: &[u8], mut put: impl FnMut(&[u8])) {
        put(b"{\"seq\":");
        put(itoa::Buffer::new().format(seq.get()).as_bytes());
        put(&self.moment);
        put(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DRAFT_MAX, LINE_MAX, Origin, RUN_MAX, Tag, Value};

    fn line_of(draft: &Draft<'_>, origin: &Origin) -> String {
        let mut encoded = Vec::new();
        origin.encode(&mut encoded);
        let mut batch = Batch::default();
        batch.push(draft, "www-data", &encoded);
        stamped(&batch)
    }

    fn stamped(batch: &Batch) -> String {
        let time = "2026-11-22T17:32:05.123456Z".parse().expect("valid");
        let mut line = Vec::new();
        let body = batch.bodies().next().expect("one");
        let stamp = Stamp::new(time, "web1");
        let seq = Seq::new(1042).expect("small");
        stamp.line(seq, body, |piece| line.extend_from_slice(piece));
        assert!(line.len() <= stamp.line_len_max(body.len()));
        String::from_utf8(line).expect("utf-8")
    }

    #[test]
    fn encodes_the_documented_line() {
        let draft = Draft {
            tag: Some(Tag::new("shop.query").expect("valid")),
            msg: "query took 40ms".into(),
            fields: vec![Field { name: "user".into(), value: Value::Text("123".into()) }],
            ..Draft::default()
        };
        let origin = Origin {
            pid: Some(812),
            uid: Some(33),
            user: Some("www-data".into()),
            comm: Some("php-fpm8.2".into()),
            unit: Some("php8.2-fpm.service".into()),
            ..Origin::default()
        };
        let expected = concat!(
            r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","#,
            r#""tag":"shop.query","level":"info","msg":"query took 40ms","took":0.04,"#,
            r#""fields":{"user":"123"},"origin":{"pid":812,"uid":33,"user":"www-data","#,
            r#""comm":"php-fpm8.2","unit":"php8.2-fpm.service"}}"#,
            "\n"
        );
        assert_eq!(line_of(&draft, &origin), expected);
    }

    #[test]
    fn encodes_each_level() {
        for level in Level::ALL {
            let name = level.name();
            for (msg, expected) in [
                ("", format!(r#""www-data","level":"{name}"}}"#)),
                ("x", format!(r#""www-data","level":"{name}","msg":"x"}}"#)),
            ] {
                let draft = Draft { level, msg: msg.into(), ..Draft::default() };
                let line = line_of(&draft, &Origin::default());
                assert!(line.trim_end().ends_with(&expected), "{line}");
            }
        }
    }

    #[test]
    fn omits_empty_parts_and_encodes_every_kind_of_value() {
        let field = |name: &'static str, value| Field { name: name.into(), value };
        let draft = Draft {
            level: Level::Err,
            run: Some("job 1".into()),
            took: Some(2.0),
            fields: vec![
                field("n", Value::Number("1.50".into())),
                field("b", Value::Bool(false)),
                field("z", Value::Null),
            ],
            ..Draft::default()
        };
        let expected = concat!(
            r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","#,
            r#""tag":"www-data","level":"err","run":"job 1","took":2,"#,
            r#""fields":{"n":1.50,"b":false,"z":null}}"#,
            "\n"
        );
        assert_eq!(line_of(&draft, &Origin::default()), expected);
    }

    #[test]
    fn encodes_the_end_of_an_abandoned_run() {
        let origin = Origin { uid: Some(33), conn: Some(7), ..Origin::default() };
        let mut encoded = Vec::new();
        origin.encode(&mut encoded);
        let fields = [Field { name: "user".into(), value: Value::Text("123".into()) }];
        let end =
            Abandoned { tag: "job", run: "r 1", msg: "step took 3s", took: 12.5, fields: &fields };
        let mut batch = Batch::default();
        batch.push_abandoned(&end, &encoded);
        let expected = concat!(
            r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"job","#,
            r#""level":"warning","msg":"step took 3s","run":"r 1","took":12.5,"abandoned":true,"#,
            r#""fields":{"user":"123"},"origin":{"uid":33,"conn":7}}"#,
            "\n"
        );
        assert_eq!(stamped(&batch), expected);
    }

    #[test]
    fn searches_the_message_for_a_duration_unless_there_is_a_run() {
        let took = |run: Option<&'static str>, took| {
            let run = run.map(Into::into);
            let draft = Draft { msg: "step took 3s".into(), run, took, ..Draft::default() };
            let line = line_of(&draft, &Origin::default());
            let (_, rest) = line.split_once(",\"took\":")?;
            rest.trim_end().trim_end_matches('}').parse::<f64>().ok()
        };
        assert_eq!(took(None, None), Some(3.0));
        assert_eq!(took(None, Some(2.0)), Some(2.0));
        assert_eq!(took(Some("job"), None), None, "begins a run");
        assert_eq!(took(Some("job"), Some(2.0)), Some(2.0), "ends a run");
    }

    #[test]
    fn the_longest_draft_fits_a_line() {
        let draft = Draft {
            msg: "\u{1}".repeat(DRAFT_MAX).into(),
            run: Some("\u{1}".repeat(RUN_MAX).into()),
            took: Some(duration::SECONDS_MAX / 3.0),
            ..Draft::default()
        };
        let origin = Origin { unit: Some("u".repeat(256)), ..Origin::default() };
        assert!(line_of(&draft, &origin).len() <= LINE_MAX);
    }
}
