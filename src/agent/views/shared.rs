//! The snapshots that the watchers of one view share: taken and encoded once, whole or as a delta.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::block_in_place;

use super::delta::{Base, Hasher, Parts};
use crate::event::Timestamp;
use crate::views::{ENTRIES_MAX, Snapshot};

/// How old a snapshot may be that watchers share. A view has a new version at most so often.
pub(super) const SHARED_FOR: Duration = Duration::from_millis(150);

/// The most bytes of a snapshot in JSON. Rows beyond it are counted in the rest.
pub const SNAPSHOT_MAX: usize = 2 << 20;

/// The versions before the current one to which deltas are made. They are as many as watchers of different phases
/// make in two seconds.
pub(super) const BASES_MAX: usize = 14;

/// The deltas of one version that are kept for other watchers.
const DELTAS_KEPT_MAX: usize = 4;

/// Numbers of versions. No two snapshots of the agent have the same.
#[derive(Clone)]
pub(super) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    /// Numbers from `now` in milliseconds on, so that they are above those of an earlier run of the agent. They
    /// stay below 2^53.
    pub(super) fn starting_at(now: Timestamp) -> Self {
        let millis = u64::try_from(now.micros() / 1000).unwrap_or_default();
        Self(Arc::new(AtomicU64::new(millis.max(1))))
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A snapshot of a view with its version: whole, or as a delta to an earlier version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versioned {
    /// The version, to be passed as `seen` for the next one.
    pub(crate) version: u64,
    /// The JSON object, without a line end. Its first members are `v`, the version, and in a delta `base`, the
    /// version that it changes.
    pub(crate) line: Bytes,
}

/// The shared snapshots of one view.
pub(super) struct Shared {
    numbers: Numbers,
    hasher: Hasher,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Current,
    /// The versions before the current one, the newest last, at most [`BASES_MAX`].
    bases: VecDeque<(u64, Base)>,
}

/// The current version. What only some watchers need is made when the first of them asks for it.
#[derive(Default)]
struct Current {
    version: u64,
    /// When it was taken. `None` before the first snapshot.
    at: Option<Instant>,
    /// The snapshot without a version, with a line end.
    line: Bytes,
    whole: Option<Bytes>,
    parts: Option<Parts>,
    /// Deltas by the version that they change, at most [`DELTAS_KEPT_MAX`].
    deltas: Vec<(u64, Bytes)>,
}

impl Shared {
    pub(super) fn new(numbers: Numbers) -> Self {
        Self { numbers, hasher: Hasher::default(), state: Mutex::default() }
    }

    /// The view as one JSON line without a version. Takes a snapshot if the last one is older than
    /// [`SHARED_FOR`].
    pub(super) async fn line(&self, snapshot: impl Future<Output = Snapshot>) -> Bytes {
        let mut state = self.state.lock().await;
        self.renew(&mut state, snapshot).await;
        state.current.line.clone()
    }

    /// The newest version, after `seen`: a delta to `seen` if that is known here and the delta is shorter than
    /// the whole. Waits at most [`SHARED_FOR`] for a version after `seen`.
    pub(super) async fn next(
        &self,
        seen: Option<u64>,
        snapshot: impl Future<Output = Snapshot>,
    ) -> Versioned {
        let mut state = loop {
            let state = self.state.lock().await;
            let is_seen = seen == Some(state.current.version);
            let Some(left) = state.current.fresh_for().filter(|_| is_seen) else { break state };
            drop(state);
            tokio::time::sleep(left).await;
        };
        self.renew(&mut state, snapshot).await;
        block_in_place(|| state.versioned(seen, &self.hasher))
    }

    /// Takes a new version unless the current one is fresh.
    async fn renew(&self, state: &mut State, snapshot: impl Future<Output = Snapshot>) {
        if state.current.fresh_for().is_some() {
            return;
        }
        let at = Some(Instant::now());
        let snapshot = snapshot.await;
        let line = block_in_place(|| encode(snapshot));
        let version = self.numbers.next();
        state.replace(Current { version, at, line, ..Current::default() });
    }
}

impl State {
    /// Replaces the current version, which becomes a base if a watcher got it.
    fn replace(&mut self, new: Current) {
        let old = std::mem::replace(&mut self.current, new);
        if let Some(parts) = old.parts {
            self.bases.push_back((old.version, parts.base()));
        }
        if self.bases.len() > BASES_MAX {
            self.bases.pop_front();
        }
    }

    /// The current version, for a watcher that has the version `seen`.
    fn versioned(&mut self, seen: Option<u64>, hasher: &Hasher) -> Versioned {
        let current = &mut self.current;
        if current.parts.is_none() {
            current.parts = Parts::parse(&current.object(), hasher).ok();
        }
        let base = seen.and_then(|seen| self.bases.iter().find(|(version, _)| *version == seen));
        let delta = base.and_then(|(version, base)| current.delta(*version, base));
        let line = delta.unwrap_or_else(|| current.whole());
        Versioned { version: current.version, line }
    }
}

impl Current {
    /// How long it will still be shared. `None` if it is too old.
    fn fresh_for(&self) -> Option<Duration> {
        let left = SHARED_FOR.checked_sub(self.at?.elapsed());
        left.filter(|left| !left.is_zero())
    }

    /// The snapshot as a JSON object, without a line end.
    fn object(&self) -> Bytes {
        self.line.slice(..self.line.len().saturating_sub(1))
    }

    /// The snapshot with its version.
    fn whole(&mut self) -> Bytes {
        let whole = self.whole.get_or_insert_with(|| {
            let head = format!("{{\"v\":{},", self.version);
            let members = self.line.get(1..self.line.len() - 1).unwrap_or(b"}");
            [head.as_bytes(), members].concat().into()
        });
        whole.clone()
    }

    /// The snapshot as a delta. `None` if that is longer than the whole.
    fn delta(&mut self, version: u64, base: &Base) -> Option<Bytes> {
        let kept = self.deltas.iter().find(|(of, _)| *of == version);
        let delta = match kept {
            Some((_, delta)) => delta.clone(),
            None => {
                let head = format!("{{\"v\":{},\"base\":{version}", self.version);
                let delta = self.parts.as_ref()?.encode_delta(&head, base);
                if self.deltas.len() < DELTAS_KEPT_MAX {
                    self.deltas.push((version, delta.clone()));
                }
                delta
            }
        };
        let whole = format!("{{\"v\":{},", self.version).len() + self.line.len() - 2;
        (delta.len() < whole).then_some(delta)
    }
}

/// A snapshot as one JSON line of at most [`SNAPSHOT_MAX`] and a line end.
pub(super) fn encode(mut snapshot: Snapshot) -> Bytes {
    let mut rows = ENTRIES_MAX;
    loop {
        // Encoding cannot fail: keys are text, and writing to memory succeeds.
        let mut line = serde_json::to_vec(&snapshot).unwrap_or_default();
        if line.len() <= SNAPSHOT_MAX || rows == 0 {
            line.push(b'\n');
            return line.into();
        }
        rows /= 2;
        snapshot.truncate(rows);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::{
        Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };
    use serde_json::Value;
    use tokio::runtime;

    use super::super::delta::apply;
    use super::*;
    use crate::event::Line;
    use crate::views::{Permits, ViewName, Views};

    fn at(millis: i64) -> Timestamp {
        let begin: Timestamp = "2026-11-22T17:32:00Z".parse().expect("a time");
        begin.plus_micros(millis * 1000)
    }

    fn add(views: &mut Views, millis: i64, user: u8, rest: &str) {
        let line = format!(
            r#"{{"seq":1,"time":"{}","host":"a","tag":"t","level":"err","msg":"q {}"{rest},"fields":{{"user":"u{user}"}},"origin":{{"uid":33,"conn":7}}}}"#,
            at(millis),
            char::from(b'a' + user)
        );
        views.line(&Line::parse(&line).expect("a line"));
    }

    fn snapshot(views: &Views, name: ViewName, millis: i64) -> Current {
        let snapshot = views.snapshot(name, &Permits::All, at(millis));
        Current { version: 1 + millis as u64, line: encode(snapshot), ..Current::default() }
    }

    fn parse(line: &Bytes) -> Value {
        serde_json::from_slice(line).expect("JSON")
    }

    fn users(count: u8) -> Views {
        let mut views = Views::new();
        (0..count).for_each(|user| add(&mut views, 0, user, ""));
        views
    }

    #[test]
    fn sends_the_shorter_of_whole_and_delta() {
        let (mut state, hasher) = (State::default(), Hasher::default());
        let mut views = users(20);
        state.replace(snapshot(&views, ViewName::Users, 0));
        let first = state.versioned(None, &hasher);
        let line = parse(&first.line);
        assert_eq!((first.version, &line["v"], line.get("base")), (1, &1.into(), None));
        assert!(
            first.line.starts_with(b"{\"v\":1,\"view\":\"users\"") && first.line.ends_with(b"}")
        );
        add(&mut views, 1, 3, "");
        state.replace(snapshot(&views, ViewName::Users, 1));
        let delta = parse(&state.versioned(Some(1), &hasher).line);
        assert_eq!((&delta["v"], &delta["base"]), (&2.into(), &1.into()));
        assert_eq!(delta["users"].as_array().map(Vec::len), Some(3), "{delta}");
        let whole = parse(&state.versioned(None, &hasher).line);
        assert_eq!(apply(&line, &delta), whole);
        // Each row is new: there is no shorter delta.
        (0..20).for_each(|user| add(&mut views, 2, user, ""));
        state.replace(snapshot(&views, ViewName::Users, 2));
        assert_eq!(parse(&state.versioned(Some(2), &hasher).line).get("base"), None);
        assert_eq!(state.versioned(Some(2), &hasher), state.versioned(None, &hasher));
    }

    #[test]
    fn bounds_bases_and_deltas() {
        let (mut state, hasher) = (State::default(), Hasher::default());
        let views = users(20);
        let is_delta = |state: &mut State, seen| {
            parse(&state.versioned(Some(seen), &hasher).line).get("base").is_some()
        };
        let last = BASES_MAX as i64;
        for millis in 0..=last {
            state.replace(snapshot(&views, ViewName::Users, millis));
            assert!(!is_delta(&mut state, 0));
        }
        let all = (1..=last as u64).filter(|seen| is_delta(&mut state, *seen)).count();
        assert_eq!((all, state.current.deltas.len()), (BASES_MAX, DELTAS_KEPT_MAX));
        state.replace(snapshot(&views, ViewName::Users, last + 1));
        assert!(!is_delta(&mut state, 1) && is_delta(&mut state, 2));
        // A version that no watcher got is no base.
        state.replace(snapshot(&views, ViewName::Users, last + 2));
        state.replace(snapshot(&views, ViewName::Users, last + 3));
        assert!(!is_delta(&mut state, last as u64 + 3) && is_delta(&mut state, last as u64 + 2));
        assert_eq!(state.bases.len(), BASES_MAX);
    }

    #[test]
    fn bounds_snapshots() {
        for (shapes, bounded) in [(100, false), (ENTRIES_MAX, true)] {
            let mut views = Views::new();
            for n in 0..shapes {
                let name: String = n.to_string().bytes().map(|b| char::from(b + 55)).collect();
                let line = format!(
                    r#"{{"seq":1,"time":"{}","host":"a","tag":"t","level":"err","msg":"{name} {}","took":1,"origin":{{}}}}"#,
                    at(0),
                    "x".repeat(3000)
                );
                views.line(&Line::parse(&line).expect("a line"));
            }
            let snapshot = views.snapshot(ViewName::Queries, &Permits::All, at(1));
            let before = serde_json::to_value(&snapshot).expect("JSON");
            let line = encode(snapshot);
            assert!(line.len() <= SNAPSHOT_MAX + 1, "{}", line.len());
            let after = parse(&line);
            for (list, rest) in [("shapes", "rest"), ("errors", "errors_rest")] {
                let len = |shown: &Value| shown[list].as_array().map_or(0, Vec::len) as u64;
                let left = |shown: &Value| shown[rest]["entries"].as_u64().expect("a count");
                assert_eq!(len(&before) + left(&before), len(&after) + left(&after));
                assert_eq!(after[rest]["events"], left(&after));
                assert_eq!(len(&after) < len(&before), bounded, "{list}: {}", len(&after));
            }
        }
    }

    #[test]
    fn shares_versions_between_watchers() {
        let runtime = runtime::Builder::new_multi_thread().enable_time().build().expect("started");
        runtime.block_on(async {
            let shared = Shared::new(Numbers::starting_at(at(0)));
            let (views, taken) = (users(20), Cell::new(0));
            let take = || async {
                taken.set(taken.get() + 1);
                views.snapshot(ViewName::Users, &Permits::All, at(taken.get()))
            };
            let begin = Instant::now();
            let (one, two) = tokio::join!(shared.next(None, take()), shared.next(None, take()));
            let line = shared.line(take()).await;
            let distinct = 1 + i64::from(one.version != two.version);
            assert!(
                taken.get() >= distinct && (one.version != two.version || one.line == two.line)
            );
            assert!(line.starts_with(b"{\"view\":\"users\"") && line.ends_with(b"}\n"));
            let next = shared.next(Some(two.version), take()).await;
            assert!(next.version > two.version && begin.elapsed() >= SHARED_FOR);
            assert_eq!(parse(&next.line)["base"], two.version);
        });
    }

    #[test]
    fn numbers_are_above_those_of_an_earlier_run() {
        let earlier = Numbers::starting_at(at(0));
        let numbers: Vec<u64> = (0..100).map(|_| earlier.clone().next()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert!(Numbers::starting_at(at(100)).next() > numbers[99]);
        assert!(Numbers::starting_at(Timestamp::MAX).next() < 1 << 53);
        assert_ne!(Numbers::starting_at(Timestamp::MIN).next(), Current::default().version);
    }

    /// A step of a random history: time, a user, and what they do.
    fn any_step() -> impl Strategy<Value = (i64, u8, &'static str)> {
        let rest = prop_oneof![
            Just(r#","took":0.5"#),
            Just(r#","run":"r""#),
            Just(r#","run":"r","took":1"#),
            Just(r#","run":"r","took":1,"abandoned":true"#),
        ];
        (0i64..9000, 0u8..8, rest)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn deltas_make_the_whole(steps in prop::collection::vec((any_step(), 0usize..4), 1..40)) {
            for name in ViewName::ALL {
                let (mut state, hasher) = (State::default(), Hasher::default());
                let (mut views, mut now) = (Views::new(), 0);
                // Watchers at different versions.
                let mut watchers: [Option<(u64, Value)>; 3] = Default::default();
                for ((pause, user, rest), watcher) in &steps {
                    now += pause + 1;
                    add(&mut views, now, *user, rest);
                    state.replace(snapshot(&views, name, now));
                    let Some(watcher) = watchers.get_mut(*watcher) else { continue };
                    let whole = state.versioned(None, &hasher);
                    let seen = watcher.as_ref().map(|(version, _)| *version);
                    let found = state.versioned(seen, &hasher);
                    prop_assert!(found.line.len() <= whole.line.len());
                    let mut line = parse(&found.line);
                    if let (Some(base), Some((version, before))) = (line.get("base"), &*watcher) {
                        prop_assert_eq!(base, &Value::from(*version));
                        line = apply(before, &line);
                    }
                    prop_assert_eq!(&line, &parse(&whole.line));
                    *watcher = Some((found.version, line));
                }
            }
        }
    }
}
