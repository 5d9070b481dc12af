//! What took how long, by shape: events with `took` whose messages differ only in values.

mod errors;
mod requests;
mod shape;

use serde::Serialize;

use super::buckets::{Buckets, Sum, window_start};
use super::durations::{Durations, Took};
use super::example::{Example, Kept};
use super::facts::Facts;
use super::table::{Rest, Row, Table};
use super::text::{self, ALLOCATION, set_key};
use super::{Period, Permits};
use crate::event::{Level, Timestamp};
use errors::Errors;
use requests::Requests;
use shape::set_shape;

pub use errors::{ERROR_USERS_MAX, ErrorRow};
pub use requests::REQUESTS_MAX;
pub use shape::SHAPE_MAX;

/// The most bytes of all shapes.
const SHAPES_BYTES_MAX: usize = 7 << 19;

/// The most bytes of all rows.
pub(super) const BYTES_MAX: usize = SHAPES_BYTES_MAX + errors::BYTES_MAX + requests::BYTES_MAX;

/// The most buckets of a shape's durations in one minute: right to one percent within two octaves, to
/// four within eight.
const BUCKETS_MAX: usize = 64;

/// The same for all events together.
const ALL_BUCKETS_MAX: usize = 256;

/// So often in one request a shape is a query in a loop.
pub const REPEATS_MIN: u32 = 10;

/// The newest minutes, which are compared with the older ones of the window.
pub const SLOWER_MINUTES: usize = 5;

/// How many events there must be on both sides for that.
pub const SLOWER_EVENTS_MIN: u64 = 20;

/// A shape became slower if its 95th percentile and its mean are at least so many times the older
/// ones.
pub const SLOWER_FACTOR: f64 = 1.5;

/// By how much the 95th percentile must have grown at least, in seconds.
pub const SLOWER_SECONDS_MIN: f64 = 0.001;

/// The fold.
#[derive(Debug)]
pub(super) struct Queries {
    period: Period,
    shapes: Table<Shape>,
    /// Of all events that took something.
    all: Buckets<Durations>,
    /// When the first of them came.
    first: Option<Timestamp>,
    requests: Requests,
    /// How many shapes there were.
    numbered: u32,
    errors: Errors,
    shape: String,
    key: String,
}

#[derive(Debug)]
struct Shape {
    number: u32,
    tag: Box<str>,
    shape: Box<str>,
    seen: Timestamp,
    newest: Kept,
    slowest: Kept,
    minutes: Buckets<Minute>,
    repeated: Option<Box<Repeated>>,
}

#[derive(Clone, Debug, Default)]
struct Minute {
    took: Durations,
    errors: u32,
    /// In how many requests it became one that occurs [`REPEATS_MIN`] times.
    repeats: u32,
}

#[derive(Clone, Debug)]
struct Repeated {
    time: Timestamp,
    count: u32,
    req: Box<str>,
    page: Option<Box<str>>,
}

impl Sum for Minute {
    fn add(&mut self, other: &Self) {
        self.took.add(&other.took);
        self.errors = self.errors.saturating_add(other.errors);
        self.repeats = self.repeats.saturating_add(other.repeats);
    }

    fn size(&self) -> usize {
        self.took.size()
    }
}

impl Row for Shape {
    fn seen(&self) -> Timestamp {
        self.seen
    }

    fn rank(&self, now: Timestamp, period: Period) -> f64 {
        self.minutes.counted(now, period).map(|minute| minute.took.total).sum()
    }

    fn size(&self) -> usize {
        let repeated = self.repeated.as_ref().map_or(0, |repeated| {
            let page = repeated.page.as_ref().map_or(0, |page| page.len());
            size_of::<Repeated>() + repeated.req.len() + page + 3 * ALLOCATION
        });
        let texts = self.tag.len() + self.shape.len() + 2 * ALLOCATION;
        texts + self.newest.size() + self.slowest.size() + self.minutes.size() + repeated
    }
}

