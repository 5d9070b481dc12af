//! What the state knows about history: its mode, its segments, and how far it is written and synced.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::aging::{Aging, Moment};
use super::gathering::Gathering;
use super::reservation::Reservation;
use super::segments::{Segment, Segments};
use super::stuck::Stuck;
use super::unsynced::{SyncTime, Unsynced, UnsyncedFile};
use crate::event::{Seq, Timestamp};
use crate::log::error::{NotStored, Unclean};
use crate::log::options::{Durability, STALL_MAX, SyncPolicy};

/// History as the senders, the writer and the syncer see it.
///
/// ```text
///            fail, fail_if_stalled
///   Writing ───────────────────────▶ LiveOnly
///      │    ◀───────────────────────    │
///      │          note_written          │
///      │                                │
///      └─────────────▶ Closed ◀─────────┘
///               close
/// ```
#[derive(Debug)]
pub(crate) struct History {
    mode: Mode,
    gathering: Gathering,
    segments: Segments,
    /// Everything up to here is on disk, or a gap line there says that it is missing.
    stored: Seq,
    unsynced: Unsynced,
    reservation: Reservation,
    stuck: Stuck,
    /// The size of the files that were set aside, in bytes.
    aside: u64,
    aging: Aging,
}

/// The mode of history.
#[derive(Debug)]
enum Mode {
    /// Lines are written as soon as they are appended. The window keeps those that are not.
    Writing {
        /// When the current write began, or last made progress. `None` while nothing is written.
        busy_since: Option<Instant>,
    },
    /// The disk returned an error or did not complete a write within [`STALL_MAX`]. The writer
    /// retries. The window evicts lines that are not written, which become a gap `storage`.
    LiveOnly {
        /// The cause.
        why: String,
    },
    /// The writer has ended.
    Closed {
        /// Why it was in live-only mode, if it was.
        why: Option<String>,
    },
}

/// What [`History::note_written`] changed.
pub(crate) struct Written {
    /// The syncer must be woken.
    pub(crate) wake_syncer: bool,
    /// History was in live-only mode until now.
    pub(crate) recovered: bool,
}

/// What the syncer has to do.
pub(crate) enum NextSync {
    /// Sync this.
    Now(DueSync),
    /// Wait, see [`SyncTime`].
    Wait(SyncTime),
    /// Nothing is left, and nothing more will be written.
    Finished,
}

/// One sync.
pub(crate) struct DueSync {
    /// The files to fsync.
    pub(crate) files: Vec<UnsyncedFile>,
    /// The last number in them.
    pub(crate) upto: Seq,
    /// The segment up to whose end everything is durable afterwards. `None` while something is in
    /// doubt: recovery must check that again.
    pub(crate) newest: Option<Segment>,
}

impl History {
    /// Everything up to `stored` is in `segments` and synced.
    pub(crate) fn new(
        segments: Segments,
        stored: Seq,
        reservation: Reservation,
        aging: Aging,
    ) -> Self {
        Self {
            mode: Mode::Writing { busy_since: None },
            gathering: Gathering::new(stored),
            segments,
            stored,
            unsynced: Unsynced::new(stored),
            reservation,
            stuck: Stuck::default(),
            aside: 0,
            aging,
        }
    }

