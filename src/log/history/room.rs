//! Room for what is written. Retention by size deletes the oldest segments, except that a sender that fills
//! history does not push out the events of others.
//!
//! If a sender appended more than half of the maximum size within [`SHARE_TIME`], segments that are younger than
//! that are not deleted but written again without its events, the oldest first: see [`Job`]. What is left of
//! them is kept until it is older, and takes at most half of the maximum size: beyond that, and if a file cannot
//! be written again, segments are deleted whole. A thread does the work, one segment before it is needed, so that
//! the writer seldom waits for it.
//!
//! A file that cannot be removed or replaced is passed over for a while, and counts. A passing error is returned, so that
//! the writer tries again before others' events are deleted for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::compaction::{Compacted, Job};
use super::estimate;
use super::retention::{Removed, remove_oldest};
use crate::diag;
use crate::event::Seq;
use crate::log::options::{HistoryOptions, STALL_MAX};
use crate::log::retry;
use crate::log::sender::Sender;
use crate::log::shared::Shared;
use crate::log::state::{History, Moment, SHARE_TIME, Segment, Segments, name_of};
use crate::sys::directory::Directory;

/// The most that the writer waits for a segment that is being written again. Then it deletes one.
const COMPACTION_WAIT_MAX: Duration = STALL_MAX.saturating_sub(Duration::from_millis(500));

/// How long passing errors are returned before they count as a failure: below [`STALL_MAX`], so that a lack of threads or
/// descriptors that lasts does not end in live-only mode.
const PASSING_MAX: Duration = COMPACTION_WAIT_MAX;

/// After a failure, segments are deleted whole for this time.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// A segment that was written again is joined with the next one up to this part of a segment's size.
const JOINED_PART: u64 = 4;

/// Makes room. Belongs to the writer.
#[derive(Debug, Default)]
pub(crate) struct Room {
    running: Option<Running>,
    /// What is left of this segment exceeds the share. Known until another segment is deleted.
    too_large: Option<Seq>,
    /// The uptime of the last failure.
    failed: Option<Duration>,
    /// Since when there were only passing errors.
    passing_since: Option<Instant>,
    /// What was appended before the start is counted.
    counted: bool,
    /// Whose events were removed last.
    senders: Vec<Sender>,
}

/// A job on a thread of its own.
#[derive(Debug)]
struct Running {
    job: Job,
    /// The size of all other segments that are kept, in bytes.
    kept: u64,
    result: Receiver<io::Result<Compacted>>,
    cancelled: Arc<AtomicBool>,
}

/// What is to be done for more room.
enum Plan {
    /// There is room.
    Nothing,
    /// Count what was appended before the start, which is in these segments.
    Count(Vec<Segment>),
    /// Delete the oldest segment that can be removed.
    Delete,
    /// Write segments again: now if it is `urgent`, else in advance.
    Compact { job: Job, kept: u64, urgent: bool },
}

impl Room {
    /// Removes the oldest segments, or parts of them, until `more` bytes fit into the maximum size. Never touches
    /// the newest.
    pub(crate) fn make(
        &mut self,
        shared: &Shared,
        options: &HistoryOptions,
        more: u64,
    ) -> io::Result<()> {
        loop {
            self.finish(shared, options, Duration::ZERO)?;
            match self.plan(shared, options, more) {
                Plan::Nothing => return Ok(()),
                Plan::Count(segments) => {
                    let Some(dir) = shared.directory() else { return Ok(()) };
                    match estimate::bytes_by_sender(&dir, &segments) {
                        Ok(bytes) => {
                            shared.lock().note_shares(&bytes);
                            (self.counted, self.passing_since) = (true, None);
                        }
                        Err(cause) => self.fail("count shares", cause, &dir, shared)?,
                    }
                }
                Plan::Delete => {
                    let exceeds = |all: &Segments, oldest: &Segment| {
                        let is_newest = all.newest().is_some_and(|it| it.first == oldest.first);
                        !is_newest && all.size() + more > options.size
                    };
                    match remove_oldest(shared, options, exceeds)? {
                        Removed::Nothing => return Ok(()),
                        Removed::Stuck => {}
                        Removed::Some | Removed::Newest => self.too_large = None,
                    }
                }
                Plan::Compact { job, kept, urgent } => {
                    if self.running.is_none() {
                        self.start(job, kept, shared)?;
                    }
                    if !urgent {
                        return Ok(());
                    }
                    self.finish(shared, options, COMPACTION_WAIT_MAX)?;
                }
            }
        }
    }

