//! What the log's lock protects: the window, the index of gaps, and what is known about history. No
//! file is read or written here.

mod aging;
mod blocks;
mod gaps;
mod gathering;
mod history;
mod reservation;
mod segments;
mod shares;
mod stuck;
mod time_index;
mod unstored;
mod unsynced;
mod window;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::error::{Full, NotStored};
use super::numbered::Numbered;
use super::options::{Durability, Options};
use super::sender::Sender;
use crate::event::{Batch, Cursor, Gap, LogId, Seq, Stamp, Timestamp, Why};
use gaps::GapIndex;
use shares::Shares;
use unstored::Unstored;

pub use aging::HOLD_MIN;
pub(crate) use aging::{Aging, Moment};
pub use gathering::{GATHER_LINES, GATHER_TIME};
pub(crate) use history::{DueSync, History, NextSync};
pub(crate) use reservation::Reservation;
pub(crate) use segments::{DiskPosition, Segment, Segments, name_of, path_in};
pub use shares::SHARE_TIME;
pub(crate) use unsynced::SyncTime;
pub use window::WINDOW_SIZE_MIN;
pub(crate) use window::{Extent, Window};

#[cfg(test)]
pub(crate) use window::EXTENT_SIZE;

/// A clock that steps back by less than this is held still, in microseconds.
const CLOCK_HOLD_MAX: i64 = 10_000_000;

/// The state of a log.
#[derive(Debug)]
pub(crate) struct State {
    id: LogId,
    window: Window,
    /// The time of the newest line.
    last_time: Timestamp,
    gaps: GapIndex,
    unstored: Unstored,
    shares: Shares,
    /// `None` if history is off.
    history: Option<History>,
    /// `None` if the log numbers its lines.
    numbered: Option<Keeping>,
    /// The log is being closed.
    stopping: bool,
    /// Events appended since the start.
    events: u64,
    /// The size of their lines, in bytes.
    bytes: u64,
    /// Events known to be lost since the start, by the reason.
    lost: [u64; Why::ALL.len()],
}

/// What a log whose lines come with numbers evicts when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// Its oldest lines.
    Newest,
    /// Nothing, unless its reader allows it.
    Unread,
}

/// Counters of a log.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Events appended since the start.
    pub events: u64,
    /// The size of their lines, in bytes.
    pub bytes: u64,
    /// Events known to be lost since the start, by [`Why`]. Retention is not counted.
    pub lost: [u64; Why::ALL.len()],
    /// The size of the window, in bytes.
    pub window_bytes: u64,
    /// The first number that can be read.
    pub oldest: Seq,
    /// The newest number.
    pub newest: Seq,
    /// The size of the history, in bytes. `None` if history is off.
    pub history_bytes: Option<u64>,
    /// The last number stored. `None` if history is off.
    pub stored: Option<Seq>,
    /// The last number synced. `None` if history is off.
    pub synced: Option<Seq>,
    /// Why history is not written. `None` if it is, or is off.
    pub trouble: Option<String>,
}

impl State {
    /// A state without lines, whose first number will be `next`. Lines on disk end at `last_time`.
    pub(crate) fn new(
        id: LogId,
        next: Seq,
        last_time: Timestamp,
        window_size: usize,
        history: Option<History>,
    ) -> Self {
        Self {
            id,
            window: Window::new(next, window_size),
            last_time,
            gaps: GapIndex::starting_at(next),
            unstored: Unstored::default(),
            shares: Shares::default(),
            history,
            numbered: None,
            stopping: false,
            events: 0,
            bytes: 0,
            lost: [0; Why::ALL.len()],
        }
    }

    /// A state for lines that come with numbers, from `next` on. How many events are missing between two numbers is
    /// never known.
    pub(crate) fn numbered(id: LogId, next: Seq, window_size: usize, keeps: bool) -> Self {
        let keeping = if keeps { Keeping::Unread } else { Keeping::Newest };
        Self {
            numbered: Some(keeping),
            gaps: GapIndex::starting_at(Seq::MAX),
            ..Self::new(id, next, Timestamp::MIN, window_size, None)
        }
    }