impl Queries {
    pub(super) fn new(period: Period) -> Self {
        Self {
            period,
            shapes: Table::new(period, SHAPES_BYTES_MAX),
            all: Buckets::default(),
            first: None,
            requests: Requests::default(),
            numbered: 0,
            errors: Errors::new(period),
            shape: String::new(),
            key: String::new(),
        }
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>) {
        let is_error = facts.event.level <= Level::Err;
        if !facts.is_query() && !is_error {
            return;
        }
        set_shape(&mut self.shape, &facts.msg);
        set_key(&mut self.key, &[facts.tag, &self.shape]);
        if is_error {
            self.errors.event(facts, &self.key, &self.shape);
        }
        if let Some(seconds) = facts.event.took.filter(|_| facts.is_query()) {
            self.query(facts, seconds);
        }
    }

    fn query(&mut self, facts: &Facts<'_>, seconds: f64) {
        let (time, period) = (facts.event.time, self.period);
        self.first = self.first.or(Some(time));
        self.all.at(time, period).push(seconds, ALL_BUCKETS_MAX);
        let (numbered, requests) = (&mut self.numbered, &mut self.requests);
        let new = || {
            *numbered = numbered.wrapping_add(1);
            Shape::new(facts, &self.shape, *numbered)
        };
        self.shapes.update(&self.key, time, new, |shape| {
            let repeats = requests.count(facts, shape.number);
            shape.event(facts, seconds, repeats, period);
        });
    }

    pub(super) fn snapshot(&self, permits: &Permits<'_>, now: Timestamp) -> QueriesSnapshot {
        let (top, more) = self.shapes.top(now, |shape| permits.tag(&shape.tag));
        let totals: Vec<Minute> =
            top.iter().map(|shape| shape.minutes.total(now, self.period)).collect();
        let mut took = Durations::default();
        if permits.all() {
            took = self.all.total(now, self.period);
        } else {
            totals.iter().for_each(|minute| took.add(&minute.took));
        }
        let events = totals.iter().map(|minute| minute.took.count).sum();
        let rest = Rest { entries: more, events: took.count.saturating_sub(events) };
        let of = Whole { seconds: self.seconds(now), total: took.total };
        let shapes = top.iter().zip(&totals);
        let (errors, errors_rest) = self.errors.snapshot(permits, now);
        QueriesSnapshot {
            rate: took.count as f64 / of.seconds,
            took: took.shown(),
            shapes: shapes.filter_map(|(s, t)| s.shown(t, &of, now, self.period)).collect(),
            rest: permits.all().then_some(rest),
            errors,
            errors_rest,
        }
    }

    /// How long the events came that are counted, at least a second.
    fn seconds(&self, now: Timestamp) -> f64 {
        let first = self.first.unwrap_or(now);
        let start = match self.period {
            Period::Recent => first.max(window_start(now)),
            Period::Whole => first,
        };
        ((now.micros() - start.micros()) as f64 / 1e6).max(1.0)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.shapes.size()
            + self.all.size()
            + self.requests.size()
            + self.errors.size()
            + self.shape.capacity()
            + self.key.capacity()
    }
}

/// What a row is a part of.
struct Whole {
    seconds: f64,
    total: f64,
}

impl Shape {
    fn new(facts: &Facts<'_>, shape: &str, number: u32) -> Self {
        Self {
            number,
            tag: facts.tag.into(),
            shape: shape.into(),
            seen: facts.event.time,
            newest: Kept::default(),
            slowest: Kept::default(),
            minutes: Buckets::default(),
            repeated: None,
        }
    }

    fn event(&mut self, facts: &Facts<'_>, seconds: f64, repeats: u32, period: Period) {
        let time = facts.event.time;
        self.seen = time;
        self.newest.set(facts);
        self.slowest.offer_slower(facts, period);
        let minute = self.minutes.at(time, period);
        minute.took.push(seconds, BUCKETS_MAX);
        minute.errors += u32::from(facts.event.level <= Level::Err);
        minute.repeats += u32::from(repeats == REPEATS_MIN);
        if repeats >= REPEATS_MIN {
            self.repeat(facts, repeats, period);
        }
    }

    /// Remembers the request in which it occurred most often.
    fn repeat(&mut self, facts: &Facts<'_>, count: u32, period: Period) {
        let time = facts.event.time;
        let most = self
            .repeated
            .as_ref()
            .is_none_or(|repeated| count >= repeated.count || !repeated.counts(time, period));
        if most {
            let req = facts.req.as_deref().unwrap_or_default().into();
            let page = facts.page.as_deref().map(Into::into);
            self.repeated = Some(Box::new(Repeated { time, count, req, page }));
        }
    }

