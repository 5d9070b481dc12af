//! Where the monitor listens.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::net::{TcpListener, UnixListener};

use crate::agent::AgentError;
use crate::config::{Web, WebListen};
use crate::diag;
use crate::sys::files::{self, NewFile};
use crate::sys::socket::{self, Permissions, SocketFile};

/// The file that keeps the port of an agent for which none is configured, in the directory of its state.
const PORT_FILE: &str = "web-port";

/// The socket of the monitor.
pub(crate) enum Listening {
    /// TCP, and its address.
    Tcp(TcpListener, SocketAddr),
    /// A Unix socket, and its file.
    Unix(UnixListener, SocketFile),
}

impl Listening {
    /// The address, unless it is a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            Self::Unix(..) => None,
        }
    }
}

/// Listens as configured, on the inherited socket if there is one. `state` is the directory that keeps the port.
///
/// # Errors
/// [`AgentError`] if a configured place is taken.
pub(crate) fn listen(
    web: &Web,
    inherited: Option<std::net::TcpListener>,
    state: Option<&Path>,
) -> Result<Listening, AgentError> {
    if let Some(listener) = inherited {
        return tcp(listener);
    }
    match &web.listen {
        WebListen::Default => tcp(on_kept_port(state)?),
        WebListen::Tcp(address) => tcp(bind(*address)?),
        WebListen::Unix { path, mode, owner, group } => {
            let permissions = Permissions { mode: *mode, owner: *owner, group: *group };
            let (listener, file) = socket::bind(path, permissions)?;
            let listener = UnixListener::from_std(listener).map_err(system)?;
            Ok(Listening::Unix(listener, file))
        }
    }
}

fn tcp(listener: std::net::TcpListener) -> Result<Listening, AgentError> {
    listener.set_nonblocking(true).map_err(system)?;
    let address = listener.local_addr().map_err(system)?;
    Ok(Listening::Tcp(TcpListener::from_std(listener).map_err(system)?, address))
}

fn bind(address: SocketAddr) -> Result<std::net::TcpListener, AgentError> {
    let bound = std::net::TcpListener::bind(address);
    bound.map_err(|cause| AgentError::Listen { address, key: "web.listen", cause })
}

/// Listens on the port of the last start, so that bookmarks and cookies stay valid, or else on a free one.
fn on_kept_port(state: Option<&Path>) -> Result<std::net::TcpListener, AgentError> {
    let file = state.map(|dir| dir.join(PORT_FILE));
    let kept = file.as_deref().and_then(|file| fs::read_to_string(file).ok());
    let kept: Option<u16> = kept.and_then(|text| text.trim().parse().ok()).filter(|port| *port > 0);
    let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if let Some(listener) = kept.and_then(|port| bind(on(port)).ok()) {
        return Ok(listener);
    }
    let listener = bind(on(0))?;
    let port = listener.local_addr().map_err(system)?.port();
    if let Some(file) = &file {
        let new = NewFile { mode: 0o644, owner: None };
        if let Err(cause) = files::replace(file, format!("{port}\n").as_bytes(), new) {
            let file = file.display();
            diag::warning(format_args!("the monitor's port is not kept: {file}: {cause}"));
        }
    }
    Ok(listener)
}

fn system(cause: io::Error) -> AgentError {
    AgentError::System { doing: "listen for the monitor", cause }
}
