//! The agent: stages around the log.
//!
//! ```text
//! transport ──▶ session ──▶ ingest ──▶ log ──▶ follow ──▶ session ──▶ transport
//! ```
//!
//! `transport` yields authenticated connections; `session` speaks the line protocol on one of them; `ingest` turns
//! drafts into events; `follow` turns the log into what a follower asked for. `http` is the monitor: a session of its
//! own kind over the same stages. `nats` is a sink of a subscription, for the engine where the events of many machines
//! meet, and reads from there what `hosts` serves. `access` and `limits` are asked by all of them. Ingest and follow do not know each
//! other, nor those who drive them. `services` is what all tasks share. This file is the order of start and stop.

mod access;
mod client;
mod clients;
mod datagrams;
mod error;
mod follow;
mod forwarding;
mod hosts;
mod http;
mod ingest;
mod limits;
mod links;
mod manager;
#[cfg(feature = "nats")]
mod nats;
mod reload;
mod replicated;
mod services;
mod session;
mod started;
mod stats;
mod transport;
mod views;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config, SyncSetting};
use crate::diag;
use crate::log::{self, Log, Opened};
use crate::sys::signals::{Signal, Signals};
use crate::sys::socket::{self, Permissions, SocketFile};
use crate::sys::systemd::Manager;
use crate::sys::{clock, limits as system_limits, users};

use access::Access;
use access::origins::Origins;
use forwarding::Forwarding;
use http::listen::{Listening, listen};
use http::{Monitor, Place};
use ingest::runs::Runs;
use limits::{Limits, Sizes};
use manager::{ServiceManager, Starting};
use reload::{Certificates, Reloads};
use services::Services;
use stats::Stats;
use transport::accept;
use transport::handshakes::Handshakes;
use transport::tcp::Bridge;
use transport::tls::Acceptor;
use views::past::PastFolds;
use views::{Folds, Sources};

pub use error::AgentError;
pub use http::{
    BODY_MAX, BODY_WAIT_MAX, HEADER_WAIT_MAX, HEARTBEAT, METRIC_TAGS_MAX, METRICS_KEPT_FOR,
    RESUME_MAX, STREAMS_MAX, parse_feed, parse_query,
};
pub use transport::tls;

// Bounds that the manual names.
pub use access::origins::ORIGIN_WAIT_MAX;
pub use access::{ANSWER_VALID_FOR, GROUPS_WAIT_MAX};
pub use follow::{GONE_CHECK_EVERY, IGNORED_MAX, PASSED_OVER_MAX, REST_MAX};
pub use forwarding::{
    ACK_WAIT_MAX, CHECK_EVERY, COMPRESS_MIN, CONNECT_MAX, FLUSH_MAX, IN_FLIGHT_MAX, MESSAGE_MIN,
    MESSAGE_SIZE,
};
pub use hosts::{CLOCK_AHEAD_MAX, LAST_MESSAGES_MAX};
pub use hosts::{HOSTS_WINDOW, LINGER, PART_WINDOW, PARTS_MAX, STREAM_WAIT_MAX};
pub use ingest::{
    RUN_FIELDS, RUN_TEXT_MAX, RUNS_BYTES_MAX, RUNS_MAX, RUNS_OF_CONNECTION_MAX, RUNS_OF_USER_MAX,
    UNSTORED_MAX,
};
pub use limits::{
    BURST_OF_HISTORY, BURST_SECONDS, BYTES_PER_SECOND, CONNECTIONS_MAX, CONNECTIONS_OF_ONE_MAX,
    CONNECTIONS_RESERVED, DESCRIPTORS_OF_CONNECTION, DESCRIPTORS_RESERVED, EVENTS_PER_SECOND,
    HELD_FREE, HELD_MAX, HELD_OF_ONE_MAX, PARTS_OF_ONE_MAX, PATTERNS_HELD_MAX, PATTERNS_OF_ONE_MAX,
    READY_OF_ONE_MAX, SCAN_SHARE, SLOW_SCANS_MAX, TIME_SHARE, TURN_MAX, UNAUTHENTICATED_MAX,
    UNAUTHENTICATED_OF_ONE_MAX,
};
pub use replicated::REPLICATED_WAIT_MAX;
pub use session::ERRS_MAX;
pub use started::{Started, StartedMonitor};
pub use transport::authenticate::REFUSAL_DELAY;
pub use transport::datagram::{DATAGRAM_USERS_MAX, DATAGRAMS_OF_ONE_MAX};
pub use transport::handshakes::HANDSHAKES_PERCENT;
pub use transport::tcp::HANDSHAKE_MAX;
pub use views::{
    FOLDS_MAX, FOLDS_OF_ONE_MAX, FOLDS_RESERVED, KEPT_FOR, PAST_FOLDS_MAX, PAST_WAIT_MAX,
    SNAPSHOT_MAX,
};