    fn plan(&mut self, shared: &Shared, options: &HistoryOptions, more: u64) -> Plan {
        let now = Moment::now(shared.options());
        let mut state = shared.lock();
        let Some(segments) = state.history().map(History::segments) else { return Plan::Nothing };
        let used = segments.size() + more;
        if segments.len() <= 1 || used + options.segment_size() <= options.size {
            return Plan::Nothing;
        }
        let urgent = used > options.size;
        let delete = if urgent { Plan::Delete } else { Plan::Nothing };
        let recently = self.failed.is_some_and(|at| now.uptime < at + RETRY_DELAY);
        if let Some(history) = state.history_mut()
            && !self.counted
            && !recently
            && history.oldest_is_younger(SHARE_TIME, now)
        {
            let found = history.segments().iter().filter(|segment| segment.written.is_none());
            return Plan::Count(found.copied().collect());
        }
        let senders = state.senders_above(options.size / 2, now.uptime);
        let Some(history) = state.history_mut() else { return Plan::Nothing };
        if senders.is_empty() || recently || !history.oldest_is_younger(SHARE_TIME, now) {
            return delete;
        }
        if senders.iter().any(|sender| !self.senders.contains(sender)) {
            // What is kept may be events of this one.
            history.keep_no_segment();
            self.too_large = None;
        }
        self.senders.clone_from(&senders);
        let Some(dir) = shared.directory() else { return Plan::Nothing };
        let segments = history.segments();
        let (mut kept, mut before) = (0, None);
        // Those that are kept are the oldest, besides files that cannot be removed.
        for segment in segments.iter().take(segments.len() - 1) {
            if !history.is_removable(segment.first) {
                kept += if segment.is_kept { segment.size } else { 0 };
                before = None;
                continue;
            }
            if segment.is_kept {
                kept += segment.size;
                before = Some(*segment);
                continue;
            }
            if self.too_large == Some(segment.first) {
                break;
            }
            let joined = before.filter(|before: &Segment| {
                before.size <= options.segment_size() / JOINED_PART
                    && before.last_time <= segment.first_time
            });
            kept -= joined.map_or(0, |joined| joined.size);
            let inputs = joined.into_iter().chain([*segment]).collect();
            let host = shared.options().host.clone();
            return Plan::Compact { job: Job { dir, host, inputs, senders }, kept, urgent };
        }
        delete
    }

    fn start(&mut self, job: Job, kept: u64, shared: &Shared) -> io::Result<()> {
        let (sender, result) = sync_channel(1);
        let cancelled = Arc::new(AtomicBool::new(false));
        let (for_thread, stop) = (job.clone(), cancelled.clone());
        let work = move || {
            // The receiver is gone if the log was closed.
            let _ = sender.send(for_thread.run(&stop));
        };
        match thread::Builder::new().name("history-compact".into()).spawn(work) {
            Ok(_) => {
                self.running = Some(Running { job, kept, result, cancelled });
                Ok(())
            }
            Err(cause) => self.fail(&job.unfinished(), cause, &job.dir, shared),
        }
    }

