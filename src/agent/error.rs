//! Why there is no agent, or no more.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::tls::TlsError;
use crate::log;
use crate::sys::socket::BindError;

/// Why the agent does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The socket cannot be had.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The bridge has nothing to prove who it is with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The bridge has no place.
    #[error("cannot listen on {address} (tcp.listen): {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
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
