//! Notifications to the service manager (sd_notify(3)): ready, reloading, alive, stopping. Without a manager that
//! asks for them, they do nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::limits::Limits;
use crate::diag;
use crate::log::Log;
use crate::render::escape;
use crate::sys::systemd::{Manager, State};

/// Keep-alives within the watchdog timeout, as sd_watchdog_enabled(3) recommends.
const KEEP_ALIVES: u32 = 2;

/// The connection to the service manager, and what its status line shows.
pub(crate) struct ServiceManager {
    manager: Option<Manager>,
    socket: PathBuf,
    log: Log,
    limits: Arc<Limits>,
}

impl ServiceManager {
    /// Connects to the manager that started this process, if one did.
    pub(crate) fn new(socket: &Path, log: Log, limits: Arc<Limits>) -> Self {
        let manager = Manager::from_env().unwrap_or_else(|cause| {
            diag::warning(format_args!("cannot reach the service manager: {cause}"));
            None
        });
        Self { manager, socket: socket.into(), log, limits }
    }

    /// The agent accepts connections.
    pub(crate) fn ready(&self) {
        self.notify(State::Ready(&self.status()));
    }

    /// The agent is reloading its configuration.
    pub(crate) fn reloading(&self) {
        self.notify(State::Reloading);
    }

    /// The agent is stopping.
    pub(crate) fn stopping(&self) {
        self.notify(State::Stopping("Finishing what came"));
    }

    /// Sends keep-alives as often as the watchdog needs them. Never returns if there is a watchdog.
    ///
    /// They prove that the threads which serve clients are scheduled and that the log's lock is free, since the status
    /// line takes it. An agent whose disk hangs keeps sending them: it is in live-only mode.
    pub(crate) async fn keep_alive(self: Arc<Self>) {
        let Some(timeout) = self.manager.as_ref().and_then(Manager::watchdog_timeout) else {
            return;
        };
        let every = (timeout / KEEP_ALIVES).max(Duration::from_millis(1));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.notify(State::Alive(&self.status()));
        }
    }

    /// The status line, as systemctl status shows it.
    fn status(&self) -> String {
        let counters = self.log.counters();
        let counts = self.limits.counts();
        let (connections, followers) = (counts.connections, counts.followers);
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

    fn notify(&self, state: State<'_>) {
        let Some(manager) = &self.manager else { return };
        if let Err(cause) = manager.notify(state) {
            diag::warning(format_args!("cannot notify the service manager: {cause}"));
        }
    }
}
