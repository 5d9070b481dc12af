//! The queries view in a snapshot.

use serde::Serialize;

use super::errors::ErrorRow;
use super::heat::HeatMap;
use crate::event::Timestamp;
use crate::views::durations::Took;
use crate::views::example::Example;
use crate::views::table::Rest;
use crate::views::text;

/// The queries view.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QueriesSnapshot {
    /// Events with a duration, a second, accurate to two percent.
    pub rate: f64,
    /// The durations of all shapes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// The same over time. Absent unless all tags are permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heat: Option<HeatMap>,
    /// The shapes with the most total time, in descending order.
    pub shapes: Vec<ShapeRow>,
    /// The other shapes. Absent unless all tags are permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// The shapes of events of level `err` and worse, with or without a duration, the newest first.
    pub errors: Vec<ErrorRow>,
    /// The other shapes of errors. Absent unless all tags are permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors_rest: Option<Rest>,
}

/// The events with a duration of one tag and one shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapeRow {
    /// The tag.
    pub tag: String,
    /// The shape, at most [`crate::views::SHAPE_MAX`] bytes.
    pub shape: String,
    /// Events a second, accurate to two percent.
    pub rate: f64,
    /// Their share of the total time, from 0 to 1, to three decimals.
    pub share: f64,
    /// Their durations.
    pub took: Took,
    /// The number of events of level `err` and worse.
    pub errors: u64,
    /// The time of the newest event.
    #[serde(serialize_with = "text::time")]
    pub seen: Timestamp,
    /// Events in each minute of the window, the oldest first. The last is the current minute.
    pub minutes: Vec<u64>,
    /// The newest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Example>,
    /// The slowest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowest: Option<Example>,
    /// The request with the most occurrences, if these are at least [`crate::views::REPEATS_MIN`]: N+1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Repeats>,
    /// Set if the shape became slower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slower: Option<Slower>,
}

/// A shape that occurs many times in one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeats {
    /// The number of occurrences.
    pub count: u32,
    /// The request.
    pub req: String,
    /// Its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The time of the last occurrence.
    #[serde(serialize_with = "text::time")]
    pub time: Timestamp,
    /// The number of requests with at least [`crate::views::REPEATS_MIN`] occurrences.
    pub requests: u32,
}

/// The 95th percentiles of a shape that became slower, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slower {
    /// That of the newest [`crate::views::SLOWER_MINUTES`].
    pub p95: f64,
    /// That of the minutes before them.
    pub before: f64,
}
