//! The event line: any text is read or is not, and what is read can be read on and shown without
//! harm. And a draft that says the same text becomes a line that says it.
//!
//! The input is some lines.

#![no_main]

mod taken_in;

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
    check_shown(&taken_in::taken_in(&draft));
});

fn check(text: &str) {
    let Some(line) = Line::parse(text) else { return };
    assert!(line.first_seq() <= line.last_seq());
    // Who only looks at the beginning sees the same number, or none.
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
        Line::Gap(told) => {
            let mut encoded = Vec::new();
            told.gap.encode(told.time, &told.host.text(), &mut encoded);
            let encoded = std::str::from_utf8(&encoded).expect("UTF-8");
            let Some(Line::Gap(again)) = Line::parse(encoded) else { panic!("{encoded:?}") };
            assert_eq!((again.gap, again.time), (told.gap, told.time));
            assert_eq!(told.gap.rest_after(told.gap.after), told.gap);
        }
    }
    check_shown(text);
}

/// Nothing in a line drives the terminal, in any format, and each further line shows that it is one.
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
            assert!(indented && !(one_line && shown.contains('\n')), "{format}: {shown:?}");
            if format == Format::Json {
                check_same(text, shown);
            }
        }
    }
}

/// What makes a terminal act, or read a line as another one.
fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// Shown as JSON it has the same value, if it is JSON that others can read.
fn check_same(text: &str, shown: &str) {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    if let Ok(told) = value(text) {
        assert_eq!(Some(told), value(shown).ok(), "{shown:?}");
    }
}
