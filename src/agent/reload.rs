//! SIGHUP: puts into force what can change while the agent runs, and reports what cannot.

use std::fmt::{self, Display};
use std::future::pending;
use std::mem;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::rustls::ServerConfig;

use super::http::Monitor;
use super::services::Services;
use super::transport::tls::{self, TlsError};
use crate::config::Config;
use crate::diag;

/// The certificates that are configured.
pub(super) struct Certificates {
    pub(super) tcp: Option<Arc<ServerConfig>>,
    pub(super) web: Option<Arc<ServerConfig>>,
}

/// Reads certificates and keys.
pub(super) fn load_tls(config: &Config) -> Result<Certificates, TlsError> {
    let tcp = config.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref());
    let web = config.web.as_ref().and_then(|web| web.tls.as_ref());
    Ok(Certificates {
        tcp: tcp.map(|files| tls::load(files, &[])).transpose()?,
        web: web.map(|files| tls::load(files, tls::HTTP_PROTOCOLS)).transpose()?,
    })
}

/// What a reload has read.
pub(super) struct Read {
    config: Config,
    certificates: Certificates,
}

/// Why everything stays as it is.
pub(super) enum Rejected<E> {
    Config(E),
    Tls(TlsError),
    /// Reading panicked.
    Unread,
}

impl<E: Display> Display for Rejected<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Unread => f.write_str("it was not read, because of an error of the agent"),
        }
    }
}

/// Reads the configuration at SIGHUP, on a blocking thread: a file or a directory service that hangs keeps the agent
/// neither from serving clients nor from stopping.
pub(super) struct Reloads<F, E> {
    read: Arc<F>,
    reading: Option<JoinHandle<Result<Read, Rejected<E>>>>,
    /// Requested again meanwhile.
    again: bool,
}

impl<F, E> Reloads<F, E>
where
    F: Fn() -> Result<Config, E> + Send + Sync + 'static,
    E: Send + 'static,
{
    pub(super) fn new(read: F) -> Self {
        Self { read: Arc::new(read), reading: None, again: false }
    }

    /// Starts to read. While one thread is at it, no other one is started.
    pub(super) fn request(&mut self) {
        if self.reading.is_some() {
            self.again = true;
            return;
        }
        let read = self.read.clone();
        self.reading = Some(spawn_blocking(move || {
            let config = read().map_err(Rejected::Config)?;
            let certificates = load_tls(&config).map_err(Rejected::Tls)?;
            Ok(Read { config, certificates })
        }));
    }

    /// Waits for what a request leads to.
    pub(super) async fn next(&mut self) -> Result<Read, Rejected<E>> {
        loop {
            let Some(reading) = &mut self.reading else { return pending().await };
            let read = reading.await.unwrap_or(Err(Rejected::Unread));
            self.reading = None;
            if !mem::take(&mut self.again) {
                return read;
            }
            self.request();
        }
    }
}

/// Puts what was read into force. If it is bad, everything stays as it is.
pub(super) fn apply<E: Display>(
    services: &Services,
    monitor: Option<&Monitor>,
    read: Result<Read, Rejected<E>>,
    running: &Config,
) {
    services.origins.clear();
    let Read { config, certificates } = match read {
        Ok(read) => read,
        Err(rejected) => {
            return diag::error(format_args!("configuration rejected: {rejected}"));
        }
    };
    // Without a new certificate, the old one stays for as long as the agent listens.
    if let (Some(bridge), Some(tls)) = (&services.bridge, certificates.tcp) {
        bridge.replace_tls(tls);
    }
    if let (Some(monitor), Some(tls)) = (monitor, certificates.web) {
        monitor.replace_tls(tls);
    }
    services.access.replace_rules(config.access.clone());
    if running.differs_only_in_access(&config) {
        diag::notice(format_args!("configuration reloaded"));
    } else {
        diag::warning(format_args!(
            "configuration reloaded: access and certificates are in force, other changes take effect at the \
             next start"
        ));
    }
}
