//! What the agent's tasks share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::access::origins::Origins;
use super::follow::selection::Visible;
use super::forwarding::Forwarding;
use super::hosts::NoHosts;
use super::hosts::subscription::HostsSubscription;
use super::ingest::runs::Runs;
use super::limits::{Follower, Limits};
use super::links::SignInLinks;
use super::stats::Stats;
use super::transport::tcp::Bridge;
use super::views::Folds;
use super::views::past::PastFolds;
use crate::log::Log;
use crate::wire::Tail;

/// What the agent's tasks share.
pub(crate) struct Services {
    pub(crate) log: Log,
    pub(crate) limits: Arc<Limits>,
    pub(crate) access: Arc<Access>,
    pub(crate) origins: Origins,
    pub(crate) runs: Arc<Runs>,
    pub(crate) stats: Stats,
    /// `None` unless NATS is configured.
    pub(crate) forwarding: Option<Arc<Forwarding>>,
    /// The views that are watched.
    pub(crate) folds: Arc<Folds>,
    /// Views of past periods.
    pub(crate) past: PastFolds,
    /// `None` unless TCP is configured.
    pub(crate) bridge: Option<Bridge>,
    /// `None` if the monitor is disabled.
    pub(crate) links: Option<Arc<SignInLinks>>,
    /// The tasks that a stop waits for.
    pub(crate) clients: TaskTracker,
    /// `true` once the agent is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Services {
    /// Opens what a follower wants of all hosts.
    ///
    /// # Errors
    /// [`NoHosts`]
    pub(crate) async fn open_hosts(
        &self,
        tail: &Tail,
        visible: Visible,
        follower: &mut Follower,
    ) -> Result<HostsSubscription, NoHosts> {
        let forwarding = self.forwarding.as_ref().ok_or(NoHosts::NotConfigured)?;
        HostsSubscription::open(forwarding.hosts(), tail, visible, follower).await
    }
}
