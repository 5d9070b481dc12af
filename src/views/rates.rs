//! The rates view: events a second by level, events and durations by tag, and losses by reason.

use serde::Serialize;

use super::buckets::{Buckets, Ring, Sum, window_start};
use super::durations::{Durations, Took};
use super::facts::Facts;
use super::hosts::{HostRate, Hosts};
use super::table::{Rest, Row, Table};
use super::text::{self, ALLOCATION};
use super::{Period, Permits};
use crate::event::{GapLine, Level, Timestamp, Why};

/// The length of the series of events a second, in seconds.
pub const RATE_SECONDS: usize = 300;

/// The period of the current rate, in seconds.
pub const NOW_SECONDS: usize = 10;

/// The most bytes of rows.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// The most histogram buckets of a tag in one minute: accurate to one percent within eight octaves.
const BUCKETS_MAX: usize = 256;

const SECOND: i64 = 1_000_000;

type Levels = [u32; Level::ALL.len()];

/// The fold of the rates view.
#[derive(Debug)]
pub(super) struct Rates {
    period: Period,
    seconds: Ring<Levels>,
    all: Buckets<Minute>,
    tags: Table<Tag>,
    hosts: Hosts,
    /// The times of the first and the last event.
    span: Option<(Timestamp, Timestamp)>,
}

/// The totals of one minute.
#[derive(Debug, Default)]
struct Minute {
    levels: [u64; Level::ALL.len()],
    took: Durations,
    gaps: [Missing; Why::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Missing {
    gaps: u64,
    lost: u64,
    unknown: bool,
}

impl Sum for Minute {
    fn add(&mut self, other: &Self) {
        for (level, more) in self.levels.iter_mut().zip(other.levels) {
            *level += more;
        }
        self.took.add(&other.took);
        for (gaps, more) in self.gaps.iter_mut().zip(other.gaps) {
            gaps.gaps += more.gaps;
            gaps.lost = gaps.lost.saturating_add(more.lost);
            gaps.unknown |= more.unknown;
        }
    }

    fn size(&self) -> usize {
        self.took.size()
    }
}

/// One tag.
#[derive(Debug)]
struct Tag {
    name: Box<str>,
    seen: Timestamp,
    minutes: Buckets<TagMinute>,
}

#[derive(Debug, Default)]
struct TagMinute {
    events: u64,
    took: Durations,
}

impl Sum for TagMinute {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.took.add(&other.took);
    }

    fn size(&self) -> usize {
        self.took.size()
    }
}

impl Row for Tag {
    fn seen(&self) -> Timestamp {
        self.seen
    }

    fn rank(&self, now: Timestamp, period: Period) -> f64 {
        self.minutes.counted(now, period).map(|minute| minute.events).sum::<u64>() as f64
    }

    fn size(&self) -> usize {
        self.name.len() + ALLOCATION + self.minutes.size()
    }
}

impl Rates {
    pub(super) fn new(period: Period) -> Self {
        Self {
            period,
            seconds: Ring::new(RATE_SECONDS, 1),
            all: Buckets::default(),
            tags: Table::new(period, BYTES_MAX),
            hosts: Hosts::new(period),
            span: None,
        }
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>) {
        let (time, level) = (facts.event.time, facts.event.level as usize);
        let took = facts.query_took();
        if let Some(second) = self.seconds.at(time) {
            second[level] += 1;
        }
        let minute = self.all.at(time, self.period);
        minute.levels[level] += 1;
        if let Some(seconds) = took {
            minute.took.push(seconds, BUCKETS_MAX);
        }
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        let period = self.period;
        self.hosts.event(&facts.host, time, period);
        let new = || Tag { name: facts.tag.into(), seen: time, minutes: Buckets::default() };
        self.tags.update(facts.tag, time, new, |tag| {
            tag.seen = time;
            let minute = tag.minutes.at(time, period);
            minute.events += 1;
            if let Some(seconds) = took {
                minute.took.push(seconds, BUCKETS_MAX);
            }
        });
    }

    pub(super) fn gap(&mut self, line: &GapLine<'_>) {
        let minute = self.all.at(line.time, self.period);
        let missing = &mut minute.gaps[line.gap.why as usize];
        missing.gaps += 1;
        missing.lost = missing.lost.saturating_add(line.gap.lost.unwrap_or_default());
        missing.unknown |= line.gap.lost.is_none();
    }

