//! The lines that the agent sends and stores.

use serde_json::Value;

/// The sequence number of the first event of a log. Number 1 is the gap of the first start.
pub(crate) const FIRST: u64 = 2;

/// `true` if the line is the gap that begins a new log. Few tests are about it.
pub(crate) fn begins_log(line: &str) -> bool {
    line.starts_with(r#"{"gap":{"after":0,"before":2,"lost":0,"why":"restart"}"#)
}

/// An event line or a gap line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    /// An event: its sequence number, its message, and the whole object.
    Event(u64, String, Value),
    /// A gap.
    Gap(Gap),
}

/// A gap line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) after: u64,
    pub(crate) before: u64,
    pub(crate) lost: Option<u64>,
    pub(crate) why: String,
}

impl Item {
    /// The first and the last sequence number that the line covers.
    pub(crate) fn seq_range(&self) -> (u64, u64) {
        match self {
            Self::Event(seq, ..) => (*seq, *seq),
            Self::Gap(gap) => (gap.after + 1, gap.before - 1),
        }
    }

    /// The message. `None` if it is a gap.
    pub(crate) fn msg(&self) -> Option<&str> {
        match self {
            Self::Event(_, msg, _) => Some(msg),
            Self::Gap(_) => None,
        }
    }

    /// The gap. `None` if it is an event.
    pub(crate) fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Event(..) => None,
            Self::Gap(gap) => Some(gap),
        }
    }

    /// The event's whole object. Panics if it is a gap.
    #[track_caller]
    pub(crate) fn event(&self) -> &Value {
        match self {
            Self::Event(_, _, object) => object,
            Self::Gap(gap) => panic!("an event expected: {gap:?}"),
        }
    }
}

impl Gap {
    /// The gap that a start appends after a clean stop, if `last` is the last number before it.
    pub(crate) fn of_clean_start(last: u64) -> Self {
        Self { after: last, before: last + 2, lost: Some(0), why: "restart".into() }
    }
}

/// Parses one line.
#[track_caller]
pub(crate) fn parse(line: &str) -> Item {
    let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    let number =
        |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no sequence number: {line:?}"));
    let gap = &object["gap"];
    if gap.is_object() {
        let (after, before) = (number(&gap["after"]), number(&gap["before"]));
        let why = gap["why"].as_str().expect("a reason").to_owned();
        return Item::Gap(Gap { after, before, lost: gap["lost"].as_u64(), why });
    }
    let msg = object["msg"].as_str().unwrap_or_default().to_owned();
    Item::Event(number(&object["seq"]), msg, object)
}

/// The sequence number in a cursor.
#[track_caller]
pub(crate) fn seq_of(cursor: &str) -> u64 {
    let number = cursor.split_once('-').and_then(|(_, seq)| seq.parse().ok());
    number.unwrap_or_else(|| panic!("not a cursor: {cursor:?}"))
}

/// Asserts that these lines continue after `after`: no number repeats, and none is missing without a gap
/// line. Returns the last number.
#[track_caller]
pub(crate) fn assert_contiguous<'a>(after: u64, items: impl IntoIterator<Item = &'a Item>) -> u64 {
    let mut last = after;
    for item in items {
        let (first, its_last) = item.seq_range();
        assert!(first <= its_last, "a gap covers at least one number: {item:?}");
        assert_eq!(first, last + 1, "the number after {last}: {item:?}");
        last = its_last;
    }
    last
}
