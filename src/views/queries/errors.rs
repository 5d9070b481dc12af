//! Errors by shape: events of level `err` and worse.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::Serialize;

use crate::event::{Level, Timestamp};
use crate::views::buckets::Buckets;
use crate::views::example::{Example, Kept};
use crate::views::facts::Facts;
use crate::views::table::{Rest, Row, Table};
use crate::views::text::{self, ALLOCATION};
use crate::views::{Period, Permits};

/// The most bytes of rows.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// The most users of an error that are counted.
pub const ERROR_USERS_MAX: usize = 32;

/// The fold of errors.
#[derive(Debug)]
pub(super) struct Errors {
    period: Period,
    errors: Table<Failed>,
    events: Buckets<u64>,
}

#[derive(Debug)]
struct Failed {
    tag: Box<str>,
    shape: Box<str>,
    worst: Level,
    first: Timestamp,
    seen: Timestamp,
    newest: Kept,
    minutes: Buckets<u64>,
    /// A hash of each user, at most [`ERROR_USERS_MAX`].
    users: Vec<u64>,
    /// `true` if there are more users.
    more_users: bool,
}

impl Row for Failed {
    fn seen(&self) -> Timestamp {
        self.seen
    }

    fn rank(&self, _: Timestamp, _: Period) -> f64 {
        // Exact: below 2^53.
        self.seen.micros() as f64
    }

    fn size(&self) -> usize {
        let texts = self.tag.len() + self.shape.len() + self.newest.size() + 3 * ALLOCATION;
        texts + self.minutes.size() + self.users.capacity() * size_of::<u64>()
    }
}

impl Failed {
    fn new(facts: &Facts<'_>, shape: &str) -> Self {
        Self {
            tag: facts.tag.into(),
            shape: shape.into(),
            worst: facts.event.level,
            first: facts.event.time,
            seen: facts.event.time,
            newest: Kept::default(),
            minutes: Buckets::default(),
            users: Vec::new(),
            more_users: false,
        }
    }

    fn event(&mut self, facts: &Facts<'_>, period: Period) {
        self.seen = facts.event.time;
        self.worst = self.worst.min(facts.event.level);
        self.newest.set(facts);
        *self.minutes.at(self.seen, period) += 1;
        if self.more_users {
            return;
        }
        let mut hasher = DefaultHasher::new();
        (&facts.user, &facts.subject).hash(&mut hasher);
        let user = hasher.finish();
        if !self.users.contains(&user) {
            self.more_users = self.users.len() == ERROR_USERS_MAX;
            if !self.more_users {
                self.users.push(user);
            }
        }
    }

    fn shown(&self, now: Timestamp, period: Period) -> ErrorRow {
        ErrorRow {
            tag: self.tag.as_ref().into(),
            shape: self.shape.as_ref().into(),
            level: self.worst.name(),
            first: self.first,
            seen: self.seen,
            events: self.minutes.total(now, period),
            minutes: self.minutes.series(now, |events| *events),
            users: self.users.len(),
            more_users: self.more_users,
            newest: self.newest.shown(now, period),
        }
    }
}

impl Errors {
    pub(super) fn new(period: Period) -> Self {
        Self { period, errors: Table::new(period, BYTES_MAX), events: Buckets::default() }
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>, key: &str, shape: &str) {
        let (time, period) = (facts.event.time, self.period);
        *self.events.at(time, period) += 1;
        let new = || Failed::new(facts, shape);
        self.errors.update(key, time, new, |failed| failed.event(facts, period));
    }

    pub(super) fn snapshot(
        &self,
        permits: &Permits<'_>,
        now: Timestamp,
    ) -> (Vec<ErrorRow>, Option<Rest>) {
        let (top, more) = self.errors.top(now, |failed| permits.tag(&failed.tag));
        let rows: Vec<ErrorRow> = top.iter().map(|row| row.shown(now, self.period)).collect();
        let shown: u64 = rows.iter().map(|row| row.events).sum();
        let all = self.events.total(now, self.period);
        let rest = Rest { entries: more, events: all.saturating_sub(shown) };
        (rows, permits.all().then_some(rest))
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.errors.size() + self.events.size()
    }
}

/// The errors of one tag and one shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorRow {
    /// The tag.
    pub tag: String,
    /// The shape, at most [`crate::views::SHAPE_MAX`] bytes.
    pub shape: String,
    /// The worst level.
    pub level: &'static str,
    /// The time of the first error.
    #[serde(serialize_with = "text::time")]
    pub first: Timestamp,
    /// The time of the newest error.
    #[serde(serialize_with = "text::time")]
    pub seen: Timestamp,
    /// The number of errors.
    pub events: u64,
    /// Errors in each minute of the window, the oldest first. The last is the current minute.
    pub minutes: Vec<u64>,
    /// The number of different users, at most [`ERROR_USERS_MAX`].
    pub users: usize,
    /// `true` if there are more users.
    pub more_users: bool,
    /// The newest error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Example>,
}
