//! MATCH: the text of a parsed MATCH parses to an equal one, which matches the same events. An error is one line.
//!
//! The input is a MATCH, followed by event lines. A few event lines are built in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulsed::event::{EventLine, Line};
use pulsed::filter::{Match, MatchError, TEXT_MAX};

/// The longest error, in bytes. An error repeats little of the input.
const ERROR_MAX: usize = 3000;

const EVENTS: [&str; 4] = [
    concat!(
        r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"shop.query","#,
        r#""level":"warning","msg":"query took 40ms","run":"r1","took":0.04,"fields":{"user":"123","#,
        r#""rows":12,"tag":"x","ok":true},"origin":{"pid":812,"uid":33,"user":"www-data","comm":"#,
        r#""php-fpm8.2","unit":"php8.2-fpm.service"}}"#
    ),
    concat!(
        r#"{"seq":7,"time":"2026-11-22T17:32:05.123456Z","host":"db","tag":"cron","level":"err","#,
        r#""msg":"Größe \"a b\"\n\t\\","fields":{"big":1e999,"n":-0.5},"#,
        r#""origin":{"addr":"10.0.0.1:4711","token":"shop"}}"#
    ),
    concat!(
        r#"{"seq":9,"time":"2026-11-22T17:32:05.123456Z","host":"db","tag":"job","level":"warning","#,
        r#""run":"r","took":12.5,"abandoned":true,"origin":{"uid":33,"conn":7}}"#
    ),
    r#"{"seq":2,"time":"2026-11-22T17:32:05.123456Z","host":"h","tag":"t","level":"info"}"#,
];

fuzz_target!(|text: &str| {
    let (text, lines) = text.split_once('\n').unwrap_or((text, ""));
    let lines = lines.split('\n').chain(EVENTS);
    let parse = |line| match Line::parse(line)? {
        Line::Event(event) => Some(event),
        Line::Gap(_) => None,
    };
    let events: Vec<EventLine<'_>> = lines.filter_map(parse).collect();
    let words: Vec<&str> = text.split('\t').collect();
    let parsed = [check(Match::parse(text), &events), check(Match::from_args(&words), &events)];
    let [Some(a), Some(b)] = parsed else { return };
    // Both at once, as if typed together.
    let Some(both) = check(a.with(&b), &events) else { return };
    assert_eq!(both.is_everything(), a.is_everything() && b.is_everything());
});

fn check(parsed: Result<Match, MatchError>, events: &[EventLine<'_>]) -> Option<Match> {
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() <= ERROR_MAX, "{} bytes", text.len());
            assert!(!text.contains(char::is_control), "{text:?}");
            return None;
        }
    };
    let shown = parsed.to_string();
    assert!(shown.len() <= TEXT_MAX);
    let again = Match::parse(&shown).unwrap_or_else(|e| panic!("{shown:?}: {e}"));
    assert_eq!(parsed, again, "{shown:?}");
    assert_eq!(shown, again.to_string());
    assert_eq!(shown.is_empty(), parsed.is_everything());
    for event in events {
        let matches = parsed.matches(event);
        assert_eq!(matches, again.matches(event), "{shown:?} of {}", event.line);
        assert!(matches || !parsed.is_everything());
    }
    Some(parsed)
}
