//! Durations: what is found in a message and what is parsed from a value is in bounds, and does not depend on the
//! color of the message.
//!
//! The input is a message, and its first line also a value, a key with a number, a level and a size.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulsed::event::duration::{self, SECONDS_MAX};
use pulsed::event::{Level, Value, size};

fuzz_target!(|text: &str| {
    let line = text.lines().next().unwrap_or_default();
    let (key, number) = line.split_once('=').unwrap_or((line, line));
    let found = duration::find(text);
    for seconds in
        [found, duration::parse(line), duration::named(key, number)].into_iter().flatten()
    {
        assert!((0.0..=SECONDS_MAX).contains(&seconds), "{seconds}");
    }
    if !text.contains('\u{1b}') {
        assert_eq!(duration::find(&format!("\u{1b}[1m{text}\u{1b}[0m")), found);
    }
    if let Some(seconds) = duration::parse(line) {
        assert_eq!(duration::parse(&seconds.to_string()), Some(seconds));
        let exact = duration::parse_exact(line).and_then(duration::Exact::duration);
        assert!(exact.is_none_or(|exact| (exact.as_secs_f64() - seconds).abs() <= 1e-9 + seconds * 1e-15));
    }
    if let Ok(level) = Level::from_typed(line) {
        assert_eq!(Level::from_typed(level.name()), Ok(level));
    }
    if let Value::Number(pid) = Value::from_pid(line) {
        assert!(pid.parse::<u64>().is_ok());
    }
    if let Some(bytes) = size::parse(line) {
        assert_eq!(size::parse(&bytes.to_string()), Some(bytes));
    }
});
