//! Notifications to the service manager (sd_notify(3)): ready, reloading, alive, stopping. Without a manager that
//! asks for them, they do nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::Limits;
use crate::diag;
use crate::log::{Checked, Log};
use crate::render::escape;
use crate::sys::systemd::{Manager, State};

/// Keep-alives within the watchdog timeout, as sd_watchdog_enabled(3) recommends.
const KEEP_ALIVES: u32 = 2;

/// How much longer a start may take after each sign of life. Longer than any single step of the recovery on a slow
/// disk; a start that hangs is ended after it.
const START_EXTENSION: Duration = Duration::from_secs(120);

/// Minimum interval between two signs of life of a start.
const START_SIGN_EVERY: Duration = Duration::from_secs(1);

/// Connects to the manager that started this process, if one did.
pub(crate) fn connect() -> Option<Manager> {
    Manager::from_env().unwrap_or_else(|cause| {
        diag::warning(format_args!("cannot reach the service manager: {cause}"));
        None
    })
}

/// Tells the service manager that a long start lives: the recovery of a large history may take longer than the
/// manager waits for a start.
pub(crate) struct Starting<'a> {
    manager: Option<&'a Manager>,
    last: Option<Instant>,
}

impl<'a> Starting<'a> {
    pub(crate) fn new(manager: Option<&'a Manager>) -> Self {
        Self { manager, last: None }
    }

    /// The recovery has made a step.
    pub(crate) fn checked(&mut self, Checked { bytes, of }: Checked) {
        let too_soon = self.last.is_some_and(|last| last.elapsed() < START_SIGN_EVERY);
        let Some(manager) = self.manager.filter(|_| !too_soon) else { return };
        self.last = Some(Instant::now());
        let status = format!("checking history: {} of {} MiB", bytes >> 20, of >> 20);
        // The manager waits all the same if it does not hear this.
        let _ = manager.notify(State::Starting(&status, START_EXTENSION));
    }
}

/// The connection to the service manager, and what its status line shows.
pub(crate) struct ServiceManager {
    manager: Option<Manager>,
    socket: PathBuf,
    log: Log,
    limits: Arc<Limits>,
}

impl ServiceManager {
    /// `manager` is `None` if none started this process.
    pub(crate) fn new(
        manager: Option<Manager>,
        socket: &Path,
        log: Log,
        limits: Arc<Limits>,
    ) -> Self {
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
