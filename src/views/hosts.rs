//! The hosts of the rates view: events by machine.

use serde::Serialize;

use super::Period;
use super::buckets::Buckets;
use super::table::{Row, Table};
use super::text::{self, ALLOCATION};
use crate::event::Timestamp;

/// The most bytes of rows: about five hundred machines.
pub(super) const BYTES_MAX: usize = 1 << 18;

/// The events of each host.
#[derive(Debug)]
pub(super) struct Hosts(Table<Host>);

#[derive(Debug)]
struct Host {
    name: Box<str>,
    seen: Timestamp,
    minutes: Buckets<u64>,
}

impl Row for Host {
    fn seen(&self) -> Timestamp {
        self.seen
    }

    fn rank(&self, now: Timestamp, period: Period) -> f64 {
        self.minutes.total(now, period) as f64
    }

    fn size(&self) -> usize {
        self.name.len() + ALLOCATION + self.minutes.size()
    }
}

impl Hosts {
    pub(super) fn new(period: Period) -> Self {
        Self(Table::new(period, BYTES_MAX))
    }

    pub(super) fn event(&mut self, host: &str, time: Timestamp, period: Period) {
        let new = || Host { name: host.into(), seen: time, minutes: Buckets::default() };
        self.0.update(host, time, new, |host| {
            host.seen = host.seen.max(time);
            *host.minutes.at(time, period) += 1;
        });
    }

    /// The hosts with the most events, in descending order.
    pub(super) fn shown(&self, now: Timestamp, period: Period) -> Vec<HostRate> {
        let (top, _) = self.0.top(now, |_| true);
        let rate = |host: &&Host| HostRate {
            host: host.name.to_string(),
            events: host.minutes.total(now, period),
            seen: host.seen,
        };
        top.iter().map(rate).collect()
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.0.size()
    }
}

/// The events of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostRate {
    /// The machine.
    pub host: String,
    /// The number of events.
    pub events: u64,
    /// The time of the newest event.
    #[serde(serialize_with = "text::time")]
    pub seen: Timestamp,
}
