//! The steps of a subscription of all hosts: which part of the stream is read, or the shared log, and what comes after it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::{AllHosts, NoHosts, PART_WINDOW, Part, Progress, STREAM_WAIT_MAX, Start, Stream};
use crate::agent::follow::Refusal;
use crate::agent::follow::filled::Filled;
use crate::agent::follow::selection::Visible;
use crate::agent::follow::subscription::Subscription;
use crate::agent::limits::Reading;
use crate::event::{Cursor, Gap, LogId, Seq, Timestamp};
use crate::filter::Match;
use crate::log::{self, Log, Options};
use crate::sys::clock;
use crate::wire::Tail;

/// How far a host's clock may be ahead of the engine's for `since` to find its events.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(60);

/// How many messages are read for the last lines at first. Each further attempt reads eight times as many.
const LAST_MESSAGES_MIN: u64 = 64;

/// The most messages that are read for the last lines.
pub const LAST_MESSAGES_MAX: u64 = LAST_MESSAGES_MIN << 9;

/// How long a follower waits for a message that another agent has shown it.
const REACH_MAX: Duration = Duration::from_secs(5);

/// What a follower wants, of the stream as it is now.
pub(super) struct Wanted {
    hosts: Arc<AllHosts>,
    tail: Tail,
    visible: Visible,
    matching: Match,
    reading: Reading,
    generation: u64,
    shared: Log,
    id: LogId,
    /// Nothing from here on is wanted, unless following.
    end: Seq,
}

/// What is read next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// What comes after this number.
    After(Seq),
    /// A part up to the newest.
    Part(Start),
    /// The last lines, of those after a number or of all.
    Last(u64, Option<Seq>),
}

/// A turn of one key, and of all. It ends on drop.
type Turn = [OwnedSemaphorePermit; 2];

/// What is being read: a part, or the shared log.
pub(super) struct Opened {
    pub(super) subscription: Subscription,
    /// What is read after it.
    pub(super) next: Option<Step>,
    /// Everything was read.
    complete: bool,
    end: Seq,
    /// While it lives, the part is read.
    _progress: Option<watch::Receiver<Progress>>,
    _turn: Option<Turn>,
}

impl Opened {
    fn new(subscription: Subscription, end: Seq) -> Self {
        Self { subscription, next: None, complete: false, end, _progress: None, _turn: None }
    }

    /// What comes next. After the end of a part it is [`Filled::Progress`], and `next` says what follows.
    pub(super) async fn fill(&mut self, wanted: &Wanted) -> Result<Filled<'_>, NoHosts> {
        let follows = wanted.tail.follow;
        match self.subscription.fill().await.map_err(Refusal::from)? {
            Filled::End if follows => {
                self.next = Some(Step::After(self.end.previous()));
                Ok(Filled::Progress(wanted.cursor(self.end.previous())))
            }
            Filled::End => {
                self.complete = true;
                Ok(Filled::End)
            }
            // This log no longer has what comes next, but the stream may.
            Filled::Gap(gap) => {
                self.next = Some(Step::After(gap.after));
                Ok(Filled::Progress(wanted.cursor(gap.after)))
            }
            filled => Ok(filled),
        }
    }

    /// The last number that was covered. What has an end covers everything before it.
    pub(super) fn position(&self, wanted: &Wanted) -> Cursor {
        if self.complete {
            return wanted.cursor(wanted.end.previous());
        }
        self.subscription.position()
    }
}

impl Wanted {
    /// Waits until the stream is found, for at most [`STREAM_WAIT_MAX`].
    pub(super) async fn find(
        hosts: Arc<AllHosts>,
        tail: Tail,
        visible: Visible,
        matching: Match,
        reading: Reading,
    ) -> Result<Self, NoHosts> {
        let mut known = hosts.stream.subscribe();
        let found = known.wait_for(|stream| stream.log.is_some() || stream.trouble.is_some());
        let stream = match timeout(STREAM_WAIT_MAX, found).await {
            Ok(Ok(stream)) => stream.clone(),
            Ok(Err(_)) | Err(_) => Stream::default(),
        };
        let Some(shared) = stream.log else {
            return Err(NoHosts::Unavailable(stream.trouble.unwrap_or_else(late)));
        };
        let (newest, generation) = (shared.newest(), stream.generation);
        let (id, end) = (newest.log, newest.seq.next());
        let mut this =
            Self { hosts, tail, visible, matching, reading, generation, shared, id, end };
        if !this.tail.follow {
            this.end = end.max(this.newest_end().await?);
        }
        if let Some(before) = this.tail.before {
            // Nothing of this stream is before a cursor of another log.
            this.end = if before.log == id { this.end.min(before.seq) } else { Seq::BEFORE_FIRST };
        }
        Ok(this)
    }

