//! Parses event and gap lines.

use std::borrow::Cow;

use super::json::{Members, Raw};
use super::{Gap, Level, Seq, Timestamp};

/// One line of a log, borrowed.
#[derive(Clone, Debug)]
pub enum Line<'a> {
    /// An event.
    Event(EventLine<'a>),
    /// A gap.
    Gap(GapLine<'a>),
}

/// A parsed event line. Texts are still encoded; [`Raw::text`] decodes them.
#[derive(Clone, Copy, Debug)]
pub struct EventLine<'a> {
    /// The whole line, without its line end.
    pub line: &'a str,
    /// The sequence number.
    pub seq: Seq,
    /// The number in the log of its host, if this line is from a stream of many hosts.
    pub hseq: Option<Seq>,
    /// When the agent received it.
    pub time: Timestamp,
    /// The machine.
    pub host: Raw<'a>,
    /// The tag. It has no escapes.
    pub tag: &'a str,
    /// The level.
    pub level: Level,
    /// The message. `None` if it is empty.
    pub msg: Option<Raw<'a>>,
    /// The run that it belongs to.
    pub run: Option<Raw<'a>>,
    /// The duration, in seconds.
    pub took: Option<f64>,
    /// `true` if the agent ended this run because its connection closed before the end came.
    pub abandoned: bool,
    fields: Option<&'a str>,
    origin: Option<&'a str>,
}

/// A parsed gap line.
#[derive(Clone, Copy, Debug)]
pub struct GapLine<'a> {
    /// The whole line, without its line end.
    pub line: &'a str,
    /// The gap.
    pub gap: Gap,
    /// The last number of the gap in the log of its host, if this line is from a stream of many hosts and the host
    /// itself has reported the gap. For one that the reader of the stream found, the last number before it.
    pub hseq: Option<Seq>,
    /// When the agent reported it.
    pub time: Timestamp,
    /// The machine.
    pub host: Raw<'a>,
}

impl<'a> Line<'a> {
    /// The whole line, without its line end.
    pub const fn text(&self) -> &'a str {
        match self {
            Self::Event(event) => event.line,
            Self::Gap(gap) => gap.line,
        }
    }

    /// Parses one line, with or without its line end. `None` if it is not a line that an agent
    /// writes: a JSON object without white space, with every required key, the number first.
    /// Unknown keys are ignored.
    pub fn parse(line: &'a str) -> Option<Self> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        if let Some(event) = EventLine::parse_usual(line) {
            return Some(Self::Event(event));
        }
        let parsed = if line.starts_with("{\"gap\":") {
            GapLine::parse(line).map(Self::Gap)
        } else {
            EventLine::parse(line).map(Self::Event)
        };
        // `peek_first_seq` must find the same number.
        parsed.filter(|parsed| Self::peek_first_seq(line.as_bytes()) == Some(parsed.first_seq()))
    }

    /// The first number of this line.
    pub fn first_seq(&self) -> Seq {
        match self {
            Self::Event(event) => event.seq,
            Self::Gap(line) => line.gap.first(),
        }
    }

    /// The last number of this line: its cursor.
    pub fn last_seq(&self) -> Seq {
        match self {
            Self::Event(event) => event.seq,
            Self::Gap(line) => line.gap.last(),
        }
    }

    /// The same, with a time that is not after `latest`.
    #[must_use]
    pub fn at_latest(self, latest: Timestamp) -> Self {
        match self {
            Self::Event(event) => Self::Event(EventLine { time: event.time.min(latest), ..event }),
            Self::Gap(gap) => Self::Gap(GapLine { time: gap.time.min(latest), ..gap }),
        }
    }

    /// The number in the log of its host, if this line is from a stream of many hosts.
    pub fn hseq(&self) -> Option<Seq> {
        match self {
            Self::Event(event) => event.hseq,
            Self::Gap(line) => line.hseq,
        }
    }

    /// The machine.
    pub fn host(&self) -> Raw<'a> {
        match self {
            Self::Event(event) => event.host,
            Self::Gap(line) => line.host,
        }
    }

    /// Appends the line as a log of a stream has it, with its line end: with another number, a gap too with one
    /// number only, and with its own number as `hseq`.
    pub fn encode_renumbered(&self, seq: Seq, out: &mut Vec<u8>) {
        let hseq = self.last_seq();
        match self {
            Self::Event(event) => {
                let mut digits = itoa::Buffer::new();
                out.extend_from_slice(b"{\"seq\":");
                out.extend_from_slice(digits.format(seq.get()).as_bytes());
                out.extend_from_slice(b",\"hseq\":");
                // A line begins so: `peek_first_seq` has read it.
                let rest = event.line.as_bytes().get(b"{\"seq\":".len()..).unwrap_or_default();
                out.extend_from_slice(rest);
                out.push(b'\n');
            }
            Self::Gap(line) => {
                let gap = Gap { after: seq.previous(), before: seq.next(), ..line.gap };
                gap.encode_of(Some(hseq), line.time, &line.host.text(), out);
            }
        }
    }

    /// The time of the stamp.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Event(event) => event.time,
            Self::Gap(gap) => gap.time,
        }
    }

    /// The first number of a line. `None` if the bytes do not begin as a line. Reads only the
    /// beginning, so that it also works on an incomplete line.
    pub fn peek_first_seq(line: &[u8]) -> Option<Seq> {
        let leading = |digits: &[u8]| {
            let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            std::str::from_utf8(&digits[..len]).ok()?.parse().ok().and_then(Seq::new)
        };
        if let Some(digits) = line.strip_prefix(b"{\"seq\":") {
            return leading(digits);
        }
        leading(line.strip_prefix(b"{\"gap\":{\"after\":")?).map(Seq::next)
    }
}

