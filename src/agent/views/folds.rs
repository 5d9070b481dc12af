//! The folds that are watched.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::fold::{Fold, FoldEnded};
use super::shared::{Numbers, Versioned};
use super::sources::{Source, Sources};
use crate::agent::follow::selection::Visible;
use crate::agent::follow::source::Broken;
use crate::agent::hosts::NoHosts;
use crate::agent::ingest::runs::Runs;
use crate::agent::limits::{Follower, QuotaKey};
use crate::sys::background;
use crate::views::{ViewName, WINDOW_MINUTES};
use crate::wire::{Code, Tail};

/// Folds in all: one for each pair of MATCH and rights. Each takes at most [`crate::views::SIZE_MAX`] bytes.
pub const FOLDS_MAX: usize = 8;

/// Folds of [`FOLDS_MAX`] that are reserved for root and the agent's own user.
pub const FOLDS_RESERVED: usize = 2;

/// Folds that one other user, address or token may start.
pub const FOLDS_OF_ONE_MAX: usize = 4;

/// How long a fold goes on without a watcher.
pub const KEPT_FOR: Duration = Duration::from_secs(60);

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// The folds of all watchers.
pub(crate) struct Folds {
    sources: Sources,
    runs: Arc<Runs>,
    numbers: Numbers,
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    matching: String,
    visible: Visible,
    /// Who started it.
    key: QuotaKey,
    fold: Arc<Fold>,
    /// Watchers subscribe; their number decides whether the fold is kept.
    watchers: watch::Sender<()>,
    task: AbortHandle,
}

/// One watcher of a fold. Dropping it ends the watch.
pub(crate) struct Watch {
    fold: Arc<Fold>,
    _watcher: watch::Receiver<()>,
}

impl Watch {
    /// A view as one JSON line. Waits until the fold has something to show: at most about a second.
    pub(crate) async fn line(&self, name: ViewName) -> Bytes {
        // The fold of one log does not end.
        let _ = self.fold.ready().await;
        self.fold.line(name).await
    }

    /// A view with its version: the newest, and after the version `seen`. It is a delta if `seen` is one of the last
    /// versions and the delta is shorter than the whole. Waits, as [`Self::line`], and until there is a version
    /// after `seen`. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the fold has ended.
    pub(crate) async fn next(
        &self,
        name: ViewName,
        seen: Option<u64>,
    ) -> Result<Versioned, FoldEnded> {
        self.fold.ready().await?;
        Ok(self.fold.next(name, seen).await)
    }
}

/// Why a view cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(transparent)]
    Refused(#[from] NoHosts),
    #[error(
        "views with {FOLDS_MAX} different MATCH are being watched, which is the most: use one of them, or try \
         again later"
    )]
    TooMany,
    #[error(
        "views with {FOLDS_OF_ONE_MAX} different MATCH of yours are being watched, which is the most: use one of \
         them, or try again later"
    )]
    TooManyOfOne,
}

impl WatchError {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Refused(why) => why.code(),
            Self::TooMany | Self::TooManyOfOne => Code::Later,
        }
    }
}

