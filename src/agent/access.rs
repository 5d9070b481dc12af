//! What each connection may do. The one place that is asked, whatever the door and whatever is wanted.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::look_ups::LookUps;
use super::tokens::{KNOWN_FOR, Token, Tokens};
use crate::access::{Action, Group, Rules, TagScope};
use crate::diag::{self, Throttle};
use crate::sys::users;
use crate::wire::Code;

/// How long the group database may take to say in which groups a user is.
pub const GROUPS_WAIT_MAX: Duration = Duration::from_millis(500);

/// How long it may take when somebody is connected already and rules or groups may have changed: meanwhile they
/// go on with what they had, and many are asked about at the same time.
const GROUPS_AGAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// How soon it is asked again by somebody whom it did not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often it is told that somebody may not send what they try to.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The rules and the tokens that are in force.
pub(crate) struct Access {
    own_uid: u32,
    rules: watch::Sender<Arc<Rules>>,
    tokens: Option<Tokens>,
    look_ups: LookUps,
    told: Mutex<Throttle>,
}

/// Whose rights they are.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// Root, or the agent's own user: may do everything.
    Trusted(u32),
    /// Another user of this machine.
    Local(u32),
    /// Whoever has this token.
    Token(Arc<Token>),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted(uid) | Self::Local(uid) => write!(f, "uid {uid}"),
            Self::Token(token) => write!(f, "token {}", token.name),
        }
    }
}

/// The group database does not answer, so that nobody knows what is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the group database does not say in time who you are: try again later")]
pub(crate) struct Unknown;

/// Why somebody may see nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTail {
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error(
        "you may not follow any tag: members of adm and pulsed may, unless [[access]] in pulsed.toml says \
         otherwise"
    )]
    User,
    #[error(
        "this token may not follow any tag: pulsed token add says with --tail which may be followed"
    )]
    Token,
}

impl NoTail {
    /// What it is on the wire.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Unknown(_) => Code::Later,
            Self::User | Self::Token => Code::Denied,
        }
    }
}

/// What one connection may do. What it has made use of holds as long as it lives: when that is taken away,
/// the connection ends. What it has not made use of changes with the rules.
pub(crate) struct Rights {
    access: Arc<Access>,
    who: Who,
    /// Sees each change of the rules since these rights were found out.
    rules: watch::Receiver<Arc<Rules>>,
    /// What may be sent, as long as nothing was.
    send: Mutex<Unused>,
    /// What may be sent, once something was.
    sent: OnceLock<TagScope>,
    /// Found out when it is first needed: most connections only send.
    tail: OnceLock<TagScope>,
}

/// A right that was not made use of yet.
struct Unused {
    extent: Result<TagScope, Unknown>,
    /// Sees each change of the rules since that was found out.
    rules: watch::Receiver<Arc<Rules>>,
    found: Instant,
}

impl Unused {
    /// Whether it has to be found out again.
    fn is_stale(&self, who: &Who) -> bool {
        let lasts = match (who, &self.extent) {
            (Who::Token(_), _) => KNOWN_FOR,
            (_, Err(_)) => ASK_AGAIN_AFTER,
            (_, Ok(_)) => Duration::MAX,
        };
        self.rules.has_changed().unwrap_or(false) || self.found.elapsed() >= lasts
    }
}

impl Access {
    pub(crate) fn new(own_uid: u32, rules: Rules, tokens: Option<PathBuf>) -> Self {
        Self {
            own_uid,
            rules: watch::Sender::new(Arc::new(rules)),
            tokens: tokens.map(Tokens::new),
            look_ups: LookUps::new(),
            told: Mutex::new(Throttle::new(TELL_EVERY)),
        }
    }

    /// Puts these rules into force. Whoever makes use of a right that is gone is cut off.
    pub(crate) fn renew(&self, rules: Rules) {
        self.rules.send_replace(Arc::new(rules));
    }

    /// The rights of a local user.
    pub(crate) async fn of_user(self: &Arc<Self>, uid: u32) -> Rights {
        let trusted = uid == 0 || uid == self.own_uid;
        self.rights(if trusted { Who::Trusted(uid) } else { Who::Local(uid) }).await
    }

    /// The rights that come with the token that has this text, if there is one.
    pub(crate) async fn of_token(self: &Arc<Self>, text: &str) -> Option<(Arc<Token>, Rights)> {
        let tokens = self.tokens.as_ref()?;
        let token = tokio::task::block_in_place(|| tokens.find(text))?;
        Some((token.clone(), self.rights(Who::Token(token)).await))
    }

    async fn rights(self: &Arc<Self>, who: Who) -> Rights {
        let mut rules = self.rules.subscribe();
        let now = rules.borrow_and_update().clone();
        let extent = self.find_out(&who, Action::Send, now).await;
        let send = Mutex::new(Unused { extent, rules: rules.clone(), found: Instant::now() });
        let (sent, tail) = (OnceLock::new(), OnceLock::new());
        Rights { access: self.clone(), who, rules, send, sent, tail }
    }

    async fn find_out(
        &self,
        who: &Who,
        action: Action,
        rules: Arc<Rules>,
    ) -> Result<TagScope, Unknown> {
        self.find_out_within(GROUPS_WAIT_MAX, who, action, rules).await
    }

