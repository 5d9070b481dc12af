//! Views: bounded summaries of users, queries, running runs and rates.
//!
//! [`Views`] is a pure fold over event and gap lines. It has no clock: time is that of the lines. The same
//! lines therefore yield the same numbers, whether they come live, from history or from another host,
//! and the monitor and `pulse-tail --stats` show the same digits. Each table evicts the rows that matter
//! least and counts them, so one fold takes at most [`SIZE_MAX`] bytes.
//!
//! ```
//! use pulsed::event::Line;
//! use pulsed::views::{Permits, Views};
//!
//! let line = concat!(
//!     r#"{"seq":1,"time":"2026-11-22T17:32:05.000000Z","host":"web1","tag":"shop.report","#,
//!     r#""level":"info","msg":"building","run":"r1","origin":{"uid":33,"conn":7}}"#,
//! );
//! let line = Line::parse(line).expect("a line");
//! let mut views = Views::new();
//! views.line(&line);
//! let now = line.time().plus_micros(1_500_000);
//! let running = views.running(&Permits::All, now);
//! assert_eq!((running.runs[0].run.as_str(), running.runs[0].age), ("r1", 1.5));
//! ```

mod buckets;
mod durations;
mod example;
mod facts;
mod hosts;
mod queries;
mod rates;
mod running;
mod table;
mod tags;
#[cfg(test)]
mod tests;
mod text;
mod users;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::event::{EventLine, Line, Timestamp};
use facts::Facts;
use queries::Queries;
use rates::Rates;
use running::Running;
use users::Users;

pub use buckets::WINDOW_MINUTES;
pub use durations::Took;
pub use example::Example;
pub use facts::Subject;
pub use hosts::HostRate;
pub use queries::{
    ERROR_USERS_MAX, ErrorRow, HEAT_COLUMNS, HEAT_FLOOR, HEAT_PER_DECADE, HEAT_ROWS, HEAT_STEP,
    HeatMap, QueriesSnapshot, REPEATS_MIN, REQUESTS_MAX, Repeats, SHAPE_MAX, SLOWER_EVENTS_MIN,
    SLOWER_FACTOR, SLOWER_MINUTES, SLOWER_SECONDS_MIN, ShapeRow, Slower,
};
pub use rates::{LevelRate, Lost, NOW_SECONDS, RATE_SECONDS, RatesSnapshot, TagRate};
pub use running::{
    ABANDONED_SECONDS, OpenRun, RUNS_MAX, RunRow, RunState, RunningSnapshot, UNKNOWN_SECONDS,
};
pub use table::Rest;
pub use text::{MSG_MAX, NAME_MAX, PAGE_MAX};
pub use users::{UserRow, UsersSnapshot};

/// The most entries of a snapshot. The rest is counted.
pub const ENTRIES_MAX: usize = 1000;

/// The most bytes of one fold.
pub const SIZE_MAX: usize = 16 << 20;

/// The least step back of the clock at which the log has a gap line, in microseconds.
const CLOCK_STEP: i64 = 10_000_000;

/// The most bytes of tables, rings and totals, without their rows.
const BESIDE_ROWS_MAX: usize = 3 << 19;

const _: () = assert!(
    users::BYTES_MAX
        + queries::BYTES_MAX
        + running::BYTES_MAX
        + rates::BYTES_MAX
        + hosts::BYTES_MAX
        + BESIDE_ROWS_MAX
        <= SIZE_MAX
);

/// The name of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewName {
    /// Activity by user.
    Users,
    /// Durations and errors by shape.
    Queries,
    /// Runs that have begun and not ended.
    Running,
    /// Events a second, by level and tag.
    Rates,
}

impl ViewName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Users, Self::Queries, Self::Running, Self::Rates];

    /// The name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Queries => "queries",
            Self::Running => "running",
            Self::Rates => "rates",
        }
    }
}

impl fmt::Display for ViewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ViewName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// A text that is not the name of a view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown view {0:?}: use users, queries, running or rates")]
pub struct UnknownView(pub String);

impl FromStr for ViewName {
    type Err = UnknownView;

    fn from_str(text: &str) -> Result<Self, UnknownView> {
        let found = Self::ALL.into_iter().find(|view| view.name() == text);
        found.ok_or_else(|| UnknownView(text.into()))
    }
}

/// The tags that a reader of a view may see. Totals over several tags are shown only if all are
/// permitted.
#[derive(Clone, Copy)]
pub enum Permits<'a> {
    /// All tags of the folded lines.
    All,
    /// The tags for which the function returns `true`.
    Tags(&'a dyn Fn(&str) -> bool),
}

impl Permits<'_> {
    fn all(&self) -> bool {
        matches!(self, Self::All)
    }

    fn tag(&self, tag: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tags(permits) => permits(tag),
        }
    }
}

impl fmt::Debug for Permits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.all() { "All" } else { "Tags" })
    }
}

/// The period that the numbers of a view cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    /// The last [`WINDOW_MINUTES`].
    Recent,
    /// All lines.
    Whole,
}

/// One fold of all views.
#[derive(Debug)]
pub struct Views {
    users: Users,
    queries: Queries,
    running: Running,
    rates: Rates,
    period: Period,
    /// The time of the first line of the period.
    from: Option<Timestamp>,
    /// The latest time of all lines.
    latest: Timestamp,
}

