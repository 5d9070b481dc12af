//! The queries view: events with `took`, and errors, grouped by the shape of their message.

mod errors;
mod heat;
mod requests;
mod rows;
mod shape;

use super::buckets::{Buckets, Sum, window_start};
use super::durations::Durations;
use super::example::Kept;
use super::facts::Facts;
use super::table::{Rest, Row, Table};
use super::text::{ALLOCATION, set_key};
use super::{Period, Permits};
use crate::event::{Level, Timestamp};
use errors::Errors;
use heat::Heat;
use requests::Requests;
use shape::set_shape;

pub use errors::{ERROR_USERS_MAX, ErrorRow};
pub use heat::{HEAT_COLUMNS, HEAT_FLOOR, HEAT_PER_DECADE, HEAT_ROWS, HEAT_STEP, HeatMap};
pub use requests::REQUESTS_MAX;
pub use rows::{QueriesSnapshot, Repeats, ShapeRow, Slower};
pub use shape::SHAPE_MAX;

/// The most bytes of rows of shapes.
const SHAPES_BYTES_MAX: usize = 7 << 19;

/// The most bytes of all tables and of the heat map.
pub(super) const BYTES_MAX: usize =
    SHAPES_BYTES_MAX + errors::BYTES_MAX + requests::BYTES_MAX + heat::BYTES_MAX;

/// The most histogram buckets of a shape in one minute: accurate to one percent within two octaves, to
/// four within eight.
const BUCKETS_MAX: usize = 64;

/// The same for all shapes together.
const ALL_BUCKETS_MAX: usize = 256;

/// The occurrences of a shape in one request from which it is flagged as a query in a loop (N+1).
pub const REPEATS_MIN: u32 = 10;

/// The newest minutes of the window, which are compared with the others.
pub const SLOWER_MINUTES: usize = 5;

/// The fewest events on both sides of that comparison.
pub const SLOWER_EVENTS_MIN: u64 = 20;

/// The least growth of both the 95th percentile and the mean for a shape to be flagged as slower.
pub const SLOWER_FACTOR: f64 = 1.5;

/// The least difference of the 95th percentiles for that, in seconds.
pub const SLOWER_SECONDS_MIN: f64 = 0.001;

/// The fold of the queries view.
#[derive(Debug)]
pub(super) struct Queries {
    period: Period,
    shapes: Table<Shape>,
    /// The durations of all shapes.
    all: Buckets<Durations>,
    heat: Heat,
    /// The time of the first event with a duration.
    first: Option<Timestamp>,
    requests: Requests,
    /// The number of the newest row.
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
    /// The number of requests in which it reached [`REPEATS_MIN`].
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
            heat: Heat::new(period),
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
        let took = facts.query_took();
        if took.is_none() && !is_error {
            return;
        }
        set_shape(&mut self.shape, &facts.msg);
        set_key(&mut self.key, &[facts.tag, &self.shape]);
        if is_error {
            self.errors.event(facts, &self.key, &self.shape);
        }
        if let Some(seconds) = took {
            self.query(facts, seconds);
        }
    }

    fn query(&mut self, facts: &Facts<'_>, seconds: f64) {
        let (time, period) = (facts.event.time, self.period);
        self.first = self.first.or(Some(time));
        self.all.at(time, period).push(seconds, ALL_BUCKETS_MAX);
        self.heat.add(time, seconds);
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
            heat: permits.all().then(|| self.heat.shown(now)),
            shapes: shapes.filter_map(|(s, t)| s.shown(t, &of, now, self.period)).collect(),
            rest: permits.all().then_some(rest),
            errors,
            errors_rest,
        }
    }

    /// The length of the period in seconds, at least one.
    fn seconds(&self, now: Timestamp) -> f64 {
        let first = self.first.unwrap_or(now);
        let start = match self.period {
            Period::Recent => first.max(window_start(now)),
            Period::Whole => first,
        };
        rounded(((now.micros() - start.micros()) as f64 / 1e6).max(1.0))
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.shapes.size()
            + self.all.size()
            + self.heat.size()
            + self.requests.size()
            + self.errors.size()
            + self.shape.capacity()
            + self.key.capacity()
    }
}

/// Rounds a period up to 1/64 of the power of two below it, so that the rate of a row changes with its events,
/// and seldom with time: a watcher need not get each row again.
fn rounded(seconds: f64) -> f64 {
    let step = seconds.log2().floor().exp2() / 64.0;
    (seconds / step).ceil() * step
}

/// The totals of a snapshot.
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

    /// Stores the request with the most occurrences.
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
            share: if of.total > 0.0 { (took.total / of.total * 1e3).round() / 1e3 } else { 0.0 },
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

    /// Compares the newest minutes with the others of the window.
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
