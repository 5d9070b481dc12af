//! What users may do by the rules, looked up in the user and group databases where that matters. All connections of
//! one user share an answer for [`ANSWER_VALID_FOR`], also a refusal, and after a reload until all of them have it:
//! however often a user connects, that costs the databases one question a second.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{Instant as Deadline, timeout_at};

use super::lookup::Lookups;
use crate::access::{Action, Group, Rules, Subject, TagScope};
use crate::sys::users;

/// Timeout of a group lookup for a client that waits for its reply.
pub const GROUPS_WAIT_MAX: Duration = Duration::from_millis(500);

/// Timeout of a group lookup after a reload. Connected clients keep their rights meanwhile.
const GROUPS_RELOAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Minimum delay before a lookup that timed out is retried.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long an answer of the databases holds for further clients of the same user.
pub const ANSWER_VALID_FOR: Duration = Duration::from_secs(1);

/// The most results that are remembered; unused ones go first.
const RESULTS_MAX: usize = 4096;

/// The user or group database did not answer, so that the rights are unknown.
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
    /// The lookup started at most [`ANSWER_VALID_FOR`] ago: a new client sees the groups as they are.
    Recent,
    /// The lookup started after the rules came into force: enough for a client that is connected already.
    Rules,
}

impl Found {
    fn is_valid(&self, rules: &Arc<Rules>, max_age: MaxAge, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.started);
        let recent = match (&self.scope, max_age) {
            (Err(_), _) => age < RETRY_AFTER,
            (Ok(_), MaxAge::Recent) => age < ANSWER_VALID_FOR,
            (Ok(_), MaxAge::Rules) => true,
        };
        Arc::ptr_eq(&self.rules, rules) && recent
    }
}

impl UserScopes {
    pub(super) fn new() -> Self {
        Self { lookups: Lookups::new(), results: Mutex::default() }
    }

    /// The tags for which a user may do `action` by `rules`. Asks the databases only where a rule names this user or
    /// a group and that matters.
    pub(super) async fn scope(
        &self,
        uid: u32,
        action: Action,
        rules: &Arc<Rules>,
        max_age: MaxAge,
    ) -> Result<TagScope, GroupsUnavailable> {
        if !rules.needs_databases(action, uid) {
            return Ok(rules.scope(action, uid, |_| false));
        }
        let asked = Instant::now();
        let wait = match max_age {
            MaxAge::Recent => GROUPS_WAIT_MAX,
            MaxAge::Rules => GROUPS_RELOAD_WAIT_MAX,
        };
        let deadline = Deadline::from_std(asked + wait);
        let shared = self.shared(uid, action);
        let mut found = timeout_at(deadline, shared.lock()).await.map_err(|_| GroupsUnavailable)?;
        if let Some(found) =
            found.as_ref().filter(|found| found.is_valid(rules, max_age, Instant::now()))
        {
            return found.scope.clone();
        }
        let (started, in_force) = (Instant::now(), rules.clone());
        let lookup = move || scope_by_databases(&in_force, action, uid);
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

fn scope_by_databases(rules: &Rules, action: Action, uid: u32) -> io::Result<TagScope> {
    let (name, groups, failed) = (OnceCell::new(), OnceCell::new(), Cell::new(None));
    let verify = |subject: &Subject| {
        let verified = match subject {
            Subject::Anyone | Subject::User(_) => Ok(false),
            Subject::Named { name: expected, .. } => {
                once(&name, || users::user_name(uid)).map(|name| name.as_ref() == Some(expected))
            }
            Subject::Group(group) => once(&groups, || users::groups_of(uid)).and_then(|groups| {
                let gid = match group {
                    Group::Id(gid) => Some(*gid),
                    Group::Name(name) => users::group(name)?,
                };
                Ok(gid.is_some_and(|gid| groups.contains(&gid)))
            }),
        };
        verified.unwrap_or_else(|error| {
            failed.set(Some(error));
            false
        })
    };
    let scope = rules.scope(action, uid, verify);
    failed.take().map_or(Ok(scope), Err)
}

/// The answer in `cell`, which `ask` fills.
fn once<T>(cell: &OnceCell<T>, ask: impl FnOnce() -> io::Result<T>) -> io::Result<&T> {
    match cell.get() {
        Some(known) => Ok(known),
        None => ask().map(|answer| cell.get_or_init(|| answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_for_a_second_and_after_a_reload() {
        let (rules, reloaded) = (Arc::new(Rules::default()), Arc::new(Rules::default()));
        let started = Instant::now();
        let (soon, late) = (started + ANSWER_VALID_FOR / 2, started + ANSWER_VALID_FOR);
        for scope in [TagScope::All, TagScope::Nothing] {
            let ok = Found { rules: rules.clone(), scope: Ok(scope), started };
            for (in_force, max_age, now, valid) in [
                (&rules, MaxAge::Recent, soon, true),
                (&rules, MaxAge::Recent, late, false),
                (&rules, MaxAge::Rules, late, true),
                (&reloaded, MaxAge::Rules, soon, false),
                (&reloaded, MaxAge::Recent, soon, false),
            ] {
                assert_eq!(ok.is_valid(in_force, max_age, now), valid);
            }
        }
        let failed = Found { rules: rules.clone(), scope: Err(GroupsUnavailable), started };
        for max_age in [MaxAge::Recent, MaxAge::Rules] {
            assert!(
                failed.is_valid(&rules, max_age, started + RETRY_AFTER / 2),
                "not retried at once"
            );
            assert!(!failed.is_valid(&rules, max_age, started + RETRY_AFTER), "retried later");
        }
    }
}
