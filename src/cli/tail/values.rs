//! `--field`: the distinct values of a key.

use std::collections::HashSet;

use super::report::report;
use crate::event::EventLine;
use crate::filter::KeyName;
use crate::render::escape;

/// The most values of `--field`.
pub const VALUES_MAX: usize = 100_000;

/// The most that the values of `--field` take together, in bytes.
pub const VALUES_BYTES_MAX: usize = 16 << 20;

/// The values that were printed.
pub(super) struct Values {
    key: KeyName,
    seen: HashSet<Box<str>>,
    bytes: usize,
    /// Whether a further value was not printed.
    full: bool,
}

impl Values {
    pub(super) fn new(key: KeyName) -> Self {
        Self { key, seen: HashSet::new(), bytes: 0, full: false }
    }

    /// Appends the value of the event on a line of its own, if it is a new one.
    pub(super) fn add(&mut self, event: &EventLine<'_>, out: &mut String) {
        let Some(value) = self.key.value(event).filter(|value| !self.seen.contains(&**value))
        else {
            return;
        };
        if self.seen.len() == VALUES_MAX || self.bytes + value.len() > VALUES_BYTES_MAX {
            if !std::mem::replace(&mut self.full, true) {
                let bytes = VALUES_BYTES_MAX >> 20;
                report(format_args!("more than {VALUES_MAX} values or {bytes} MiB: not all shown"));
            }
            return;
        }
        out.push_str(&escape(&value));
        out.push('\n');
        self.bytes += value.len();
        self.seen.insert(value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Line;

    fn add(values: &mut Values, value: &str) -> String {
        let line = format!(
            r#"{{"seq":1,"time":"2026-11-22T17:32:05.123456Z","host":"h","tag":"t","level":"info","fields":{{"k":"{value}"}}}}"#
        );
        let Some(Line::Event(event)) = Line::parse(&line) else { panic!("an event") };
        let mut out = String::new();
        values.add(&event, &mut out);
        out
    }

    fn values() -> Values {
        Values::new(KeyName::parse("k").expect("a key"))
    }

    #[test]
    fn prints_each_value_once_and_escaped() {
        let mut values = values();
        assert_eq!(add(&mut values, "a"), "a\n");
        assert_eq!(add(&mut values, "a"), "");
        assert_eq!(add(&mut values, "b\\n\\u001b[2J"), "b\\n\\x1b[2J\n");
        let mut other = Values::new(KeyName::parse("other").expect("a key"));
        assert_eq!(add(&mut other, "a"), "");
    }

    #[test]
    fn bounds_number_and_size() {
        let mut values = values();
        values.seen = (1..VALUES_MAX).map(|n| n.to_string().into()).collect();
        assert_eq!(add(&mut values, "last"), "last\n");
        assert_eq!(add(&mut values, "over"), "");
        assert!(values.full);
        let mut values = Values { bytes: VALUES_BYTES_MAX - 1, ..self::values() };
        assert_eq!(add(&mut values, "ab"), "");
        assert_eq!(add(&mut values, "a"), "a\n");
    }
}
