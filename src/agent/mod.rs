//! The agent: one file a stage, around the log. A stage knows the log, never another stage; this file
//! knows them all and hands each what it needs.
//!
//! `listen` takes connections in, `bridge` lets those by TCP in who have a token, `ingest` answers what
//! clients ask and takes their events in, `follow` sends what they want to see. `access` says who may do
//! what, `limits`, `rate` and `pace` how much of it, `stats` tells the figures, `service` tells the service
//! manager.

mod access;
mod bridge;
mod connection;
mod error;
mod follow;
mod guest;
mod ingest;
mod limits;
mod listen;
mod look_ups;
mod origins;
mod pace;
mod rate;
mod select;
mod service;
mod spare;
mod stats;
mod stream;
pub mod tls;
pub mod tokens;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;

use crate::config::{Config, SyncSetting};
use crate::diag;
use crate::log::{self, Log};
use crate::sys::peer::Peer;
use crate::sys::signals::{Signal, Signals};
use crate::sys::socket::{self, Permissions};
use crate::sys::{clock, host, limits as system_limits, users};
use crate::wire::{self, Tail};

use access::Access;
use bridge::Bridge;
use connection::Connection;
use guest::Guest;
use ingest::Then;
use limits::{Limits, Party, Permit, Stranger, TooMany};
use origins::Origins;
use service::Service;
use stats::Stats;
use stream::Stream;
use tls::TlsError;

pub use error::AgentError;

// Bounds that the manual names.
pub use access::GROUPS_WAIT_MAX;
pub use bridge::{GREETING_EVERY, HANDSHAKE_MAX, REFUSAL_DELAY};
pub use follow::PASSED_OVER_MAX;
pub use ingest::{ERRS_MAX, UNSTORED_MAX};
pub use limits::{
    CONNECTIONS_KEPT, CONNECTIONS_MAX, CONNECTIONS_OF_ONE_MAX, PATTERNS_HELD_MAX,
    PATTERNS_OF_ONE_MAX, STRANGERS_MAX, STRANGERS_OF_ONE_MAX,
};
pub use origins::ORIGIN_WAIT_MAX;
pub use rate::{BURST_SECONDS, BYTES_PER_SECOND, EVENTS_PER_SECOND};

/// How long connections may take to finish what they began when the agent stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Threads that may wait for the disk or for a directory service. Far more than ever do, since one of
/// them takes over whenever a thread that serves live traffic turns to such work.
const BLOCKING_MAX: usize = 64;

/// How long such a thread is kept: to start one takes longer than what it is for.
const BLOCKING_KEPT: Duration = Duration::from_secs(600);

/// Threads that serve live traffic: more than these gain nothing, since the log has one lock.
const WORKERS_MAX: usize = 4;

/// A TAIL, in either form.
enum TailRequest {
    /// Readable text from now on, of what this MATCH matches.
    Text(String),
    /// JSON lines.
    Json(Tail),
}

/// Everything that the tasks of the agent share.
struct Agent {
    log: Log,
    limits: Arc<Limits>,
    access: Arc<Access>,
    bridge: Option<Bridge>,
    origins: Origins,
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
/// `listening` is called once it takes connections, with the bridge's address; `reload` reads the
/// configuration again.
///
/// # Errors
/// When it cannot start, or cannot finish its history.
pub fn run<E: Display>(
    config: Config,
    inherited: Option<UnixListener>,
    reload: impl Fn() -> Result<Config, E>,
    listening: impl FnOnce(Option<SocketAddr>),
) -> Result<(), AgentError> {
    let system = |doing| move |cause| AgentError::System { doing, cause };
    if let Err(cause) = system_limits::raise_open_files() {
        diag::warning(format_args!("cannot raise the limit of open files: {cause}"));
    }
    let (running, notes) = Log::open(log_options(&config))?;
    for note in notes {
        diag::warning(format_args!("history: {note}"));
    }
    let tls = load_tls(&config)?;
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
    let served = runtime.block_on(serve(&config, running.log(), listener, tls, reload, listening));
    // The path goes first, so that nobody connects to an agent that will not answer.
    drop(socket_file);
    runtime.shutdown_timeout(Duration::ZERO);
    let closed = running.close();
    served?;
    let dir = config.history.map(|history| history.dir).unwrap_or_default();
    closed.map_err(|cause| AgentError::Unfinished { dir, cause })
}

fn load_tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let files = config.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref());
    files.map(tls::load).transpose()
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

