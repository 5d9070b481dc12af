//! Why the agent does not start, or stops.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::transport::tls::TlsError;
use crate::log;
use crate::sys::socket::BindError;

/// Why the agent does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The socket cannot be bound.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The TCP bridge or the monitor cannot listen.
    #[error("cannot listen on {address} ({key}): {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The key that sets it.
        key: &'static str,
        /// What the system says.
        cause: io::Error,
    },
    /// Another system call failed.
    #[error("cannot {doing}: {cause}")]
    System {
        /// The operation.
        doing: &'static str,
        /// What the system says.
        cause: io::Error,
    },
    /// The last events could not be stored.
    #[error("history {}: not everything is stored at the end: {cause}", dir.display())]
    Unfinished {
        /// Its directory.
        dir: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}