impl Folds {
    pub(crate) fn new(sources: Sources, runs: Arc<Runs>) -> Self {
        let numbers = Numbers::starting_at(sources.log.now());
        Self { sources, runs, numbers, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the views of the events that match and are visible. Starts a fold if no one else watches them.
    ///
    /// # Errors
    /// [`WatchError`].
    pub(crate) async fn watch(
        self: &Arc<Self>,
        matching: &str,
        visible: &Visible,
        follower: &mut Follower,
    ) -> Result<Watch, WatchError> {
        if let Some(watch) = find(&self.entries(), matching, visible) {
            return Ok(watch);
        }
        let since =
            self.sources.log.now().plus_micros(-(WINDOW_MINUTES as i64) * MICROS_PER_MINUTE);
        let tail = Tail {
            matching: Some(matching.to_owned()),
            since: Some(since),
            follow: true,
            ..Tail::default()
        };
        let source = self.sources.open(&tail, visible, follower).await?;
        let mut entries = self.entries();
        // Another client may have started the same fold meanwhile.
        if let Some(watch) = find(&entries, matching, visible) {
            return Ok(watch);
        }
        make_room(&mut entries, follower)?;
        let runs = matches!(source, Source::Log(_)).then(|| self.runs.clone());
        let fold = Arc::new(Fold::new(self.sources.log.clone(), runs, &self.numbers));
        let (watchers, watcher) = watch::channel(());
        let (matching, visible) = (matching.to_owned(), visible.clone());
        let task = tokio::spawn(self.clone().run(fold.clone(), source)).abort_handle();
        let key = follower.key().clone();
        entries.push(Entry { matching, visible, key, fold: fold.clone(), watchers, task });
        Ok(Watch { fold, _watcher: watcher })
    }

    /// Folds until there was no watcher for [`KEPT_FOR`]. A fold that makes room for another is aborted.
    async fn run(self: Arc<Self>, fold: Arc<Fold>, source: Source) {
        let (_end, ended) = oneshot::channel();
        tokio::select! {
            _ = run_in_background(fold.clone(), source, ended) => {}
            () = self.unwatched(&fold) => {}
        }
        self.entries().retain(|entry| !Arc::ptr_eq(&entry.fold, &fold));
    }

    async fn unwatched(&self, fold: &Arc<Fold>) {
        loop {
            let watchers = {
                let entries = self.entries();
                let entry = entries.iter().find(|entry| Arc::ptr_eq(&entry.fold, fold));
                let Some(entry) = entry else { return };
                entry.watchers.clone()
            };
            watchers.closed().await;
            tokio::time::sleep(KEPT_FOR).await;
            if watchers.receiver_count() == 0 {
                return;
            }
        }
    }
}

/// Folds on a thread of lower priority, because views parse every event and no sender waits for them. Ends once the
/// sender of `ended` is dropped.
fn run_in_background(
    fold: Arc<Fold>,
    source: Source,
    ended: oneshot::Receiver<Infallible>,
) -> JoinHandle<()> {
    let runtime = Handle::current();
    background::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = ended => {}
                () = async {
                    match source {
                        Source::Log(source) => fold.run(*source).await,
                        Source::Hosts(source) => fold.run(*source).await,
                    }
                } => {}
            }
        });
    })
}

/// Makes room for one more fold of this follower's key. Ends one without a watcher where that is needed.
fn make_room(entries: &mut Vec<Entry>, follower: &Follower) -> Result<(), WatchError> {
    let own = |entry: &Entry| entry.key == *follower.key();
    let reserved = if follower.is_trusted() { 0 } else { FOLDS_RESERVED };
    if !follower.is_trusted()
        && entries.iter().filter(|entry| own(entry)).count() >= FOLDS_OF_ONE_MAX
    {
        return end_unwatched(entries, own).ok_or(WatchError::TooManyOfOne);
    }
    if entries.len() >= FOLDS_MAX - reserved {
        return end_unwatched(entries, |_| true).ok_or(WatchError::TooMany);
    }
    Ok(())
}

/// Ends a fold that has no watcher. `None` if there is none.
fn end_unwatched(entries: &mut Vec<Entry>, among: impl Fn(&Entry) -> bool) -> Option<()> {
    let unwatched =
        entries.iter().position(|entry| among(entry) && entry.watchers.receiver_count() == 0)?;
    entries.remove(unwatched).task.abort();
    Some(())
}

fn find(entries: &[Entry], matching: &str, visible: &Visible) -> Option<Watch> {
    let same = |entry: &&Entry| entry.matching == matching && entry.visible == *visible;
    let entry = entries.iter().find(same)?;
    Some(Watch { fold: entry.fold.clone(), _watcher: entry.watchers.subscribe() })
}
