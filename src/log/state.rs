//! What the log's lock protects.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use super::known::Known;
use super::ledger::Kept;
use super::segments::Segments;
use super::window::Window;
use super::{Durability, Full, NotStored, Options, STALL_MAX, random_id};
use crate::event::{Batch, Gap, LogId, Seq, Stamp, Timestamp, Why};

/// A clock that steps back by less than this is held still, in microseconds.
const CLOCK_HOLD_MAX: i64 = 10_000_000;

/// The state of a log.
pub(crate) struct State {
    pub(crate) id: LogId,
    pub(crate) window: Window,
    /// The time of the newest line.
    pub(crate) last_time: Timestamp,
    pub(crate) known: Known,
    pub(crate) history: Option<HistoryState>,
    /// Nothing is appended any more.
    pub(crate) stopping: bool,
    events: u64,
    bytes: u64,
}

/// The state of history.
pub(crate) struct HistoryState {
    pub(crate) segments: Segments,
    /// Everything up to here is on disk, or a gap line there tells that it is missing.
    pub(crate) stored: Seq,
    /// Everything up to here is synced, but for what a failed fsync put in doubt.
    pub(crate) synced: Seq,
    /// Somebody waits for a sync up to here.
    pub(crate) sync_wanted: Seq,
    /// The first and the last number that a failed fsync put in doubt.
    pub(crate) doubt: Option<(Seq, Seq)>,
    /// Files with something to sync, the oldest first, and the numbers that their segments begin with.
    pub(crate) unsynced: Vec<(Seq, Arc<File>)>,
    /// Since when there is something to sync.
    pub(crate) unsynced_since: Option<Instant>,
    /// The first number that is not reserved on disk.
    pub(crate) reserved: Seq,
    /// How many numbers are reserved at a time.
    pub(crate) reserved_ahead: u64,
    /// Numbers were given out without a reservation, under a new id that the disk does not know yet.
    pub(crate) unreserved: bool,
    /// The disk refuses writes, and how: what is evicted from the window meanwhile is lost to history.
    pub(crate) trouble: Option<String>,
    /// Since when the writer works on one piece; none while it has nothing to do.
    pub(crate) busy_since: Option<Instant>,
    /// The writer waits to be woken.
    pub(crate) writer_sleeps: bool,
    /// The writer will write no more.
    pub(crate) writer_done: bool,
}

/// Figures about a log.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Events taken in since the start.
    pub events: u64,
    /// Their lines, in bytes.
    pub bytes: u64,
    /// Bytes in the window.
    pub window_bytes: u64,
    /// The first number that can be read.
    pub oldest: Seq,
    /// The newest number.
    pub newest: Seq,
    /// Bytes on disk, if history is on.
    pub history_bytes: Option<u64>,
    /// The last number stored, if history is on.
    pub stored: Option<Seq>,
    /// The last number synced, if history is on.
    pub synced: Option<Seq>,
    /// Why history is not written, if it is not.
    pub trouble: Option<String>,
}

impl State {
    pub(crate) fn new(
        id: LogId,
        next: Seq,
        window_size: usize,
        history: Option<HistoryState>,
    ) -> Self {
        Self {
            id,
            window: Window::new(next, window_size),
            last_time: Timestamp::MIN,
            known: Known::from(next),
            history,
            stopping: false,
            events: 0,
            bytes: 0,
        }
    }

    /// Stamps and publishes a batch. Gives its last number.
    pub(crate) fn take_in(&mut self, batch: &Batch, options: &Options) -> Result<Seq, Full> {
        let (time, stepped) = self.time_of_now(options);
        let stamp = Stamp::new(time, &options.host);
        let size = batch.size() + batch.len() * stamp.line_len_max(0);
        self.make_room(size)?;
        self.reserve(batch.len() as u64)?;
        if stepped {
            let after = self.window.next().previous();
            let gap = Gap { after, before: after.plus(2), lost: Some(0), why: Why::Clock };
            self.publish_gap(gap, time, options);
        }
        self.bytes += self.window.push_batch(batch, time, &stamp);
        self.last_time = time;
        self.events += batch.len() as u64;
        Ok(self.window.next().previous())
    }

    /// Publishes a gap line. Gaps always find room: they are few.
    pub(crate) fn take_in_gap(&mut self, gap: Gap, options: &Options) {
        let (time, _) = self.time_of_now(options);
        let time = time.max(self.last_time);
        self.last_time = time;
        // Without a disk that fails there are always more numbers reserved than gaps need.
        let _ = self.reserve(1);
        self.publish_gap(gap, time, options);
    }

    fn publish_gap(&mut self, gap: Gap, time: Timestamp, options: &Options) {
        self.known.note(gap);
        self.window.push_gap(gap, time, &options.host);
    }

    /// The time for the next line, and whether the clock has stepped back too far to be held still.
    fn time_of_now(&self, options: &Options) -> (Timestamp, bool) {
        let now = (options.clock)();
        let back = self.last_time.micros().saturating_sub(now.micros());
        if back >= CLOCK_HOLD_MAX { (now, true) } else { (now.max(self.last_time), false) }
    }

    /// Drops the oldest runs until `size` bytes fit. What history has not written yet stays, unless
    /// the disk has failed.
    fn make_room(&mut self, size: usize) -> Result<(), Full> {
        while !self.window.has_room(size) {
            let Some(oldest) = self.window.oldest() else { return Ok(()) };
            let (first, last) = (oldest.first, oldest.last);
            if let Some(history) = &self.history
                && history.stored < last
            {
                if !history.failed() {
                    return Err(Full);
                }
                self.known.note_unstored(first, last);
            }
            self.window.drop_oldest();
        }
        Ok(())
    }

