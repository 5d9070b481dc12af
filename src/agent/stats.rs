//! What STATS answers.

use std::sync::Arc;

use serde_json::json;

use super::limits::Limits;
use crate::event::{Cursor, Timestamp};
use crate::log::Log;

/// Where the figures come from.
pub(crate) struct Stats {
    log: Log,
    limits: Arc<Limits>,
    started: Timestamp,
}

impl Stats {
    pub(crate) fn new(log: Log, limits: Arc<Limits>) -> Self {
        let started = log.now();
        Self { log, limits, started }
    }

    /// All figures, as one JSON object on one line.
    pub(crate) fn json(&self) -> String {
        let counters = self.log.counters();
        let newest = self.log.newest();
        let cursor = |seq| Cursor { seq, ..newest }.to_string();
        let (connections, followers) = self.limits.counts();
        let history = counters.stored.map(|stored| {
            json!({
                "bytes": counters.history_bytes,
                "stored": cursor(stored),
                "synced": counters.synced.map(cursor),
                "trouble": counters.trouble,
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "host": self.log.host(),
            "started": self.started.to_string(),
            "time": self.log.now().to_string(),
            "oldest": cursor(counters.oldest),
            "newest": newest.to_string(),
            "events": counters.events,
            "bytes": counters.bytes,
            "window_bytes": counters.window_bytes,
            "history": history,
            "connections": connections,
            "followers": followers,
        })
        .to_string()
    }
}
