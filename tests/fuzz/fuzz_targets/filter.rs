//! MATCH: what is read is shown as a text that is read as the same, which wants the same events; and
//! what is not read is told in one line.
//!
//! The input is a MATCH, and event lines below it; without them there are a few.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulsed::event::{EventLine, Line};
use pulsed::filter::{Match, MatchError, TEXT_MAX};

/// The longest error, in bytes: it repeats little of what was typed.
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
    // As though both had been typed.
    let Some(both) = check(a.with(&b), &events) else { return };
    assert_eq!(both.is_everything(), a.is_everything() && b.is_everything());
});

fn check(found: Result<Match, MatchError>, events: &[EventLine<'_>]) -> Option<Match> {
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && told.len() <= ERROR_MAX, "{} bytes", told.len());
            assert!(!told.contains(char::is_control), "{told:?}");
            return None;
        }
    };
    let shown = found.to_string();
    assert!(shown.len() <= TEXT_MAX);
    let again = Match::parse(&shown).unwrap_or_else(|e| panic!("{shown:?}: {e}"));
    assert_eq!(found, again, "{shown:?}");
    assert_eq!(shown, again.to_string());
    assert_eq!(shown.is_empty(), found.is_everything());
    for event in events {
        let wanted = found.matches(event);
        assert_eq!(wanted, again.matches(event), "{shown:?} of {}", event.line);
        assert!(wanted || !found.is_everything());
    }
    Some(found)
}
