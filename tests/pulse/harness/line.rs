//! What stands in the lines that the agent sends and stores.

use serde_json::Value;

/// The number of the first event of a log. The start of the agent is the gap before it.
pub(crate) const FIRST: u64 = 2;

/// Whether a line is the gap with which a new log begins: few tests are about that one.
pub(crate) fn begins_log(line: &str) -> bool {
    line.starts_with(r#"{"gap":{"after":0,"before":2,"lost":0,"why":"restart"}"#)
}

/// An event line or a gap line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    /// An event: its number, its message, and all of it.
    Event(u64, String, Value),
    /// A gap.
    Gap(Gap),
}

/// What a gap line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) after: u64,
    pub(crate) before: u64,
    pub(crate) lost: Option<u64>,
    pub(crate) why: String,
}

impl Item {
    /// The first and the last number that it stands for.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        match self {
            Self::Event(seq, ..) => (*seq, *seq),
            Self::Gap(gap) => (gap.after + 1, gap.before - 1),
        }
    }

    /// The message, if it is an event.
    pub(crate) fn msg(&self) -> Option<&str> {
        match self {
            Self::Event(_, msg, _) => Some(msg),
            Self::Gap(_) => None,
        }
    }

    /// The gap, if it is one.
    pub(crate) fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Event(..) => None,
            Self::Gap(gap) => Some(gap),
        }
    }

    /// Everything, if it is an event.
    #[track_caller]
    pub(crate) fn event(&self) -> &Value {
        match self {
            Self::Event(_, _, all) => all,
            Self::Gap(gap) => panic!("an event and not {gap:?}"),
        }
    }
}

impl Gap {
    /// What a start of the agent appends after a clean stop, if `last` is the last number before it.
    pub(crate) fn of_clean_start(last: u64) -> Self {
        Self { after: last, before: last + 2, lost: Some(0), why: "restart".into() }
    }
}

/// Reads one line.
#[track_caller]
pub(crate) fn parse(line: &str) -> Item {
    let all: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a number: {line:?}"));
    let gap = &all["gap"];
    if gap.is_object() {
        let (after, before) = (number(&gap["after"]), number(&gap["before"]));
        let why = gap["why"].as_str().expect("a reason").to_owned();
        return Item::Gap(Gap { after, before, lost: gap["lost"].as_u64(), why });
    }
    let msg = all["msg"].as_str().unwrap_or_default().to_owned();
    Item::Event(number(&all["seq"]), msg, all)
}

/// The number in a cursor.
#[track_caller]
pub(crate) fn seq_of(cursor: &str) -> u64 {
    let number = cursor.split_once('-').and_then(|(_, seq)| seq.parse().ok());
    number.unwrap_or_else(|| panic!("a cursor and not {cursor:?}"))
}

/// Asserts that these lines follow `after` without a hole that no gap line tells, and without a repeat.
/// Gives the last number.
#[track_caller]
pub(crate) fn assert_whole<'a>(after: u64, items: impl IntoIterator<Item = &'a Item>) -> u64 {
    let mut last = after;
    for item in items {
        let (first, its_last) = item.numbers();
        assert!(first <= its_last, "a gap of at least one number: {item:?}");
        assert_eq!(first, last + 1, "the number behind {last}: {item:?}");
        last = its_last;
    }
    last
}
