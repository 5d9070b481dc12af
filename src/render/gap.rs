//! Gaps in words.

use std::fmt::Write as _;

use crate::event::{Gap, Why};

/// `-- 1007 events missing: history was trimmed (retention) --`, without a line end. No event's line
/// begins so in a format that begins with a time.
pub(super) fn push(out: &mut String, gap: Gap) {
    // Writing to a String cannot fail.
    let _ = match gap.lost {
        Some(0) => write!(out, "-- no event missing"),
        Some(1) => write!(out, "-- 1 event missing"),
        Some(lost) => write!(out, "-- {lost} events missing"),
        None => write!(out, "-- events may be missing"),
    };
    let _ = write!(out, ": {} ({}) --", words(gap.why), gap.why);
}

fn words(why: Why) -> &'static str {
    match why {
        Why::Retention => "history was trimmed",
        Why::Storage => "the disk failed",
        Why::Rate => "refused by a limit",
        Why::Restart => "an unclean stop, or a cursor of another log",
        Why::Clock => "the clock stepped back",
        Why::Upstream => "missing on the way from another host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Seq;

    #[test]
    fn every_reason_has_its_words() {
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
}
