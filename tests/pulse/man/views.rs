//! pulse-protocol(7) against the snapshots of views: their keys, and the bounds in the text.

use std::collections::BTreeSet;

use pulsed::agent::{FOLDS_MAX, FOLDS_OF_ONE_MAX, FOLDS_RESERVED, KEPT_FOR, SNAPSHOT_MAX};
use pulsed::event::{Line, Timestamp};
use pulsed::views::{
    ABANDONED_SECONDS, ENTRIES_MAX, HEAT_COLUMNS, HEAT_FLOOR, HEAT_PER_DECADE, HEAT_ROWS,
    HEAT_STEP, MSG_MAX, NOW_SECONDS, Permits, RATE_SECONDS, REPEATS_MIN, SHAPE_MAX, SIZE_MAX,
    SLOWER_MINUTES, UNKNOWN_SECONDS, ViewName, Views, WINDOW_MINUTES,
};
use pulsed::wire::{EVERY_DEFAULT, EVERY_MAX, EVERY_MIN};
use serde_json::Value as Json;

use super::page::{Item, Page};
use super::protocol::inner_words;
use super::set;

/// Keys of every snapshot.
const OF_ALL: [&str; 3] = ["view", "time", "from"];

fn page() -> Page {
    Page::read("pulse-protocol.7")
}

fn time(minute: usize, second: usize) -> String {
    format!("2026-11-22T17:{minute:02}:{second:02}.000000Z")
}

/// Events and a gap that give every optional key a value.
fn views() -> Views {
    let mut views = Views::new();
    let mut add = |line: &str| views.line(&Line::parse(line).expect("a line"));
    let origin = r#""origin":{"uid":33,"user":"www-data","conn":7}"#;
    let fields = r#""fields":{"user":"anna","page":"/orders","req":"r1"}"#;
    let mut seq = 0;
    let mut event = |minute, second, level, rest: &str| {
        seq += 1;
        let time = time(minute, second);
        add(&format!(
            r#"{{"seq":{seq},"time":"{time}","host":"web1","tag":"shop","level":"{level}","msg":"query {second}",{rest}{fields},{origin}}}"#
        ));
    };
    for second in 0..30 {
        event(0, second, "info", r#""took":0.01,"#);
    }
    for second in 0..30 {
        event(10, second, "err", r#""took":1,"#);
    }
    event(10, 30, "info", r#""run":"import-7","#);
    add(&format!(
        r#"{{"gap":{{"after":{seq},"before":{},"lost":1,"why":"rate"}},"time":"{}","host":"web1"}}"#,
        seq + 2,
        time(10, 30)
    ));
    views
}

/// The keys of an object, and of the objects in its lists and in its heat map.
fn keys_of(snapshot: &Json) -> BTreeSet<String> {
    let members = snapshot.as_object().expect("an object");
    let members = members.iter().filter(|(name, _)| !OF_ALL.contains(&name.as_str()));
    let mut keys = BTreeSet::new();
    for (name, value) in members {
        keys.insert(name.clone());
        let rows = value.as_array().into_iter().flatten().filter_map(Json::as_object);
        let map = value.as_object().filter(|_| name == "heat");
        keys.extend(rows.chain(map).flat_map(|row| row.keys().cloned()));
    }
    keys
}

#[test]
fn documents_every_key_of_every_view() {
    let items = page().items("Views");
    let outer = items.iter().filter(|item| item.depth == 1).map(Item::word);
    assert_eq!(set(outer), set(ViewName::ALL.map(ViewName::name)));
    let views = views();
    let now: Timestamp = time(10, 31).parse().expect("a time");
    for name in ViewName::ALL {
        let snapshot = views.snapshot(name, &Permits::All, now);
        let snapshot = serde_json::to_value(&snapshot).expect("JSON");
        let documented = inner_words(&items, &format!("Cm {name}"));
        assert_eq!(documented, keys_of(&snapshot), "{snapshot:#}");
    }
}

#[test]
fn bounds_are_those_of_the_program() {
    let text = page().rendered();
    for sentence in [
        format!("from {} to {}.", EVERY_MIN.as_secs_f64(), EVERY_MAX.as_secs()),
        format!("Default: {}.", EVERY_DEFAULT.as_secs()),
        format!("for {} s after, over the last {WINDOW_MINUTES} minutes", KEPT_FOR.as_secs()),
        format!("at most {FOLDS_MAX} folds of at most {} MiB each", SIZE_MAX >> 20),
        format!("{FOLDS_RESERVED} of them are reserved for root"),
        format!("may start {FOLDS_OF_ONE_MAX} of them"),
        format!("at most {},{:03} entries", ENTRIES_MAX / 1000, ENTRIES_MAX % 1000),
        format!("a snapshot has at most {} MiB", SNAPSHOT_MAX >> 20),
        format!("The first {MSG_MAX} bytes of its message."),
        format!("The shape, at most {SHAPE_MAX} bytes."),
        format!("at least {REPEATS_MIN} times in one request"),
        format!("in the last {SLOWER_MINUTES} minutes, and before"),
        format!("abandoned in the last {ABANDONED_SECONDS} s."),
        format!("Events a second in the last {NOW_SECONDS} s."),
        format!("each of the last {RATE_SECONDS} seconds"),
        format!("The length of a column in seconds: {HEAT_STEP}."),
        format!("The lower bound of row 0, in seconds: {HEAT_FLOOR}."),
        format!("The rows of a factor of ten: {HEAT_PER_DECADE}."),
        format!("{HEAT_COLUMNS} columns, oldest first;"),
        format!("from 0 to {}, begins at", HEAT_ROWS - 1),
        format!("longer ones in row {}.", HEAT_ROWS - 1),
    ] {
        assert!(text.contains(&sentence), "{sentence:?}");
    }
    assert_eq!(UNKNOWN_SECONDS, 60 * 60, "unknown runs are shown for one hour");
}
