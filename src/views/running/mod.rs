//! The running view: runs that have begun and not ended.
//!
//! An event with `run` and without `took` begins a run. An event with both ends it. A second begin of
//! an open run is progress. Events are paired by host, connection and run.
//!
//! A run is *unknown* if it has no connection, or if its end may have been lost: after a restart of
//! its agent, and after a gap with lost events. Unknown and abandoned runs are paired by host, subject
//! and run, because their end may arrive over another connection.

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

/// The interval between removals of expired runs, in microseconds.
const SWEEP: i64 = 10_000_000;

/// The fold of the running view.
#[derive(Debug)]
pub(super) struct Running {
    period: Period,
    runs: Runs,
    /// Begins of runs that were not tracked for lack of room.
    untracked: Buckets<u64>,
    swept: Timestamp,
}

impl Running {
    pub(super) fn new(period: Period) -> Self {
        let (runs, untracked) = (Runs::default(), Buckets::default());
        Self { period, runs, untracked, swept: Timestamp::MIN }
    }

    /// Adds a run that is known to be open. A running run stays as it is. An unknown one is running
    /// again.
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

    /// The same for the run that an event begins.
    pub(super) fn seed_event(&mut self, facts: &Facts<'_>, run: &str) {
        self.seed(&OpenRun::begun_by(facts, run));
    }

    pub(super) fn event(&mut self, facts: &Facts<'_>) {
        self.sweep(facts.event.time);
        let Some(run) = &facts.run else { return };
        let open = OpenRun::begun_by(facts, run);
        match (facts.took, facts.event.abandoned) {
            (None, _) => self.begin(&open),
            (Some(_), false) => self.end(&open),
            (Some(took), true) => self.abandon(&open, took),
        }
    }

    pub(super) fn gap(&mut self, line: &GapLine<'_>) {
        // The clock may have stepped back.
        self.swept = self.swept.min(line.time);
        let lost = line.gap.lost != Some(0);
        if lost && line.hseq.is_none() {
            self.runs.detach(line.time, |_| true);
        } else if lost || line.gap.why == Why::Restart {
            let host = text::head(line.host, NAME_MAX);
            self.runs.detach(line.time, |run| run.host() == host);
        }
    }

    fn begin(&mut self, open: &OpenRun<'_>) {
        if self.runs.progress(open) {
            return;
        }
        // A client that reconnects sends its begin again.
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
            // A real end supersedes an abandonment.
            let unknown = self.runs.take_detached(open, |run| !run.is_abandoned());
            unknown.or_else(|| self.runs.take_detached(open, |_| true));
        }
    }

    fn abandon(&mut self, open: &OpenRun<'_>, took: f64) {
        let (at, conn) = (open.begun, open.conn);
        let known = self.runs.take_open(open);
        let known = known.or_else(|| self.runs.take_detached(open, |run| !run.is_abandoned()));
        // The same event, read twice.
        let same = |run: &Run| run.is_abandoned() && run.conn == conn;
        let known = known.or_else(|| self.runs.take_detached(open, same));
        let state = State::Abandoned { at, took };
        match known {
            Some(mut run) => {
                run.conn = conn.or(run.conn);
                run.state = state;
                self.runs.insert(run);
            }
            // The run began before the first line.
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
        if now >= self.swept.plus_micros(SWEEP) {
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

/// The state of a run after its begin.
fn state_of(open: &OpenRun<'_>) -> State {
    match open.conn {
        Some(_) => State::Running,
        None => State::Unknown { since: open.begun },
    }
}

/// The running view.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunningSnapshot {
    /// The number of running runs.
    pub running: u64,
    /// The number of runs abandoned in the last [`ABANDONED_SECONDS`].
    pub abandoned: u64,
    /// The number of unknown runs. They expire after [`UNKNOWN_SECONDS`].
    pub unknown: u64,
    /// The oldest runs in any state, the oldest first, at most [`ENTRIES_MAX`].
    pub runs: Vec<RunRow>,
    /// The number of further runs.
    pub rest: u64,
    /// The number of begins that were not tracked for lack of room. Absent unless all tags are
    /// permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untracked: Option<u64>,
}

impl RunningSnapshot {
    /// The runs in one state, the oldest first.
    pub fn in_state(&self, state: RunState) -> impl Iterator<Item = &RunRow> {
        self.runs.iter().filter(move |run| run.state == state)
    }
}