/// How long clients may take to finish when the agent stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Threads for the disk and for directory services. Far more than are ever in use: one of them takes over whenever a
/// worker thread turns to blocking work.
const BLOCKING_THREADS_MAX: usize = 32;

/// How long an idle thread of these is kept: starting one takes longer than its usual work, but each has a stack.
const BLOCKING_THREADS_KEPT: Duration = Duration::from_secs(10);

/// Worker threads for live traffic. More gain nothing, since the log has one lock.
const WORKERS_MAX: usize = 4;

/// Turns of tasks after which a busy worker thread looks for new connections, input and timers. The runtime's default
/// of 61 would let them wait for 30 ms.
const EVENT_INTERVAL: u32 = 8;

/// Who may connect, as configured.
pub fn permissions(config: &Config) -> Permissions {
    let socket = &config.socket;
    Permissions { mode: socket.mode, owner: socket.owner, group: socket.group }
}

/// Sockets from socket activation.
#[derive(Debug, Default)]
pub struct InheritedSockets {
    /// The agent's socket.
    pub socket: Option<UnixListener>,
    /// The monitor's.
    pub web: Option<std::net::TcpListener>,
    /// The one for datagrams.
    pub syslog: Option<UnixDatagram>,
}

/// Runs the agent until a signal stops it, on inherited sockets or on its own. `listening` is called once connections
/// are accepted. `reload` reads the configuration again. `link`: the operator is at a terminal and wants to sign in.
///
/// # Errors
/// [`AgentError`] if it cannot start, or cannot store the last events at the end.
pub fn run<E: Display + Send + 'static>(
    config: Config,
    inherited: InheritedSockets,
    link: bool,
    reload: impl Fn() -> Result<Config, E> + Send + Sync + 'static,
    listening: impl FnOnce(Started),
) -> Result<(), AgentError> {
    let connections_max = connections_max();
    let manager = manager::connect();
    let mut starting = Starting::new(manager.as_ref());
    let Opened { running, repairs } =
        log::open_reporting(log_options(&config), &mut |checked| starting.checked(checked))?;
    for repair in repairs {
        diag::warning(format_args!("history: {repair}"));
    }
    let tls = reload::load_tls(&config)?;
    let (listener, socket_file) = match inherited.socket {
        Some(listener) => (listener, None),
        None => {
            let (listener, file) = socket::bind(&config.socket.path, permissions(&config))?;
            (listener, Some(file))
        }
    };
    let syslog = match inherited.syslog {
        Some(socket) => Some((socket, None)),
        None => bind_syslog(&config)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .event_interval(EVENT_INTERVAL)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_THREADS_KEPT)
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let base = Base { unix: listener, web: inherited.web, syslog, manager, connections_max };
    let served =
        runtime.block_on(serve(&config, running.log(), base, tls, link, reload, listening));
    // The path goes first: no client must connect to an agent that will not answer.
    drop(socket_file);
    runtime.shutdown_timeout(Duration::ZERO);
    let closed = running.close();
    served?;
    let dir = config.history.map(|history| history.dir).unwrap_or_default();
    closed.map_err(|cause| AgentError::Unfinished { dir, cause })
}

