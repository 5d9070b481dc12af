//! Open runs: begun by an event with `run`, and not ended. The agent ends those of a connection that closes
//! without having ended them, so that a killed job shows in every view, now and in history.
//!
//! Each run belongs to the connection that began it, whose number its events carry as `conn`. A run outlives its
//! connection if the client sent QUIT or the agent closed the connection. It is then *detached*: an event of the same
//! user and run on another connection continues it, and carries the `conn` of the begin. So a reader pairs the events of
//! a run by host, conn and run alone. Events without `run` never come here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::agent::limits::QuotaKey;
use crate::event::{
    Abandoned, Batch, Draft, Field, Level, Origin, Seq, Stamp, Timestamp, Value, cut,
};

/// Open runs of one connection.
pub const RUNS_OF_CONNECTION_MAX: usize = 1_000;

/// Open runs of one user other than root, or of one token.
pub const RUNS_OF_USER_MAX: usize = 2_500;

/// Open runs in all.
pub const RUNS_MAX: usize = 10_000;

/// Memory of all open runs, in bytes.
pub const RUNS_BYTES_MAX: usize = 8 << 20;

/// How much is kept of a begin's message, and of each kept field, in bytes.
pub const RUN_TEXT_MAX: usize = 512;

/// The fields that are kept of a begin.
pub const RUN_FIELDS: [&str; 3] = ["user", "page", "req"];

/// What an open run costs besides its texts, in bytes: entries in three maps, and the allocations' overhead.
const RUN_COST: usize = 400;

/// The open runs of all clients.
#[derive(Default)]
pub(crate) struct Runs {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last number given to a connection.
    last_conn: u64,
    open: HashMap<RunKey, OpenRun>,
    owners: HashMap<QuotaKey, OwnerRuns>,
    bytes: usize,
    untracked: u64,
    detachments: u64,
}

/// A run, by the connection that began it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RunKey {
    conn: u64,
    run: Arc<str>,
}

/// What is kept of a begin.
struct OpenRun {
    tag: String,
    level: Level,
    msg: String,
    fields: Vec<Field<'static>>,
    /// The origin's JSON object, with `conn`.
    origin: Arc<[u8]>,
    begun: Timestamp,
    since: Instant,
}

/// The runs of one user or token.
#[derive(Default)]
struct OwnerRuns {
    open: usize,
    detached: HashMap<Arc<str>, Detached>,
    /// The detached runs in order of detachment.
    oldest: BTreeMap<u64, Arc<str>>,
}

#[derive(Clone, Copy)]
struct Detached {
    conn: u64,
    order: u64,
}

/// Figures about runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunCounts {
    pub(crate) open: usize,
    /// Begins since the start that a bound left untracked.
    pub(crate) untracked: u64,
}

/// The open runs of one connection. Dropping it detaches them.
pub(crate) struct ConnectionRuns {
    runs: Arc<Runs>,
    owner: QuotaKey,
    /// Begins are tracked.
    tracks: bool,
    /// The number of this connection, once it began a run.
    conn: Option<u64>,
    own: HashMap<Arc<str>, RunKey>,
    /// The origin with a `conn`, encoded.
    origin: Option<(u64, Arc<[u8]>)>,
}

impl Runs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tracks the runs of a new connection. Costs nothing until one begins.
    pub(crate) fn of_connection(self: &Arc<Self>, owner: QuotaKey) -> ConnectionRuns {
        self.new_client(owner, true)
    }

    /// The runs of a request, which has no connection to close: its begins have no `conn`, and are never abandoned.
    pub(crate) fn of_request(self: &Arc<Self>, owner: QuotaKey) -> ConnectionRuns {
        self.new_client(owner, false)
    }

    fn new_client(self: &Arc<Self>, owner: QuotaKey, tracks: bool) -> ConnectionRuns {
        let (runs, own) = (self.clone(), HashMap::new());
        ConnectionRuns { runs, owner, tracks, conn: None, own, origin: None }
    }

    pub(crate) fn counts(&self) -> RunCounts {
        let state = self.state();
        RunCounts { open: state.open.len(), untracked: state.untracked }
    }

    /// The begins of all open runs as event lines, the oldest first, for a view that did not see them. Their numbers
    /// mean nothing.
    pub(crate) fn begin_lines(&self, host: &str) -> Vec<u8> {
        let state = self.state();
        let mut begins: Vec<(&RunKey, &OpenRun)> = state.open.iter().collect();
        begins.sort_by(|(a, x), (b, y)| (x.begun, a.conn, &a.run).cmp(&(y.begun, b.conn, &b.run)));
        let mut lines = Vec::new();
        let mut batch = Batch::default();
        for (key, begin) in begins {
            batch.clear();
            let draft = Draft {
                level: begin.level,
                msg: begin.msg.as_str().into(),
                run: Some((&*key.run).into()),
                fields: begin.fields.clone(),
                ..Draft::default()
            };
            batch.push(&draft, &begin.tag, &begin.origin);
            let stamp = Stamp::new(begin.begun, host);
            for body in batch.bodies() {
                stamp.line(Seq::BEFORE_FIRST, body, |piece| lines.extend_from_slice(piece));
            }
        }
        lines
    }
}

