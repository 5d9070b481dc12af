//! Snapshots of a view as Server-Sent Events.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::live::Pieces;
use crate::agent::limits::Follower;
use crate::agent::views::Watch;
use crate::views::ViewName;

/// What one watch of a view yields, as frames.
pub(super) struct Snapshots {
    watch: Watch,
    view: ViewName,
    ticks: Interval,
    /// What every frame begins with.
    head: Bytes,
    ready: bool,
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
        Self { watch, view, ticks, head, ready: false, _follower: follower }
    }

    /// The next snapshot. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Pieces {
        if !self.ready {
            self.watch.ready().await;
            self.ready = true;
        }
        self.ticks.tick().await;
        let line = self.watch.snapshot(self.view);
        [Some(self.head.clone()), Some(line), Some(Bytes::from_static(b"\n"))]
    }
}
