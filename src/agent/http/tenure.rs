//! How long a client may keep a response open: until its right or its session ends, or the agent stops.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use crate::agent::access::Rights;
use crate::agent::services::Services;
use crate::auth::sessions::{Session, Sessions};

/// How often a session in use is looked at: the most that an expired one lasts longer.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// Why a response ends that has no end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// A right that it used is revoked.
    Revoked,
    /// The client signed out, or the session expired.
    SignedOut,
    /// The agent is stopping.
    Stopping,
}

impl Ended {
    /// What the client is told. `None` if it should come back.
    pub(super) fn why(self) -> Option<&'static str> {
        match self {
            Self::Revoked => Some("your right to follow these events was revoked"),
            Self::SignedOut => Some("you are signed out"),
            Self::Stopping => None,
        }
    }
}

/// A session that a response depends on.
#[derive(Clone)]
pub(super) struct SessionInUse {
    pub(super) sessions: Arc<Sessions>,
    pub(super) session: Session,
    pub(super) services: Arc<Services>,
}

impl SessionInUse {
    async fn ended(&self) {
        let mut ended = self.sessions.ended();
        while self.is_valid().await {
            tokio::select! {
                changed = ended.changed() => if changed.is_err() { return },
                () = sleep(CHECK_EVERY) => {}
            }
        }
    }

    /// `false` once it has ended, or its uid belongs to another user. A user database that does not answer ends nothing.
    async fn is_valid(&self) -> bool {
        let Self { sessions, session, services } = self;
        let name = services.origins.name(session.uid).await;
        sessions.use_again(session, services.log.now())
            && !name.is_ok_and(|name| name != session.user)
    }
}

/// Waits until a response must end.
pub(super) async fn ended(
    rights: Arc<Rights>,
    session: Option<SessionInUse>,
    mut stopping: watch::Receiver<bool>,
) -> Ended {
    let signed_out = async {
        match &session {
            Some(session) => session.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = rights.revoked() => Ended::Revoked,
        () = signed_out => Ended::SignedOut,
        _ = stopping.wait_for(|stopping| *stopping) => Ended::Stopping,
    }
}
