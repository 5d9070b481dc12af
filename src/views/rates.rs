//! How many events a second, of which level and tag, how long they took, and what was lost.

use serde::Serialize;

use super::buckets::{Buckets, Ring, Sum};
use super::durations::{Durations, Took};
use super::facts::Facts;
use super::table::{Rest, Row, Table};
use super::text::{self, ALLOCATION};
use super::{Period, Permits};
use crate::event::{GapLine, Level, Timestamp, Why};

/// How many seconds of events by level a snapshot shows: five minutes.
pub const RATE_SECONDS: usize = 300;

/// How many seconds "now" is.
pub const NOW_SECONDS: usize = 10;

/// The most bytes of all tags.
pub(super) const BYTES_MAX: usize = 5 << 18;

/// The most buckets of a tag's durations in one minute: right to one percent within eight octaves.
const BUCKETS_MAX: usize = 256;

const SECOND: i64 = 1_000_000;

type Levels = [u32; Level::ALL.len()];

/// The fold.
#[derive(Debug)]
pub(super) struct Rates {
    period: Period,
    seconds: Ring<Levels>,
    all: Buckets<Minute>,
    tags: Table<Tag>,
    /// The time of the first and the last event.
    span: Option<(Timestamp, Timestamp)>,
}

/// What happened in one minute.
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
            span: None,
        }
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>) {
        let (time, level) = (facts.event.time, facts.event.level as usize);
        let took = facts.event.took.filter(|_| facts.is_query());
        self.seconds.at(time)[level] += 1;
        let minute = self.all.at(time, self.period);
        minute.levels[level] += 1;
        if let Some(seconds) = took {
            minute.took.push(seconds, BUCKETS_MAX);
        }
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        let period = self.period;
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

    /// Adds what is of all tags together.
    fn show_all(&self, snapshot: &mut RatesSnapshot, more: u64, now: Timestamp) {
        let all = self.all.total(now, self.period);
        let events = all.levels.iter().sum();
        snapshot.rest = Some(Rest { entries: more, events: events - snapshot.events.min(events) });
        snapshot.events = events;
        snapshot.took = all.took.shown();
        snapshot.now = Some(self.rate_at(now));
        (snapshot.first, snapshot.last) = self.span.unzip();
        snapshot.levels = self.levels(&all, now);
        let gaps = Why::ALL.into_iter().zip(all.gaps).filter(|(_, missing)| missing.gaps > 0);
        snapshot.gaps = gaps.map(|(why, missing)| missing.shown(why)).collect();
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
        // The first event may be more recent.
        let second = |time: Timestamp| time.micros().div_euclid(SECOND);
        let seconds = (second(now) - second(first)).saturating_add(1);
        events as f64 / seconds.clamp(1, NOW_SECONDS as i64) as f64
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.seconds.size() + self.all.size() + self.tags.size()
    }
}

impl Missing {
    fn shown(self, why: Why) -> Lost {
        Lost { why: why.name(), gaps: self.gaps, lost: self.lost, unknown: self.unknown }
    }
}

/// How many events, how fast, and which.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RatesSnapshot {
    /// How many, of all tags that may be seen.
    pub events: u64,
    /// Events a second over the last [`NOW_SECONDS`]. Like everything of all tags together, it is
    /// left out where not all tags may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<f64>,
    /// When the first event came.
    #[serde(serialize_with = "text::some_time", skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// When the last event came.
    #[serde(serialize_with = "text::some_time", skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Each level that occurred, the worst first.
    pub levels: Vec<LevelRate>,
    /// What was lost, by reason.
    pub gaps: Vec<Lost>,
    /// How long all of them took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// The tags with the most events, the most first.
    pub tags: Vec<TagRate>,
    /// The other tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
}

/// The events of one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LevelRate {
    /// Its name.
    pub level: &'static str,
    /// How many.
    pub events: u64,
    /// How many in each of the last [`RATE_SECONDS`], the oldest first.
    pub seconds: Vec<u32>,
}

/// What is missing for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The reason, as gap lines have it.
    pub why: &'static str,
    /// How many gaps.
    pub gaps: u64,
    /// How many events are missing in them, as far as they say.
    pub lost: u64,
    /// `true` if one of them does not say how many.
    pub unknown: bool,
}

/// The events of one tag.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TagRate {
    /// The tag.
    pub tag: String,
    /// How many.
    pub events: u64,
    /// How long they took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
}
