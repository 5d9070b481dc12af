//! A draft encoded as an event line, and parsed back.

use pulsed::event::{
    Batch, Draft, EventLine, LINE_MAX, Line, Origin, Seq, Stamp, Timestamp, Value, json::Raw,
};
use serde::de::IgnoredAny;

/// The login name, the default tag.
const LOGIN: &str = "www-data";

/// Encodes a draft as the log does. The line must be within its bound, and parse to the content of the draft.
/// Returns the line without its line end.
pub(crate) fn line_of(draft: &Draft<'_>) -> String {
    let mut origin = Vec::new();
    let user = Some(LOGIN.to_owned());
    Origin { pid: Some(812), uid: Some(33), user, ..Origin::default() }.encode(&mut origin);
    let mut batch = Batch::default();
    batch.push(draft, LOGIN, &origin);
    let body = batch.bodies().next().expect("a body");
    let time = Timestamp::from_micros(1_795_368_725_123_456);
    let stamp = Stamp::new(time, "web1");
    let mut line = Vec::new();
    stamp.line(Seq::MAX, body, |piece| line.extend_from_slice(piece));
    assert_eq!(line.len(), stamp.line_len_max(body.len()), "the longest number");
    assert!(line.len() <= LINE_MAX, "a line of {} bytes", line.len());
    assert_eq!(Line::peek_first_seq(&line), Some(Seq::MAX));

    let mut text = String::from_utf8(line).expect("UTF-8");
    assert_eq!(text.pop(), Some('\n'));
    assert!(!text.contains('\n'), "one line");
    serde_json::from_str::<IgnoredAny>(&text).expect("JSON");
    let Some(Line::Event(event)) = Line::parse(&text) else { panic!("no event line: {text:.300}") };
    assert_eq!((event.seq, event.time, event.host), (Seq::MAX, time, Raw::Text("web1")));
    assert_eq!(event.origin_part("user"), Some(Raw::Text(LOGIN)));
    assert_same(&event, draft);
    text
}

fn assert_same(event: &EventLine<'_>, draft: &Draft<'_>) {
    assert_eq!(event.tag, draft.tag.as_ref().map_or(LOGIN, |tag| tag.as_str()));
    assert_eq!(event.level, draft.level);
    assert_eq!(event.msg_text(), draft.msg);
    assert_eq!(event.run.map(Raw::text), draft.run);
    assert_eq!(event.took, draft.duration());
    let mut members = event.fields();
    for field in &draft.fields {
        let (name, raw) = members.next().expect("as many fields");
        assert_eq!(name, field.name);
        match (&field.value, raw) {
            (Value::Text(text), raw @ Raw::Text(_)) => assert_eq!(raw.text(), *text),
            (Value::Number(digits), Raw::Other(literal)) => assert_eq!(literal, digits),
            (Value::Bool(yes), Raw::Other(literal)) => assert_eq!(literal, yes.to_string()),
            (Value::Null, Raw::Other(literal)) => assert_eq!(literal, "null"),
            (value, raw) => panic!("{name}: {value:?} encoded as {raw:?}"),
        }
    }
    assert!(members.next().is_none(), "no more fields");
    assert_eq!(members.finish(), Some(""));
}
