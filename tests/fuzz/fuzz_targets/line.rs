//! The event line: any text parses or does not. What parses can be read in full and shown safely. A draft with the
//! same text becomes a line with that text.
//!
//! The input is lines.

#![no_main]

mod line_of;

use libfuzzer_sys::fuzz_target;
use pulsed::event::{Draft, Field, Line, Value, check_run};
use pulsed::render::{Format, Style};

fuzz_target!(|text: &str| {
    for line in text.split('\n') {
        check(line);
    }
    let field = |name: &'static str, value| Field { name: name.into(), value };
    let draft = Draft {
        msg: text.into(),
        run: check_run(text).is_ok().then(|| text.into()),
        fields: vec![field("text", Value::Text(text.into())), field("tag", Value::Null)],
        ..Draft::default()
    };
    check_shown(&line_of::line_of(&draft));
});

fn check(text: &str) {
    let Some(line) = Line::parse(text) else { return };
    assert!(line.first_seq() <= line.last_seq());
    // A peek at the beginning finds the same number, or none.
    let peeked = Line::peek_first_seq(text.as_bytes());
    assert!(peeked.is_none_or(|seq| seq == line.first_seq()), "{peeked:?} of {text:?}");
    let ended = format!("{text}\n");
    let again = Line::parse(&ended).expect("the same with its line end");
    assert_eq!(format!("{line:?}"), format!("{again:?}"));
    match &line {
        Line::Event(event) => {
            for (name, value) in event.fields() {
                assert!(event.field(name).is_some());
                let _ = (value.text(), value.number());
            }
            for (name, value) in event.origin() {
                assert!(event.origin_part(name).is_some());
                let _ = value.text();
            }
        }
        Line::Gap(line) => {
            let mut encoded = Vec::new();
            line.gap.encode(line.time, &line.host.text(), &mut encoded);
            let encoded = std::str::from_utf8(&encoded).expect("UTF-8");
            let Some(Line::Gap(again)) = Line::parse(encoded) else { panic!("{encoded:?}") };
            assert_eq!((again.gap, again.time), (line.gap, line.time));
            assert_eq!(line.gap.rest_after(line.gap.after), line.gap);
        }
    }
    check_shown(text);
}

/// In each format, the output is safe for a terminal and continuation lines are indented.
fn check_shown(text: &str) {
    let line = Line::parse(text).expect("a line");
    for format in Format::ALL {
        for all in [false, true] {
            let mut out = String::new();
            Style { all, ..Style::new(format) }.line(&line, &mut out);
            let shown = out.strip_suffix('\n').expect("a line end");
            let harmful = shown.chars().find(|c| is_harmful(*c));
            assert_eq!(harmful, None, "{format}: {shown:?}");
            let indented = shown.split('\n').skip(1).all(|further| further.starts_with("    "));
            let one_line = matches!(format, Format::Json | Format::Logfmt);
            // The lines of an object are its parts: texts within it have no line breaks.
            let indented = indented || format == Format::JsonPretty;
            assert!(indented && !(one_line && shown.contains('\n')), "{format}: {shown:?}");
            if matches!(format, Format::Json | Format::JsonPretty) {
                check_same(text, shown);
            }
        }
    }
}

/// Characters that drive a terminal or reorder its text.
fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// The JSON format keeps the value of a line, if the line is JSON to other parsers.
fn check_same(text: &str, shown: &str) {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    if let Ok(original) = value(text) {
        assert_eq!(Some(original), value(shown).ok(), "{shown:?}");
    }
}
