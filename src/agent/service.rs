//! What the service manager is told: that the agent serves, reads its configuration, lives, ends.
//! Without a manager that wants to know, all of this does nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::limits::Limits;
use crate::diag;
use crate::log::Log;
use crate::render::escape;
use crate::sys::systemd::{Manager, State};

/// Signs of life in the time after which the manager takes the agent for hung (sd_watchdog_enabled(3)
/// asks for two).
const SIGNS_IN_TIME: u32 = 2;

/// What the manager is told, and what it is told about.
pub(crate) struct Service {
    manager: Option<Manager>,
    socket: PathBuf,
    log: Log,
    limits: Arc<Limits>,
}

impl Service {
    /// For the manager that started this process, if one did.
    pub(crate) fn new(socket: &Path, log: Log, limits: Arc<Limits>) -> Self {
        let manager = Manager::from_env().unwrap_or_else(|cause| {
            diag::warning(format_args!("cannot reach the service manager: {cause}"));
            None
        });
        Self { manager, socket: socket.into(), log, limits }
    }

    /// It serves.
    pub(crate) fn ready(&self) {
        self.tell(State::Ready(&self.status()));
    }

    /// It reads its configuration again.
    pub(crate) fn reloading(&self) {
        self.tell(State::Reloading);
    }

    /// It ends what it began.
    pub(crate) fn stopping(&self) {
        self.tell(State::Stopping("Finishing what came"));
    }

    /// Gives signs of life, as often as the manager wants them, for ever.
    ///
    /// That this runs at all shows that the threads which serve clients go round, and to tell the
    /// status takes the log's lock: an agent that hangs in either gives none. One whose disk hangs
    /// does, because it goes on live.
    pub(crate) async fn keep_alive(self: Arc<Self>) {
        let Some(patience) = self.manager.as_ref().and_then(Manager::watchdog_timeout) else {
            return;
        };
        let every = (patience / SIGNS_IN_TIME).max(Duration::from_millis(1));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell(State::Alive(&self.status()));
        }
    }

    /// One line for people who look at the service.
    fn status(&self) -> String {
        let counters = self.log.counters();
        let (connections, followers) = self.limits.counts();
        let (socket, events) = (self.socket.display(), counters.events);
        let trouble = match counters.trouble {
            Some(why) => format!("HISTORY IS NOT WRITTEN: {why}; "),
            None => String::new(),
        };
        escape(&format!(
            "{trouble}listening on {socket}: {events} events, {connections} connections, \
             {followers} of them follow"
        ))
        .into_owned()
    }

    fn tell(&self, state: State<'_>) {
        let Some(manager) = &self.manager else { return };
        if let Err(cause) = manager.notify(state) {
            diag::warning(format_args!("cannot tell the service manager: {cause}"));
        }
    }
}
