//! What one client may do. A right that was used holds for the life of the connection: if it is revoked, the
//! client is disconnected. A right that was not used yet follows the rules.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::scopes::{GroupsUnavailable, MaxAge, RETRY_AFTER};
use super::{Access, Subject};
use crate::access::{Action, HostScope, Rules, TagScope};
use crate::auth::tokens::CHECK_EVERY;
use crate::wire::Code;

/// What one client may do. Looked up when a right is first used: most clients only send.
pub(crate) struct Rights {
    access: Arc<Access>,
    subject: Subject,
    /// Sees each change of the rules since the client connected.
    rules: watch::Receiver<Arc<Rules>>,
    /// What may be sent, until something was.
    send: Mutex<Option<Unused>>,
    /// What may be sent, once something was.
    sent: OnceLock<TagScope>,
    /// What may be followed, once TAIL, VIEW or STATS was permitted.
    tail: OnceLock<TagScope>,
    /// What may be followed of all hosts, once that was permitted.
    tail_hosts: OnceLock<TagScope>,
    /// The rules by which a local user may follow nothing: the databases are not asked again for them.
    tail_denied: Mutex<Option<Arc<Rules>>>,
}

/// A right that was looked up and not used yet.
struct Unused {
    scope: Result<TagScope, GroupsUnavailable>,
    /// Sees each change of the rules since the lookup.
    rules: watch::Receiver<Arc<Rules>>,
    at: Instant,
}

/// Why an event is not accepted under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The right must be looked up first: [`Rights::refresh`].
    NotLookedUp,
    /// The rules do not permit it.
    ByRules,
    /// The rights are unknown.
    Unknown(GroupsUnavailable),
}

/// Why a client may follow nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTail {
    #[error(transparent)]
    Unknown(#[from] GroupsUnavailable),
    #[error(
        "you may not follow any tag: members of adm and pulsed may, unless [[access]] in pulsed.toml says \
         otherwise"
    )]
    User,
    #[error(
        "this token may not follow any tag: pulsed token add says with --tail which may be followed"
    )]
    Token,
    #[error(
        "you may not follow other hosts: root and the user that the agent runs as may, and those whom an [[access]] \
         with host in pulsed.toml names"
    )]
    Hosts,
}

impl NoTail {
    /// The code on the wire.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Unknown(_) => Code::Later,
            Self::User | Self::Token | Self::Hosts => Code::Denied,
        }
    }
}

impl Unused {
    fn is_stale(&self, subject: &Subject) -> bool {
        let valid_for = match (subject, &self.scope) {
            (Subject::Token(_), _) => CHECK_EVERY,
            (_, Err(_)) => RETRY_AFTER,
            (_, Ok(_)) => Duration::MAX,
        };
        self.rules.has_changed().unwrap_or(false) || self.at.elapsed() >= valid_for
    }
}

impl Rights {
    pub(super) fn new(
        access: Arc<Access>,
        subject: Subject,
        rules: watch::Receiver<Arc<Rules>>,
    ) -> Self {
        Self {
            access,
            subject,
            rules,
            send: Mutex::default(),
            sent: OnceLock::new(),
            tail: OnceLock::new(),
            tail_hosts: OnceLock::new(),
            tail_denied: Mutex::default(),
        }
    }

    /// Whose rights they are.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// `true` if the rules were replaced since these rights were created.
    pub(crate) fn rules_changed(&self) -> bool {
        self.rules.has_changed().unwrap_or(false)
    }

    /// `Ok` if events with this tag may be sent.
    pub(crate) fn may_send(&self, tag: &str) -> Result<(), Denied> {
        let by_rules = |scope: &TagScope| scope.allows(tag).then_some(()).ok_or(Denied::ByRules);
        if let Some(sent) = self.sent.get() {
            return by_rules(sent);
        }
        let send = self.send();
        let found = send.as_ref().filter(|found| !found.is_stale(&self.subject));
        let scope = found.ok_or(Denied::NotLookedUp)?.scope.as_ref();
        let scope = scope.map_err(|unavailable| Denied::Unknown(*unavailable))?;
        by_rules(scope)?;
        self.sent.get_or_init(|| scope.clone());
        Ok(())
    }

    /// Looks up what may be sent by the rules now in force.
    pub(crate) async fn refresh(&self) {
        let mut rules = self.rules.clone();
        loop {
            let now = rules.borrow_and_update().clone();
            let scope = self.scope(Action::Send, &now, MaxAge::Recent).await;
            let found = Unused { scope, rules: rules.clone(), at: Instant::now() };
            let stale = found.rules.has_changed().unwrap_or(false);
            *self.send() = Some(found);
            if !stale {
                return;
            }
        }
    }

