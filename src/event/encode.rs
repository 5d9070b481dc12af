//! From a draft to its one line. What the sender and the origin determine is encoded first, outside
//! of any lock; the stamp is written in front of it when the log takes the event in.

use super::{Draft, Seq, Timestamp, json, took};

/// Drafts on their way into the log: encoded, not yet stamped.
#[derive(Debug, Default)]
pub struct Batch {
    /// The bodies, one behind the other: everything of a line behind the host.
    bytes: Vec<u8>,
    /// Where each body ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Encodes one draft. `default_tag` must be a valid tag; `origin` is the origin's JSON object, or
    /// empty.
    pub fn push(&mut self, draft: &Draft<'_>, default_tag: &str, origin: &[u8]) {
        let out = &mut self.bytes;
        out.extend_from_slice(b",\"tag\":\"");
        let tag = draft.tag.as_ref().map_or(default_tag, |tag| tag.as_str());
        // Neither tags nor levels have characters that JSON would escape.
        out.extend_from_slice(tag.as_bytes());
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(draft.level.name().as_bytes());
        out.push(b'"');
        if !draft.msg.is_empty() {
            out.extend_from_slice(b",\"msg\":");
            json::string(out, &draft.msg);
        }
        if let Some(run) = &draft.run {
            out.extend_from_slice(b",\"run\":");
            json::string(out, run);
        }
        if let Some(seconds) = draft.took.or_else(|| took::find(&draft.msg)) {
            out.extend_from_slice(b",\"took\":");
            out.extend_from_slice(seconds.to_string().as_bytes());
        }
        if !draft.fields.is_empty() {
            out.extend_from_slice(b",\"fields\":");
            encode_fields(out, draft);
        }
        if !origin.is_empty() {
            out.extend_from_slice(b",\"origin\":");
            out.extend_from_slice(origin);
        }
        out.extend_from_slice(b"}\n");
        self.ends.push(out.len());
    }

    /// How many drafts it holds.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The size of all bodies, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the drafts, and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How much memory it keeps for bodies, in bytes.
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

fn encode_fields(out: &mut Vec<u8>, draft: &Draft<'_>) {
    let mut open = b'{';
    for field in &draft.fields {
        json::member(out, &mut open, &field.name);
        json::value(out, &field.value);
    }
    out.push(b'}');
}

/// What the agent adds in front of each body: the number, the time, the host. Encoded once for all
/// events of one moment.
#[derive(Debug)]
pub struct Stamp {
    /// `,"time":"…","host":"…"`
    moment: Vec<u8>,
}

impl Stamp {
    /// The stamp of events that arrive at `time` on `host`.
    pub fn new(time: Timestamp, host: &str) -> Self {
        let mut moment = Vec::with_capacity(64);
        moment.extend_from_slice(b",\"time\":\"");
        moment.extend_from_slice(&time.text());
        moment.extend_from_slice(b"\",\"host\":");
        json::string(&mut moment, host);
        Self { moment }
    }

    /// The size of a line with this stamp and the number [`Seq::MAX`], in bytes.
    pub fn line_len_max(&self, body_len: usize) -> usize {
        b"{\"seq\":9007199254740991".len() + self.moment.len() + body_len
    }

    /// Calls `put` with the pieces of one line, in order.
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
    use crate::event::{DRAFT_MAX, Field, LINE_MAX, Level, Origin, RUN_MAX, Tag, Value};

    fn line_of(draft: &Draft<'_>, origin: &Origin) -> String {
        let mut encoded = Vec::new();
        origin.encode(&mut encoded);
        let mut batch = Batch::default();
        batch.push(draft, "www-data", &encoded);
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
    fn the_line_is_the_documented_one() {
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
    fn what_is_empty_is_absent_and_every_value_has_its_form() {
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
    fn the_longest_draft_still_fits_a_line() {
        let draft = Draft {
            msg: "\u{1}".repeat(DRAFT_MAX).into(),
            run: Some("\u{1}".repeat(RUN_MAX).into()),
            took: Some(took::SECONDS_MAX / 3.0),
            ..Draft::default()
        };
        let origin = Origin { unit: Some("u".repeat(256)), ..Origin::default() };
        assert!(line_of(&draft, &origin).len() <= LINE_MAX);
    }
}