    pub(super) fn snapshot(&self, permits: &Permits<'_>, now: Timestamp) -> RatesSnapshot {
        let (top, more) = self.tags.top(now, |tag| permits.tag(&tag.name));
        let shown = top.iter().map(|tag| (&*tag.name, tag.minutes.total(now, self.period)));
        let shown: Vec<(&str, TagMinute)> = shown.collect();
        let mut of_tags = TagMinute::default();
        shown.iter().for_each(|(_, minute)| of_tags.add(minute));
        let tags = shown.iter().map(|(tag, minute)| TagRate {
            tag: (*tag).to_owned(),
            events: minute.events,
            took: minute.took.shown(),
        });
        let mut snapshot = RatesSnapshot {
            events: of_tags.events,
            took: of_tags.took.shown(),
            tags: tags.collect(),
            ..RatesSnapshot::default()
        };
        if permits.all() {
            self.show_all(&mut snapshot, more, now);
        }
        snapshot
    }

    /// Adds the totals over all tags.
    fn show_all(&self, snapshot: &mut RatesSnapshot, more: u64, now: Timestamp) {
        let all = self.all.total(now, self.period);
        let events = all.levels.iter().sum();
        snapshot.rest = Some(Rest { entries: more, events: events - snapshot.events.min(events) });
        snapshot.events = events;
        snapshot.took = all.took.shown();
        snapshot.now = Some(self.rate_at(now));
        (snapshot.first, snapshot.last) = self.span.unzip();
        if self.period == Period::Recent {
            snapshot.first = snapshot.first.map(|first| first.max(window_start(now)));
        }
        snapshot.levels = self.levels(&all, now);
        let gaps = Why::ALL.into_iter().zip(all.gaps).filter(|(_, missing)| missing.gaps > 0);
        snapshot.gaps = gaps.map(|(why, missing)| missing.shown(why)).collect();
        snapshot.hosts = self.hosts.shown(now, self.period);
    }

    fn levels(&self, all: &Minute, now: Timestamp) -> Vec<LevelRate> {
        let seconds: Vec<Levels> = self.seconds.last(RATE_SECONDS, now).collect();
        let rate = |level: Level| LevelRate {
            level: level.name(),
            events: all.levels[level as usize],
            seconds: seconds.iter().map(|levels| levels[level as usize]).collect(),
        };
        let some = |rate: &LevelRate| rate.events > 0 || rate.seconds.iter().any(|n| *n > 0);
        Level::ALL.into_iter().map(rate).filter(some).collect()
    }

    /// Events a second, over the last [`NOW_SECONDS`].
    fn rate_at(&self, now: Timestamp) -> f64 {
        let Some((first, _)) = self.span else { return 0.0 };
        let recent = self.seconds.last(NOW_SECONDS, now);
        let events: u64 = recent.flatten().map(u64::from).sum();
        // The stream may be younger.
        let second = |time: Timestamp| time.micros().div_euclid(SECOND);
        let seconds = (second(now) - second(first)).saturating_add(1);
        events as f64 / seconds.clamp(1, NOW_SECONDS as i64) as f64
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.seconds.size() + self.all.size() + self.tags.size() + self.hosts.size()
    }
}

impl Missing {
    fn shown(self, why: Why) -> Lost {
        Lost { why: why.name(), gaps: self.gaps, lost: self.lost, unknown: self.unknown }
    }
}

/// The rates view.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RatesSnapshot {
    /// The number of events of all permitted tags.
    pub events: u64,
    /// Events a second over the last [`NOW_SECONDS`]. Absent, like all totals below, unless all tags are
    /// permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<f64>,
    /// The time of the first event, or the start of the window if that is later.
    #[serde(serialize_with = "text::some_time", skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The time of the last event.
    #[serde(serialize_with = "text::some_time", skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The levels that occurred, the worst first.
    pub levels: Vec<LevelRate>,
    /// The losses by reason.
    pub gaps: Vec<Lost>,
    /// The durations of all events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// The tags with the most events, in descending order.
    pub tags: Vec<TagRate>,
    /// The other tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// The hosts with the most events, in descending order.
    pub hosts: Vec<HostRate>,
}

/// The events of one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LevelRate {
    /// The name of the level.
    pub level: &'static str,
    /// The number of events.
    pub events: u64,
    /// The number of events in each of the last [`RATE_SECONDS`], the oldest first.
    pub seconds: Vec<u32>,
}

/// The losses for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The reason, as in gap lines.
    pub why: &'static str,
    /// The number of gaps.
    pub gaps: u64,
    /// The number of lost events, as far as it is known.
    pub lost: u64,
    /// `true` if a gap has no count, so that `lost` is a lower bound.
    pub unknown: bool,
}

/// The events of one tag.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TagRate {
    /// The tag.
    pub tag: String,
    /// The number of events.
    pub events: u64,
    /// Their durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
}
