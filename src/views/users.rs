//! The users view: activity by claimed user and verified subject.

use serde::Serialize;

use super::buckets::{Buckets, Ring, Sum};
use super::example::{Example, Kept};
use super::facts::{Facts, Subject};
use super::table::{Rest, Row, Table};
use super::tags::Tags;
use super::text::{self, ALLOCATION, MSG_MAX, NAME_MAX, PAGE_MAX, Text, set_key};
use super::{Period, Permits};
use crate::event::{Level, TAG_MAX, Timestamp};

/// The most bytes of rows.
pub(super) const BYTES_MAX: usize = 2 << 20;

/// The number of intervals of the last minute, and their length in seconds.
const LAST_MINUTE: (usize, i64) = (12, 5);

/// The fold of the users view.
#[derive(Debug)]
pub(super) struct Users {
    period: Period,
    users: Table<User>,
    events: Buckets<u64>,
    key: String,
}

#[derive(Debug)]
struct User {
    claimed: Option<Box<str>>,
    login: Option<Box<str>>,
    subject: Subject<'static>,
    /// The tags of all events.
    tags: Tags,
    seen: Timestamp,
    tag: Text,
    msg: Text,
    page: Text,
    req: Text,
    slowest: Option<Kept>,
    last_minute: Ring<u32>,
    minutes: Buckets<Minute>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    events: u32,
    queries: u32,
    errors: u32,
}

impl Sum for Minute {
    fn add(&mut self, other: &Self) {
        self.events = self.events.saturating_add(other.events);
        self.queries = self.queries.saturating_add(other.queries);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

impl Row for User {
    fn seen(&self) -> Timestamp {
        self.seen
    }

    fn rank(&self, _: Timestamp, _: Period) -> f64 {
        // Exact: below 2^53.
        self.seen.micros() as f64
    }

    fn size(&self) -> usize {
        let some = |text: &Option<Box<str>>| text.as_ref().map_or(0, |t| t.len() + ALLOCATION);
        let texts = [&self.tag, &self.msg, &self.page, &self.req].map(Text::size);
        some(&self.claimed)
            + some(&self.login)
            + self.subject.size()
            + self.tags.size()
            + texts.iter().sum::<usize>()
            + self.slowest.as_ref().map_or(0, Kept::size)
            + self.last_minute.size()
            + self.minutes.size()
    }
}

impl User {
    fn new(facts: &Facts<'_>) -> Self {
        Self {
            claimed: facts.user.as_deref().map(Into::into),
            login: facts.login.as_deref().map(Into::into),
            subject: facts.subject.clone().into_owned(),
            tags: Tags::default(),
            seen: facts.event.time,
            tag: Text::default(),
            msg: Text::default(),
            page: Text::default(),
            req: Text::default(),
            slowest: None,
            last_minute: Ring::new(LAST_MINUTE.0, LAST_MINUTE.1),
            minutes: Buckets::default(),
        }
    }

    fn event(&mut self, facts: &Facts<'_>, period: Period) {
        let time = facts.event.time;
        self.seen = time;
        if self.tag.as_str() != facts.tag {
            self.tags.insert(facts.tag);
            self.tag.set(facts.tag, TAG_MAX);
        }
        self.msg.set(&facts.msg, MSG_MAX);
        for (text, newer, max) in
            [(&mut self.page, &facts.page, PAGE_MAX), (&mut self.req, &facts.req, NAME_MAX)]
        {
            if let Some(newer) = newer {
                text.set(newer, max);
            }
        }
        if let Some(interval) = self.last_minute.at(time) {
            *interval += 1;
        }
        let minute = self.minutes.at(time, period);
        minute.events += 1;
        minute.errors += u32::from(facts.event.level <= Level::Err);
        if facts.query_took().is_some() {
            minute.queries += 1;
            self.slowest.get_or_insert_default().offer_slower(facts, period);
        }
    }

    fn shown(&self, now: Timestamp, period: Period) -> UserRow {
        let total = self.minutes.total(now, period);
        UserRow {
            user: self.claimed.as_deref().map(Into::into),
            login: self.login.as_deref().map(Into::into),
            subject: self.subject.clone(),
            seen: self.seen,
            tag: self.tag.as_str().into(),
            msg: self.msg.shown(),
            page: self.page.shown(),
            req: self.req.shown(),
            last_minute: self.last_minute.last(LAST_MINUTE.0, now).map(u64::from).sum(),
            minutes: self.minutes.series(now, |minute| minute.events.into()),
            events: total.events.into(),
            queries: total.queries.into(),
            errors: total.errors.into(),
            slowest: self.slowest.as_ref().and_then(|slowest| slowest.shown(now, period)),
        }
    }
}

impl Users {
    pub(super) fn new(period: Period) -> Self {
        let (users, events) = (Table::new(period, BYTES_MAX), Buckets::default());
        Self { period, users, events, key: String::new() }
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>) {
        let (time, period) = (facts.event.time, self.period);
        *self.events.at(time, period) += 1;
        let user = facts.user.as_deref().unwrap_or_default();
        let mut digits = itoa::Buffer::new();
        let [kind, subject] = facts.subject.key(&mut digits);
        set_key(&mut self.key, &[user, kind, subject]);
        self.users.update(&self.key, time, || User::new(facts), |user| user.event(facts, period));
    }

    pub(super) fn snapshot(&self, permits: &Permits<'_>, now: Timestamp) -> UsersSnapshot {
        let (top, more) = self.users.top(now, |user| user.tags.permitted(permits));
        let users: Vec<UserRow> = top.iter().map(|user| user.shown(now, self.period)).collect();
        let shown: u64 = users.iter().map(|user| user.events).sum();
        let all = self.events.total(now, self.period);
        let rest = Rest { entries: more, events: all.saturating_sub(shown) };
        UsersSnapshot { users, rest: permits.all().then_some(rest) }
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.users.size() + self.events.size() + self.key.capacity()
    }
}

/// The users view.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UsersSnapshot {
    /// The users, the most recently active first.
    pub users: Vec<UserRow>,
    /// The other users. Absent unless all tags are permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
}

/// A user. A row is shown only if all tags of its events are permitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UserRow {
    /// The claimed user: the first of the fields `user`, `user.id`, `user.name` and `user_id` that is
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The verified login name of the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The verified sender.
    pub subject: Subject<'static>,
    /// The time of the newest event.
    #[serde(serialize_with = "text::time")]
    pub seen: Timestamp,
    /// The tag of the newest event.
    pub tag: String,
    /// Its message, truncated to [`MSG_MAX`] bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// The newest page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The newest request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub req: Option<String>,
    /// Events in the last minute, accurate to five seconds.
    pub last_minute: u64,
    /// Events in each minute of the window, the oldest first. The last is the current minute.
    pub minutes: Vec<u64>,
    /// The number of events.
    pub events: u64,
    /// The number of events with a duration.
    pub queries: u64,
    /// The number of events of level `err` and worse.
    pub errors: u64,
    /// The slowest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowest: Option<Example>,
}
