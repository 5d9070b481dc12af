//! Views of a past period: one fold of a finite subscription, for one snapshot.
//!
//! A fold takes up to [`SIZE_MAX`](crate::views::SIZE_MAX) bytes, and for a full history a core for some seconds.
//! So there are few at once, and they run in turns.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::{block_in_place, yield_now};
use tokio::time::{Instant, timeout_at};

use super::shared::encode;
use super::sources::{Source, Sources};
use super::turn::turn;
use crate::agent::follow::Refusal;
use crate::agent::follow::filled::Filled;
use crate::agent::follow::selection::Visible;
use crate::agent::follow::source::{Broken, LineSource};
use crate::agent::hosts::NoHosts;
use crate::agent::limits::{Follower, QuotaKey};
use crate::event::{Line, Timestamp};
use crate::log::lines_of;
use crate::views::{Permits, ViewName, Views};
use crate::wire::{Code, Tail};

/// Folds of past periods at once, in all. One quota key has at most one of them.
pub const PAST_FOLDS_MAX: usize = 2;

/// How long a request for a past period waits for its turn.
pub const PAST_WAIT_MAX: Duration = Duration::from_secs(10);

/// The folds of past periods.
pub(crate) struct PastFolds {
    sources: Sources,
    running: Arc<Running>,
}

/// Whose folds are running.
#[derive(Debug, Default)]
struct Running {
    keys: Mutex<Vec<QuotaKey>>,
    /// Notified when one ends.
    ended: Notify,
}

/// A view of a past period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PastView<'a> {
    pub(crate) name: ViewName,
    /// MATCH as one string: only these events.
    pub(crate) matching: &'a str,
    /// The time of the first event. `None` is the oldest.
    pub(crate) since: Option<Timestamp>,
    /// The time of the last event, and the moment of the snapshot. `None` is now.
    pub(crate) until: Option<Timestamp>,
}

/// Why a view of a past period is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    NoHosts(#[from] NoHosts),
    #[error("{PAST_FOLDS_MAX} past periods are being read, which is the most: try again later")]
    TooMany,
    #[error("you are reading another past period: try again once it is complete")]
    OfOne,
}

impl PastError {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NoHosts(why) => why.code(),
            Self::TooMany | Self::OfOne => Code::Later,
        }
    }
}

/// One of the folds. Released on drop.
#[derive(Debug)]
struct Slot {
    running: Arc<Running>,
    key: QuotaKey,
}

impl Running {
    fn keys(&self) -> MutexGuard<'_, Vec<QuotaKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PastFolds {
    pub(crate) fn new(sources: Sources) -> Self {
        Self { sources, running: Arc::default() }
    }

    /// Folds the events of the period that match and are visible, and returns the view at its end as one
    /// JSON line. Waits at most [`PAST_WAIT_MAX`] for its turn. Dropping the future ends the fold.
    ///
    /// # Errors
    /// [`PastError`].
    pub(crate) async fn line(
        &self,
        view: PastView<'_>,
        visible: &Visible,
        follower: &mut Follower,
    ) -> Result<Bytes, PastError> {
        let _slot = self.wait_for_slot(follower.key(), PAST_WAIT_MAX).await?;
        let tail = Tail {
            matching: Some(view.matching.to_owned()),
            since: view.since,
            until: view.until,
            ..Tail::default()
        };
        let source = self.sources.open(&tail, visible, follower).await?;
        let (now, host) = (self.sources.log.now(), self.sources.log.host());
        let end = view.until.map_or(now, |until| until.min(now));
        let mut past =
            Past { views: Views::of_all_lines(), last: view.since.unwrap_or(end).min(end) };
        match source {
            Source::Log(source) => past.fold(*source, host).await?,
            Source::Hosts(source) => past.fold(*source, host).await?,
        }
        let end = end.max(past.last);
        Ok(block_in_place(|| encode(past.views.snapshot(view.name, &Permits::All, end))))
    }

    /// A page asks for several views at once.
    async fn wait_for_slot(&self, key: &QuotaKey, most: Duration) -> Result<Slot, PastError> {
        let deadline = Instant::now() + most;
        loop {
            let mut ended = pin!(self.running.ended.notified());
            ended.as_mut().enable();
            match self.slot(key) {
                Ok(slot) => return Ok(slot),
                Err(taken) => timeout_at(deadline, ended).await.map_err(|_| taken)?,
            }
        }
    }

