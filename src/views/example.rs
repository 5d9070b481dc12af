//! Example events of a row.

use serde::Serialize;

use super::Period;
use super::buckets::window_start;
use super::facts::Facts;
use super::text::{self, MSG_MAX, Text};
use crate::event::Timestamp;

/// A kept example.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    time: Timestamp,
    took: Option<f64>,
    msg: Text,
}

impl Kept {
    /// Replaces the example.
    pub(super) fn set(&mut self, facts: &Facts<'_>) {
        self.time = facts.event.time;
        self.took = facts.took;
        self.msg.set(&facts.msg, MSG_MAX);
    }

    /// Replaces the example by one that is as slow or slower, or if the example has left the window.
    pub(super) fn offer_slower(&mut self, facts: &Facts<'_>, period: Period) {
        if facts.took >= self.took || !self.counts(facts.event.time, period) {
            self.set(facts);
        }
    }

    fn counts(&self, now: Timestamp, period: Period) -> bool {
        period == Period::Whole || self.time >= window_start(now)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.msg.size()
    }

    /// The example for a snapshot. `None` if it has left the window.
    pub(super) fn shown(&self, now: Timestamp, period: Period) -> Option<Example> {
        self.counts(now, period).then(|| Example {
            time: self.time,
            took: self.took,
            msg: self.msg.as_str().into(),
        })
    }
}

/// An example of the events of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// The time of the event.
    #[serde(serialize_with = "text::time")]
    pub time: Timestamp,
    /// Its duration, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<f64>,
    /// The beginning of its message, at most [`MSG_MAX`] bytes.
    pub msg: String,
}
