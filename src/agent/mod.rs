//! The agent: one file a stage, around the log. A stage knows the log, never another stage; this file
//! knows them all and hands each what it needs.
//!
//! `listen` takes connections in, `ingest` answers what clients ask and takes their events in,
//! `follow` sends what they want to see, `limits` bounds both, `stats` tells the figures,
//! `service` tells the service manager.

mod connection;
mod follow;
mod ingest;
mod limits;
mod listen;
mod select;
mod service;
mod stats;

use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::diag;
use crate::event::Origin;
use crate::log::{self, Log};
use crate::sys::peer::Peer;
use crate::sys::signals::{Signal, Signals};
use crate::sys::socket::{self, BindError, Permissions};
use crate::sys::users::Names;
use crate::sys::{clock, host, limits as system_limits, users};

use connection::Connection;
use ingest::Then;
use limits::{Limits, Permit};
use service::Service;
use stats::Stats;

// Bounds that the manual names.
pub use follow::PASSED_OVER_MAX;
pub use ingest::{ERRS_MAX, UNSTORED_MAX};
pub use limits::{
    BURST_SECONDS, BYTES_PER_SECOND, CONNECTIONS_KEPT, CONNECTIONS_MAX, CONNECTIONS_OF_USER_MAX,
    EVENTS_PER_SECOND,
};

/// How long connections may take to finish what they began when the agent stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long the look-up of who connected may take.
pub const ORIGIN_WAIT_MAX: Duration = Duration::from_millis(50);

/// How many peers are looked up at the same time; others wait for their turn.
const LOOK_UPS_MAX: usize = 8;

/// Threads that may wait for the disk or for a directory service. Far more than ever do, since one of
/// them takes over whenever a thread that serves live traffic turns to such work.
const BLOCKING_MAX: usize = 64;

/// How long such a thread is kept: to start one takes longer than what it is for.
const BLOCKING_KEPT: Duration = Duration::from_secs(600);

/// Threads that serve live traffic: more than these gain nothing, since the log has one lock.
const WORKERS_MAX: usize = 4;

/// Why the agent does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The socket cannot be had.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The system refuses something else.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// History could not be finished.
    #[error("history {}: not finished at the end: {cause}", dir.display())]
    Unfinished {
        /// Its directory.
        dir: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Everything that the tasks of the agent share.
struct Agent {
    log: Log,
    limits: Arc<Limits>,
    names: Arc<Names>,
    /// Whose turn it is to be looked up.
    look_ups: Semaphore,
    stats: Stats,
    /// True once the agent stops.
    stopping: watch::Receiver<bool>,
}

/// Who may connect, as configured.
pub fn permissions(config: &Config) -> Permissions {
    let place = &config.socket;
    Permissions { mode: place.mode, owner: place.owner, group: place.group }
}

/// Runs the agent until a signal ends it, on a socket that was handed over or on one of its own.
/// `listening` is called once it takes connections; `reload` reads the configuration again.
///
/// # Errors
/// When it cannot start, or cannot finish its history.
pub fn run<E: Display>(
    config: Config,
    inherited: Option<UnixListener>,
    reload: impl Fn() -> Result<Config, E>,
    listening: impl FnOnce(&Path),
) -> Result<(), AgentError> {
    let system = |doing| move |cause| AgentError::System { doing, cause };
    if let Err(cause) = system_limits::raise_open_files() {
        diag::warning(format_args!("cannot raise the limit of open files: {cause}"));
    }
    let (running, notes) = Log::open(log_options(&config))?;
    for note in notes {
        diag::warning(format_args!("history: {note}"));
    }
    let (listener, socket_file) = match inherited {
        Some(listener) => (listener, None),
        None => {
            let (listener, file) = socket::bind(&config.socket.path, permissions(&config))?;
            (listener, Some(file))
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(WORKERS_MAX));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_keep_alive(BLOCKING_KEPT)
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let served = runtime.block_on(serve(&config, running.log(), listener, reload, listening));
    // The path goes first, so that nobody connects to an agent that will not answer.
    drop(socket_file);
    runtime.shutdown_timeout(Duration::ZERO);
    let closed = running.close();
    served?;
    let dir = config.history.map(|history| history.dir).unwrap_or_default();
    closed.map_err(|cause| AgentError::Unfinished { dir, cause })
}

fn log_options(config: &Config) -> log::Options {
    log::Options {
        host: config.host.clone(),
        clock: Arc::new(clock::now),
        window_size: config.window.size as usize,
        history: config.history.as_ref().map(|history| log::HistoryOptions {
            dir: history.dir.clone(),
            size: history.size,
            age: history.age,
            sync: history.sync,
        }),
    }
}

async fn serve<E: Display>(
    config: &Config,
    log: &Log,
    listener: UnixListener,
    reload: impl Fn() -> Result<Config, E>,
    listening: impl FnOnce(&Path),
) -> Result<(), AgentError> {
    let system = |doing| move |cause| AgentError::System { doing, cause };
    let mut signals = Signals::new().map_err(system("listen to signals"))?;
    let listener =
        tokio::net::UnixListener::from_std(listener).map_err(system("use the socket"))?;
    let (stop, stopping) = watch::channel(false);
    let limits = Arc::new(Limits::new(users::current(), log.clone()));
    let agent = Arc::new(Agent {
        log: log.clone(),
        limits: limits.clone(),
        names: Arc::new(Names::default()),
        look_ups: Semaphore::new(LOOK_UPS_MAX),
        stats: Stats::new(log.clone(), limits.clone()),
        stopping,
    });
    let for_each = agent.clone();
    let mut accepting =
        tokio::spawn(listen::run(listener, limits.clone(), move |stream, peer, permit| {
            let agent = for_each.clone();
            async move { agent.serve(stream, peer, permit).await }
        }));
    let service = Arc::new(Service::new(&config.socket.path, log.clone(), limits.clone()));
    service.ready();
    listening(&config.socket.path);
    tokio::spawn(service.clone().keep_alive());
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            _ = &mut accepting => None,
        };
        match signal {
            Some(Signal::Reload) => {
                service.reloading();
                agent.reload(&reload, config);
                service.ready();
            }
            Some(Signal::Stop) | None => break,
        }
    }
    service.stopping();
    if !accepting.is_finished() {
        accepting.abort();
        // Until it has ended it may take one more in, for whom nobody would wait.
        let _ = accepting.await;
    }
    // Nobody is left to be told only if every connection has ended already.
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN_MAX, limits.all_gone()).await.is_err() {
        diag::warning(format_args!("some connections did not end in time and are cut off"));
    }
    Ok(())
}

