//! One TAIL of the stream of all hosts: parts of it until the shared log has what comes next, and then that log.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::{AllHosts, PART_WINDOW, Part, Progress, STREAM_WAIT_MAX, Start, Stream};
use crate::access::HostScope;
use crate::agent::follow::Refusal;
use crate::agent::follow::leaving::{Left, left};
use crate::agent::follow::lines::{self, LineFormat};
use crate::agent::follow::pace::Pace;
use crate::agent::follow::resolve::matching;
use crate::agent::follow::selection::Visible;
use crate::agent::follow::subscription::Subscription;
use crate::agent::limits::Follower;
use crate::agent::transport::connection::Connection;
use crate::event::{Cursor, LogId, Seq, Timestamp};
use crate::filter::{BadGlob, Glob, Match};
use crate::log::{self, Log, Options};
use crate::sys::clock;
use crate::wire::{self, Code, Tail};

/// How far a host's clock may be ahead of the engine's for `since` to find its events.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(60);

/// How many messages are read for the last lines at first. Each further attempt reads eight times as many.
const LAST_MESSAGES_MIN: u64 = 64;

/// The most messages that are read for the last lines.
pub const LAST_MESSAGES_MAX: u64 = LAST_MESSAGES_MIN << 9;

/// How long a follower waits for a message that another agent has shown it.
const REACH_MAX: Duration = Duration::from_secs(5);

/// How following ended.
pub(crate) enum Ended {
    /// The answer is complete, up to this cursor.
    Complete(Cursor),
    Left(Left),
    /// The stream is another one now.
    Replaced,
}

/// Why all hosts cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoHosts {
    #[error("this agent reads no other hosts: set nats.url in pulsed.toml(5)")]
    NotConfigured,
    #[error("the stream of all hosts cannot be read: {0}")]
    Unavailable(String),
    #[error("after: this cursor is not one of the stream of all hosts, such as 7f3a9c21-1042.3")]
    OfHost,
    #[error("TAIL: host: {0}")]
    Host(#[from] BadGlob),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl NoHosts {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NotConfigured | Self::Host(_) => Code::Usage,
            Self::Unavailable(_) => Code::Unavailable,
            Self::OfHost => Code::Data,
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

/// One TAIL.
pub(crate) struct HostsTail<'a> {
    hosts: &'a AllHosts,
    tail: &'a Tail,
    visible: Visible,
    matching: Match,
    follower: &'a Follower,
    stream: Stream,
    shared: Log,
    id: LogId,
    /// Nothing from here on is wanted, unless following.
    end: Seq,
}

/// What is read next.
enum Step {
    /// What comes after this number.
    After(Seq),
    /// A part up to the newest.
    Part(Start),
    /// The last lines, of those after a number or of all.
    Last(u64, Option<Seq>),
}

/// A part that is being read.
struct Opened {
    subscription: Subscription,
    /// While it lives, the part is read.
    _progress: watch::Receiver<Progress>,
    end: Seq,
    _turn: Option<OwnedSemaphorePermit>,
}

