//! The options that name the agent, shared by pulse-send and pulse-tail.

use std::path::PathBuf;

use crate::client::{Address, Server, TokenError};

/// Where the agent is.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct ConnectArgs {
    /// Connect to the socket at PATH [env: PULSED_SOCKET] [default: your own agent's, else the system's]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Connect to the TCP bridge of an agent on another machine, with TLS [default PORT: 7465]
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "socket")]
    server: Option<Server>,

    /// Trust only the certificates in FILE (PEM) to sign the server's, not the system's
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,

    /// Read the token for the server from FILE [env: PULSED_TOKEN]
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
}

impl ConnectArgs {
    /// `true` if a server is named.
    pub(super) const fn has_server(&self) -> bool {
        self.server.is_some()
    }

    /// Returns the agent's address. Reads the token if a server is named. `port` replaces that of the server.
    ///
    /// # Errors
    /// [`TokenError`] if a server is named and there is no token for it.
    pub(super) fn address(&self, port: Option<u16>) -> Result<Address, TokenError> {
        let server = self.server.clone().map(|server| match port {
            Some(port) => server.with_port(port),
            None => server,
        });
        Address::new(
            self.socket.as_deref(),
            server.as_ref(),
            self.ca.as_deref(),
            self.token_file.as_deref(),
        )
    }
}