impl State {
    /// Makes room for one more run of `owner`, of `size` bytes. `false` if there is none.
    fn make_room(&mut self, owner: &QuotaKey, size: usize) -> bool {
        if *owner != QuotaKey::User(0) {
            let owned = self.owners.get(owner).map_or(0, |owner| owner.open);
            if owned >= RUNS_OF_USER_MAX && !self.evict_detached_of(owner) {
                return false;
            }
        }
        while self.open.len() >= RUNS_MAX || self.bytes + size > RUNS_BYTES_MAX {
            let most = self.owners.iter().max_by_key(|(_, owner)| owner.detached.len());
            let Some(most) = most.map(|(owner, _)| owner.clone()) else { return false };
            if !self.evict_detached_of(&most) {
                return false;
            }
        }
        true
    }

    /// Stops tracking the oldest detached run of a user. `false` if there is none.
    fn evict_detached_of(&mut self, owner: &QuotaKey) -> bool {
        let oldest = self.owners.get(owner).and_then(|owner| owner.oldest.first_key_value());
        let Some(run) = oldest.map(|(_, run)| run.clone()) else { return false };
        let Some(key) = self.attach(owner, &run) else { return false };
        self.remove(owner, &key);
        self.untracked += 1;
        true
    }

    fn insert(&mut self, owner: &QuotaKey, key: RunKey, begin: OpenRun) {
        self.bytes += begin.size(&key);
        self.open.insert(key, begin);
        self.owners.entry(owner.clone()).or_default().open += 1;
    }

    fn remove(&mut self, owner: &QuotaKey, key: &RunKey) -> Option<OpenRun> {
        let begin = self.open.remove(key)?;
        self.bytes -= begin.size(key);
        if let Some(owned) = self.owners.get_mut(owner) {
            owned.open -= 1;
            if owned.open == 0 {
                self.owners.remove(owner);
            }
        }
        Some(begin)
    }

    /// Takes a run of `owner` out of the detached ones.
    fn attach(&mut self, owner: &QuotaKey, run: &str) -> Option<RunKey> {
        let owned = self.owners.get_mut(owner)?;
        let (run, detached) = owned.detached.remove_entry(run)?;
        owned.oldest.remove(&detached.order);
        Some(RunKey { conn: detached.conn, run })
    }

    fn detach(&mut self, owner: &QuotaKey, key: RunKey) {
        self.detachments += 1;
        let order = self.detachments;
        let Some(owned) = self.owners.get_mut(owner) else { return };
        owned.oldest.insert(order, key.run.clone());
        let detached = Detached { conn: key.conn, order };
        if let Some(before) = owned.detached.insert(key.run.clone(), detached) {
            // Two connections of one user left a run of the same name: only the newer one can be continued.
            owned.oldest.remove(&before.order);
            self.remove(owner, &RunKey { conn: before.conn, run: key.run });
            self.untracked += 1;
        }
    }
}

impl OpenRun {
    fn size(&self, key: &RunKey) -> usize {
        let field = |field: &Field<'_>| match &field.value {
            Value::Text(text) | Value::Number(text) => field.name.len() + text.len(),
            Value::Bool(_) | Value::Null => field.name.len(),
        };
        let texts = key.run.len() + self.tag.len() + self.msg.len() + self.origin.len();
        RUN_COST + texts + self.fields.iter().map(field).sum::<usize>()
    }
}

impl ConnectionRuns {
    /// `true` if this run is open: on this connection, or detached by an earlier one of the same user.
    pub(crate) fn is_open(&self, run: &str) -> bool {
        self.own.contains_key(run)
            || self
                .runs
                .state()
                .owners
                .get(&self.owner)
                .is_some_and(|o| o.detached.contains_key(run))
    }