async fn serve<E: Display>(
    config: &Config,
    log: &Log,
    listener: UnixListener,
    tls: Option<Arc<ServerConfig>>,
    reload: impl Fn() -> Result<Config, E>,
    listening: impl FnOnce(Option<SocketAddr>),
) -> Result<(), AgentError> {
    let system = |doing| move |cause| AgentError::System { doing, cause };
    let mut signals = Signals::new().map_err(system("listen to signals"))?;
    let listener =
        tokio::net::UnixListener::from_std(listener).map_err(system("use the socket"))?;
    let bridge_listener = match &config.tcp {
        Some(tcp) => Some(listen_on(tcp.listen).await?),
        None => None,
    };
    let bridge_address = bridge_listener.as_ref().and_then(|bridge| bridge.local_addr().ok());
    let (stop, stopping) = watch::channel(false);
    let limits = Arc::new(Limits::new(users::current(), log.clone()));
    let tokens = config.tcp.as_ref().and(config.tokens.clone());
    let access = Arc::new(Access::new(users::current(), config.access.clone(), tokens));
    let bridge =
        bridge_address.map(|_| Bridge::new(access.clone(), limits.clone(), tls, stopping.clone()));
    let agent = Arc::new(Agent {
        log: log.clone(),
        limits: limits.clone(),
        access,
        bridge,
        origins: Origins::new(),
        stats: Stats::new(log.clone(), limits.clone(), bridge_address),
        stopping,
    });
    let (local, bridged) = (agent.clone(), agent.clone());
    let mut accepting = JoinSet::new();
    accepting.spawn(listen::run(listener, move |stream| local.take_in_local(stream)));
    if let Some(bridge) = bridge_listener {
        accepting.spawn(listen::run(bridge, move |(stream, address)| {
            bridged.take_in_bridged(stream, address);
        }));
    }
    let service = Arc::new(Service::new(&config.socket.path, log.clone(), limits.clone()));
    service.ready();
    listening(bridge_address);
    tokio::spawn(service.clone().keep_alive());
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            _ = accepting.join_next() => None,
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
    // Until they have ended they may take one more in, for whom nobody would wait.
    accepting.shutdown().await;
    // Nobody is left to be told only if every connection has ended already.
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN_MAX, limits.all_gone()).await.is_err() {
        diag::warning(format_args!("some connections did not end in time and are cut off"));
    }
    Ok(())
}

async fn listen_on(address: SocketAddr) -> Result<TcpListener, AgentError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|cause| AgentError::Listen { address, cause })
}

/// Tells a client why it is not served. What it does not take at once, it is not told.
fn refuse(stream: &mut Stream, why: &str) {
    let mut answer = Vec::new();
    wire::encode_err(wire::Code::Later, why, &mut answer);
    let _ = stream.try_write(&[io::IoSlice::new(&answer)]);
}

impl Agent {
    /// Somebody comes through the Unix socket.
    fn take_in_local(self: &Arc<Self>, stream: UnixStream) {
        let admitted = Peer::from_socket(&stream)
            .map_err(|error| format!("the kernel does not say who connected: {error}"))
            .and_then(|peer| {
                let permit = self.limits.permit(Party::User(peer.uid));
                Ok((peer, permit.map_err(|full| full.to_string())?))
            });
        match admitted {
            Ok((peer, permit)) => {
                drop(tokio::spawn(self.clone().serve_local(stream, peer, permit)))
            }
            Err(why) => refuse(&mut Stream::Unix(stream), &why),
        }
    }