    /// Sees to it that `count` numbers, and one for a gap, are reserved. Where the disk that should
    /// have reserved them is gone, the log gets a new id, under which no number was ever given out.
    fn reserve(&mut self, count: u64) -> Result<(), Full> {
        let Some(history) = &mut self.history else { return Ok(()) };
        if history.unreserved || self.window.next().plus(count + 1) < history.reserved {
            return Ok(());
        }
        if !history.failed() {
            return Err(Full);
        }
        self.id = random_id();
        history.unreserved = true;
        Ok(())
    }

    /// The first number that can be read.
    pub(crate) fn oldest(&self) -> Seq {
        let on_disk = self.history.as_ref().and_then(|history| history.segments.oldest());
        on_disk.map_or(self.window.start(), |segment| segment.first.min(self.window.start()))
    }

    /// The last number on disk, if history is on.
    pub(crate) fn stored(&self) -> Option<Seq> {
        self.history.as_ref().map(|history| history.stored)
    }

    /// Whether history is behind the window.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.stored().is_some_and(|stored| stored.next() < self.window.next())
    }

    /// Whether the writer sleeps, with nothing to do.
    pub(crate) fn writer_is_idle(&self) -> bool {
        let sleeps = self.history.as_ref().is_some_and(|h| h.writer_sleeps && !h.failed());
        sleeps && !self.has_unwritten()
    }

    /// Whether the writer must be woken for what is there; it is then taken to be awake.
    pub(crate) fn writer_sleeps(&mut self) -> bool {
        self.history.as_mut().is_some_and(|history| std::mem::take(&mut history.writer_sleeps))
    }

    /// The answer to a SYNC of the events from `first` to `last`, once it is known.
    pub(crate) fn settled(
        &mut self,
        first: Seq,
        last: Seq,
        how: Durability,
    ) -> Option<Result<(), NotStored>> {
        let all_stored = self.known.all_stored(first, last);
        let history = self.history.as_mut()?;
        if history.stored < last || !all_stored {
            let why = match &history.trouble {
                Some(trouble) => trouble.as_str(),
                None if !all_stored => {
                    "the disk failed, and some of these events were lost to history"
                }
                None if history.writer_done => "the agent has stopped",
                None => return None,
            };
            return Some(Err(NotStored::Disk(why.into())));
        }
        if how == Durability::Stored {
            return Some(Ok(()));
        }
        if history.doubt.is_some_and(|(from, upto)| first <= upto && last >= from) {
            return Some(Err(NotStored::SyncFailed));
        }
        if history.synced >= last {
            return Some(Ok(()));
        }
        history.sync_wanted = history.sync_wanted.max(last);
        None
    }

    /// What is kept after a clean stop; or why it is none.
    pub(crate) fn clean_end(&self) -> Result<Kept, String> {
        let next = self.window.next();
        let Some(history) = &self.history else { return Err("history is off".into()) };
        if let Some(trouble) = &history.trouble {
            return Err(trouble.clone());
        }
        if history.stored < next.previous() || history.synced < history.stored {
            return Err("not everything was stored".into());
        }
        if history.doubt.is_some() {
            return Err("an fsync failed: some events may be lost in a power cut".into());
        }
        Ok(Kept { id: self.id, reserved: history.reserved, clean: Some(next) })
    }

    /// When the writer will have been at one piece for too long. None if nobody needs to wait.
    pub(crate) fn stalls_at(&self) -> Option<Instant> {
        let history = self.history.as_ref()?;
        Some(history.busy_since.unwrap_or_else(Instant::now) + STALL_MAX)
    }

    /// Gives history up for now if the writer has been at one piece for too long.
    pub(crate) fn give_up_if_stalled(&mut self) -> bool {
        let Some(history) = &mut self.history else { return false };
        let stalled = history.busy_since.is_some_and(|since| since.elapsed() >= STALL_MAX);
        if stalled && !history.failed() {
            history.trouble = Some("the disk did not answer for 1 s".into());
            return true;
        }
        false
    }

    pub(crate) fn counters(&self) -> Counters {
        let history = self.history.as_ref();
        Counters {
            events: self.events,
            bytes: self.bytes,
            window_bytes: self.window.size() as u64,
            oldest: self.oldest(),
            newest: self.window.next().previous(),
            history_bytes: history.map(|history| history.segments.size()),
            stored: history.map(|history| history.stored),
            synced: history.map(|history| history.synced),
            trouble: history.and_then(|history| history.trouble.clone()),
        }
    }
}

impl HistoryState {
    pub(crate) fn new(segments: Segments, stored: Seq, reserved: Seq, reserved_ahead: u64) -> Self {
        Self {
            segments,
            stored,
            synced: stored,
            sync_wanted: Seq::ZERO,
            doubt: None,
            unsynced: Vec::new(),
            unsynced_since: None,
            reserved,
            reserved_ahead,
            unreserved: false,
            trouble: None,
            busy_since: None,
            writer_sleeps: false,
            writer_done: false,
        }
    }

    /// Whether nothing is written for now: the disk refuses, or the log was closed.
    pub(crate) fn failed(&self) -> bool {
        self.trouble.is_some() || self.writer_done
    }

    /// Whether the numbers up to `last` need a new reservation before they are written: at half.
    pub(crate) fn needs_reservation(&self, last: Seq) -> bool {
        self.unreserved || last.plus(self.reserved_ahead / 2) >= self.reserved
    }
}