    fn shown(
        &self,
        total: &Minute,
        of: &Whole,
        now: Timestamp,
        period: Period,
    ) -> Option<ShapeRow> {
        let took = total.took.shown()?;
        let repeated = self.repeated.as_ref().filter(|repeated| repeated.counts(now, period));
        Some(ShapeRow {
            tag: self.tag.as_ref().into(),
            shape: self.shape.as_ref().into(),
            rate: took.count as f64 / of.seconds,
            share: if of.total > 0.0 { took.total / of.total } else { 0.0 },
            took,
            errors: total.errors.into(),
            seen: self.seen,
            minutes: self.minutes.series(now, |minute| minute.took.count),
            newest: self.newest.shown(now, period),
            slowest: self.slowest.shown(now, period),
            repeated: repeated.map(|repeated| repeated.shown(total.repeats)),
            slower: self.slower(now),
        })
    }

    /// Compares the newest minutes with the older ones.
    fn slower(&self, now: Timestamp) -> Option<Slower> {
        let (mut newer, mut older) = (Durations::default(), Durations::default());
        for (age, minute) in self.minutes.by_age(now) {
            let side = if age < SLOWER_MINUTES { &mut newer } else { &mut older };
            side.add(&minute.took);
        }
        if newer.count.min(older.count) < SLOWER_EVENTS_MIN {
            return None;
        }
        let mean = |durations: &Durations| durations.total / durations.count as f64;
        let (p95, before) = (newer.quantile(0.95)?, older.quantile(0.95)?);
        let slower = p95 >= SLOWER_FACTOR * before
            && p95 - before >= SLOWER_SECONDS_MIN
            && mean(&newer) >= SLOWER_FACTOR * mean(&older);
        slower.then_some(Slower { p95, before })
    }
}

impl Repeated {
    fn counts(&self, now: Timestamp, period: Period) -> bool {
        period == Period::Whole || self.time >= window_start(now)
    }

    fn shown(&self, requests: u32) -> Repeats {
        Repeats {
            count: self.count,
            req: self.req.as_ref().into(),
            page: self.page.as_deref().map(Into::into),
            time: self.time,
            requests,
        }
    }
}

/// What took how long, and what failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QueriesSnapshot {
    /// Events that took something, a second.
    pub rate: f64,
    /// How long all of them took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// The shapes that took most time in all, the most first.
    pub shapes: Vec<ShapeRow>,
    /// The other shapes. Left out where not all tags may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// The shapes of events of level `err` or worse, whether they took something or not; those that
    /// were seen last, the last first.
    pub errors: Vec<ErrorRow>,
    /// The other shapes of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors_rest: Option<Rest>,
}

/// Events of one tag and one shape that took something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapeRow {
    /// The tag.
    pub tag: String,
    /// The message without its values, at most [`SHAPE_MAX`] bytes.
    pub shape: String,
    /// How many there are a second.
    pub rate: f64,
    /// Their part of the time that all took, from 0 to 1.
    pub share: f64,
    /// How long they took.
    pub took: Took,
    /// How many of them are of level `err` or worse.
    pub errors: u64,
    /// When the newest came.
    #[serde(serialize_with = "text::time")]
    pub seen: Timestamp,
    /// How many in each minute of the window, the oldest first; the last is the minute of `now`.
    pub minutes: Vec<u64>,
    /// The newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Example>,
    /// The one that took longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowest: Option<Example>,
    /// The request in which it occurred most often, if that is at least [`REPEATS_MIN`] times: N+1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Repeats>,
    /// Set if it became slower than it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slower: Option<Slower>,
}

/// The same shape many times in one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeats {
    /// How often.
    pub count: u32,
    /// The request.
    pub req: String,
    /// Its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// When it occurred there last.
    #[serde(serialize_with = "text::time")]
    pub time: Timestamp,
    /// In how many requests it occurred so often.
    pub requests: u32,
}

/// How much slower a shape became.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slower {
    /// The 95th percentile of the newest [`SLOWER_MINUTES`], in seconds.
    pub p95: f64,
    /// That of the minutes before.
    pub before: f64,
}
