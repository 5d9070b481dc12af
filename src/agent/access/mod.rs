//! Who may do what: the one place that every transport and every stage asks.
//!
//! [`Access`] holds the rules and tokens in force, [`Rights`] what one client may do. Group lookups
//! ([`scopes`]) and peer lookups ([`origins`]) run on blocking threads, a few at a time, each with a timeout.

mod lookup;
pub(crate) mod origins;
mod rights;
mod scopes;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::access::{Action, Rules, TagScope};
use crate::auth::tokens::{Token, Tokens, TokensUnavailable};
use crate::diag::{self, Throttle};

pub(crate) use rights::{Denied, Rights};
pub(crate) use scopes::GroupsUnavailable;
pub use scopes::{ANSWER_VALID_FOR, GROUPS_WAIT_MAX};
use scopes::{MaxAge, UserScopes};

/// Minimum interval between two diagnostics about refused tags, and about databases that do not answer.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The rules and the tokens in force.
pub(crate) struct Access {
    own_uid: u32,
    rules: watch::Sender<Arc<Rules>>,
    tokens: Option<Tokens>,
    users: UserScopes,
    /// Diagnostics about refused tags.
    refusals: Mutex<Throttle>,
    /// Diagnostics about databases that do not answer.
    outages: Mutex<Throttle>,
}

/// Whose rights they are.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// Root or the agent's own user: may do everything.
    Trusted(u32),
    /// Another user of this machine.
    User(u32),
    /// The holder of this token.
    Token(Arc<Token>),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted(uid) | Self::User(uid) => write!(f, "uid {uid}"),
            Self::Token(token) => write!(f, "token {}", token.name),
        }
    }
}

impl Access {
    pub(crate) fn new(own_uid: u32, rules: Rules, tokens: Option<PathBuf>) -> Self {
        Self {
            own_uid,
            rules: watch::Sender::new(Arc::new(rules)),
            tokens: tokens.map(Tokens::new),
            users: UserScopes::new(),
            refusals: Mutex::new(Throttle::new(REPORT_EVERY)),
            outages: Mutex::new(Throttle::new(REPORT_EVERY)),
        }
    }

    /// Puts these rules into force. Clients that used a right which is gone are disconnected
    /// ([`Rights::revoked`]). Groups are looked up again, also where the rules are the same.
    pub(crate) fn replace_rules(&self, rules: Rules) {
        self.rules.send_replace(Arc::new(rules));
    }

    /// The rights of a local user. Looks nothing up: that happens when a right is first used.
    pub(crate) fn rights_of_user(self: &Arc<Self>, uid: u32) -> Rights {
        let trusted = uid == 0 || uid == self.own_uid;
        let subject = if trusted { Subject::Trusted(uid) } else { Subject::User(uid) };
        Rights::new(self.clone(), subject, self.rules.subscribe())
    }

    /// The rights that come with a token.
    pub(crate) fn rights_of_token(self: &Arc<Self>, token: Arc<Token>) -> Rights {
        Rights::new(self.clone(), Subject::Token(token), self.rules.subscribe())
    }

    /// The token with this text. `None` if there is none.
    ///
    /// # Errors
    /// [`TokensUnavailable`] if the file does not answer.
    pub(crate) async fn token(&self, text: &str) -> Result<Option<Arc<Token>>, TokensUnavailable> {
        match &self.tokens {
            Some(tokens) => tokens.find(text).await,
            None => Ok(None),
        }
    }

    /// Sees each change of the tokens. `None` without tokens.
    fn tokens_changed(&self) -> Option<watch::Receiver<impl Send + Sync + use<>>> {
        self.tokens.as_ref().map(Tokens::changed)
    }

    /// The tags for which `subject` may do `action` by these rules.
    async fn scope(
        &self,
        subject: &Subject,
        action: Action,
        rules: &Arc<Rules>,
        max_age: MaxAge,
    ) -> Result<TagScope, GroupsUnavailable> {
        match subject {
            Subject::Trusted(_) => Ok(TagScope::All),
            Subject::User(uid) => self.users.scope(*uid, action, rules, max_age).await,
            Subject::Token(token) => Ok(match (self.current(token), action) {
                (None, _) => TagScope::Nothing,
                (Some(token), Action::Send) => token.may_send(),
                (Some(token), Action::Tail) => token.may_tail(),
                // A token names tags of this machine.
                (Some(_), Action::TailHosts) => TagScope::Nothing,
            }),
        }
    }

    /// A token as it is now. `None` once it is revoked.
    fn current(&self, token: &Token) -> Option<Arc<Token>> {
        self.tokens.as_ref().and_then(|tokens| tokens.again(token))
    }

    /// Reports a refused tag to the operator: a sender of syslog lines reads no replies.
    fn report_denied(&self, subject: &Subject, tag: &str) {
        let mut reports = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(omitted) = reports.pass(Instant::now()) {
            diag::warning(format_args!("{subject} may not send the tag {tag}: refused{omitted}"));
        }
    }

    /// Reports a client that keeps its rights because it is unknown whether the new rules grant them.
    fn report_unavailable(&self, subject: &Subject) {
        let mut reports = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(omitted) = reports.pass(Instant::now()) {
            diag::warning(format_args!(
                "{subject} keeps its rights, because the group database does not answer: trying again{omitted}"
            ));
        }
    }
}