/// Serves a TAIL until it is complete or the client leaves.
///
/// # Errors
/// If the client cannot be written to.
pub(crate) async fn run(
    hosts: &AllHosts,
    connection: &mut Connection,
    tail: &Tail,
    scope: HostScope,
    format: &LineFormat,
    follower: &mut Follower,
) -> io::Result<Result<Ended, NoHosts>> {
    let only = match tail.host.as_deref().map(Glob::new).transpose() {
        Ok(only) => only.unwrap_or_else(Glob::any),
        Err(why) => return Ok(Err(why.into())),
    };
    let _watching = hosts.watch();
    let matching = match matching(tail, follower).await {
        Ok(matching) => matching,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let opening = HostsTail::open(hosts, tail, Visible::Hosts { only, scope }, matching, follower);
    let opened = tokio::select! {
        biased;
        left = left(connection) => return left.map(|left| Ok(Ended::Left(left))),
        opened = opening => opened,
    };
    let this = match opened {
        Ok(this) => this,
        Err(why) => return Ok(Err(why)),
    };
    let mut replaced = hosts.stream.subscribe();
    let generation = this.stream.generation;
    tokio::select! {
        biased;
        // Fails only if the sender is gone, which `hosts` holds.
        _ = replaced.wait_for(|stream| stream.generation != generation) => Ok(Ok(Ended::Replaced)),
        ended = this.run(connection, format) => ended,
    }
}

impl<'a> HostsTail<'a> {
    async fn open(
        hosts: &'a AllHosts,
        tail: &'a Tail,
        visible: Visible,
        matching: Match,
        follower: &'a Follower,
    ) -> Result<Self, NoHosts> {
        let mut known = hosts.stream.subscribe();
        let found = known.wait_for(|stream| stream.log.is_some() || stream.trouble.is_some());
        let stream = match timeout(STREAM_WAIT_MAX, found).await {
            Ok(Ok(stream)) => stream.clone(),
            Ok(Err(_)) | Err(_) => Stream::default(),
        };
        let Some(shared) = stream.log.clone() else {
            return Err(NoHosts::Unavailable(stream.trouble.unwrap_or_else(late)));
        };
        let newest = shared.newest();
        let (id, end) = (newest.log, newest.seq.next());
        let mut this = Self { hosts, tail, visible, matching, follower, stream, shared, id, end };
        if !tail.follow {
            this.end = end.max(this.newest_end().await?);
        }
        Ok(this)
    }

    /// Where the stream ends now: the shared log may be a moment behind.
    async fn newest_end(&self) -> Result<Seq, NoHosts> {
        let _turn = self.hosts.turns.acquire().await;
        let (_log, mut progress) = self.request(Start::Last(Seq::ZERO), Seq::ZERO, false);
        let found = progress.wait_for(|progress| progress.first.is_some());
        let Ok(Ok(found)) = timeout(STREAM_WAIT_MAX, found).await else {
            let trouble = self.hosts.stream.borrow().trouble.clone();
            return Err(NoHosts::Unavailable(trouble.unwrap_or_else(late)));
        };
        Ok(Seq::in_message(found.last.saturating_add(1), 0).unwrap_or(Seq::MAX))
    }

    async fn run(
        mut self,
        connection: &mut Connection,
        format: &LineFormat,
    ) -> io::Result<Result<Ended, NoHosts>> {
        let mut step = match self.first_step() {
            Ok(step) => step,
            Err(why) => return Ok(Err(why)),
        };
        self.write_position(connection, format, &step).await?;
        let pace = self.tail.rate;
        loop {
            let is_shared = matches!(step, Step::After(seen) if self.is_in_shared(seen));
            let opening = self.open_step(step);
            let opened = tokio::select! {
                biased;
                left = left(connection) => return left.map(|left| Ok(Ended::Left(left))),
                opened = opening => opened,
            };
            let mut opened = match opened {
                Ok(opened) => opened,
                Err(why) => return Ok(Err(why)),
            };
            let newest = self.shared.newest().seq;
            let pace =
                pace.filter(|_| is_shared).map(|rate| Pace::new(rate, newest, Instant::now()));
            let ended = lines::run(connection, &mut opened.subscription, format, pace).await?;
            step = match ended {
                lines::Ended::Left(left) => return Ok(Ok(Ended::Left(left))),
                lines::Ended::Failed(cause) => return Ok(Err(Refusal::History(cause).into())),
                lines::Ended::Behind => Step::After(opened.subscription.position().seq),
                lines::Ended::Complete if self.tail.follow => Step::After(opened.end.previous()),
                lines::Ended::Complete => {
                    let cursor = Cursor { log: self.id, seq: self.end.previous() };
                    return Ok(Ok(Ended::Complete(cursor)));
                }
            };
        }
    }

    fn first_step(&self) -> Result<Step, NoHosts> {
        let tail = self.tail;
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

    /// Tells the client the id of the stream, and where it could resume before it has seen a line.
    async fn write_position(
        &self,
        connection: &mut Connection,
        format: &LineFormat,
        step: &Step,
    ) -> io::Result<()> {
        let seq = match step {
            Step::After(seen) => *seen,
            Step::Part(_) => Seq::ZERO,
            Step::Last(..) => self.end.previous(),
        };
        if let LineFormat::Text(_) = format {
            return Ok(());
        }
        let mut line = Vec::new();
        wire::encode_at(&Cursor { log: self.id, seq }, &mut line);
        connection.write_all(&line).await
    }

    fn is_in_shared(&self, seen: Seq) -> bool {
        seen.next() >= self.shared.oldest()
    }

    async fn open_step(&mut self, step: Step) -> Result<Opened, NoHosts> {
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
        let opened =
            Subscription::open_matching(log, tail, matching, visible, until, self.follower);
        Ok(opened.await?)
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
        let (_, progress) = watch::channel(Progress::default());
        Ok(Opened { subscription, _progress: progress, end: self.end, _turn: None })
    }

    async fn open_part(&mut self, start: Start) -> Result<Opened, NoHosts> {
        let turn = self.hosts.turns.clone().acquire_owned().await.ok();
        let end = self.end();
        let (log, progress) = self.request(start, end, true);
        let tail = Tail { since: self.tail.since, until: self.tail.until, ..Tail::default() };
        let subscription = self.subscribe(&log, &tail, Some(end)).await?.releasing();
        Ok(Opened { subscription, _progress: progress, end, _turn: turn })
    }

    /// Reads more and more of the end of the stream, until that has the last lines.
    async fn open_last(&mut self, lines: u64, after: Option<Seq>) -> Result<Opened, NoHosts> {
        let turn = self.hosts.turns.clone().acquire_owned().await.ok();
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
                return Ok(Opened { subscription, _progress: progress, end, _turn: turn });
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
