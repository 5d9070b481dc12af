//! Which lines a follower wants, and may see.

use crate::access::{HostScope, TagScope};
use crate::event::{EventLine, Gap, GapLine, Line, Seq, Timestamp};
use crate::filter::{Glob, Match, Needles};

/// What a follower may see, and of which hosts it wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Visible {
    /// These tags of this machine.
    Tags(TagScope),
    /// These tags of all hosts, for a follower that wants only these hosts.
    Hosts { only: Glob, scope: HostScope },
}

impl From<&TagScope> for Visible {
    fn from(scope: &TagScope) -> Self {
        Self::Tags(scope.clone())
    }
}

impl Visible {
    /// `true` if every event is visible, and so how many are lost.
    fn is_everything(&self) -> bool {
        match self {
            Self::Tags(scope) => *scope == TagScope::All,
            Self::Hosts { only, scope } => only.is_any() && scope.is_all(),
        }
    }

    fn has(&self, event: &EventLine<'_>) -> bool {
        match self {
            Self::Tags(scope) => scope.allows(event.tag),
            Self::Hosts { only, scope } => {
                let host = event.host.text();
                only.matches(&host) && scope.allows(&host, event.tag)
            }
        }
    }

    /// A gap without a number of its host concerns all hosts.
    fn has_gap(&self, line: &GapLine<'_>) -> bool {
        match self {
            Self::Tags(_) => true,
            Self::Hosts { .. } if line.hseq.is_none() => true,
            Self::Hosts { only, scope } => {
                let host = line.host.text();
                only.matches(&host) && scope.allows_some_of(&host)
            }
        }
    }

    /// `true` if all that a gap may have lost would have been visible.
    fn has_all_of(&self, host: &str) -> bool {
        match self {
            Self::Tags(_) => self.is_everything(),
            Self::Hosts { only, scope } => only.matches(host) && scope.is_all(),
        }
    }
}

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
    visible: Visible,
}

impl Selection {
    pub(crate) fn new(
        matching: Match,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        visible: Visible,
    ) -> Self {
        let needles = Needles::new(&matching);
        Self { matching, needles, since, until, visible }
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
            && self.visible.is_everything()
    }

    /// `true` if this event is wanted.
    pub(crate) fn wants(&self, event: &EventLine<'_>) -> bool {
        self.visible.has(event)
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time <= until)
            && self.matching.matches(event)
    }

    /// A gap as this follower may see it: the number of lost events counts every tag, so only a follower that may
    /// see every tag gets it.
    pub(crate) fn gap(&self, gap: Gap) -> Gap {
        let lost = gap.lost.filter(|_| self.visible.is_everything());
        Gap { lost, ..gap }
    }

    /// A gap line as this follower may see it. `None` if it may not see it at all.
    pub(crate) fn gap_of(&self, line: &GapLine<'_>) -> Option<Gap> {
        // The reader of a stream begins before `since`, because the clocks of hosts differ.
        let is_outside = line.hseq.is_some()
            && (self.since.is_some_and(|since| line.time < since)
                || self.until.is_some_and(|until| line.time > until));
        if is_outside || !self.visible.has_gap(line) {
            return None;
        }
        let all = self.visible.has_all_of(&line.host.text());
        Some(Gap { lost: line.gap.lost.filter(|_| all), ..line.gap })
    }
}
