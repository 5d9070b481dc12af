//! The table of open runs, bounded in number and bytes.

use std::collections::HashMap;

use super::run::{OpenRun, Run, State};
use crate::event::Timestamp;
use crate::views::facts::Subject;
use crate::views::table::map_size;
use crate::views::text::set_key;

/// The most runs that are tracked. A further run with a connection evicts unknown and abandoned ones.
/// Without any, or without a connection, it is only counted.
pub const RUNS_MAX: usize = 10_000;

/// The most bytes of all runs.
pub(in crate::views) const BYTES_MAX: usize = 6 << 20;

/// The number of unknown and abandoned runs that are evicted at a time.
const EVICTED: usize = RUNS_MAX / 10;

/// Runs, by the keys of the events that end them.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Running runs, by host, connection and run.
    open: HashMap<Box<str>, Box<Run>>,
    /// Unknown and abandoned runs, by host, subject and run.
    #[expect(clippy::vec_box, reason = "runs move between the maps, and most lists have one")]
    detached: HashMap<Box<str>, Vec<Box<Run>>>,
    /// The number of runs in both maps.
    count: usize,
    /// The bytes of all runs.
    bytes: usize,
    /// A buffer for the key of a lookup.
    key: String,
}

impl Runs {
    /// `true` if the run is running.
    pub(super) fn is_open(&mut self, open: &OpenRun<'_>) -> bool {
        self.set_open_key(open) && self.open.contains_key(&*self.key)
    }

    /// Updates the texts of a running run. `false` if it is not running.
    pub(super) fn progress(&mut self, open: &OpenRun<'_>) -> bool {
        if !self.set_open_key(open) {
            return false;
        }
        let Some(run) = self.open.get_mut(&*self.key) else { return false };
        self.bytes -= run.size();
        run.progress(open, BYTES_MAX - self.bytes);
        self.bytes += run.size();
        true
    }

    /// Removes and returns the running run of an event.
    pub(super) fn take_open(&mut self, open: &OpenRun<'_>) -> Option<Box<Run>> {
        if !self.set_open_key(open) {
            return None;
        }
        let run = self.open.remove(&*self.key)?;
        self.forget(&run);
        Some(run)
    }

    /// Removes and returns the unknown or abandoned run of an event that is `wanted`: the one with the
    /// event's connection, else the oldest.
    pub(super) fn take_detached(
        &mut self,
        open: &OpenRun<'_>,
        wanted: impl Fn(&Run) -> bool,
    ) -> Option<Box<Run>> {
        self.set_detached_key(open);
        let runs = self.detached.get_mut(&*self.key)?;
        let wanted = runs.iter().enumerate().filter(|(_, run)| wanted(run));
        let (at, _) = wanted.min_by_key(|(_, run)| {
            (open.conn.is_none() || run.conn != open.conn, run.begun, run.conn)
        })?;
        let run = runs.swap_remove(at);
        if runs.is_empty() {
            self.detached.remove(&*self.key);
        }
        self.forget(&run);
        Some(run)
    }

    fn forget(&mut self, run: &Run) {
        self.count -= 1;
        self.bytes -= run.size();
    }

    /// Inserts a run: a new one after [`Self::make_room`], or one that was removed before.
    pub(super) fn insert(&mut self, run: Box<Run>) {
        self.count += 1;
        self.bytes += run.size();
        match (run.state, run.conn) {
            (State::Running, Some(conn)) => {
                open_key(&mut self.key, run.host(), conn, run.name());
                self.open.insert(self.key.as_str().into(), run);
            }
            _ => self.push_detached(run),
        }
    }

    fn push_detached(&mut self, run: Box<Run>) {
        detached_key(&mut self.key, run.host(), &run.subject, run.name());
        match self.detached.get_mut(&*self.key) {
            Some(runs) => runs.push(run),
            None => drop(self.detached.insert(self.key.as_str().into(), vec![run])),
        }
    }

    /// Makes running runs unknown.
    pub(super) fn detach(&mut self, since: Timestamp, which: impl Fn(&Run) -> bool) {
        let gone: Vec<Box<Run>> =
            self.open.extract_if(|_, run| which(run)).map(|(_, run)| run).collect();
        for mut run in gone {
            run.state = State::Unknown { since };
            self.push_detached(run);
        }
        self.open.shrink_to_fit();
    }

    /// Removes unknown and abandoned runs.
    pub(super) fn remove(&mut self, which: impl Fn(&Run) -> bool) {
        let (count, bytes) = (&mut self.count, &mut self.bytes);
        self.detached.retain(|_, runs| {
            runs.retain(|run| {
                let goes = which(run);
                if goes {
                    *count -= 1;
                    *bytes -= run.size();
                }
                !goes
            });
            !runs.is_empty()
        });
        self.detached.shrink_to_fit();
    }

    /// Makes room for a run, for which it may evict unknown and abandoned ones. `false` if there is none.
    pub(super) fn make_room(&mut self, run: &Run) -> bool {
        let size = run.size();
        if run.state == State::Running && !self.has_room(size) {
            self.evict();
        }
        self.has_room(size)
    }

    fn has_room(&self, size: usize) -> bool {
        self.count < RUNS_MAX && self.bytes + size <= BYTES_MAX
    }

    /// Removes the [`EVICTED`] unknown and abandoned runs with the oldest state.
    fn evict(&mut self) {
        let order = |run: &Run| (run.detached_at(), run.begun);
        let mut all: Vec<_> = self.detached.values().flatten().map(|run| order(run)).collect();
        all.sort_unstable();
        if let Some(last) = all.get(EVICTED.min(all.len()).saturating_sub(1)).copied() {
            self.remove(|run| order(run) <= last);
        }
    }

    /// All runs, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.open.values().chain(self.detached.values().flatten()).map(|run| &**run)
    }

    /// Sets the key to that of a running run. `false` if the event has no connection.
    fn set_open_key(&mut self, open: &OpenRun<'_>) -> bool {
        if let Some(conn) = open.conn {
            open_key(&mut self.key, open.host, conn, open.run);
        }
        open.conn.is_some()
    }

    fn set_detached_key(&mut self, open: &OpenRun<'_>) {
        detached_key(&mut self.key, open.host, &open.subject, open.run);
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.bytes + map_size(&self.open) + map_size(&self.detached) + self.key.capacity()
    }
}

fn detached_key(key: &mut String, host: &str, subject: &Subject<'_>, run: &str) {
    let mut digits = itoa::Buffer::new();
    let [kind, subject] = subject.key(&mut digits);
    set_key(key, &[host, kind, subject, run]);
}

fn open_key(key: &mut String, host: &str, conn: u64, run: &str) {
    set_key(key, &[host, itoa::Buffer::new().format(conn), run]);
}
