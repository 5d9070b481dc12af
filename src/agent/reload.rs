//! SIGHUP: puts into force what can change while the agent runs, and reports what cannot.

use std::fmt::Display;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use super::services::Services;
use super::transport::tls::{self, TlsError};
use crate::config::Config;
use crate::diag;

/// Reads certificate and key, if they are configured.
pub(super) fn load_tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let files = config.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref());
    files.map(tls::load).transpose()
}

/// Reads the configuration again. If it is bad, everything stays as it is.
pub(super) fn run<E: Display>(
    services: &Services,
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
        // The old certificate stays for as long as the bridge listens.
        Ok(None) => {}
        Ok(Some(tls)) => {
            services.bridge.iter().for_each(|bridge| bridge.replace_tls(tls.clone()));
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