impl Agent {
    /// One connection, from its first byte to its last.
    async fn serve(self: Arc<Self>, stream: UnixStream, peer: Peer, permit: Permit) {
        let uid = peer.uid;
        // Syslog senders name the machine as the kernel does, whatever `host` says.
        let mut connection = Connection::new(stream, &host::name(), self.stopping.clone());
        let (input, origin) = tokio::join!(connection.wait_for_input(), self.origin_of(peer));
        if input.is_err() {
            return;
        }
        let rate = self.limits.rate_of(uid);
        let mut ingest = ingest::Ingest::new(self.log.clone(), &self.stats, rate, &origin);
        loop {
            let ended = match ingest.run(&mut connection).await {
                Ok(Then::Close) | Err(_) => return,
                Ok(Then::Tail(request)) => {
                    let _follows = permit.follows();
                    follow::run(&mut connection, &self.log, request).await
                }
            };
            match ended {
                Ok(follow::Then::Next) => {}
                Ok(follow::Then::Close) | Err(_) => return,
            }
        }
    }

    /// Finds out what can be vouched for about a peer, within [`ORIGIN_WAIT_MAX`].
    async fn origin_of(&self, peer: Peer) -> Origin {
        if self.names.knows(peer.uid) {
            // What is left to read is the kernel's, and others go on meanwhile: to wake another thread
            // would take longer.
            return tokio::task::block_in_place(|| peer.origin(&self.names));
        }
        // Too slow: only what the kernel said at once.
        let at_once = Origin { pid: peer.pid, uid: Some(peer.uid), ..Origin::default() };
        let looked_up = tokio::time::timeout(ORIGIN_WAIT_MAX, self.look_up(peer)).await;
        looked_up.ok().flatten().unwrap_or(at_once)
    }

    /// Asks for the name of a peer's user too, on a thread that may wait.
    async fn look_up(&self, peer: Peer) -> Option<Origin> {
        let _turn = self.look_ups.acquire().await.ok()?;
        let names = self.names.clone();
        tokio::task::spawn_blocking(move || peer.origin(&names)).await.ok()
    }

    /// Takes over what can change while the agent runs, and says what cannot.
    fn reload<E: Display>(&self, reload: impl Fn() -> Result<Config, E>, running: &Config) {
        self.names.clear();
        match reload() {
            Ok(fresh) if fresh == *running => {
                diag::notice(format_args!("configuration read again"))
            }
            Ok(_) => diag::warning(format_args!(
                "configuration read again: what changed takes effect at the next start"
            )),
            Err(error) => diag::error(format_args!("configuration not taken: {error}")),
        }
    }
}
