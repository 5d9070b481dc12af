//! SIGHUP: puts into force what can change while the agent runs, and reports what cannot.

use std::fmt::Display;
use std::sync::Arc;

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

/// Reads the configuration again. If it is bad, everything stays as it is.
pub(super) fn run<E: Display>(
    services: &Services,
    monitor: Option<&Monitor>,
    reload: impl Fn() -> Result<Config, E>,
    running: &Config,
) {
    services.origins.clear();
    let rejected = |error: &dyn Display| {
        diag::error(format_args!("configuration rejected: {error}"));
    };
    let new = match reload() {
        Ok(new) => new,
        Err(error) => return rejected(&error),
    };
    match load_tls(&new) {
        // Without a new certificate, the old one stays for as long as the agent listens.
        Ok(Certificates { tcp, web }) => {
            if let (Some(bridge), Some(tls)) = (&services.bridge, tcp) {
                bridge.replace_tls(tls);
            }
            if let (Some(monitor), Some(tls)) = (monitor, web) {
                monitor.replace_tls(tls);
            }
        }
        Err(error) => return rejected(&error),
    }
    services.access.replace_rules(new.access.clone());
    if running.differs_only_in_access(&new) {
        diag::notice(format_args!("configuration reloaded"));
    } else {
        diag::warning(format_args!(
            "configuration reloaded: access and certificates are in force, other changes take effect at the \
             next start"
        ));
    }
}
