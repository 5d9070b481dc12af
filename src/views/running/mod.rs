//! What runs now: the runs that have begun and not ended.
//!
//! An event with `run` and no `took` begins a run, one with both ends it. A second begin of an open
//! run is progress. They belong together by host, connection and run. A run without a connection is
//! *unknown*, and so is each open one once its end may have been missed: at a start of its agent, and
//! where events are missing. Unknown and abandoned runs belong to events by host, subject and run, so
//! that an end over another connection finds them.

mod run;
mod runs;

use serde::Serialize;

use super::buckets::Buckets;
use super::facts::Facts;
use super::text::{self, NAME_MAX};
use super::{ENTRIES_MAX, Period, Permits};
use crate::event::{GapLine, Timestamp, Why};
use run::{Run, State};
use runs::Runs;

pub use run::{ABANDONED_SECONDS, OpenRun, RunRow, RunState, UNKNOWN_SECONDS};
pub(super) use runs::BYTES_MAX;
pub use runs::RUNS_MAX;

/// How often runs that are no longer shown are removed, in microseconds.
const SWEEP: i64 = 10_000_000;

/// The fold.
#[derive(Debug)]
pub(super) struct Running {
    period: Period,
    runs: Runs,
    /// Begins that found no room.
    untracked: Buckets<u64>,
    swept: Timestamp,
}

impl Running {
    pub(super) fn new(period: Period) -> Self {
        let (runs, untracked) = (Runs::default(), Buckets::default());
        Self { period, runs, untracked, swept: Timestamp::MIN }
    }

    /// Adds a run that is known to be open. One that runs here already stays as it is; one that is
    /// unknown runs again.
    pub(super) fn seed(&mut self, open: &OpenRun<'_>) {
        if self.runs.is_open(open) {
            return;
        }
        match self.runs.take_detached(open, |run| !run.is_abandoned()) {
            Some(run) if open.conn.is_none() => self.runs.insert(run),
            Some(mut run) => {
                (run.conn, run.state) = (open.conn, State::Running);
                self.runs.insert(run);
            }
            None => self.insert_new(Run::new(open, state_of(open)), open.begun),
        }
    }

    /// The same for a run whose begin this event is.
    pub(super) fn seed_event(&mut self, facts: &Facts<'_>, run: &str) {
        self.seed(&OpenRun::begun_by(facts, run));
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>) {
        self.sweep(facts.event.time);
        let Some(run) = &facts.run else { return };
        let open = OpenRun::begun_by(facts, run);
        match (facts.event.took, facts.event.abandoned) {
            (None, _) => self.begin(&open),
            (Some(_), false) => self.end(&open),
            (Some(took), true) => self.abandon(&open, took),
        }
    }

    pub(super) fn gap(&mut self, line: &GapLine<'_>) {
        if line.gap.lost != Some(0) {
            self.runs.detach(line.time, |_| true);
        } else if line.gap.why == Why::Restart {
            let host = text::head(line.host, NAME_MAX);
            self.runs.detach(line.time, |run| run.host() == host);
        }
    }

    fn begin(&mut self, open: &OpenRun<'_>) {
        if self.runs.progress(open) {
            return;
        }
        // An unknown one of that name is this one, begun again over another connection.
        match self.runs.take_detached(open, |run| !run.is_abandoned()) {
            Some(mut run) => {
                run.conn = open.conn.or(run.conn);
                run.state = state_of(open);
                let room = run.size();
                run.progress(open, room);
                self.runs.insert(run);
            }
            None => self.insert_new(Run::new(open, state_of(open)), open.begun),
        }
    }

    fn end(&mut self, open: &OpenRun<'_>) {
        if self.runs.take_open(open).is_none() {
            // The end of an abandoned one supersedes that; an unknown one is likelier.
            let unknown = self.runs.take_detached(open, |run| !run.is_abandoned());
            unknown.or_else(|| self.runs.take_detached(open, |_| true));
        }
    }

    fn abandon(&mut self, open: &OpenRun<'_>, took: f64) {
        let (at, conn) = (open.begun, open.conn);
        let known = self.runs.take_open(open);
        let known = known.or_else(|| self.runs.take_detached(open, |run| !run.is_abandoned()));
        // Read twice, it is still one.
        let same = |run: &Run| run.is_abandoned() && run.conn == conn;
        let known = known.or_else(|| self.runs.take_detached(open, same));
        let state = State::Abandoned { at, took };
        match known {
            Some(mut run) => {
                run.conn = conn.or(run.conn);
                run.state = state;
                self.runs.insert(run);
            }
            // Its begin came before the first line.
            None => {
                let begun = at.plus_micros(-((took * 1e6) as i64));
                self.insert_new(Run::new(&OpenRun { begun, ..open.clone() }, state), at);
            }
        }
    }

    fn insert_new(&mut self, run: Run, time: Timestamp) {
        if self.runs.make_room(&run) {
            self.runs.insert(Box::new(run));
        } else {
            *self.untracked.at(time, self.period) += 1;
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        if now.micros().abs_diff(self.swept.micros()) >= SWEEP as u64 {
            self.swept = now;
            self.runs.remove(|run| run.is_over(now));
        }
    }

    pub(super) fn snapshot(&self, permits: &Permits<'_>, now: Timestamp) -> RunningSnapshot {
        let shown = self.runs.iter().filter(|run| !run.is_over(now) && permits.tag(run.tag()));
        let mut shown: Vec<&Run> = shown.collect();
        shown.sort_unstable_by_key(|run| (run.begun, run.host(), run.conn, run.name(), run.tag()));
        let mut snapshot = RunningSnapshot::default();
        for run in &shown {
            *match run.state {
                State::Running => &mut snapshot.running,
                State::Abandoned { .. } => &mut snapshot.abandoned,
                State::Unknown { .. } => &mut snapshot.unknown,
            } += 1;
        }
        snapshot.runs = shown.iter().take(ENTRIES_MAX).map(|run| run.shown(now)).collect();
        snapshot.rest = shown.len().saturating_sub(ENTRIES_MAX) as u64;
        snapshot.untracked = permits.all().then(|| self.untracked.total(now, self.period));
        snapshot
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.runs.size() + self.untracked.size()
    }
}

/// The state that a begin leads to.
fn state_of(open: &OpenRun<'_>) -> State {
    match open.conn {
        Some(_) => State::Running,
        None => State::Unknown { since: open.begun },
    }
}

/// What has begun and not ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunningSnapshot {
    /// How many run.
    pub running: u64,
    /// How many were abandoned, at most [`ABANDONED_SECONDS`] ago.
    pub abandoned: u64,
    /// How many are unknown, for at most [`UNKNOWN_SECONDS`].
    pub unknown: u64,
    /// The oldest of all of these, the oldest first; at most [`ENTRIES_MAX`].
    pub runs: Vec<RunRow>,
    /// How many more there are.
    pub rest: u64,
    /// How many began and found no room. Left out where not all tags may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untracked: Option<u64>,
}

impl RunningSnapshot {
    /// The runs in one state, the oldest first.
    pub fn in_state(&self, state: RunState) -> impl Iterator<Item = &RunRow> {
        self.runs.iter().filter(move |run| run.state == state)
    }
}