    /// `true` if lines come with numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.numbered.is_some()
    }

    /// Publishes lines that come with numbers.
    ///
    /// # Errors
    /// [`Full`] if they do not fit beside what the reader has not released.
    pub(crate) fn append_numbered(&mut self, lines: &Numbered) -> Result<(), Full> {
        let held = self.numbered == Some(Keeping::Unread) && self.window.oldest().is_some();
        if held && !self.window.has_room(lines.size()) {
            return Err(Full);
        }
        self.make_room(lines.size())?;
        self.bytes += self.window.push_numbered(lines);
        self.events += lines.len() as u64;
        self.last_time = self.last_time.max(lines.time);
        Ok(())
    }

    /// Evicts what ends before a number. `true` if that was anything.
    pub(crate) fn release_before(&mut self, seq: Seq) -> bool {
        let mut released = false;
        while self.window.oldest().is_some_and(|oldest| oldest.last < seq) {
            self.window.evict_oldest();
            released = true;
        }
        released
    }

    /// The id of the log.
    pub(crate) fn id(&self) -> LogId {
        self.id
    }

    /// The window.
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// History. `None` if it is off.
    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// History. `None` if it is off.
    pub(crate) fn history_mut(&mut self) -> Option<&mut History> {
        self.history.as_mut()
    }

    /// The cursor of the newest line.
    pub(crate) fn newest(&self) -> Cursor {
        Cursor { log: self.id, seq: self.window.next().previous() }
    }

    /// The first number that can be read, or the next one if there is none.
    pub(crate) fn oldest(&self) -> Seq {
        let on_disk = self.history.as_ref().and_then(|history| history.segments().oldest());
        on_disk.map_or(self.window.start(), |segment| segment.first.min(self.window.start()))
    }

    /// The time of the newest line.
    pub(crate) fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// The number of events strictly between two numbers. `None` if it is not known.
    pub(crate) fn events_between(&self, after: Seq, before: Seq) -> Option<u64> {
        self.gaps.events_between(after, before)
    }

    /// The senders that appended more than `limit` bytes within [`SHARE_TIME`].
    pub(crate) fn senders_above(&mut self, limit: u64, uptime: Duration) -> Vec<Sender> {
        self.shares.above(limit, uptime)
    }

    /// Counts what senders appended before the start.
    pub(crate) fn note_shares(&mut self, bytes: &[(Sender, u64)]) {
        bytes.iter().for_each(|(sender, bytes)| self.shares.note(*sender, *bytes));
    }

    /// Stamps and publishes a batch of a sender, which is `None` if its share is not counted. Returns its last
    /// number.
    ///
    /// # Errors
    /// [`Full`] if the window holds too much that is not stored yet.
    pub(crate) fn append(
        &mut self,
        batch: &Batch,
        sender: Option<Sender>,
        options: &Options,
    ) -> Result<Seq, Full> {
        let (time, stepped_back) = self.next_time(options);
        let stamp = Stamp::new(time, &options.host);
        let size = batch.size() + batch.len() * stamp.line_len_max(0);
        self.make_room(size)?;
        self.reserve(batch.len() as u64)?;
        if stepped_back {
            let after = self.newest().seq;
            let gap = Gap { after, before: after.plus(2), lost: Some(0), why: Why::Clock };
            self.publish_gap(gap, time, options);
        }
        let bytes = self.window.push_batch(batch, time, &stamp);
        if let Some(sender) = sender {
            self.shares.note(sender, bytes);
        }
        self.bytes += bytes;
        self.last_time = time;
        self.events += batch.len() as u64;
        Ok(self.newest().seq)
    }

    /// Publishes a gap line. There is always room for it: gaps are few and small.
    pub(crate) fn append_gap(&mut self, gap: Gap, options: &Options) {
        let (time, _) = self.next_time(options);
        self.last_time = time.max(self.last_time);
        // Cannot fail while the disk works: more numbers are reserved than gaps need.
        let _ = self.reserve(1);
        self.publish_gap(gap, self.last_time, options);
    }

    fn publish_gap(&mut self, gap: Gap, time: Timestamp, options: &Options) {
        self.gaps.note(gap);
        self.lost[gap.why as usize] += gap.lost.unwrap_or_default();
        self.window.push_gap(gap, time, &options.host);
    }

    /// The time of the next line, and `true` if the clock stepped back too far to be held still.
    fn next_time(&self, options: &Options) -> (Timestamp, bool) {
        let now = (options.clock)();
        let back = self.last_time.micros().saturating_sub(now.micros());
        if back >= CLOCK_HOLD_MAX { (now, true) } else { (now.max(self.last_time), false) }
    }

    /// Evicts the oldest extents until `size` bytes fit. What is not stored yet stays, unless history
    /// is in live-only mode.
    fn make_room(&mut self, size: usize) -> Result<(), Full> {
        while !self.window.has_room(size) {
            let Some(oldest) = self.window.oldest() else { return Ok(()) };
            let (first, last) = (oldest.first, oldest.last);
            if let Some(history) = &self.history
                && history.stored() < last
            {
                if history.is_writing() {
                    return Err(Full);
                }
                let lost = self.gaps.events_between(first.previous(), last.next());
                self.lost[Why::Storage as usize] += lost.unwrap_or_default();
                self.unstored.note(first, last);
            }
            self.window.evict_oldest();
        }
        Ok(())
    }

    /// Makes sure that `count` numbers, and one for a gap, are reserved. If they are not, because the
    /// disk failed, the log gets a new id, under which no number was ever used.
    fn reserve(&mut self, count: u64) -> Result<(), Full> {
        let Some(history) = &mut self.history else { return Ok(()) };
        if history.reservation().covers(self.window.next(), count) {
            return Ok(());
        }
        if history.is_writing() {
            return Err(Full);
        }
        self.id = random_id();
        history.reservation_mut().start_new_id();
        Ok(())
    }

    /// The last number on disk. `None` if history is off.
    pub(crate) fn stored(&self) -> Option<Seq> {
        self.history.as_ref().map(History::stored)
    }

    /// `true` if the window has lines that are not written to history.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.stored().is_some_and(|stored| stored.next() < self.window.next())
    }

    /// How many lines of the window are not written to history.
    fn unwritten(&self) -> u64 {
        self.stored().map_or(0, |stored| self.window.next().get() - stored.next().get())
    }

    /// `true` if a sender may write what is not written, because it is little and the writer thread sleeps.
    pub(crate) fn is_writer_idle(&self) -> bool {
        self.history.as_ref().is_some_and(History::is_idle) && self.unwritten() < GATHER_LINES
    }

    /// The writer thread is about to gather lines. `false` if it must write now.
    pub(crate) fn begin_gathering(&mut self) -> bool {
        let lines = self.unwritten();
        let Some(history) = &mut self.history else { return false };
        let stored = history.stored();
        !self.stopping && history.is_writing() && history.gathering().begin(stored, lines)
    }

    /// Lines were appended. `true` if the writer thread must be notified.
    pub(crate) fn wake_writer(&mut self) -> bool {
        let lines = self.unwritten();
        self.history.as_mut().is_some_and(|history| history.gathering().note_appended(lines))
    }

    /// A sender waits for everything up to `last`. `true` if the writer thread must be notified.
    pub(crate) fn want_stored(&mut self, last: Seq) -> bool {
        self.history.as_mut().is_some_and(|history| history.gathering().want(last))
    }

    /// `true` if everything up to `last` is stored, or will not be waited for because history is off,
    /// closed or in live-only mode.
    pub(crate) fn is_stored_or_live_only(&self, last: Seq) -> bool {
        self.history
            .as_ref()
            .is_none_or(|history| history.stored() >= last || !history.is_writing())
    }

    /// The result of a sync of the numbers from `first` to `last`. `None` if it is not known yet.
    pub(crate) fn sync_result(
        &mut self,
        first: Seq,
        last: Seq,
        how: Durability,
    ) -> Option<Result<(), NotStored>> {
        let all_stored = !self.unstored.overlaps(first, last);
        self.history.as_mut()?.sync_result(first, last, how, all_stored)
    }

    /// The trusted time, see [`Aging`]. `None` if history is off.
    pub(crate) fn trusted_time(&mut self, options: &Options) -> Option<Timestamp> {
        Some(self.history.as_mut()?.trusted_time(Moment::now(options)))
    }

    /// Notes a durable reservation of the numbers before `end` for the log `id`. Not if the id has
    /// changed since: then this reservation is not the one it needs.
    pub(crate) fn note_reserved(&mut self, id: LogId, end: Seq) {
        if self.id == id
            && let Some(history) = &mut self.history
        {
            history.reservation_mut().renew(end);
        }
    }

    /// The log is being closed: nothing is appended any more.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// `true` if the log is being closed.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    pub(crate) fn counters(&self) -> Counters {
        let history = self.history.as_ref();
        Counters {
            events: self.events,
            bytes: self.bytes,
            lost: self.lost,
            window_bytes: self.window.size() as u64,
            oldest: self.oldest(),
            newest: self.newest().seq,
            history_bytes: history.map(History::size),
            stored: history.map(History::stored),
            synced: history.map(History::synced),
            trouble: history.and_then(History::trouble).map(str::to_owned),
        }
    }
}

/// A random log id. Only the first call of a thread needs a system call, so that it is safe under the
/// lock.
pub(crate) fn random_id() -> LogId {
    LogId::new(RandomState::new().hash_one(()) as u32)
}
