//! Query strings of the monitor: no input panics, an error is one bounded line, and what is accepted holds its bounds.
//!
//! The input is a query string of `/events`. The subscriptions of `/feed` are its `subs`, or else the input itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulsed::agent::{STREAMS_MAX, parse_feed, parse_query};
use pulsed::filter::{Match, TEXT_MAX};

/// The longest error, in bytes, beside what it repeats of the input.
const ERROR_MAX: usize = 3000;

fuzz_target!(|text: &str| {
    match parse_query(text) {
        Ok(tail) => {
            assert!(!(tail.follow && tail.reverse), "{tail:?}");
            if let Some(matching) = &tail.matching
                && let Ok(parsed) = Match::parse(matching)
            {
                assert!(parsed.to_string().len() <= TEXT_MAX);
            }
        }
        Err(why) => check(&why, text),
    }
    match parse_feed(text.strip_prefix("subs=").unwrap_or(text)) {
        Ok(streams) => assert!(streams <= STREAMS_MAX),
        Err(why) => check(&why, text),
    }
});

fn check(why: &str, text: &str) {
    assert!(!why.is_empty() && why.len() <= ERROR_MAX + 8 * text.len(), "{} bytes", why.len());
    assert!(!why.contains(['\n', '\r']), "{why:?}");
}