/// Creates the socket for datagrams, if it is configured. The default one may belong to another agent or program: then
/// there is none.
fn bind_syslog(config: &Config) -> Result<Option<(UnixDatagram, Option<SocketFile>)>, AgentError> {
    let Some(path) = &config.syslog else { return Ok(None) };
    match socket::bind_datagram(path, permissions(config)) {
        Ok((socket, file)) => Ok(Some((socket, Some(file)))),
        Err(error) if *path == config::beside(&config.socket.path) => {
            diag::warning(format_args!("no socket for datagrams: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> AgentError {
    move |cause| AgentError::System { doing, cause }
}

/// How many connections the limit of open files allows, after raising it. Reports if they are fewer than usual.
fn connections_max() -> usize {
    let open_files = system_limits::raise_open_files().unwrap_or_else(|cause| {
        diag::warning(format_args!("cannot raise the limit of open files: {cause}"));
        limits::OPEN_FILES_USUAL
    });
    let most = limits::connections_within(open_files);
    if most < CONNECTIONS_MAX {
        let needed = CONNECTIONS_MAX as u64 * DESCRIPTORS_OF_CONNECTION + DESCRIPTORS_RESERVED;
        diag::warning(format_args!(
            "the limit of {open_files} open files allows {most} connections instead of {CONNECTIONS_MAX}: raise it to \
             {needed} (LimitNOFILE= in the unit, or ulimit -n)"
        ));
    }
    most
}

fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(WORKERS_MAX))
}

/// What the quotas depend on.
fn sizes(config: &Config, connections_max: usize) -> Sizes {
    let burst_max = config.history.as_ref().map_or(u64::MAX, |it| it.size / BURST_OF_HISTORY);
    let (own_uid, workers) = (users::current(), worker_threads());
    Sizes { own_uid, connections_max, workers, burst_max }
}

fn log_options(config: &Config) -> log::Options {
    log::Options {
        host: config.host.clone(),
        clock: Arc::new(clock::now),
        uptime: Arc::new(clock::uptime),
        window_size: config.window.size as usize,
        history: config.history.as_ref().map(|history| log::HistoryOptions {
            dir: history.dir.clone(),
            size: history.size,
            age: history.age,
            sync: sync_policy(history.sync),
        }),
    }
}

fn sync_policy(setting: SyncSetting) -> log::SyncPolicy {
    match setting {
        SyncSetting::Always => log::SyncPolicy::Always,
        SyncSetting::Within(age) => log::SyncPolicy::Within(age),
        SyncSetting::Never => log::SyncPolicy::Never,
    }
}

/// What there is before the runtime runs.
struct Base {
    unix: UnixListener,
    web: Option<std::net::TcpListener>,
    syslog: Option<(UnixDatagram, Option<SocketFile>)>,
    manager: Option<Manager>,
    connections_max: usize,
}

async fn serve<E: Display + Send + 'static>(
    config: &Config,
    log: &Log,
    base: Base,
    tls: Certificates,
    link: bool,
    reload: impl Fn() -> Result<Config, E> + Send + Sync + 'static,
    listening: impl FnOnce(Started),
) -> Result<(), AgentError> {
    let mut signals = Signals::new().map_err(system("listen to signals"))?;
    let unix = tokio::net::UnixListener::from_std(base.unix).map_err(system("use the socket"))?;
    let tcp = match &config.tcp {
        Some(tcp) => Some(listen_on(tcp.listen).await?),
        None => None,
    };
    let web = match &config.web {
        Some(web) => Some(listen(web, base.web, config.state.as_deref())?),
        None => None,
    };
    let tcp_address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
    let handshakes = Arc::new(Handshakes::default());
    let web_tls = tls.web.map(|tls| Acceptor::new(Some(tls), handshakes.clone()));
    let tcp_tls = Acceptor::new(tls.tcp, handshakes);
    let monitor = web.as_ref().map(|web| Arc::new(monitor(config, log, web, web_tls)));
    let started = Started {
        tcp: tcp_address,
        monitor: monitor.iter().zip(&web).next().map(|(m, web)| StartedMonitor::new(m, web, link)),
    };
    let (stop, stopping) = watch::channel(false);
    let limits = Arc::new(Limits::new(sizes(config, base.connections_max), log.clone()));
    let services =
        services(config, log, limits, tcp_tls, tcp_address, monitor.as_deref(), stopping);
    let services = Arc::new(services);

    let mut accepting = JoinSet::new();
    let (for_unix, for_tcp) = (services.clone(), services.clone());
    accepting.spawn(accept::run(unix, move |stream| clients::accept_unix(&for_unix, stream)));
    if let Some(tcp) = tcp {
        accepting.spawn(accept::run(tcp, move |(stream, address)| {
            clients::accept_tcp(&for_tcp, stream, address);
        }));
    }
    if let Some((socket, file)) = base.syslog {
        datagrams::spawn(&services, socket, file)
            .map_err(system("use the socket for datagrams"))?;
    }
    #[cfg(feature = "nats")]
    if let Some(config) = &config.nats {
        nats::spawn(&services, config);
        nats::read::spawn(&services, config);
    }
    let web_file = accept_web(&services, monitor.clone(), web, &mut accepting);
    let (socket, limits) = (&config.socket.path, services.limits.clone());
    let manager = Arc::new(ServiceManager::new(base.manager, socket, log.clone(), limits));
    manager.ready();
    listening(started);
    tokio::spawn(manager.clone().keep_alive());

    let mut reloads = Reloads::new(reload);
    loop {
        tokio::select! {
            signal = next_signal(&mut signals, &mut accepting) => {
                let Some(Signal::Reload) = signal else { break };
                manager.reloading();
                reloads.request();
            }
            read = reloads.next() => {
                reload::apply(&services, monitor.as_deref(), read, config);
                manager.ready();
            }
        }
    }
    manager.stopping();
    // An accept loop may still spawn one more client until it has ended.
    accepting.shutdown().await;
    drop(web_file);
    // Fails only if no task is left to hear it.
    let _ = stop.send(true);
    services.clients.close();
    if tokio::time::timeout(DRAIN_MAX, services.clients.wait()).await.is_err() {
        diag::warning(format_args!("some clients did not finish in time, disconnecting them"));
    }
    Ok(())
}

/// Accepts the monitor's connections. Returns the file of its Unix socket.
fn accept_web(
    services: &Arc<Services>,
    monitor: Option<Arc<Monitor>>,
    listening: Option<Listening>,
    accepting: &mut JoinSet<()>,
) -> Option<SocketFile> {
    let (services, monitor) = (services.clone(), monitor?);
    match listening? {
        Listening::Tcp(listener, _) => {
            accepting.spawn(accept::run(listener, move |(stream, address)| {
                http::server::accept_tcp(&services, &monitor, stream, address);
            }));
            None
        }
        Listening::Unix(listener, file) => {
            accepting.spawn(accept::run(listener, move |stream| {
                http::server::accept_unix(&services, &monitor, stream);
            }));
            Some(file)
        }
    }
}

fn monitor(config: &Config, log: &Log, listening: &Listening, tls: Option<Acceptor>) -> Monitor {
    let place = Place {
        url: config.web.as_ref().and_then(|web| web.url.as_ref()),
        address: listening.address(),
        host: &config.host,
        state: config.state.as_deref(),
    };
    Monitor::new(&place, tls, log.now())
}

/// `None` if an accept loop ended, which only a panic does.
async fn next_signal(signals: &mut Signals, accepting: &mut JoinSet<()>) -> Option<Signal> {
    tokio::select! {
        signal = signals.next() => signal,
        _ = accepting.join_next() => None,
    }
}

fn services(
    config: &Config,
    log: &Log,
    limits: Arc<Limits>,
    tls: Acceptor,
    tcp_address: Option<SocketAddr>,
    monitor: Option<&Monitor>,
    stopping: watch::Receiver<bool>,
) -> Services {
    let takes_tokens = config.tcp.is_some() || config.web.is_some();
    let tokens = config.tokens.clone().filter(|_| takes_tokens);
    let access = Arc::new(Access::new(users::current(), config.access.clone(), tokens));
    let runs = Arc::new(Runs::default());
    let forwarding = config.nats.as_ref();
    let forwarding = forwarding.map(|nats| Arc::new(Forwarding::new(nats, &config.host)));
    let bridge =
        tcp_address.map(|_| Bridge::new(access.clone(), limits.clone(), tls, stopping.clone()));
    let hosts = forwarding.as_ref().map(|forwarding| forwarding.hosts().clone());
    let sources = Sources { log: log.clone(), hosts };
    Services {
        log: log.clone(),
        stats: Stats::new(
            log.clone(),
            limits.clone(),
            runs.clone(),
            tcp_address,
            forwarding.clone(),
        ),
        forwarding,
        limits,
        access,
        origins: Origins::new(),
        folds: Arc::new(Folds::new(sources.clone(), runs.clone())),
        past: PastFolds::new(sources),
        runs,
        bridge,
        links: monitor.map(|monitor| monitor.links().clone()),
        clients: TaskTracker::new(),
        stopping,
    }
}

async fn listen_on(address: SocketAddr) -> Result<TcpListener, AgentError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|cause| AgentError::Listen { address, key: "tcp.listen", cause })
}
