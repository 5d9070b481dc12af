//! The position in the log, and where a new connection resumes.

use crate::event::{Cursor, LogId, Seq};
use crate::wire::Tail;

/// The position of the follower: after a lost connection it resumes there without a hole or a repeat.
#[derive(Clone, Debug, Default)]
pub(super) struct ResumePosition {
    /// The log of the current connection. `None` before the first one.
    log: Option<LogId>,
    /// The last line received, or the agent's progress beyond it.
    seen: Option<Cursor>,
    /// The newest event when the first request was sent, if that request follows with only the last lines
    /// of what existed.
    from: Option<Cursor>,
    /// The last position whose events were all written to stdout.
    shown: Option<Cursor>,
}

impl ResumePosition {
    /// Begins a connection to the log whose newest cursor this is. Returns the request.
    pub(super) fn request(&mut self, first: &Tail, newest: Cursor) -> Tail {
        let again = self.log.replace(newest.log).is_some();
        // The stream of all hosts is another log: its agent names it and the position before the first line.
        let cut = first.follow && first.lines.is_some() && first.host.is_none();
        if !again && cut {
            self.from = Some(newest);
        }
        match self.reached() {
            // After a position everything is requested: `lines` would leave a hole.
            Some(after) if again => Tail { after: Some(after), lines: None, ..first.clone() },
            _ => first.clone(),
        }
    }

    /// Everything up to this number of the current log was received.
    pub(super) fn pass(&mut self, seq: Seq) {
        if let Some(log) = self.log {
            self.seen = Some(Cursor { log, seq });
        }
    }

    /// Everything up to this cursor was received.
    pub(super) const fn pass_to(&mut self, cursor: Cursor) {
        self.log = Some(cursor.log);
        self.seen = Some(cursor);
    }

    /// Everything received was written to stdout.
    pub(super) fn show(&mut self) {
        self.shown = self.reached();
    }

    /// The last position whose events were all written to stdout.
    pub(super) const fn shown(&self) -> Option<Cursor> {
        self.shown
    }

    /// `true` if there was a connection.
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
    fn the_first_request_is_the_plans_and_the_next_resumes() {
        let first = Tail { follow: true, lines: Some(10), ..Tail::default() };
        let mut position = ResumePosition::default();
        assert!(!position.connected());
        assert_eq!(position.request(&first, cursor("0000000a-100")), first);
        position.pass(seq(95));
        let next = Tail { after: Some(cursor("0000000a-95")), lines: None, ..first.clone() };
        assert_eq!(position.request(&first, cursor("0000000a-120")), next);
        position.pass_to(cursor("0000000a-110"));
        position.show();
        assert_eq!(position.shown(), Some(cursor("0000000a-110")));
        let next = Tail { after: Some(cursor("0000000a-110")), ..next };
        assert_eq!(position.request(&first, cursor("0000000a-120")), next);
    }

    #[test]
    fn resumes_in_the_stream_of_all_hosts() {
        let host = Some("*".to_owned());
        let first = Tail { host, follow: true, lines: Some(10), ..Tail::default() };
        let mut position = ResumePosition::default();
        position.request(&first, cursor("0000000a-100"));
        assert_eq!(position.request(&first, cursor("0000000a-100")), first);
        position.pass_to(cursor("0000000c-7.4095"));
        let after = |text| Tail { after: Some(cursor(text)), lines: None, ..first.clone() };
        assert_eq!(position.request(&first, cursor("0000000a-120")), after("0000000c-7.4095"));
        position.pass_to(cursor("0000000c-7.4095"));
        position.pass(Seq::in_message(9, 2).expect("small"));
        assert_eq!(position.request(&first, cursor("0000000b-1")), after("0000000c-9.2"));
    }

    #[test]
    fn resumes_from_the_start_if_nothing_was_seen() {
        let first = Tail { follow: true, lines: Some(0), ..Tail::default() };
        let mut position = ResumePosition::default();
        position.request(&first, cursor("0000000a-100"));
        let next = Tail { after: Some(cursor("0000000a-100")), lines: None, ..first.clone() };
        assert_eq!(position.request(&first, cursor("0000000a-120")), next);
        // A request with a start is repeated.
        let first = Tail { lines: None, after: Some(cursor("0000000a-7")), ..first };
        let mut position = ResumePosition::default();
        position.request(&first, cursor("0000000a-100"));
        assert_eq!(position.request(&first, cursor("0000000a-120")), first);
    }

    #[test]
    fn resumes_in_another_log_with_the_old_cursor() {
        let first = Tail { follow: true, lines: Some(10), ..Tail::default() };
        let mut position = ResumePosition::default();
        position.request(&first, cursor("0000000a-100"));
        position.pass(seq(101));
        let next = position.request(&first, cursor("0000000b-3"));
        assert_eq!(next.after, Some(cursor("0000000a-101")));
        position.pass(seq(4));
        let next = position.request(&first, cursor("0000000b-9"));
        assert_eq!(next.after, Some(cursor("0000000b-4")));
    }
}