    /// Puts a new file in its place, if it is finished within `limit`. One that is not in time is discarded, if
    /// it was waited for.
    fn finish(
        &mut self,
        shared: &Shared,
        options: &HistoryOptions,
        limit: Duration,
    ) -> io::Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        let result = if limit.is_zero() {
            running.result.try_recv().map_err(|e| e == TryRecvError::Empty)
        } else {
            running.result.recv_timeout(limit).map_err(|e| e == RecvTimeoutError::Timeout)
        };
        let result = match result {
            Err(true) if limit.is_zero() => return Ok(()),
            Err(true) => Err(io::ErrorKind::TimedOut.into()),
            Err(false) => Err(io::Error::other("the thread ended early")),
            Ok(result) => result,
        };
        let Some(running) = self.running.take() else { return Ok(()) };
        match result {
            Ok(compacted) => {
                self.passing_since = None;
                if let Some(history) = shared.lock().history_mut() {
                    history.note_progress();
                }
                self.put_in_place(&running, &compacted, shared, options)
            }
            Err(cause) => {
                let job = &running.job;
                self.fail(&job.unfinished(), cause, &job.dir, shared)
            }
        }
    }

    /// Notes a failure of a file. Returns a passing error instead, until there were only such for [`PASSING_MAX`].
    fn fail(
        &mut self,
        name: &str,
        cause: io::Error,
        dir: &Directory,
        shared: &Shared,
    ) -> io::Result<()> {
        if retry::is_passing(&cause) {
            let since = *self.passing_since.get_or_insert_with(Instant::now);
            if since.elapsed() < PASSING_MAX {
                return Err(cause);
            }
        }
        self.passing_since = None;
        self.failed = Some((shared.options().uptime)());
        diag::warning(format_args!("{}: {cause}", dir.path_of(name).display()));
        Ok(())
    }

    fn put_in_place(
        &mut self,
        running: &Running,
        compacted: &Compacted,
        shared: &Shared,
        options: &HistoryOptions,
    ) -> io::Result<()> {
        let (job, new) = (&running.job, compacted.segment);
        let [first, ..] = job.inputs[..] else { return Ok(()) };
        let last = job.inputs[job.inputs.len() - 1];
        let oldest = |_: &Segments, oldest: &Segment| *oldest == first;
        let is_oldest = shared.lock().history().and_then(History::oldest_removable) == Some(&first);
        if !compacted.has_events && is_oldest && job.inputs.len() == 1 {
            remove_oldest(shared, options, oldest)?;
        } else if !job.gains_little(new.size) {
            if running.kept + new.size > options.size / 2 {
                self.too_large = Some(last.first);
            } else if let Err((first, cause)) = replace(job, new, shared) {
                return note_irreplaceable(job, first, cause, shared);
            }
        } else if running.kept + job.size() > options.size / 2 {
            self.too_large = Some(last.first);
        } else if let Some(history) = shared.lock().history_mut() {
            // Too little would be gained.
            history.keep_segment(last.first);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // It is there if it was finished and not used. The thread removes it otherwise.
        let _ = self.job.dir.remove(&self.job.unfinished());
    }
}

/// Replaces the inputs of a job by its new file. An error is of the input that begins with the number.
fn replace(job: &Job, new: Segment, shared: &Shared) -> Result<(), (Seq, io::Error)> {
    for old in &job.inputs {
        // What cannot be opened for writing, because it is immutable, cannot be removed either: with only a part of
        // the inputs replaced, the others would repeat the numbers of the new file.
        job.dir.update(&name_of(old.first)).map_err(|cause| (old.first, cause))?;
    }
    {
        // Readers open either the old files with what is known of them, or the new one.
        let _names = shared.lock_names();
        let unchanged = |history: &History| history.segments().has_before_newest(&job.inputs);
        let in_place = shared.directory().is_some_and(|dir| Arc::ptr_eq(&dir, &job.dir));
        if !in_place || !shared.lock().history().is_some_and(unchanged) {
            return Ok(());
        }
        let renamed = job.dir.rename(&job.unfinished(), &name_of(new.first));
        renamed.map_err(|cause| (new.first, cause))?;
        if let Some(history) = shared.lock().history_mut() {
            history.note_compacted(&job.inputs, new);
        }
    }
    // File systems with a journal keep the order of changes of names, so that a power cut does not leave this one
    // alone.
    for old in &job.inputs[1..] {
        let name = name_of(old.first);
        if let Err(cause) = job.dir.remove(&name) {
            // The next start sets it aside.
            let path = job.dir.path_of(&name);
            diag::warning(format_args!("cannot remove {}: {cause}", path.display()));
        }
    }
    Ok(())
}

/// The file of a segment cannot be replaced, for example because it is immutable. It is passed over as one that cannot be
/// removed: no other segment is deleted for it.
fn note_irreplaceable(job: &Job, first: Seq, cause: io::Error, shared: &Shared) -> io::Result<()> {
    if retry::is_passing(&cause) {
        return Err(cause);
    }
    if shared.lock().history_mut().is_some_and(|history| history.note_stuck(first)) {
        let path = job.dir.path_of(&name_of(first));
        diag::warning(format_args!(
            "cannot replace {}: {cause}: tried again later",
            path.display()
        ));
    }
    Ok(())
}