    /// The segments on disk.
    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// The size of all files that retention bounds, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.segments.size() + self.aside
    }

    /// Notes the size of the files that were set aside, in bytes.
    pub(crate) fn note_aside(&mut self, size: u64) {
        self.aside = size;
    }

    /// The oldest segment whose file retention can try to remove now.
    pub(crate) fn oldest_removable(&self) -> Option<&Segment> {
        let now = Instant::now();
        self.segments.iter().find(|segment| !self.stuck.skips(segment.first, now))
    }

    /// `true` if retention can try now to remove or replace the file of this segment.
    pub(crate) fn is_removable(&self, first: Seq) -> bool {
        !self.stuck.skips(first, Instant::now())
    }

    /// `true` if retention has removed what was before this segment: only files that it could not remove are left.
    pub(crate) fn is_trimmed_before(&self, first: Seq) -> bool {
        let mut earlier = self.segments.iter().take_while(|segment| segment.first < first);
        earlier.all(|segment| self.stuck.contains(segment.first))
    }

    /// Notes that the file of a segment could not be removed. `true` if that should be reported.
    pub(crate) fn note_stuck(&mut self, first: Seq) -> bool {
        self.stuck.note(first, Instant::now())
    }

    /// Everything up to here is on disk, or a gap line there says that it is missing.
    pub(crate) fn stored(&self) -> Seq {
        self.stored
    }

    /// Everything up to here is synced, except what a failed fsync put in doubt.
    pub(crate) fn synced(&self) -> Seq {
        self.unsynced.synced()
    }

    /// The reserved sequence numbers.
    pub(crate) fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// The reserved sequence numbers.
    pub(crate) fn reservation_mut(&mut self) -> &mut Reservation {
        &mut self.reservation
    }

    /// The trusted time, see [`Aging`].
    pub(crate) fn trusted_time(&mut self, now: Moment) -> Timestamp {
        self.aging.trusted_time(now)
    }

    /// The time until the oldest segment whose file can be removed is older than `age`, see [`Aging::until_expired`].
    pub(crate) fn until_expired(&mut self, age: Duration, now: Moment) -> Option<Duration> {
        let oldest = self.oldest_removable().copied();
        self.aging.until_expired(&self.segments, oldest.as_ref(), age, now)
    }

    /// `true` if lines that are appended now will be written. Otherwise the window may evict them.
    pub(crate) fn is_writing(&self) -> bool {
        matches!(self.mode, Mode::Writing { .. })
    }

    /// `true` if the writer has ended.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.mode, Mode::Closed { .. })
    }

    /// Why lines are not written. `None` if they are.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match &self.mode {
            Mode::Writing { .. } => None,
            Mode::LiveOnly { why } => Some(why),
            Mode::Closed { why } => why.as_deref(),
        }
    }

    /// What the writer thread does.
    pub(crate) fn gathering(&mut self) -> &mut Gathering {
        &mut self.gathering
    }

    /// `true` if the writer thread sleeps and the disk accepts writes.
    pub(crate) fn is_idle(&self) -> bool {
        self.gathering.is_asleep() && self.is_writing()
    }

    /// A write begins: from now on it may stall.
    pub(crate) fn begin_write(&mut self) {
        if let Mode::Writing { busy_since } = &mut self.mode {
            busy_since.get_or_insert_with(Instant::now);
        }
    }

    /// The write that has begun made progress: it stalls later.
    pub(crate) fn note_progress(&mut self) {
        if let Mode::Writing { busy_since: Some(since) } = &mut self.mode {
            *since = Instant::now();
        }
    }

    /// Nothing is written until the next [`History::begin_write`].
    pub(crate) fn end_write(&mut self) {
        if let Mode::Writing { busy_since } = &mut self.mode {
            *busy_since = None;
        }
    }

    /// Notes lines that were written to `file`: a segment that `begins` with them, or more of the
    /// newest one.
    pub(crate) fn note_written(
        &mut self,
        written: Segment,
        begins: bool,
        file: Arc<File>,
    ) -> Written {
        if begins {
            self.segments.push(written);
        } else {
            self.segments.extend_newest(&written);
        }
        self.stored = written.last;
        let segment = self.segments.newest().map_or(written.first, |newest| newest.first);
        let now = Instant::now();
        let wake_syncer = self.unsynced.note_written(segment, file, now);
        let recovered = matches!(self.mode, Mode::LiveOnly { .. });
        if !self.is_closed() {
            self.mode = Mode::Writing { busy_since: Some(now) };
        }
        Written { wake_syncer, recovered }
    }

    /// Switches to live-only mode because of an error. `true` if history was not in it yet.
    pub(crate) fn fail(&mut self, why: String) -> bool {
        let was_writing = self.is_writing();
        match &mut self.mode {
            Mode::Closed { why: closed } => *closed = Some(why),
            mode => *mode = Mode::LiveOnly { why },
        }
        was_writing
    }

    /// Switches to live-only mode if the current write exceeds [`STALL_MAX`]. `true` if it did.
    pub(crate) fn fail_if_stalled(&mut self) -> bool {
        let Mode::Writing { busy_since: Some(since) } = self.mode else { return false };
        since.elapsed() >= STALL_MAX
            && self.fail(format!("no write completed within {} s", STALL_MAX.as_secs()))
    }

    /// When the current write stalls.
    pub(crate) fn stalls_at(&self) -> Instant {
        let busy_since = match self.mode {
            Mode::Writing { busy_since } => busy_since,
            Mode::LiveOnly { .. } | Mode::Closed { .. } => None,
        };
        busy_since.unwrap_or_else(Instant::now) + STALL_MAX
    }

    /// The writer has ended.
    pub(crate) fn close(&mut self) {
        let why = self.trouble().map(str::to_owned);
        self.mode = Mode::Closed { why };
    }

    /// Forgets a segment whose file is gone.
    pub(crate) fn forget_segment(&mut self, first: Seq) {
        self.segments.forget(first);
        self.stuck.forget(first);
    }

    /// Forgets a segment that retention removed. `true` if it was the newest.
    pub(crate) fn note_removed(&mut self, first: Seq) -> bool {
        let newest = self.segments.newest().is_some_and(|newest| newest.first == first);
        self.forget_segment(first);
        self.unsynced.forget(first);
        newest
    }

    /// `true` if the oldest segment whose file can be removed is younger than `age`.
    pub(crate) fn oldest_is_younger(&mut self, age: Duration, now: Moment) -> bool {
        self.until_expired(age, now).is_some_and(|left| !left.is_zero())
    }

    /// Notes a file that replaces these segments, and is synced.
    pub(crate) fn note_compacted(&mut self, old: &[Segment], new: Segment) {
        self.segments.join(old, new);
        for segment in old {
            self.unsynced.forget(segment.first);
            self.stuck.forget(segment.first);
        }
    }

    /// Keeps no segment as what is left of a flood: another sender floods.
    pub(crate) fn keep_no_segment(&mut self) {
        self.segments.keep_none();
    }

    /// Keeps a segment as what is left of a flood.
    pub(crate) fn keep_segment(&mut self, first: Seq) {
        self.segments.keep(first);
    }

    /// Notes what is left of a segment that another process has shortened.
    pub(crate) fn note_shortened(&mut self, left: Segment) {
        self.segments.replace(left);
    }

    /// The result of a sync of the numbers from `first` to `last`. `None` if it is not known yet:
    /// then an fsync is requested if one is needed. `all_stored` is `false` if the window evicted
    /// some of them before they were stored.
    pub(crate) fn sync_result(
        &mut self,
        first: Seq,
        last: Seq,
        how: Durability,
        all_stored: bool,
    ) -> Option<Result<(), NotStored>> {
        if self.stored < last || !all_stored {
            let why = match (self.trouble(), all_stored) {
                (Some(why), _) => NotStored::LiveOnly(why.to_owned()),
                (None, false) => NotStored::Lost,
                (None, true) if self.is_closed() => NotStored::Closed,
                (None, true) => return None,
            };
            return Some(Err(why));
        }
        if how == Durability::Stored {
            return Some(Ok(()));
        }
        if self.unsynced.is_in_doubt(first, last) {
            return Some(Err(NotStored::SyncFailed));
        }
        if self.synced() >= last {
            return Some(Ok(()));
        }
        self.unsynced.request(last);
        None
    }

    /// What the syncer has to do now.
    pub(crate) fn next_sync(&mut self, policy: SyncPolicy) -> NextSync {
        let closed = self.is_closed();
        if closed && self.unsynced.is_empty() {
            return NextSync::Finished;
        }
        match self.unsynced.due(policy, Instant::now()) {
            wait if !closed && wait != SyncTime::Now => NextSync::Wait(wait),
            _ => NextSync::Now(DueSync {
                files: self.unsynced.take(),
                upto: self.stored,
                newest: self.segments.newest().filter(|_| !self.unsynced.has_doubt()).copied(),
            }),
        }
    }

    /// Notes a sync that has ended.
    pub(crate) fn note_synced(&mut self, upto: Seq, success: bool) {
        self.unsynced.finish(upto, success);
    }

    /// Whether a stop is clean, if `last` is the last number of the log.
    pub(crate) fn clean_stop(&self, last: Seq) -> Result<(), Unclean> {
        if let Some(why) = self.trouble() {
            return Err(Unclean::LiveOnly(why.to_owned()));
        }
        if self.stored < last || self.synced() < self.stored {
            return Err(Unclean::NotStored);
        }
        if self.unsynced.has_doubt() {
            return Err(Unclean::SyncFailed);
        }
        Ok(())
    }
}
