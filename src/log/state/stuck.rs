//! Segments whose files cannot be removed, for example because they are immutable. They stay in the catalog: readers
//! get their lines, and their size counts. Retention goes on with the next ones and tries again later.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::diag::Throttle;
use crate::event::Seq;

/// The delay before retention tries again to remove such a file, and the minimum interval between two diagnostics about
/// it.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The segments that retention could not remove.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// Their first numbers, with the time of the last attempt.
    tried: BTreeMap<Seq, Instant>,
    reports: Throttle,
}

impl Default for Stuck {
    fn default() -> Self {
        Self { tried: BTreeMap::new(), reports: Throttle::new(RETRY_AFTER) }
    }
}

impl Stuck {
    /// Notes an attempt that failed. `true` if it should be reported: it is the first one of this file, and no other
    /// file was reported just before.
    pub(crate) fn note(&mut self, first: Seq, now: Instant) -> bool {
        self.tried.insert(first, now).is_none() && self.reports.pass(now).is_some()
    }

    /// The file is gone.
    pub(crate) fn forget(&mut self, first: Seq) {
        self.tried.remove(&first);
    }

    /// `true` if the last attempt failed.
    pub(crate) fn contains(&self, first: Seq) -> bool {
        self.tried.contains_key(&first)
    }

    /// `true` if it is too early for another attempt.
    pub(crate) fn skips(&self, first: Seq, now: Instant) -> bool {
        let waits = |tried: &Instant| now.saturating_duration_since(*tried) < RETRY_AFTER;
        self.tried.get(&first).is_some_and(waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_until_the_next_attempt_and_reports_once() {
        let seq = |n| Seq::new(n).expect("small");
        let (mut stuck, now) = (Stuck::default(), Instant::now());
        assert!(!stuck.skips(seq(2), now));
        assert!(stuck.note(seq(2), now));
        assert!(stuck.skips(seq(2), now + RETRY_AFTER / 2) && !stuck.skips(seq(3), now));
        assert!(!stuck.note(seq(3), now), "the first one has just been reported");
        assert!(!stuck.skips(seq(2), now + RETRY_AFTER) && stuck.contains(seq(2)));
        assert!(!stuck.note(seq(2), now + RETRY_AFTER), "it was reported");
        assert!(stuck.skips(seq(2), now + RETRY_AFTER));
        stuck.forget(seq(2));
        assert!(!stuck.contains(seq(2)) && stuck.contains(seq(3)));
    }
}
