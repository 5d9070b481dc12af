//! What STATS answers.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use super::limits::Limits;
use crate::access::TagScope;
use crate::event::{Cursor, Timestamp};
use crate::log::Log;

/// What tells how much others send and follow.
const OF_ALL_EVENTS: [&str; 5] = ["events", "bytes", "window_bytes", "connections", "followers"];

/// Where the figures come from.
pub(crate) struct Stats {
    log: Log,
    limits: Arc<Limits>,
    started: Timestamp,
    /// Where the bridge listens.
    tcp: Option<SocketAddr>,
}

impl Stats {
    pub(crate) fn new(log: Log, limits: Arc<Limits>, tcp: Option<SocketAddr>) -> Self {
        let started = log.now();
        Self { log, limits, started, tcp }
    }

    /// All figures, as one JSON object on one line. Those that tell about all events are left out for who
    /// may not follow every tag.
    pub(crate) fn json(&self, permitted: &TagScope) -> String {
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
        let mut figures = json!({
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
            "tcp": self.tcp.map(|address| address.to_string()),
        });
        if *permitted != TagScope::All {
            for name in OF_ALL_EVENTS {
                figures.as_object_mut().map(|figures| figures.remove(name));
            }
            let history = figures["history"].as_object_mut();
            history.map(|history| history.remove("bytes"));
        }
        figures.to_string()
    }
}
