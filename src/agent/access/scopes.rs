//! What users may do by the rules, looked up in the group database where that matters. Connections of one user that
//! ask at the same time share one lookup, and so do all of them after a reload.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{Instant as Deadline, timeout_at};

use super::lookup::Lookups;
use crate::access::{Action, Group, Rules, TagScope};
use crate::sys::users;

/// Timeout of a group lookup for a client that waits for its reply.
pub const GROUPS_WAIT_MAX: Duration = Duration::from_millis(500);

/// Timeout of a group lookup after a reload. Connected clients keep their rights meanwhile.
const GROUPS_RELOAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Minimum delay before a lookup that timed out is retried.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most results that are remembered; unused ones go first.
const RESULTS_MAX: usize = 4096;

/// The group database did not answer, so that the rights are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the group database did not answer in time: try again later")]
pub(crate) struct GroupsUnavailable;

/// The scopes of local users.
pub(super) struct UserScopes {
    lookups: Lookups,
    results: Mutex<HashMap<(u32, Action), Arc<Shared>>>,
}

/// The newest result for one user and action. Locked for the time of a lookup, so that others wait for its
/// result instead of asking too.
type Shared = tokio::sync::Mutex<Option<Found>>;

struct Found {
    rules: Arc<Rules>,
    scope: Result<TagScope, GroupsUnavailable>,
    started: Instant,
}

/// How old a result may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MaxAge {
    /// The lookup started after it was asked for: a new client sees the groups as they are.
    Asked,
    /// The lookup started after the rules came into force: enough for a client that is connected already.
    Rules,
}

impl Found {
    fn is_valid(&self, rules: &Arc<Rules>, max_age: MaxAge, asked: Instant) -> bool {
        let recent = max_age == MaxAge::Rules || self.started >= asked;
        let retried = self.scope.is_ok() || self.started.elapsed() >= RETRY_AFTER;
        Arc::ptr_eq(&self.rules, rules) && (recent || !retried)
    }
}

impl UserScopes {
    pub(super) fn new() -> Self {
        Self { lookups: Lookups::new(), results: Mutex::default() }
    }

    /// The tags for which a user may do `action` by `rules`. Asks the group database only where a rule names a
    /// group and that matters for this user.
    pub(super) async fn scope(
        &self,
        uid: u32,
        action: Action,
        rules: &Arc<Rules>,
        max_age: MaxAge,
    ) -> Result<TagScope, GroupsUnavailable> {
        if !rules.needs_groups(action, uid) {
            return Ok(rules.scope(action, uid, |_| false));
        }
        let asked = Instant::now();
        let wait = match max_age {
            MaxAge::Asked => GROUPS_WAIT_MAX,
            MaxAge::Rules => GROUPS_RELOAD_WAIT_MAX,
        };
        let deadline = Deadline::from_std(asked + wait);
        let shared = self.shared(uid, action);
        let mut found = timeout_at(deadline, shared.lock()).await.map_err(|_| GroupsUnavailable)?;
        if let Some(found) = found.as_ref().filter(|found| found.is_valid(rules, max_age, asked)) {
            return found.scope.clone();
        }
        let (started, in_force) = (Instant::now(), rules.clone());
        let lookup = move || scope_by_groups(&in_force, action, uid);
        let left = deadline.saturating_duration_since(Deadline::now());
        let answer = self.lookups.run(left, lookup).await;
        let scope = answer.and_then(Result::ok).ok_or(GroupsUnavailable);
        *found = Some(Found { rules: rules.clone(), scope: scope.clone(), started });
        scope
    }

    fn shared(&self, uid: u32, action: Action) -> Arc<Shared> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if results.len() >= RESULTS_MAX {
            results.retain(|_, shared| Arc::strong_count(shared) > 1);
        }
        results.entry((uid, action)).or_default().clone()
    }
}

fn scope_by_groups(rules: &Rules, action: Action, uid: u32) -> io::Result<TagScope> {
    let groups = users::groups_of(uid)?;
    let failed = Cell::new(None);
    let is_in = |group: &Group| match group {
        Group::Id(gid) => groups.contains(gid),
        Group::Name(name) => match users::group(name) {
            Ok(gid) => gid.is_some_and(|gid| groups.contains(&gid)),
            Err(error) => {
                failed.set(Some(error));
                false
            }
        },
    };
    let scope = rules.scope(action, uid, is_in);
    failed.take().map_or(Ok(scope), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_results_that_are_recent_enough() {
        let (rules, reloaded) = (Arc::new(Rules::default()), Arc::new(Rules::default()));
        let started = Instant::now();
        let before = started.checked_sub(Duration::from_millis(1)).expect("some uptime");
        let after = started + Duration::from_millis(1);
        let ok = Found { rules: rules.clone(), scope: Ok(TagScope::All), started };
        for (in_force, max_age, asked, valid) in [
            (&rules, MaxAge::Asked, before, true),
            (&rules, MaxAge::Asked, after, false),
            (&rules, MaxAge::Rules, after, true),
            (&reloaded, MaxAge::Rules, before, false),
            (&reloaded, MaxAge::Asked, before, false),
        ] {
            assert_eq!(ok.is_valid(in_force, max_age, asked), valid);
        }
        let failed = Found { scope: Err(GroupsUnavailable), ..ok };
        assert!(failed.is_valid(&rules, MaxAge::Asked, after), "not retried at once");
        let long_ago = started.checked_sub(RETRY_AFTER).expect("some uptime");
        let failed = Found { started: long_ago, ..failed };
        assert!(!failed.is_valid(&rules, MaxAge::Asked, after), "retried later");
    }
}