impl<'a> EventLine<'a> {
    /// Parses a line with the keys in the order of the agent. `None` for any other line. This is the hot path of filters.
    fn parse_usual(line: &'a str) -> Option<Self> {
        let mut members = Members::new(line);
        let text = |value| match value {
            Raw::Text(text) => Some(text),
            Raw::Other(_) => None,
        };
        let object = |value| match value {
            Raw::Text(_) => None,
            Raw::Other(object) => Some(object),
        };
        let optional = |value: Option<Raw<'a>>| match value {
            Some(value) => object(value).map(Some),
            None => Some(None),
        };
        let seq = object(members.value_after(b"{\"seq\":")?).and_then(parse_seq)?;
        let hseq = match members.value_after(b",\"hseq\":") {
            None => None,
            Some(number) => Some(object(number).and_then(parse_seq)?),
        };
        let time = text(members.value_after(b",\"time\":")?)?.parse().ok()?;
        let host = members.value_after(b",\"host\":")?;
        let tag = text(members.value_after(b",\"tag\":")?)?;
        let level = text(members.value_after(b",\"level\":")?)?;
        let level = Level::from_name(level)?;
        let event = Self {
            line,
            seq,
            hseq,
            time,
            host,
            tag,
            level,
            msg: members.value_after(b",\"msg\":"),
            run: members.value_after(b",\"run\":"),
            took: members.value_after(b",\"took\":").and_then(Raw::number),
            abandoned: members.value_after(b",\"abandoned\":") == Some(Raw::Other("true")),
            fields: optional(members.value_after(b",\"fields\":"))?,
            origin: optional(members.value_after(b",\"origin\":"))?,
        };
        (members.finish() == Some("")).then_some(event)
    }

    /// Parses any line.
    fn parse(line: &'a str) -> Option<Self> {
        let mut members = Members::new(line);
        let (mut seq, mut time, mut host, mut tag, mut level) = (None, None, None, None, None);
        let (mut msg, mut run, mut took, mut fields, mut origin) = (None, None, None, None, None);
        let (mut abandoned, mut hseq) = (false, None);
        for (name, value) in members.by_ref() {
            match (name, value) {
                ("seq", Raw::Other(digits)) => seq = digits.parse().ok().and_then(Seq::new),
                ("hseq", Raw::Other(digits)) => hseq = Some(parse_seq(digits)?),
                ("time", Raw::Text(text)) => time = text.parse().ok(),
                ("host", value) => host = Some(value),
                ("tag", Raw::Text(text)) => tag = Some(text),
                ("level", Raw::Text(text)) => level = text.parse().ok(),
                ("msg", value) => msg = Some(value),
                ("run", value) => run = Some(value),
                ("took", value) => took = value.number(),
                ("abandoned", value) => abandoned = value == Raw::Other("true"),
                ("fields", Raw::Other(object)) => fields = Some(object),
                ("origin", Raw::Other(object)) => origin = Some(object),
                ("seq" | "hseq" | "time" | "tag" | "level" | "fields" | "origin", _) => {
                    return None;
                }
                // A newer agent may write keys that this version does not know.
                _ => {}
            }
        }
        if members.finish() != Some("") {
            return None;
        }
        Some(Self {
            line,
            seq: seq?,
            hseq,
            time: time?,
            host: host?,
            tag: tag?,
            level: level?,
            msg,
            run,
            took,
            abandoned,
            fields,
            origin,
        })
    }

    /// The fields, in the order of the draft.
    pub fn fields(&self) -> Members<'a> {
        Members::new(self.fields.unwrap_or("{}"))
    }

    /// The field `name`.
    pub fn field(&self, name: &str) -> Option<Raw<'a>> {
        self.fields().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// What the agent verified about the sender: `pid`, `uid`, `user` and so on.
    pub fn origin(&self) -> Members<'a> {
        Members::new(self.origin.unwrap_or("{}"))
    }

    /// The part `name` of the origin, for example `pid`.
    pub fn origin_part(&self, name: &str) -> Option<Raw<'a>> {
        self.origin().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The decoded message; empty if there is none.
    pub fn msg_text(&self) -> Cow<'a, str> {
        self.msg.map_or(Cow::Borrowed(""), Raw::text)
    }
}