    /// Somebody comes by TCP.
    fn take_in_bridged(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        match self.admit_stranger(address) {
            Ok((permit, stranger)) => {
                drop(tokio::spawn(self.clone().serve_bridged(stream, address, permit, stranger)));
            }
            Err(full) => refuse(&mut Stream::Tcp(stream), &full.to_string()),
        }
    }

    fn admit_stranger(&self, address: SocketAddr) -> Result<(Permit, Stranger), TooMany> {
        let party = Party::address(address.ip());
        let permit = self.limits.permit(party.clone())?;
        Ok((permit, self.limits.stranger(&party)?))
    }

    async fn serve_local(self: Arc<Self>, stream: UnixStream, peer: Peer, permit: Permit) {
        let uid = peer.uid;
        // Syslog senders name the machine as the kernel does, whatever `host` says.
        let stopping = self.stopping.clone();
        let mut connection = Connection::new(Stream::Unix(stream), &host::name(), stopping);
        let (input, origin, rights) = tokio::join!(
            connection.wait_for_input(),
            self.origins.of(peer),
            self.access.of_user(uid)
        );
        if input.is_ok() {
            let rate = self.limits.rate_of(&Party::User(uid));
            let guest = Guest { rights, origin, rate, _share: None };
            self.converse(&mut connection, &guest, &permit).await;
        }
    }

    async fn serve_bridged(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        permit: Permit,
        stranger: Stranger,
    ) {
        let Some(bridge) = &self.bridge else { return };
        let Some((mut connection, guest)) = bridge.greet(stream, address).await else { return };
        drop(stranger);
        self.converse(&mut connection, &guest, &permit).await;
    }

    /// Serves somebody who is known to the end of their connection, or of their rights.
    async fn converse(&self, connection: &mut Connection, guest: &Guest, permit: &Permit) {
        tokio::select! {
            biased;
            () = self.talk(connection, guest, permit) => {}
            () = guest.rights.lost() => {
                diag::notice(format_args!("{}: a right is gone: cut off", guest.rights.who()));
            }
        }
    }

    /// One connection, from its first byte to its last.
    async fn talk(&self, connection: &mut Connection, guest: &Guest, permit: &Permit) {
        let mut ingest = ingest::Ingest::new(self.log.clone(), &self.stats, guest);
        loop {
            let ended = match ingest.run(connection).await {
                Ok(Then::Close) => return connection.farewell(),
                Err(_) => return,
                Ok(Then::Tail(request)) => match guest.rights.tail().await {
                    Ok(permitted) => {
                        let follows = permit.follows();
                        follow::run(connection, &self.log, request, permitted, follows).await
                    }
                    Err(why) => {
                        let mut answer = Vec::new();
                        wire::encode_err(why.code(), &why.to_string(), &mut answer);
                        connection.write_all(&answer).await.map(|()| follow::Then::Next)
                    }
                },
            };
            match ended {
                Ok(follow::Then::Next) => {}
                Ok(follow::Then::Close) => return connection.farewell(),
                Err(_) => return,
            }
        }
    }

    /// Takes over what can change while the agent runs, and says what cannot.
    fn reload<E: Display>(&self, reload: impl Fn() -> Result<Config, E>, running: &Config) {
        self.origins.clear();
        let fresh = match reload() {
            Ok(fresh) => fresh,
            Err(error) => return diag::error(format_args!("configuration not taken: {error}")),
        };
        match load_tls(&fresh) {
            // Without a new one the old one stays, as long as the bridge listens where it does.
            Ok(None) => {}
            Ok(Some(tls)) => self.bridge.iter().for_each(|bridge| bridge.renew_tls(tls.clone())),
            Err(error) => return diag::error(format_args!("configuration not taken: {error}")),
        }
        self.access.renew(fresh.access.clone());
        if running.differs_only_in_access(&fresh) {
            diag::notice(format_args!("configuration read again"));
        } else {
            diag::warning(format_args!(
                "configuration read again: access and certificates are in force; what else changed takes \
                 effect at the next start"
            ));
        }
    }
}