    fn slot(&self, key: &QuotaKey) -> Result<Slot, PastError> {
        let mut running = self.running.keys();
        if running.contains(key) {
            return Err(PastError::OfOne);
        }
        if running.len() >= PAST_FOLDS_MAX {
            return Err(PastError::TooMany);
        }
        running.push(key.clone());
        Ok(Slot { running: self.running.clone(), key: key.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.running.keys().retain(|key| *key != self.key);
        self.running.ended.notify_waiters();
    }
}

/// The fold of a period.
struct Past {
    views: Views,
    /// The time of the last line, or the begin of the period.
    last: Timestamp,
}

impl Past {
    /// Folds all lines of a source, in turns.
    async fn fold<S: LineSource>(&mut self, mut source: S, host: &str) -> Result<(), S::Broken> {
        loop {
            match source.fill().await? {
                Filled::Lines(lines) => {
                    let (len, mut lines) = (lines.len(), lines.iter());
                    while turn(&mut lines, |line| self.line(line)) {
                        yield_now().await;
                    }
                    drop(lines);
                    source.consume(len);
                }
                Filled::Gap(gap) => {
                    // The time at which the gap is found is not in the period.
                    let mut line = Vec::new();
                    gap.encode(self.last, host, &mut line);
                    source.consume_through(gap.last());
                    lines_of(&line).for_each(|line| self.line(&line));
                }
                Filled::Progress(_) => {}
                Filled::End => return Ok(()),
                // What another agent still sends to the stream.
                Filled::CaughtUp => source.wait().await,
            }
            yield_now().await;
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        self.last = self.last.max(line.time());
        self.views.line(line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::Value;
    use tokio::runtime;

    use super::*;
    use crate::access::TagScope;
    use crate::agent::limits::Limits;
    use crate::agent::limits::Sizes;
    use crate::event::{Batch, Draft};
    use crate::log::{Log, Opened, Options, WINDOW_SIZE_MIN, open};

    const SECOND: i64 = 1_000_000;
    const ALL: PastView<'_> =
        PastView { name: ViewName::Rates, matching: "", since: None, until: None };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * SECOND)
    }

    fn follower(log: &Log, uid: u32) -> Follower {
        let limits = Arc::new(Limits::new(SIZES, log.clone()));
        limits.permit(QuotaKey::User(uid)).expect("room").follower()
    }

    const SIZES: Sizes =
        Sizes { own_uid: 4242, connections_max: 64, workers: 1, burst_max: u64::MAX };

    /// Runs with a log that has one event in each of the first 100 seconds, at second 200.
    fn with_log(test: impl AsyncFnOnce(Log)) {
        let clock = Arc::new(AtomicI64::new(0));
        let time = clock.clone();
        let options = Options {
            host: "web1".into(),
            clock: Arc::new(move || at(time.load(Ordering::Relaxed))),
            uptime: Arc::new(Duration::default),
            window_size: WINDOW_SIZE_MIN,
            history: None,
        };
        let Opened { running, .. } = open(options).expect("opened");
        for second in 0..100 {
            clock.store(second, Ordering::Relaxed);
            let mut batch = Batch::default();
            let draft = Draft { msg: "query took 40ms".into(), ..Draft::default() };
            batch.push(&draft, if second % 2 == 0 { "even" } else { "odd" }, b"");
            running.log().append(&batch).expect("room");
        }
        clock.store(200, Ordering::Relaxed);
        let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("started");
        runtime.block_on(test(running.log().clone()));
        running.close().expect("closed");
    }

    async fn shown(past: &PastFolds, view: PastView<'_>, visible: &Visible) -> Value {
        let line =
            past.line(view, visible, &mut follower(&past.sources.log, 33)).await.expect("a view");
        assert!(line.ends_with(b"}\n"));
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn folds_the_period_only() {
        with_log(async |log| {
            let past = PastFolds::new(Sources { log, hosts: None });
            let all = shown(&past, ALL, &Visible::Tags(TagScope::All)).await;
            assert_eq!((&all["events"], &all["time"]), (&100.into(), &at(200).to_string().into()));
            let period = PastView { since: Some(at(10)), until: Some(at(19)), ..ALL };
            let some = shown(&past, period, &Visible::Tags(TagScope::All)).await;
            assert_eq!((&some["events"], &some["time"]), (&10.into(), &at(19).to_string().into()));
            assert_eq!(some["from"], at(10).to_string());
            let odd = shown(
                &past,
                PastView { matching: "tag=odd", ..period },
                &Visible::Tags(TagScope::All),
            )
            .await;
            assert_eq!(odd["events"], 5);
            let late = PastView { since: Some(at(150)), until: Some(at(900)), ..ALL };
            let none = shown(&past, late, &Visible::Tags(TagScope::All)).await;
            assert_eq!((&none["events"], &none["time"]), (&0.into(), &at(200).to_string().into()));
            let queries = PastView { name: ViewName::Queries, ..ALL };
            assert_eq!(
                shown(&past, queries, &Visible::Tags(TagScope::All)).await["took"]["count"],
                100
            );
        });
    }

    #[test]
    fn bounds_folds_in_all_and_of_one_key() {
        with_log(async |log| {
            let past = PastFolds::new(Sources { log, hosts: None });
            let of = |uid| past.slot(&QuotaKey::User(uid));
            let mut slots: Vec<Slot> =
                (1..PAST_FOLDS_MAX as u32).map(|uid| of(uid).expect("room")).collect();
            assert!(matches!(of(1), Err(PastError::OfOne)));
            slots.push(of(33).expect("room"));
            let more = past.wait_for_slot(&QuotaKey::User(34), Duration::ZERO).await;
            let more = more.expect_err("too many");
            assert!(matches!(more, PastError::TooMany) && more.code() == Code::Later);
            let (shown, ()) =
                tokio::join!(shown(&past, ALL, &Visible::Tags(TagScope::All)), async {
                    yield_now().await;
                    slots.clear();
                });
            assert_eq!(shown["events"], 100, "once it is its turn");
        });
    }

    #[test]
    fn dropped_or_refused_folds_make_room() {
        with_log(async |log| {
            let past = PastFolds::new(Sources { log: log.clone(), hosts: None });
            let mut follower = follower(&log, 33);
            tokio::select! {
                biased;
                _ = past.line(ALL, &Visible::Tags(TagScope::All), &mut follower) => panic!("in one turn"),
                () = std::future::ready(()) => {}
            }
            assert!(past.running.keys().is_empty());
            let wrong = PastView { matching: "level>", ..ALL };
            let refused = past.line(wrong, &Visible::Tags(TagScope::All), &mut follower).await;
            assert_eq!(refused.expect_err("no MATCH").code(), Code::Usage);
            assert!(past.running.keys().is_empty());
        });
    }
}
