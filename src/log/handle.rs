//! The handle to a log.

use std::io;
use std::sync::Arc;

use super::error::{Full, NotStored};
use super::history::writer::Writer;
use super::lane::Lane;
use super::numbered::Numbered;
use super::options::Durability;
use super::read::backward::Backward;
use super::read::forward::Reader;
use super::read::seek;
use super::sender::Sender;
use super::shared::Shared;
use super::state::Counters;
use super::wait;
use crate::event::{Batch, Cursor, Gap, Seq, Timestamp, Why};

/// The maximum size of a batch that a sender writes itself, in bytes.
const WRITE_HERE_MAX: usize = 64 << 10;

/// A handle to a log. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pulsed::event::{Batch, Draft, Seq, Timestamp};
/// use pulsed::log::{self, Opened, Options, Read, WINDOW_SIZE_MIN};
///
/// let Opened { running, .. } = log::open(Options {
///     host: "web1".into(),
///     clock: Arc::new(Timestamp::default),
///     uptime: Arc::new(Duration::default),
///     window_size: WINDOW_SIZE_MIN,
///     history: None,
/// })?;
/// let log = running.log();
/// let mut batch = Batch::default();
/// batch.push(&Draft { msg: "query took 40ms".into(), ..Draft::default() }, "shop.query", b"");
/// let last = log.append(&batch).expect("an empty window has room");
///
/// let mut reader = log.reader(last.previous());
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let Read::Lines(chunk) = reader.read().await else { panic!("there is one line") };
/// let line = chunk.lines_from(0).next().expect("one line").line;
/// assert_eq!(line.first_seq(), last);
/// reader.advance(&chunk, chunk.len());
/// assert!(matches!(reader.read().await, Read::End));
/// # });
/// running.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
    /// `None` if history is off.
    pub(super) writer: Option<Arc<Writer>>,
    /// Whose share of history the batches count for. `None` if they are not counted.
    sender: Option<Sender>,
}

/// The outcome of [`Log::append_for_sync`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The number of the batch's last event.
    pub last: Seq,
    /// The caller should call [`Log::write_here`]: the writer thread was not woken.
    pub write_here: bool,
}

impl Log {
    pub(super) fn new(shared: Arc<Shared>, writer: Option<Arc<Writer>>) -> Self {
        Self { shared, writer, sender: None }
    }

    /// A handle whose batches are those of a sender that shares history with others: see [`super::SHARE_TIME`]. `None`
    /// for a sender that may fill history.
    #[must_use]
    pub fn for_sender(self, sender: Option<Sender>) -> Self {
        Self { sender, ..self }
    }

    /// Stamps and publishes a batch. Returns the number of its last event.
    ///
    /// # Errors
    /// [`Full`] if the window is full of events that are not stored yet.
    pub fn append(&self, batch: &Batch) -> Result<Seq, Full> {
        let mut state = self.shared.lock();
        let last = state.append(batch, self.sender, self.shared.options())?;
        let wake_writer = state.wake_writer();
        drop(state);
        self.shared.appended.notify_waiters();
        if wake_writer {
            self.shared.wake_writer();
        }
        Ok(last)
    }

    /// As [`Log::append`], but waits while the window is full: at most [`super::STALL_MAX`] without progress
    /// of the disk.
    pub async fn append_waiting(&self, batch: &Batch) -> Seq {
        wait::append(&self.shared, || self.append(batch)).await
    }

    /// As [`Log::append`], for a caller that will [`Log::sync`] next. Does not wake the writer thread
    /// if it sleeps and the batch is small: then the caller writes the batch, which is faster.
    ///
    /// # Errors
    /// [`Full`], as [`Log::append`].
    pub fn append_for_sync(&self, batch: &Batch) -> Result<Appended, Full> {
        let mut state = self.shared.lock();
        if !state.is_writer_idle() || batch.size() > WRITE_HERE_MAX {
            drop(state);
            return self.append(batch).map(|last| Appended { last, write_here: false });
        }
        let last = state.append(batch, self.sender, self.shared.options())?;
        drop(state);
        self.shared.appended.notify_waiters();
        Ok(Appended { last, write_here: true })
    }

