//! Gaps: records in the stream that events are missing.

use std::fmt;
use std::str::FromStr;

use super::{Seq, Timestamp, json};

/// Missing events: the numbers strictly between `after` and `before`, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last number before the gap.
    pub after: Seq,
    /// The first number after the gap.
    pub before: Seq,
    /// The number of missing events. `None` if it is unknown.
    pub lost: Option<u64>,
    /// The reason.
    pub why: Why,
}

/// The reason of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// History was trimmed to its size or age.
    Retention,
    /// The disk failed.
    Storage,
    /// Refused by a limit.
    Rate,
    /// A start of the agent, which lost nothing after a clean stop; or a cursor of another log.
    Restart,
    /// The clock stepped back.
    Clock,
    /// Reported by another host.
    Upstream,
}

impl Why {
    /// All reasons.
    pub const ALL: [Self; 6] =
        [Self::Retention, Self::Storage, Self::Rate, Self::Restart, Self::Clock, Self::Upstream];

    /// The name in the gap line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Storage => "storage",
            Self::Rate => "rate",
            Self::Restart => "restart",
            Self::Clock => "clock",
            Self::Upstream => "upstream",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Why {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|why| why.name() == text).ok_or(())
    }
}

impl Gap {
    /// The first number of the gap.
    pub fn first(self) -> Seq {
        self.after.next()
    }

    /// The last number of the gap: its cursor.
    pub fn last(self) -> Seq {
        self.before.previous()
    }

    /// The rest of this gap for a reader whose cursor is `seen`.
    #[must_use]
    pub fn rest_after(self, seen: Seq) -> Self {
        if seen <= self.after {
            return self;
        }
        // If each number was an event, the rest is as long as its numbers. Otherwise it is unknown
        // on which side of the cursor the events are missing.
        let all = self.before.since(self.after).saturating_sub(1);
        let rest = self.before.since(seen).saturating_sub(1);
        let lost = match self.lost {
            Some(0) => Some(0),
            Some(lost) if lost == all => Some(rest),
            _ => None,
        };
        Self { after: seen, lost, ..self }
    }

    /// This gap and the adjacent `next` as one. The reason is the first one that lost events; where
    /// none did, a restart matters more than a clock step.
    #[must_use]
    pub fn joined_with(self, next: Self) -> Self {
        let lost = match (self.lost, next.lost) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            _ => None,
        };
        let next_explains = match (self.lost, next.lost) {
            (Some(0), Some(0)) => self.why == Why::Clock,
            (Some(0), _) => true,
            _ => false,
        };
        let why = if next_explains { next.why } else { self.why };
        Self { after: self.after, before: next.before, lost, why }
    }

    /// Appends the gap line, with its line end.
    pub fn encode(self, time: Timestamp, host: &str, out: &mut Vec<u8>) {
        self.encode_of(None, time, host, out);
    }

    /// Appends the gap line, with its line end. `hseq` is its number in the log of its host, in a stream of many.
    pub fn encode_of(self, hseq: Option<Seq>, time: Timestamp, host: &str, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"{\"gap\":{\"after\":");
        out.extend_from_slice(digits.format(self.after.get()).as_bytes());
        out.extend_from_slice(b",\"before\":");
        out.extend_from_slice(digits.format(self.before.get()).as_bytes());
        if let Some(lost) = self.lost {
            out.extend_from_slice(b",\"lost\":");
            out.extend_from_slice(digits.format(lost).as_bytes());
        }
        out.extend_from_slice(b",\"why\":\"");
        out.extend_from_slice(self.why.name().as_bytes());
        out.extend_from_slice(b"\"}");
        if let Some(hseq) = hseq {
            out.extend_from_slice(b",\"hseq\":");
            out.extend_from_slice(digits.format(hseq.get()).as_bytes());
        }
        out.extend_from_slice(b",\"time\":\"");
        out.extend_from_slice(&time.text());
        out.extend_from_slice(b"\",\"host\":");
        json::string(out, host);
        out.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(after: u64, before: u64, lost: Option<u64>, why: Why) -> Gap {
        let seq = |n| Seq::new(n).expect("small");
        Gap { after: seq(after), before: seq(before), lost, why }
    }

    #[test]
    fn encodes_the_documented_line() {
        let mut out = Vec::new();
        let time = "2026-11-22T17:32:05.123456Z".parse().expect("valid");
        gap(1042, 2050, Some(1007), Why::Retention).encode(time, "web1", &mut out);
        let expected = concat!(
            r#"{"gap":{"after":1042,"before":2050,"lost":1007,"why":"retention"},"#,
            r#""time":"2026-11-22T17:32:05.123456Z","host":"web1"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).expect("utf-8"), expected);
    }

    #[test]
    fn a_cursor_inside_gets_the_rest() {
        let whole = gap(10, 20, Some(9), Why::Storage);
        let at = |n| Seq::new(n).expect("small");
        assert_eq!(whole.rest_after(at(5)), whole);
        assert_eq!(whole.rest_after(at(15)), gap(15, 20, Some(4), Why::Storage));
        let counted = gap(10, 12, Some(500), Why::Rate);
        assert_eq!(counted.rest_after(at(10)), counted);
        assert_eq!(gap(10, 20, Some(500), Why::Storage).rest_after(at(15)).lost, None);
        assert_eq!(gap(10, 20, Some(0), Why::Clock).rest_after(at(15)).lost, Some(0));
        let unknown = gap(10, 20, None, Why::Restart);
        assert_eq!(unknown.rest_after(at(15)).lost, None);
    }

    #[test]
    fn a_join_reports_the_reason_that_lost_events() {
        let restart = gap(1, 3, Some(0), Why::Restart);
        let clock = gap(2, 4, Some(0), Why::Clock);
        for (a, b, lost, why) in [
            (restart, gap(2, 5, Some(2), Why::Storage), Some(2), Why::Storage),
            (restart, gap(2, 5, None, Why::Retention), None, Why::Retention),
            (restart, clock, Some(0), Why::Restart),
            (restart, gap(2, 4, Some(0), Why::Restart), Some(0), Why::Restart),
            (restart, gap(2, 4, None, Why::Restart), None, Why::Restart),
        ] {
            let joined = |first: Gap, second: Gap| {
                let second = Gap { after: first.last(), ..second };
                let joined = first.joined_with(second);
                (joined.lost, joined.why)
            };
            assert_eq!(joined(a, b), (lost, why));
            assert_eq!(joined(b, a), (lost, why), "in the other order");
        }
        let storage = gap(1, 5, Some(3), Why::Storage);
        assert_eq!(storage.joined_with(gap(4, 6, Some(1), Why::Rate)).why, Why::Storage);
    }

    #[test]
    fn adjacent_gaps_become_one() {
        let a = gap(1, 10, Some(8), Why::Retention);
        assert_eq!(a.joined_with(gap(9, 20, None, Why::Restart)), gap(1, 20, None, Why::Retention));
        let clock = gap(1, 3, Some(0), Why::Clock);
        assert_eq!(
            clock.joined_with(gap(2, 5, Some(2), Why::Storage)),
            gap(1, 5, Some(2), Why::Storage)
        );
    }
}