    async fn find_out_within(
        &self,
        wait: Duration,
        who: &Who,
        action: Action,
        rules: Arc<Rules>,
    ) -> Result<TagScope, Unknown> {
        match who {
            Who::Trusted(_) => Ok(TagScope::All),
            Who::Local(uid) if rules.needs_groups(action, *uid) => {
                let uid = *uid;
                let ask = move || ask_groups(&rules, action, uid);
                let answer = self.look_ups.ask(wait, ask).await;
                answer.and_then(Result::ok).ok_or(Unknown)
            }
            Who::Local(uid) => Ok(rules.scope(action, *uid, |_| false)),
            Who::Token(token) => {
                let again = self.tokens.as_ref().and_then(|tokens| tokens.again(token));
                Ok(match (again, action) {
                    (None, _) => TagScope::Nothing,
                    (Some(token), Action::Send) => token.may_send(),
                    (Some(token), Action::Tail) => token.may_tail(),
                })
            }
        }
    }

    fn tell_denied(&self, who: &Who, tag: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left_out) = told.pass(Instant::now()) {
            diag::warning(format_args!("{who} may not send the tag {tag}: refused{left_out}"));
        }
    }
}

fn ask_groups(rules: &Rules, action: Action, uid: u32) -> io::Result<TagScope> {
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
    let extent = rules.scope(action, uid, is_in);
    failed.into_inner().map_or(Ok(extent), Err)
}

impl Rights {
    /// Whose they are.
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Whether this tag may be sent.
    pub(crate) fn may_send(&self, tag: &str) -> Result<bool, Unknown> {
        if let Some(sent) = self.sent.get() {
            return Ok(sent.allows(tag));
        }
        let send = self.send();
        let extent = send.extent.as_ref().map_err(|unknown| *unknown)?;
        let may = extent.allows(tag);
        if may {
            self.sent.get_or_init(|| extent.clone());
        }
        Ok(may)
    }

    /// Takes the rules that are in force now for a right that was not made use of yet. Whoever asks what may
    /// be sent calls it first, after each wait: however long somebody was silent, they send by these rules.
    pub(crate) async fn settle(&self) {
        while self.sent.get().is_none() {
            let rules = {
                let mut send = self.send();
                if !send.is_stale(&self.who) {
                    return;
                }
                send.rules.borrow_and_update().clone()
            };
            let extent = self.access.find_out(&self.who, Action::Send, rules).await;
            let mut send = self.send();
            (send.extent, send.found) = (extent, Instant::now());
        }
    }

    fn send(&self) -> MutexGuard<'_, Unused> {
        self.send.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the people who run the agent: a sender of syslog lines reads no answers.
    pub(crate) fn tell_denied(&self, tag: &str) {
        self.access.tell_denied(&self.who, tag);
    }

    /// Which tags may be followed: at least one.
    pub(crate) async fn tail(&self) -> Result<&TagScope, NoTail> {
        if let Some(known) = self.tail.get() {
            return Ok(known);
        }
        let mut rules = self.rules.clone();
        loop {
            let now = rules.borrow_and_update().clone();
            let found = self.access.find_out(&self.who, Action::Tail, now).await?;
            // Whoever looks after rules that changed meanwhile saw nothing here that they could take away.
            if rules.has_changed().unwrap_or(false) {
                continue;
            }
            return match (found, &self.who) {
                (TagScope::Nothing, Who::Token(_)) => Err(NoTail::Token),
                (TagScope::Nothing, _) => Err(NoTail::User),
                (some, _) => Ok(self.tail.get_or_init(|| some)),
            };
        }
    }

    /// Waits until a right is gone that was made use of.
    pub(crate) async fn lost(&self) {
        let mut rules = self.rules.clone();
        loop {
            match &self.who {
                Who::Trusted(_) => std::future::pending().await,
                Who::Local(_) => {
                    if rules.changed().await.is_err() {
                        return std::future::pending().await;
                    }
                }
                // It costs a look at a file's date, twice a second at most for all of them together.
                Who::Token(_) => tokio::time::sleep(KNOWN_FOR).await,
            }
            let now = rules.borrow_and_update().clone();
            // In a box, since every connection waits here and few ever get further.
            if !Box::pin(self.hold(&now)).await {
                return;
            }
        }
    }

    /// Whether everything that was made use of is still permitted.
    async fn hold(&self, rules: &Arc<Rules>) -> bool {
        for (action, before) in [(Action::Send, self.sent.get()), (Action::Tail, self.tail.get())] {
            let Some(before) = before else { continue };
            let (wait, rules) = (GROUPS_AGAIN_WAIT_MAX, rules.clone());
            let after = self.access.find_out_within(wait, &self.who, action, rules).await;
            if !after.is_ok_and(|after| after.covers(before)) {
                return false;
            }
        }
        // A token that is gone ends what was connected with it, even what it was not yet used for.
        match &self.who {
            Who::Token(token) => {
                let tokens = self.access.tokens.as_ref();
                tokens.is_some_and(|tokens| tokens.again(token).is_some())
            }
            _ => true,
        }
    }
}