    /// Writes a little of what is not written yet, on this thread, which may block on the disk. The
    /// rest is left to the writer thread.
    pub fn write_here(&self) {
        if let Some(writer) = &self.writer {
            writer.write_here();
        }
    }

    /// Appends a gap `rate`: a limit refused `lost` events.
    pub fn append_refused(&self, lost: u64) {
        self.append_gap(|after| Gap {
            after,
            before: after.plus(2),
            lost: Some(lost),
            why: Why::Rate,
        });
    }

    /// Appends a gap, which is made from the newest number.
    pub(super) fn append_gap(&self, gap: impl FnOnce(Seq) -> Gap) {
        let mut state = self.shared.lock();
        let gap = gap(state.newest().seq);
        state.append_gap(gap, self.shared.options());
        let wake_writer = state.wake_writer();
        drop(state);
        self.shared.appended.notify_waiters();
        if wake_writer {
            self.shared.wake_writer();
        }
    }

    /// Publishes lines that come with numbers. Waits while they do not fit beside what the reader has not released.
    /// Dropping the future publishes nothing.
    pub async fn append_numbered(&self, lines: &Numbered) {
        loop {
            let released = self.shared.progress.notified();
            let appended = self.shared.lock().append_numbered(lines);
            match appended {
                Ok(()) => return self.shared.appended.notify_waiters(),
                Err(Full) => released.await,
            }
        }
    }

    /// Allows a log for lines that come with numbers to evict what ends before this one.
    pub fn release_before(&self, seq: Seq) {
        let released = self.shared.lock().release_before(seq);
        if released {
            self.shared.progress.notify_waiters();
        }
    }

    /// `true` if lines come with numbers, which have holes.
    pub fn is_numbered(&self) -> bool {
        self.shared.is_numbered()
    }

    /// Waits until everything up to `last` is stored: at most [`super::STALL_MAX`] without progress of the
    /// disk. Does not wait in live-only mode, or if history is off.
    pub async fn wait_until_stored(&self, last: Seq) {
        wait::stored(&self.shared, last).await;
    }

    /// Waits until the events from `first` to `last` are stored or synced. If history is off, every
    /// event counts as stored.
    ///
    /// # Errors
    /// [`NotStored`]. Waits at most [`super::STALL_MAX`] without progress of the disk, and [`super::SYNC_WAIT_MAX`]
    /// for an fsync.
    pub async fn sync(&self, first: Seq, last: Seq, how: Durability) -> Result<(), NotStored> {
        wait::sync(&self.shared, first, last, how).await
    }

    /// Checks whether a [`Log::sync`] can succeed.
    ///
    /// # Errors
    /// [`NotStored::NoHistory`] if events should be synced and history is off.
    pub fn can_sync(&self, how: Durability) -> Result<(), NotStored> {
        wait::can_sync(&self.shared, how)
    }

    /// The cursor of the newest line.
    pub fn newest(&self) -> Cursor {
        self.shared.lock().newest()
    }

    /// The first number that can be read, or the next one if there is none.
    pub fn oldest(&self) -> Seq {
        self.shared.lock().oldest()
    }

    /// The host in every line.
    pub fn host(&self) -> &str {
        &self.shared.options().host
    }

    /// The current time by the log's clock.
    pub fn now(&self) -> Timestamp {
        (self.shared.options().clock)()
    }

    /// A reader that has seen everything up to `seen`.
    pub fn reader(&self, seen: Seq) -> Reader {
        Reader::new(self.shared.clone(), seen.next())
    }

    /// A backward reader of everything before `before`.
    pub fn backward(&self, before: Seq) -> Backward {
        Backward::new(self.shared.clone(), before)
    }

    /// The number of the first line at `time` or later. The next number if there is none.
    ///
    /// # Errors
    /// If history cannot be read.
    pub async fn first_since(&self, time: Timestamp, lane: Option<&Lane>) -> io::Result<Seq> {
        seek::first_since(&self.shared, time, lane).await
    }

    /// The number after the last line at `time` or earlier. The oldest number if there is none.
    ///
    /// # Errors
    /// If history cannot be read.
    pub async fn end_until(&self, time: Timestamp, lane: Option<&Lane>) -> io::Result<Seq> {
        seek::end_until(&self.shared, time, lane).await
    }

    /// The counters of this log.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters()
    }
}
