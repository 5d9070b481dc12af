//! The reply to STATS.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use super::forwarding::Forwarding;
use super::ingest::runs::Runs;
use super::limits::Limits;
use crate::access::TagScope;
use crate::event::{Cursor, Timestamp};
use crate::log::Log;

/// Figures that count every tag and every client.
const OF_ALL_TAGS: [&str; 6] =
    ["events", "bytes", "window_bytes", "connections", "followers", "runs"];

/// The sources of the figures.
pub(crate) struct Stats {
    log: Log,
    limits: Arc<Limits>,
    runs: Arc<Runs>,
    started: Timestamp,
    /// The address of the TCP bridge.
    tcp: Option<SocketAddr>,
    /// `None` unless NATS is configured.
    forwarding: Option<Arc<Forwarding>>,
}

impl Stats {
    pub(crate) fn new(
        log: Log,
        limits: Arc<Limits>,
        runs: Arc<Runs>,
        tcp: Option<SocketAddr>,
        forwarding: Option<Arc<Forwarding>>,
    ) -> Self {
        let started = log.now();
        Self { log, limits, runs, started, tcp, forwarding }
    }

    /// All figures as one JSON object on one line. Figures about every tag are left out for a client that may not
    /// follow every tag.
    pub(crate) fn json(&self, scope: &TagScope) -> String {
        let counters = self.log.counters();
        let newest = self.log.newest();
        let cursor = |seq| Cursor { seq, ..newest }.to_string();
        let (counts, runs) = (self.limits.counts(), self.runs.counts());
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
            "connections": counts.connections,
            "followers": counts.followers,
            "runs": { "open": runs.open, "untracked": runs.untracked },
            "tcp": self.tcp.map(|address| address.to_string()),
            "nats": self.forwarding.as_ref().map(|it| it.json(newest, scope)),
        });
        if *scope != TagScope::All {
            for name in OF_ALL_TAGS {
                figures.as_object_mut().map(|figures| figures.remove(name));
            }
            let history = figures["history"].as_object_mut();
            history.map(|history| history.remove("bytes"));
        }
        figures.to_string()
    }
}
