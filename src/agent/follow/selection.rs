//! Which lines a follower wants, and may see.

use crate::access::TagScope;
use crate::event::{EventLine, Gap, Line, Seq, Timestamp};
use crate::filter::{Match, Needles};

/// A follower's MATCH, time range and rights.
#[derive(Clone)]
pub(crate) struct Selection {
    /// Events that match. Gaps always do.
    matching: Match,
    needles: Needles,
    /// No event before this.
    pub(crate) since: Option<Timestamp>,
    /// No event after this.
    until: Option<Timestamp>,
    /// Only these tags.
    pub(crate) scope: TagScope,
}

impl Selection {
    pub(crate) fn new(
        matching: Match,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        scope: TagScope,
    ) -> Self {
        let needles = Needles::new(&matching);
        Self { matching, needles, since, until, scope }
    }

    /// The number of an event that is not wanted, without parsing its line. `None` if it may be wanted, or if the line
    /// is no event.
    pub(crate) fn ruled_out(&self, line: &[u8]) -> Option<Seq> {
        if !line.starts_with(b"{\"seq\":") || self.needles.may_match(line) {
            return None;
        }
        Line::peek_first_seq(line)
    }

    /// `true` if every line is wanted.
    pub(crate) fn is_everything(&self) -> bool {
        self.since.is_none()
            && self.until.is_none()
            && self.matching.is_everything()
            && self.scope == TagScope::All
    }

    /// `true` if this event is wanted.
    pub(crate) fn wants(&self, event: &EventLine<'_>) -> bool {
        self.scope.allows(event.tag)
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time <= until)
            && self.matching.matches(event)
    }

    /// A gap as this follower may see it: the number of lost events counts every tag, so only a follower that may
    /// see every tag gets it.
    pub(crate) fn gap(&self, gap: Gap) -> Gap {
        let lost = gap.lost.filter(|_| self.scope == TagScope::All);
        Gap { lost, ..gap }
    }
}
