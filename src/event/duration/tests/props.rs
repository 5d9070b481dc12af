//! What holds for every message.

use proptest::prelude::*;

use super::super::{SECONDS_MAX, find};

/// A duration as a message has it, and its seconds.
fn reported() -> impl Strategy<Value = (String, f64)> {
    prop_oneof![
        (0u32..100_000).prop_map(|n| (format!("{n}ms"), f64::from(n) / 1e3)),
        (0u32..100_000).prop_map(|n| (format!("{n} ms"), f64::from(n) / 1e3)),
        (0u32..100_000).prop_map(|n| (format!("{n}µs"), f64::from(n) / 1e6)),
        (1u32..90, 0u32..60).prop_map(|(m, s)| (format!("{m}m{s}s"), f64::from(m * 60 + s))),
        (1u32..90, 0u32..60).prop_map(|(m, s)| (format!("{m} min {s} sec"), f64::from(m * 60 + s))),
        (0u32..100, 0u32..1000)
            .prop_map(|(s, ms)| (format!("{s}.{ms:03} s"), f64::from(s * 1000 + ms) / 1000.0)),
    ]
}

/// Words that say nothing about a duration.
const WORDS: &str = "((query|user|anna|page|ok|cart|der|mit|größe) ){0,6}";

proptest! {
    #[test]
    fn finds_a_duration_wherever_it_stands(
        (text, took) in reported(),
        before in WORDS,
        after in WORDS,
        (open, close) in prop::sample::select(vec![
            ("", ""), ("(", ")"), ("took ", ""), ("\t", "\t"), ("took=", ","), ("in ", "."), ("耗时", "完成"),
            ("\u{1b}[32m", "\u{1b}[0m"), ("\"", "\""), ("\n", "\n"), ("ใช้", "ครับ"), ("\u{a0}", "\u{a0}"),
        ]),
    ) {
        let msg = format!("{before}{open}{text}{close} {after}");
        prop_assert_eq!(find(&msg), Some(took), "{:?}", msg);
    }

    #[test]
    fn a_limit_is_never_found(
        (text, _) in reported(),
        before in WORDS,
        limit in prop::sample::select(vec![
            "timeout", "timeout of", "read_timeout=", "limit:", "retrying in", "every", "within", "expires in",
            "next run in", "ttl", "the", "max", "p99", "delay =", "idleTimeout=", "waiting for",
        ]),
        after in WORDS,
    ) {
        let gap = if limit.ends_with('=') { "" } else { " " };
        let msg = format!("{before}{limit}{gap}{text} {after}");
        prop_assert_eq!(find(&msg), None, "{:?}", msg);
    }

    #[test]
    fn a_measured_one_beats_a_limit(
        (limit, _) in reported(),
        (text, took) in reported(),
        between in "(; |, |: |\\. )",
    ) {
        let expected = Some(took);
        let msg = format!("timeout {limit}{between}query took {text}");
        prop_assert_eq!(find(&msg), expected, "{:?}", msg);
        let msg = format!("query took {text}{between}timeout {limit}");
        prop_assert_eq!(find(&msg), expected, "{:?}", msg);
    }

    #[test]
    fn escape_sequences_are_transparent(msg in "[ a-z0-9=.:]{0,20}(1s|2ms|5m)?[ a-z0-9=.:]{0,9}", at in 0usize..30) {
        let at = at.min(msg.len());
        let colored = format!("{}\u{1b}[1;31m{}\u{1b}[0m", &msg[..at], &msg[at..]);
        prop_assert_eq!(find(&colored), find(&msg), "{:?}", msg);
    }

    #[test]
    fn garbage_never_panics(
        msg in "([0-9.:=+,/ ()\\[\\]-]|ms|s|m|h|min|took|in|total|timeout|\u{a0}|é|秒|\u{1b}\\[1m|\n){0,40}|\\PC{0,40}|.{0,30}",
    ) {
        if let Some(seconds) = find(&msg) {
            prop_assert!((0.0..=SECONDS_MAX).contains(&seconds));
        }
    }
}