impl Default for Views {
    fn default() -> Self {
        Self::new()
    }
}

impl Views {
    /// A fold over the last [`WINDOW_MINUTES`].
    pub fn new() -> Self {
        Self::of(Period::Recent)
    }

    /// A fold over all lines, for a period in the past.
    pub fn of_all_lines() -> Self {
        Self::of(Period::Whole)
    }

    fn of(period: Period) -> Self {
        Self {
            users: Users::new(period),
            queries: Queries::new(period),
            running: Running::new(period),
            rates: Rates::new(period),
            period,
            from: None,
            latest: Timestamp::MIN,
        }
    }

    /// Folds the next line. Lines are in the order of the log.
    pub fn line(&mut self, line: &Line<'_>) {
        if let Line::Gap(gap) = line
            && gap.hseq.is_none()
        {
            self.reset_if_clock_stepped(gap.time);
        }
        self.from = self.from.or(Some(line.time()));
        self.latest = self.latest.max(line.time());
        match line {
            Line::Event(event) => {
                let facts = Facts::read(event);
                self.users.event(&facts);
                self.queries.event(&facts);
                self.running.event(&facts);
                self.rates.event(&facts);
            }
            Line::Gap(gap) => {
                self.running.gap(gap);
                self.rates.gap(gap);
            }
        }
    }

    /// Resets the window if the clock stepped back, because its minutes are in the future now. The log has
    /// a gap line at a step. An event with an older time is one of another host.
    fn reset_if_clock_stepped(&mut self, now: Timestamp) {
        if self.period == Period::Recent && now < self.latest.plus_micros(-CLOCK_STEP) {
            self.users = Users::new(self.period);
            self.queries = Queries::new(self.period);
            self.rates = Rates::new(self.period);
            (self.from, self.latest) = (None, now);
        }
    }

    /// Adds a run that is known to be open, because its begin may be before the first line. A running run
    /// stays as it is, an unknown one is running again, and a later begin of it is progress.
    pub fn seed(&mut self, run: &OpenRun<'_>) {
        self.running.seed(run);
    }

    /// The same for the run that an event begins. The event is not counted.
    pub fn seed_event(&mut self, begin: &EventLine<'_>) {
        let facts = Facts::read(begin);
        if let Some(run) = begin.run {
            self.running.seed_event(&facts, &run.text());
        }
    }

    /// Returns a view at `now`, which must not be before the last line.
    pub fn snapshot(&self, name: ViewName, permits: &Permits<'_>, now: Timestamp) -> Snapshot {
        let view = match name {
            ViewName::Users => View::Users(self.users(permits, now)),
            ViewName::Queries => View::Queries(self.queries(permits, now)),
            ViewName::Running => View::Running(self.running(permits, now)),
            ViewName::Rates => View::Rates(self.rates(permits, now)),
        };
        Snapshot { name, time: now, from: self.from, view }
    }

    /// Returns the users view.
    pub fn users(&self, permits: &Permits<'_>, now: Timestamp) -> UsersSnapshot {
        self.users.snapshot(permits, now)
    }

    /// Returns the queries view.
    pub fn queries(&self, permits: &Permits<'_>, now: Timestamp) -> QueriesSnapshot {
        self.queries.snapshot(permits, now)
    }

    /// Returns the running view.
    pub fn running(&self, permits: &Permits<'_>, now: Timestamp) -> RunningSnapshot {
        self.running.snapshot(permits, now)
    }

    /// Returns the rates view.
    pub fn rates(&self, permits: &Permits<'_>, now: Timestamp) -> RatesSnapshot {
        self.rates.snapshot(permits, now)
    }

    /// The approximate size in bytes, at most [`SIZE_MAX`].
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.users.size()
            + self.queries.size()
            + self.running.size()
            + self.rates.size()
    }
}

/// A view at a moment. In JSON it is one object: `view`, `time`, `from` and the members of the view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// The name of the view.
    #[serde(rename = "view")]
    pub name: ViewName,
    /// The moment.
    #[serde(serialize_with = "text::time")]
    pub time: Timestamp,
    /// The time of the first folded line.
    #[serde(serialize_with = "text::some_time", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The view.
    #[serde(flatten)]
    pub view: View,
}

impl Snapshot {
    /// Leaves out all but the first `rows` of each list. The others are counted in the rest.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.view {
            View::Users(view) => {
                Rest::count(&mut view.rest, &mut view.users, rows, |row| row.events)
            }
            View::Queries(view) => {
                Rest::count(&mut view.rest, &mut view.shapes, rows, |row| row.took.count);
                Rest::count(&mut view.errors_rest, &mut view.errors, rows, |row| row.events);
            }
            View::Running(view) => {
                view.rest += view.runs.len().saturating_sub(rows) as u64;
                view.runs.truncate(rows);
            }
            View::Rates(view) => {
                Rest::count(&mut view.rest, &mut view.tags, rows, |row| row.events);
                view.hosts.truncate(rows);
            }
        }
    }
}

/// One view.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum View {
    /// Of [`ViewName::Users`].
    Users(UsersSnapshot),
    /// Of [`ViewName::Queries`].
    Queries(QueriesSnapshot),
    /// Of [`ViewName::Running`].
    Running(RunningSnapshot),
    /// Of [`ViewName::Rates`].
    Rates(RatesSnapshot),
}