    fn send(&self) -> MutexGuard<'_, Option<Unused>> {
        self.send.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a refused tag to the operator.
    pub(crate) fn report_denied(&self, tag: &str) {
        self.access.report_denied(&self.subject, tag);
    }

    /// The tags that may be followed: at least one.
    pub(crate) async fn tail(&self) -> Result<&TagScope, NoTail> {
        if let Some(scope) = self.tail.get() {
            return Ok(scope);
        }
        let mut rules = self.rules.clone();
        loop {
            let now = rules.borrow_and_update().clone();
            if self.tail_denied().as_ref().is_some_and(|denied| Arc::ptr_eq(denied, &now)) {
                return Err(NoTail::User);
            }
            let scope = self.scope(Action::Tail, &now, MaxAge::Recent).await?;
            // The rules changed during the lookup. `revoked` may already have run and could not see this grant.
            if rules.has_changed().unwrap_or(false) {
                continue;
            }
            return match (scope, &self.subject) {
                (TagScope::Nothing, Subject::Token(_)) => Err(NoTail::Token),
                (TagScope::Nothing, _) => {
                    *self.tail_denied() = Some(now);
                    Err(NoTail::User)
                }
                (some, _) => Ok(self.tail.get_or_init(|| some)),
            };
        }
    }

    /// What may be followed of all hosts: at least one tag of one host.
    pub(crate) async fn tail_hosts(&self) -> Result<HostScope, NoTail> {
        if let Some(scope) = self.tail_hosts.get() {
            return Ok(scope.clone().into());
        }
        let mut rules = self.rules.clone();
        loop {
            let now = rules.borrow_and_update().clone();
            let scope = self.scope(Action::TailHosts, &now, MaxAge::Recent).await?;
            // As in `tail`.
            if rules.has_changed().unwrap_or(false) {
                continue;
            }
            return match scope {
                TagScope::Nothing => Err(NoTail::Hosts),
                some => Ok(self.tail_hosts.get_or_init(|| some).clone().into()),
            };
        }
    }

    fn tail_denied(&self) -> MutexGuard<'_, Option<Arc<Rules>>> {
        self.tail_denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn scope(
        &self,
        action: Action,
        rules: &Arc<Rules>,
        max_age: MaxAge,
    ) -> Result<TagScope, GroupsUnavailable> {
        self.access.scope(&self.subject, action, rules, max_age).await
    }

    /// Waits until a right that was used is revoked. A database that does not answer revokes nothing: it is asked
    /// again until it does.
    pub(crate) async fn revoked(&self) {
        let mut rules = self.rules.clone();
        let mut tokens = match &self.subject {
            Subject::Token(_) => self.access.tokens_changed(),
            Subject::Trusted(_) | Subject::User(_) => None,
        };
        loop {
            match &self.subject {
                Subject::Trusted(_) => std::future::pending().await,
                Subject::User(_) => {
                    if rules.changed().await.is_err() {
                        return std::future::pending().await;
                    }
                }
                // All connections with a token share one look at the file.
                Subject::Token(_) => {
                    let changed = async {
                        match &mut tokens {
                            Some(tokens) => tokens.changed().await.is_ok(),
                            None => std::future::pending().await,
                        }
                    };
                    let _ = timeout(CHECK_EVERY, changed).await;
                }
            }
            // Boxed: every connection waits here, and few ever get further.
            if !Box::pin(self.still_granted(&mut rules)).await {
                return;
            }
        }
    }

    /// `true` if every right that was used is still granted by the newest rules.
    async fn still_granted(&self, rules: &mut watch::Receiver<Arc<Rules>>) -> bool {
        loop {
            let now = rules.borrow_and_update().clone();
            match self.covers_used(&now).await {
                Ok(granted) => return granted,
                Err(GroupsUnavailable) => self.access.report_unavailable(&self.subject),
            }
            // An error means that the agent has stopped.
            let _ = timeout(RETRY_AFTER, rules.wait_for(|newer| !Arc::ptr_eq(newer, &now))).await;
        }
    }

    async fn covers_used(&self, rules: &Arc<Rules>) -> Result<bool, GroupsUnavailable> {
        let used = [
            (Action::Send, self.sent.get()),
            (Action::Tail, self.tail.get()),
            (Action::TailHosts, self.tail_hosts.get()),
        ];
        for (action, before) in used {
            let Some(before) = before else { continue };
            if !self.scope(action, rules, MaxAge::Rules).await?.covers(before) {
                return Ok(false);
            }
        }
        // A revoked token ends the connections that it authenticated, whatever they did.
        Ok(match &self.subject {
            Subject::Token(token) => self.access.current(token).is_some(),
            _ => true,
        })
    }
}