impl<'a> GapLine<'a> {
    /// Appends the line with another gap, with its line end.
    pub fn encode_with(&self, gap: Gap, out: &mut Vec<u8>) {
        gap.encode_of(self.hseq, self.time, &self.host.text(), out);
    }

    fn parse(line: &'a str) -> Option<Self> {
        let mut members = Members::new(line);
        let (mut gap, mut hseq, mut time, mut host) = (None, None, None, None);
        for (name, value) in members.by_ref() {
            match (name, value) {
                ("gap", Raw::Other(object)) => gap = parse_gap(object),
                ("hseq", Raw::Other(digits)) => hseq = Some(parse_seq(digits)?),
                ("time", Raw::Text(text)) => time = text.parse().ok(),
                ("host", value) => host = Some(value),
                ("gap" | "hseq" | "time", _) => return None,
                _ => {}
            }
        }
        if members.finish() != Some("") {
            return None;
        }
        Some(Self { line, gap: gap?, hseq, time: time?, host: host? })
    }
}

/// Parses a number that has digits and nothing else.
fn parse_seq(digits: &str) -> Option<Seq> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).and_then(Seq::new)
}

fn parse_gap(object: &str) -> Option<Gap> {
    let (mut after, mut before, mut lost, mut why) = (None, None, None, None);
    for (name, value) in Members::new(object) {
        match (name, value) {
            ("after", Raw::Other(digits)) => after = digits.parse().ok().and_then(Seq::new),
            ("before", Raw::Other(digits)) => before = digits.parse().ok().and_then(Seq::new),
            ("lost", Raw::Other(digits)) => lost = Some(digits.parse().ok()?),
            ("why", Raw::Text(text)) => why = text.parse().ok(),
            ("after" | "before" | "lost" | "why", _) => return None,
            _ => {}
        }
    }
    let gap = Gap { after: after?, before: before?, lost, why: why? };
    (gap.first() <= gap.last()).then_some(gap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Why;

    const EVENT: &str = concat!(
        r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"shop.query","#,
        r#""level":"info","msg":"a\"b","took":0.04,"fields":{"user":"123","n":4},"#,
        r#""origin":{"pid":812,"user":"www-data"}}"#,
        "\n"
    );
    const GAP: &str = concat!(
        r#"{"gap":{"after":1042,"before":2050,"lost":1007,"why":"retention"},"#,
        r#""time":"2026-11-22T17:32:05.123456Z","host":"web1"}"#
    );

    #[test]
    fn parses_an_event() {
        let Some(Line::Event(event)) = Line::parse(EVENT) else { panic!("an event") };
        assert_eq!(event.line, EVENT.trim_end());
        assert_eq!((event.seq.get(), event.tag, event.level), (1042, "shop.query", Level::Info));
        assert_eq!(event.msg_text(), "a\"b");
        assert_eq!((event.took, event.run), (Some(0.04), None));
        assert_eq!(event.field("user"), Some(Raw::Text("123")));
        assert_eq!(event.field("n").and_then(Raw::number), Some(4.0));
        assert_eq!(event.origin_part("pid"), Some(Raw::Other("812")));
        assert_eq!(event.origin_part("uid"), None);
        assert_eq!(Line::peek_first_seq(EVENT.as_bytes()), Seq::new(1042));
    }

    #[test]
    fn parses_a_gap() {
        let Some(line @ Line::Gap(gap)) = Line::parse(GAP) else { panic!("a gap") };
        assert_eq!((gap.gap.lost, gap.gap.why), (Some(1007), Why::Retention));
        assert_eq!((line.first_seq().get(), line.last_seq().get()), (1043, 2049));
        assert_eq!(Line::peek_first_seq(GAP.as_bytes()), Seq::new(1043));
    }

    #[test]
    fn renumbered_lines_keep_their_own_number() {
        let seq = Seq::in_message(7, 3).expect("small");
        for text in [EVENT, GAP] {
            let line = Line::parse(text).expect("a line");
            assert_eq!(line.hseq(), None);
            let mut out = Vec::new();
            line.encode_renumbered(seq, &mut out);
            let text = String::from_utf8(out).expect("UTF-8");
            let again = Line::parse(&text).expect("a line");
            assert_eq!((again.first_seq(), again.last_seq()), (seq, seq), "{text}");
            assert_eq!(again.hseq(), Some(line.last_seq()), "{text}");
            assert_eq!((again.time(), again.host()), (line.time(), line.host()));
            if let (Line::Event(again), Line::Event(line)) = (&again, &line) {
                let same = EventLine { line: line.line, seq: line.seq, hseq: None, ..*again };
                assert_eq!(format!("{same:?}"), format!("{line:?}"));
                assert!(EventLine::parse_usual(again.line).is_some());
                assert!(EventLine::parse(again.line).is_some_and(|it| it.hseq == again.hseq));
            }
        }
    }

    /// The object with one more member, before the member number `at`.
    fn with_member(object: &str, at: usize, member: &str) -> String {
        let member_text = |(name, value): (&str, Raw<'_>)| match value {
            Raw::Text(text) => format!("\"{name}\":\"{text}\""),
            Raw::Other(literal) => format!("\"{name}\":{literal}"),
        };
        let mut members: Vec<String> = Members::new(object).map(member_text).collect();
        members.insert(at, member.into());
        format!("{{{}}}", members.join(","))
    }

    /// Unknown members with a value of every JSON kind.
    const UNKNOWN: [&str; 10] = [
        r#""new":"a\"}],{""#,
        r#""new":"""#,
        r#""new":-1.5e3"#,
        r#""new":true"#,
        r#""new":null"#,
        r#""new":{}"#,
        r#""new":{"seq":7,"a":{"b":[1]}}"#,
        r#""new":[]"#,
        r#""new":[{"tag":"x"},[null,"]"]]"#,
        r#""Seq":1"#,
    ];

    #[test]
    fn ignores_unknown_keys_of_an_event() {
        let runs = EVENT.replace(r#""took":0.04"#, r#""run":"r","took":0.04,"abandoned":true"#);
        for line in [EVENT.trim_end(), runs.trim_end()] {
            let Some(Line::Event(plain)) = Line::parse(line) else { panic!("an event") };
            for (at, unknown) in positions(line) {
                let more = with_member(line, at, unknown);
                let Some(Line::Event(event)) = Line::parse(&more) else { panic!("{more}") };
                let same = EventLine { line: plain.line, ..event };
                assert_eq!(format!("{same:?}"), format!("{plain:?}"), "{more}");
            }
        }
    }

    #[test]
    fn ignores_unknown_keys_of_a_gap() {
        let Some(Line::Gap(plain)) = Line::parse(GAP) else { panic!("a gap") };
        let inner = Members::new(GAP).next().expect("the gap").1.text();
        let outside = positions(GAP).map(|(at, unknown)| with_member(GAP, at, unknown));
        let inside = positions(&inner)
            .map(|(at, unknown)| GAP.replace(&*inner, &with_member(&inner, at, unknown)));
        for more in outside.chain(inside) {
            let Some(Line::Gap(gap)) = Line::parse(&more) else { panic!("{more}") };
            let same = GapLine { line: plain.line, ..gap };
            assert_eq!(format!("{same:?}"), format!("{plain:?}"), "{more}");
        }
    }

    /// Every unknown member at every position but the first.
    fn positions(object: &str) -> impl Iterator<Item = (usize, &'static str)> {
        let members = Members::new(object).count();
        (1..=members).flat_map(|at| UNKNOWN.map(|unknown| (at, unknown)))
    }

    #[test]
    fn rejects_an_unknown_first_key() {
        for unknown in UNKNOWN {
            assert!(Line::parse(&with_member(EVENT.trim_end(), 0, unknown)).is_none());
            assert!(Line::parse(&with_member(GAP, 0, unknown)).is_none());
        }
    }

    #[test]
    fn abandoned_is_true_or_nothing() {
        for (value, abandoned) in
            [("true", true), ("false", false), ("null", false), ("\"true\"", false), ("[1]", false)]
        {
            let line = EVENT.replace(r#""took":0.04"#, &format!(r#""abandoned":{value}"#));
            let Some(Line::Event(event)) = Line::parse(&line) else { panic!("{line}") };
            assert_eq!(event.abandoned, abandoned, "{value}");
        }
    }

    #[test]
    fn rejects_other_texts() {
        let empty_gap = GAP.replace("2050", "1043");
        let spaced = EVENT.replace(",\"host\"", ", \"host\"");
        for line in [
            "",
            "{}",
            "x",
            &EVENT[..60],
            empty_gap.as_str(),
            spaced.as_str(),
            &EVENT.replace("\"level\":\"info\",", ""),
            &EVENT.replace("info", "loud"),
            &EVENT.replace("\"host\"", "\"hast\""),
            &EVENT.replace("}}", "}}}"),
            &EVENT.replace("\"seq\":1042", "\"seq\":1042,\"seq\":1043"),
            &EVENT.replace("\"seq\":1042,", "").replace("\"level\"", "\"seq\":1042,\"level\""),
            &EVENT.replace("1042", "+1042"),
            &EVENT.replace("\"seq\":1042", "\"seq\":1042,\"hseq\":\"7\""),
            &GAP.replace("},", "},\"hseq\":-7,"),
            &GAP.replace("\"after\":1042", "\"after\":1042,\"after\":1043"),
            &GAP.replace("\"after\":1042,\"before\":2050", "\"before\":2050,\"after\":1042"),
        ] {
            assert!(Line::parse(line).is_none(), "{line:?}");
        }
        assert_eq!(Line::peek_first_seq(b"{\"seq\":}"), None);
    }
}
