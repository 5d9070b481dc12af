//! Snapshots of a view as Server-Sent Events.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::respond::{Pieces, error_object};
use crate::agent::limits::Follower;
use crate::agent::views::{Versioned, Watch};
use crate::views::ViewName;

/// What one watch of a view yields, as frames.
pub(super) struct Snapshots {
    watch: Watch,
    view: ViewName,
    ticks: Interval,
    /// What every frame begins with.
    head: Bytes,
    /// The version that the client has. `None` before the first snapshot.
    seen: Option<u64>,
    /// The interval has passed, and the snapshot is not written yet.
    due: bool,
    /// The client knows that there are no more.
    ended: bool,
    _follower: Follower,
}

impl Snapshots {
    /// `name` is the frames' name if several streams share the response.
    pub(super) fn new(
        watch: Watch,
        view: ViewName,
        every: Duration,
        name: Option<&str>,
        follower: Follower,
    ) -> Self {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let head = name.map_or_else(
            || Bytes::from_static(b"data: "),
            |name| format!("event: {name}\ndata: ").into(),
        );
        Self { watch, view, ticks, head, seen: None, due: false, ended: false, _follower: follower }
    }

    /// The next snapshot. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Pieces {
        if !self.due {
            self.ticks.tick().await;
            self.due = true;
        }
        let line = match self.watch.next(self.view, self.seen).await {
            Ok(Versioned { version, line }) => {
                (self.seen, self.due) = (Some(version), false);
                line
            }
            Err(_) if self.ended => std::future::pending().await,
            Err(ended) => {
                self.ended = true;
                error_object(ended.code, &ended).into()
            }
        };
        [Some(self.head.clone()), Some(line), Some(Bytes::from_static(b"\n\n"))]
    }
}
