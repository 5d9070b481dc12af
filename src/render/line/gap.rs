//! Gaps as text.

use std::fmt::Write as _;

use crate::event::{Gap, Seq, Why};

/// Appends `-- 1007 events missing: history was trimmed (retention) --`. In a format that begins
/// with a time, no event's line begins so.
pub(super) fn push(out: &mut String, gap: Gap) {
    // Writing to a String cannot fail.
    let _ = match (gap.why, gap.lost) {
        (Why::Restart, Some(0)) if gap.after == Seq::ZERO => write!(out, "-- agent started"),
        (Why::Restart, Some(0)) => write!(out, "-- agent restarted, no event missing"),
        (why, Some(0)) => write!(out, "-- no event missing: {}", words(why)),
        (why, Some(1)) => write!(out, "-- 1 event missing: {}", words(why)),
        (why, Some(lost)) => write!(out, "-- {lost} events missing: {}", words(why)),
        (why, None) => write!(out, "-- events may be missing: {}", words(why)),
    };
    let _ = write!(out, " ({}) --", gap.why);
}

fn words(why: Why) -> &'static str {
    match why {
        Why::Retention => "history was trimmed",
        Why::Storage => "the disk failed",
        Why::Rate => "refused by a limit",
        Why::Restart => "the agent restarted, or the cursor is of another log",
        Why::Clock => "the clock stepped back",
        Why::Upstream => "reported by another host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_every_reason() {
        let gap =
            |lost, why| Gap { after: Seq::ZERO, before: Seq::new(9).expect("small"), lost, why };
        for why in Why::ALL {
            let mut out = String::new();
            push(&mut out, gap(Some(7), why));
            assert!(out.starts_with("-- 7 events missing: "), "{out}");
            assert!(out.ends_with(&format!(" ({why}) --")), "{out}");
        }
        for (lost, begin) in [
            (None, "-- events may be missing: "),
            (Some(0), "-- no event missing: the clock stepped back"),
            (Some(1), "-- 1 event missing: "),
        ] {
            let mut out = String::new();
            push(&mut out, gap(lost, Why::Clock));
            assert!(out.starts_with(begin), "{out}");
        }
    }

    #[test]
    fn describes_a_start_of_the_agent() {
        let seq = |n| Seq::new(n).expect("small");
        for (after, before, lost, text) in [
            (0, 2, Some(0), "-- agent started (restart) --"),
            (7, 9, Some(0), "-- agent restarted, no event missing (restart) --"),
            (
                7,
                9,
                None,
                "-- events may be missing: the agent restarted, or the cursor is of another log \
                 (restart) --",
            ),
        ] {
            let mut out = String::new();
            let (after, before) = (seq(after), seq(before));
            push(&mut out, Gap { after, before, lost, why: Why::Restart });
            assert_eq!(out, text);
        }
    }
}