    /// Begins a run, or continues it if it is open. Returns the `conn` of its events: `None` if a bound leaves it
    /// untracked.
    pub(crate) fn begin(
        &mut self,
        run: &str,
        draft: &Draft<'_>,
        tag: &str,
        origin: &Origin,
        now: Timestamp,
    ) -> Option<u64> {
        if let Some(key) = self.own.get(run) {
            return Some(key.conn);
        }
        if !self.tracks {
            return None;
        }
        let runs = self.runs.clone();
        let mut state = runs.state();
        if self.own.len() >= RUNS_OF_CONNECTION_MAX {
            state.untracked += 1;
            return None;
        }
        if let Some(key) = state.attach(&self.owner, run) {
            let conn = key.conn;
            self.own.insert(key.run.clone(), key);
            return Some(conn);
        }
        let conn = self.conn.unwrap_or(state.last_conn + 1);
        let key = RunKey { conn, run: run.into() };
        let begin = OpenRun {
            tag: tag.to_owned(),
            level: draft.level,
            msg: cut(&draft.msg, RUN_TEXT_MAX).to_owned(),
            fields: kept_fields(draft),
            origin: self.encoded_origin(origin, conn),
            begun: now,
            since: Instant::now(),
        };
        if !state.make_room(&self.owner, begin.size(&key)) {
            state.untracked += 1;
            return None;
        }
        state.last_conn = state.last_conn.max(conn);
        self.conn = Some(conn);
        state.insert(&self.owner, key.clone(), begin);
        self.own.insert(key.run.clone(), key);
        Some(conn)
    }

    /// Ends a run if it is open. Returns the `conn` of its events, or else that of this connection if it has one.
    pub(crate) fn end(&mut self, run: &str) -> Option<u64> {
        let runs = self.runs.clone();
        let mut state = runs.state();
        let own = self.own.remove(run);
        let key = own.or_else(|| state.attach(&self.owner, run));
        match key {
            Some(key) => {
                state.remove(&self.owner, &key);
                Some(key.conn)
            }
            None => self.conn,
        }
    }

    /// The origin's JSON object with this `conn`.
    pub(crate) fn encoded_origin(&mut self, origin: &Origin, conn: u64) -> Arc<[u8]> {
        match &self.origin {
            Some((of, encoded)) if *of == conn => encoded.clone(),
            _ => {
                let mut encoded = Vec::new();
                Origin { conn: Some(conn), ..origin.clone() }.encode(&mut encoded);
                let encoded: Arc<[u8]> = encoded.into();
                self.origin = Some((conn, encoded.clone()));
                encoded
            }
        }
    }

    /// Ends every open run of this connection as abandoned. Their events are to be appended.
    pub(crate) fn abandon(mut self) -> Batch {
        let mut batch = Batch::default();
        let mut ended: Vec<(RunKey, OpenRun)> = {
            let mut state = self.runs.state();
            let own = std::mem::take(&mut self.own).into_values();
            own.filter_map(|key| Some((key.clone(), state.remove(&self.owner, &key)?))).collect()
        };
        ended.sort_by_key(|(_, begin)| begin.since);
        for (key, begin) in &ended {
            let end = Abandoned {
                tag: &begin.tag,
                run: &key.run,
                msg: &begin.msg,
                took: begin.since.elapsed().as_micros() as f64 / 1e6,
                fields: &begin.fields,
            };
            batch.push_abandoned(&end, &begin.origin);
        }
        batch
    }
}

impl Drop for ConnectionRuns {
    fn drop(&mut self) {
        if !self.own.is_empty() {
            let mut state = self.runs.state();
            let mut keys: Vec<RunKey> = std::mem::take(&mut self.own).into_values().collect();
            keys.sort_by_key(|key| state.open.get(key).map(|begin| begin.since));
            for key in keys {
                state.detach(&self.owner, key);
            }
        }
    }
}

fn kept_fields(draft: &Draft<'_>) -> Vec<Field<'static>> {
    let kept = draft.fields.iter().filter(|field| RUN_FIELDS.contains(&&*field.name));
    kept.map(|field| Field {
        name: field.name.to_string().into(),
        value: match &field.value {
            Value::Text(text) => Value::Text(cut(text, RUN_TEXT_MAX).to_owned().into()),
            Value::Number(digits) => Value::Number(digits.to_string().into()),
            Value::Bool(value) => Value::Bool(*value),
            Value::Null => Value::Null,
        },
    })
    .collect()
}

#[cfg(test)]
mod tests;
