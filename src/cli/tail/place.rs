//! Where the reader is in the log, and from where it goes on.

use crate::event::{Cursor, LogId, Seq};
use crate::wire::Tail;

/// How far the reader has come: so that what follows after a lost connection has no hole and no
/// repeat.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The log that the connection at hand reads.
    log: Option<LogId>,
    /// The last line that came, or what the agent says is passed.
    seen: Option<Cursor>,
    /// The newest event when the first request was sent, if that one is about what comes from then
    /// on, with a little of what was there.
    from: Option<Cursor>,
    /// What has reached the one who reads.
    shown: Option<Cursor>,
}

impl Place {
    /// A connection is there, and this is the newest cursor of its log. What to ask it for.
    pub(super) fn request(&mut self, first: &Tail, newest: Cursor) -> Tail {
        let again = self.log.replace(newest.log).is_some();
        let cut = first.follow && first.lines.is_some();
        if !again && cut {
            self.from = Some(newest);
        }
        match self.reached() {
            // Of what is behind a place, nothing is cut: that would be a hole.
            Some(after) if again => Tail { after: Some(after), lines: None, ..first.clone() },
            _ => first.clone(),
        }
    }

    /// Everything up to this number of the log at hand has come.
    pub(super) fn pass(&mut self, seq: Seq) {
        if let Some(log) = self.log {
            self.seen = Some(Cursor { log, seq });
        }
    }

    /// Everything up to this cursor has come.
    pub(super) const fn pass_to(&mut self, cursor: Cursor) {
        self.seen = Some(cursor);
    }

    /// All that came has reached the one who reads.
    pub(super) fn show(&mut self) {
        self.shown = self.reached();
    }

    /// The last place that the one who reads has seen everything of.
    pub(super) const fn shown(&self) -> Option<Cursor> {
        self.shown
    }

    /// Whether there was a connection.
    pub(super) const fn connected(&self) -> bool {
        self.log.is_some()
    }

    fn reached(&self) -> Option<Cursor> {
        self.seen.or(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Cursor {
        text.parse().expect("a cursor")
    }

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn the_first_request_is_the_plans_and_the_next_goes_on() {
        let first = Tail { follow: true, lines: Some(10), ..Tail::default() };
        let mut place = Place::default();
        assert!(!place.connected());
        assert_eq!(place.request(&first, cursor("0000000a-100")), first);
        place.pass(seq(95));
        let next = Tail { after: Some(cursor("0000000a-95")), lines: None, ..first.clone() };
        assert_eq!(place.request(&first, cursor("0000000a-120")), next);
        place.pass_to(cursor("0000000a-110"));
        place.show();
        assert_eq!(place.shown(), Some(cursor("0000000a-110")));
        let next = Tail { after: Some(cursor("0000000a-110")), ..next };
        assert_eq!(place.request(&first, cursor("0000000a-120")), next);
    }

    #[test]
    fn with_nothing_seen_it_goes_on_from_where_it_began() {
        let first = Tail { follow: true, lines: Some(0), ..Tail::default() };
        let mut place = Place::default();
        place.request(&first, cursor("0000000a-100"));
        let next = Tail { after: Some(cursor("0000000a-100")), lines: None, ..first.clone() };
        assert_eq!(place.request(&first, cursor("0000000a-120")), next);
        // A whole beginning is asked for once more.
        let first = Tail { lines: None, after: Some(cursor("0000000a-7")), ..first };
        let mut place = Place::default();
        place.request(&first, cursor("0000000a-100"));
        assert_eq!(place.request(&first, cursor("0000000a-120")), first);
    }

    #[test]
    fn another_log_is_asked_by_the_cursor_of_the_old_one() {
        let first = Tail { follow: true, lines: Some(10), ..Tail::default() };
        let mut place = Place::default();
        place.request(&first, cursor("0000000a-100"));
        place.pass(seq(101));
        let next = place.request(&first, cursor("0000000b-3"));
        assert_eq!(next.after, Some(cursor("0000000a-101")));
        place.pass(seq(4));
        let next = place.request(&first, cursor("0000000b-9"));
        assert_eq!(next.after, Some(cursor("0000000b-4")));
    }
}
