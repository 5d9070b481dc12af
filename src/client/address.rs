//! Addresses of agents, and how they are displayed.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::token::{Token, TokenError};

/// The default port of the TCP bridge.
pub const PORT: u16 = 7465;

/// The longest host name, in bytes: that of the domain name system.
const NAME_MAX: usize = 253;

/// The address of an agent.
///
/// ```
/// use std::path::Path;
/// use pulsed::client::Address;
///
/// let address = Address::new(Some(Path::new("/run/pulsed/pulsed.sock")), None, None, None)?;
/// assert!(matches!(address, Address::Local(Some(_))));
/// # Ok::<(), pulsed::client::TokenError>(())
/// ```
#[derive(Clone, Debug)]
pub enum Address {
    /// On this machine, at this socket. `None` means the first of the default sockets with a listener.
    Local(Option<PathBuf>),
    /// Behind a TCP bridge.
    Remote(Remote),
}

/// An agent behind a TCP bridge, and the credentials for it.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) server: Server,
    /// A file with the only trusted certificates. `None` means the system's.
    pub(super) ca: Option<PathBuf>,
    pub(super) token: Token,
}

impl Address {
    /// The address from the options `--socket`, or `--server` with `--ca` and `--token-file`. Reads the token
    /// of a server.
    ///
    /// # Errors
    /// [`TokenError`] if a server is named and there is no token for it.
    pub fn new(
        socket: Option<&Path>,
        server: Option<&Server>,
        ca: Option<&Path>,
        token_file: Option<&Path>,
    ) -> Result<Self, TokenError> {
        let Some(server) = server else { return Ok(Self::Local(socket.map(Path::to_owned))) };
        let token = Token::find(token_file)?;
        Ok(Self::Remote(Remote { server: server.clone(), ca: ca.map(Path::to_owned), token }))
    }
}

/// The address of a TCP bridge: `HOST`, `HOST:PORT`, `[IPv6]:PORT` or `IPv6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Server {
    /// The same host at another port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }
}

/// Why a text is not the address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServer {
    /// Neither a host name nor an IP address.
    #[error("HOST is a name such as web1.example, an IPv4 address or an IPv6 address")]
    Host,
    /// Not a port.
    #[error("PORT is a number from 1 to 65535")]
    Port,
    /// An unpaired bracket, or a URL.
    #[error("use HOST, HOST:PORT or [IPv6]:PORT, and nothing around it")]
    Form,
}

impl FromStr for Server {
    type Err = BadServer;

    fn from_str(text: &str) -> Result<Self, BadServer> {
        let (host, port) = split(text)?;
        let port = match port {
            None => PORT,
            Some(port) => {
                let plain = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let number = port.parse().ok().filter(|port| plain && *port > 0);
                number.ok_or(BadServer::Port)?
            }
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Splits host, without brackets, and port.
fn split(text: &str) -> Result<(&str, Option<&str>), BadServer> {
    if text.contains('/') {
        return Err(BadServer::Form);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BadServer::Form)?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or(BadServer::Form)?),
            };
            return host.parse::<Ipv6Addr>().map(|_| (host, port)).map_err(|_| BadServer::Host);
        }
        // An address without brackets has no port: its last part is ambiguous.
        None if text.parse::<Ipv6Addr>().is_ok() => return Ok((text, None)),
        None => match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let good = !host.starts_with(['-', '.']) && host.bytes().all(allowed);
    if !good || host.is_empty() || host.len() > NAME_MAX {
        return Err(BadServer::Host);
    }
    Ok((host, port))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// An agent's address in messages: the path of its socket, or `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// A socket on this machine.
    Socket(PathBuf),
    /// A TCP bridge.
    Server(Server),
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_servers() {
        for (text, shown) in [
            ("web1", "web1:7465"),
            ("web1.example:1", "web1.example:1"),
            ("web1:65535", "web1:65535"),
            ("192.0.2.7:7465", "192.0.2.7:7465"),
            ("::1", "[::1]:7465"),
            ("[::1]", "[::1]:7465"),
            ("[2001:db8::7]:7000", "[2001:db8::7]:7000"),
            // Without brackets, all of it is the address.
            ("::1:7000", "[::1:7000]:7465"),
        ] {
            let server: Server = text.parse().expect(text);
            assert_eq!(server.to_string(), shown);
        }
        assert!("x".repeat(NAME_MAX).parse::<Server>().is_ok());
    }

    #[test]
    fn rejects_other_texts() {
        let long = "x".repeat(NAME_MAX + 1);
        for (text, bad) in [
            ("", BadServer::Host),
            (":7465", BadServer::Host),
            ("a b", BadServer::Host),
            ("user@web1", BadServer::Host),
            ("https://web1", BadServer::Form),
            ("web1/", BadServer::Form),
            ("-x", BadServer::Host),
            ("[web1]:7465", BadServer::Host),
            ("fe80::1%eth0", BadServer::Port),
            (long.as_str(), BadServer::Host),
            ("web1:", BadServer::Port),
            ("web1:0", BadServer::Port),
            ("web1:65536", BadServer::Port),
            ("web1:+1", BadServer::Port),
            ("web1:1:2", BadServer::Port),
            ("[::1", BadServer::Form),
            ("[::1]7465", BadServer::Form),
        ] {
            assert_eq!(text.parse::<Server>(), Err(bad), "{text:?}");
        }
    }
}