    /// Another number means another stream, or that it has lost messages.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn follows(&self) -> bool {
        self.tail.follow
    }

    pub(super) fn newest(&self) -> Seq {
        self.shared.newest().seq
    }

    pub(super) fn cursor(&self, seq: Seq) -> Cursor {
        Cursor { log: self.id, seq }
    }

    pub(super) fn encode_gap(&self, gap: Gap, out: &mut Vec<u8>) {
        gap.encode(self.shared.now(), self.shared.host(), out);
    }

    /// Waits for a turn to read a part. Those of one key wait for each other first, so that a client that stops reading
    /// keeps turns from few others. Never `None`: the semaphores are not closed.
    async fn turn(&self) -> Option<Turn> {
        let own = self.reading.parts.clone().acquire_owned().await.ok()?;
        Some([own, self.hosts.turns.clone().acquire_owned().await.ok()?])
    }

    /// Where the stream ends now: the shared log may be a moment behind.
    async fn newest_end(&self) -> Result<Seq, NoHosts> {
        let _turn = self.turn().await;
        let (_log, mut progress) = self.request(Start::Last(Seq::ZERO), Seq::ZERO, false);
        let found = progress.wait_for(|progress| progress.first.is_some());
        let Ok(Ok(found)) = timeout(STREAM_WAIT_MAX, found).await else {
            let trouble = self.hosts.stream.borrow().trouble.clone();
            return Err(NoHosts::Unavailable(trouble.unwrap_or_else(late)));
        };
        Ok(Seq::in_message(found.last.saturating_add(1), 0).unwrap_or(Seq::MAX))
    }

    pub(super) fn first_step(&self) -> Result<Step, NoHosts> {
        let tail = &self.tail;
        let seen = match tail.after {
            Some(after) if !after.log.is_stream() => return Err(NoHosts::OfHost),
            Some(after) if after.log != self.id => return Ok(Step::Part(Start::Restart)),
            // Before the first number: as if there were no cursor.
            Some(after) => Some(after.seq).filter(|seq| *seq > Seq::ZERO),
            None => None,
        };
        Ok(match (tail.lines, seen, tail.since) {
            (Some(0), ..) => Step::After(self.end.previous()),
            (Some(lines), ..) => Step::Last(lines, seen),
            (None, Some(seen), _) => Step::After(seen),
            (None, None, Some(since)) if since > Timestamp::default() => {
                Step::Part(Start::Since(received_since(since)))
            }
            (None, None, None) if tail.follow && tail.after.is_none() => {
                Step::After(self.end.previous())
            }
            (None, None, _) => Step::Part(Start::Oldest),
        })
    }

    /// Where a client could resume before it has seen a line of this step.
    pub(super) fn covered_before(&self, step: Step) -> Seq {
        match step {
            Step::After(seen) => seen,
            Step::Part(_) => Seq::ZERO,
            Step::Last(..) => self.end.previous(),
        }
    }

    fn is_in_shared(&self, seen: Seq) -> bool {
        seen.next() >= self.shared.oldest()
    }

    /// Opens what is read next.
    pub(super) async fn open(self: Arc<Self>, step: Step) -> Result<Opened, NoHosts> {
        match step {
            Step::After(seen) if self.is_in_shared(seen) => self.open_shared(seen).await,
            Step::After(seen) => self.open_part(Start::At(seen.next())).await,
            Step::Part(start) => self.open_part(start).await,
            Step::Last(lines, after) => self.open_last(lines, after).await,
        }
    }

    /// Where what exists now ends.
    fn end(&self) -> Seq {
        if self.tail.follow { self.shared.newest().seq.next() } else { self.end }
    }

    async fn subscribe(
        &self,
        log: &Log,
        tail: &Tail,
        until: Option<Seq>,
    ) -> Result<Subscription, NoHosts> {
        let (matching, visible) = (self.matching.clone(), self.visible.clone());
        let reading = self.reading.clone();
        Ok(Subscription::open_matching(log, tail, matching, visible, until, reading).await?)
    }

    async fn open_shared(&self, seen: Seq) -> Result<Opened, NoHosts> {
        // Another agent may have read further.
        let reached = self.shared.reader(seen.previous());
        if timeout(REACH_MAX, reached.wait()).await.is_err() {
            return Err(Refusal::Future { newest: self.shared.newest() }.into());
        }
        let follow = self.tail.follow;
        let after = Some(Cursor { log: self.id, seq: seen });
        let until = self.tail.until;
        let tail = Tail { after, follow, until, ..Tail::default() };
        let until = (!follow).then_some(self.end);
        let subscription = self.subscribe(&self.shared, &tail, until).await?;
        Ok(Opened::new(subscription, self.end))
    }

    async fn open_part(&self, start: Start) -> Result<Opened, NoHosts> {
        let turn = self.turn().await;
        let end = self.end();
        let (log, progress) = self.request(start, end, true);
        let tail = Tail { since: self.tail.since, until: self.tail.until, ..Tail::default() };
        let subscription = self.subscribe(&log, &tail, Some(end)).await?.releasing();
        Ok(Opened { _progress: Some(progress), _turn: turn, ..Opened::new(subscription, end) })
    }

    /// Reads more and more of the end of the stream, until that has the last lines.
    async fn open_last(&self, lines: u64, after: Option<Seq>) -> Result<Opened, NoHosts> {
        let turn = self.turn().await;
        let (end, mut messages) = (self.end(), LAST_MESSAGES_MIN);
        let tail = Tail {
            lines: Some(lines),
            since: self.tail.since,
            until: self.tail.until,
            ..Tail::default()
        };
        loop {
            let first = end.message().saturating_sub(messages).max(1);
            let begin = Seq::in_message(first, 0).unwrap_or_default();
            let begin = after.map_or(begin, |after| begin.max(after.next()));
            let (log, mut progress) = self.request(Start::Last(begin), end, false);
            let done = progress.wait_for(|progress| progress.done).await;
            let oldest = done.ok().and_then(|progress| progress.first).unwrap_or_default();
            let subscription = self.subscribe(&log, &tail, Some(end)).await?;
            let found_all = subscription.position().seq >= log.oldest();
            let is_full = log.oldest() > begin;
            let nothing_before =
                first <= oldest || after.is_some_and(|after| begin <= after.next());
            if found_all || is_full || nothing_before || messages >= LAST_MESSAGES_MAX {
                let opened = Opened::new(subscription, end);
                return Ok(Opened { _progress: Some(progress), _turn: turn, ..opened });
            }
            messages *= 8;
        }
    }

    /// Asks for a part of the stream.
    fn request(&self, start: Start, end: Seq, keeps: bool) -> (Log, watch::Receiver<Progress>) {
        let next = match start {
            Start::At(seq) | Start::Last(seq) => seq,
            Start::Since(_) | Start::Oldest | Start::Restart => Seq::BEFORE_FIRST,
        };
        let log = numbered_log(self.shared.host(), self.id, next, PART_WINDOW, keeps);
        let (sender, progress) = watch::channel(Progress::default());
        let part = Part { log: log.clone(), start, end, progress: sender };
        // Fails only if the agent stops.
        let _ = self.hosts.parts.send(part);
        (log, progress)
    }
}

fn late() -> String {
    format!("not found within {} s", STREAM_WAIT_MAX.as_secs())
}

/// An empty log for a part of the stream, from the number `next` on.
fn numbered_log(host: &str, id: LogId, next: Seq, window_size: usize, keeps: bool) -> Log {
    let options = Options {
        host: host.to_owned(),
        clock: Arc::new(clock::now),
        uptime: Arc::new(clock::uptime),
        window_size,
        history: None,
    };
    log::open_numbered(options, id, next, keeps)
}

/// The log that all followers share.
#[cfg(feature = "nats")]
pub(crate) fn shared_log(host: &str, id: LogId, next: Seq) -> Log {
    numbered_log(host, id, next, super::HOSTS_WINDOW, false)
}

/// When the stream may have got the first events of this time: a host's clock may be ahead.
fn received_since(since: Timestamp) -> Timestamp {
    let ahead = i64::try_from(CLOCK_AHEAD_MAX.as_micros()).unwrap_or(i64::MAX);
    since.plus_micros(-ahead)
}
