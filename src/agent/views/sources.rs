//! What views are folded from: this machine's log, or the stream of all hosts.

use std::sync::Arc;

use crate::agent::follow::selection::Visible;
use crate::agent::follow::subscription::Subscription;
use crate::agent::hosts::subscription::HostsSubscription;
use crate::agent::hosts::{AllHosts, NoHosts};
use crate::agent::limits::Follower;
use crate::log::Log;
use crate::wire::Tail;

/// Where the lines of views come from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) log: Log,
    /// `None` unless NATS is configured.
    pub(crate) hosts: Option<Arc<AllHosts>>,
}

/// What one fold reads.
pub(super) enum Source {
    Log(Box<Subscription>),
    Hosts(Box<HostsSubscription>),
}

impl Sources {
    /// Opens what is visible of a request.
    ///
    /// # Errors
    /// [`NoHosts`], also for a refusal that has nothing to do with them.
    pub(super) async fn open(
        &self,
        tail: &Tail,
        visible: &Visible,
        follower: &mut Follower,
    ) -> Result<Source, NoHosts> {
        if let Visible::Tags(scope) = visible {
            let opened = Subscription::open(&self.log, tail, scope, follower).await?;
            return Ok(Source::Log(Box::new(opened)));
        }
        let hosts = self.hosts.as_ref().ok_or(NoHosts::NotConfigured)?;
        let opened = HostsSubscription::open(hosts, tail, visible.clone(), follower).await?;
        Ok(Source::Hosts(Box::new(opened)))
    }
}
