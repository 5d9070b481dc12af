//! What is written to history and not known to be durable.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::Seq;
use crate::log::options::SyncPolicy;

/// How many files wait for an fsync at most. Each is a descriptor, and without a bound a large history that is never
/// synced would use up all of them.
pub(crate) const UNSYNCED_FILES_MAX: usize = 16;

/// The progress of fsync.
#[derive(Debug)]
pub(crate) struct Unsynced {
    /// Everything up to here is synced, except what is in doubt.
    synced: Seq,
    /// A client waits for a sync up to here.
    requested: Seq,
    /// The numbers that a failed fsync put in doubt. They stay so: the kernel may have dropped the
    /// pages, and reports that only once.
    doubt: Option<Doubt>,
    /// The files to fsync, the oldest first.
    files: Vec<UnsyncedFile>,
    /// When the oldest of it was written. `None` if there is nothing to sync.
    since: Option<Instant>,
}

/// A range of numbers.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    first: Seq,
    last: Seq,
}

/// A file with unsynced lines.
#[derive(Debug)]
pub(crate) struct UnsyncedFile {
    /// The first number of its segment.
    segment: Seq,
    /// The open file.
    pub(crate) file: Arc<File>,
}

/// When the next sync is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncTime {
    /// Now.
    Now,
    /// After this time, or when a client requests it.
    After(Duration),
    /// When a client requests it, or more is written.
    OnRequest,
}

impl Unsynced {
    /// Everything up to `synced` is synced.
    pub(crate) fn new(synced: Seq) -> Self {
        Self { synced, requested: Seq::ZERO, doubt: None, files: Vec::new(), since: None }
    }

    /// Everything up to here is synced, except what is in doubt.
    pub(crate) fn synced(&self) -> Seq {
        self.synced
    }

    /// `true` if a failed fsync put some number in doubt.
    pub(crate) fn has_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// `true` if a failed fsync put a number from `first` to `last` in doubt.
    pub(crate) fn is_in_doubt(&self, first: Seq, last: Seq) -> bool {
        self.doubt.is_some_and(|doubt| first <= doubt.last && last >= doubt.first)
    }

    /// `true` if there is nothing to sync.
    pub(crate) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Notes lines that were written to a file. `true` if the syncer must be woken.
    pub(crate) fn note_written(&mut self, segment: Seq, file: Arc<File>, now: Instant) -> bool {
        if self.files.last().is_none_or(|newest| !Arc::ptr_eq(&newest.file, &file)) {
            self.files.push(UnsyncedFile { segment, file });
        }
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        first || self.is_requested() || self.files.len() > UNSYNCED_FILES_MAX
    }

    /// Drops a file that retention removed: nothing of it needs a sync, and an open file keeps its
    /// space.
    pub(crate) fn forget(&mut self, segment: Seq) {
        self.files.retain(|file| file.segment != segment);
    }

    /// A client waits for a sync up to `last`.
    pub(crate) fn request(&mut self, last: Seq) {
        self.requested = self.requested.max(last);
    }

    fn is_requested(&self) -> bool {
        self.requested > self.synced
    }

    /// When the next sync is due.
    pub(crate) fn due(&self, policy: SyncPolicy, now: Instant) -> SyncTime {
        let Some(since) = self.since else { return SyncTime::OnRequest };
        match policy {
            _ if self.is_requested() || self.files.len() > UNSYNCED_FILES_MAX => SyncTime::Now,
            SyncPolicy::Within(age) => {
                match age.saturating_sub(now.saturating_duration_since(since)) {
                    Duration::ZERO => SyncTime::Now,
                    left => SyncTime::After(left),
                }
            }
            SyncPolicy::Always | SyncPolicy::Never => SyncTime::OnRequest,
        }
    }

    /// Begins a sync: returns the files.
    pub(crate) fn take(&mut self) -> Vec<UnsyncedFile> {
        self.since = None;
        std::mem::take(&mut self.files)
    }

    /// Notes a sync that has ended.
    pub(crate) fn finish(&mut self, upto: Seq, success: bool) {
        if !success {
            let first = self.doubt.map_or(self.synced.next(), |doubt| doubt.first);
            self.doubt = Some(Doubt { first, last: upto });
        }
        self.synced = upto;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn due_depends_on_policy_and_requests() {
        let file = Arc::new(tempfile::tempfile().expect("a file"));
        let mut unsynced = Unsynced::new(seq(1));
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let within = SyncPolicy::Within(second);
        assert_eq!(unsynced.due(within, now), SyncTime::OnRequest);
        assert!(unsynced.note_written(seq(1), file.clone(), now));
        assert!(!unsynced.note_written(seq(1), file, now + second), "one wake-up");
        assert_eq!(unsynced.due(within, now), SyncTime::After(second));
        assert_eq!(unsynced.due(within, now + second), SyncTime::Now);
        assert_eq!(unsynced.due(SyncPolicy::Never, now + second), SyncTime::OnRequest);
        unsynced.request(seq(5));
        assert_eq!(unsynced.due(SyncPolicy::Never, now), SyncTime::Now);
        assert_eq!(unsynced.take().len(), 1);
        unsynced.finish(seq(5), true);
        assert!(unsynced.is_empty() && unsynced.synced() == seq(5));
    }

    #[test]
    fn syncs_before_it_holds_too_many_files() {
        let mut unsynced = Unsynced::new(seq(1));
        let now = Instant::now();
        for n in 0..=UNSYNCED_FILES_MAX {
            assert_eq!(unsynced.due(SyncPolicy::Never, now), SyncTime::OnRequest, "{n}");
            let file = Arc::new(tempfile::tempfile().expect("a file"));
            let wakes = unsynced.note_written(seq(n as u64 + 2), file, now);
            assert_eq!(wakes, n == 0 || n == UNSYNCED_FILES_MAX, "{n}");
        }
        assert_eq!(unsynced.due(SyncPolicy::Never, now), SyncTime::Now);
        assert_eq!(unsynced.take().len(), UNSYNCED_FILES_MAX + 1);
        assert_eq!(unsynced.due(SyncPolicy::Never, now), SyncTime::OnRequest);
    }

    #[test]
    fn doubt_stays_and_grows() {
        let mut unsynced = Unsynced::new(seq(1));
        unsynced.finish(seq(10), true);
        unsynced.finish(seq(20), false);
        unsynced.finish(seq(30), true);
        assert!(!unsynced.is_in_doubt(seq(1), seq(10)) && unsynced.is_in_doubt(seq(10), seq(11)));
        assert!(unsynced.is_in_doubt(seq(20), seq(20)) && !unsynced.is_in_doubt(seq(21), seq(30)));
        unsynced.finish(seq(40), false);
        assert!(unsynced.is_in_doubt(seq(25), seq(25)), "the range has no holes");
        assert!(unsynced.has_doubt() && !unsynced.is_in_doubt(seq(41), seq(50)));
    }
}
