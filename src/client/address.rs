//! Which agent is meant, and how a place is shown.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::token::{Token, TokenError};

/// The port of the TCP bridge, unless another one is named.
pub const PORT: u16 = 7465;

/// The longest name of a machine, in bytes: that of the domain name system.
const NAME_MAX: usize = 253;

/// An agent, as far as its user says which.
#[derive(Clone, Debug)]
pub enum Address {
    /// On this machine, at this socket; without one at the first place that takes us in.
    Local(Option<PathBuf>),
    /// Behind a TCP bridge.
    Remote(Remote),
}

/// An agent behind a TCP bridge, and what it takes to be let in there.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) server: Server,
    /// The only certificates that are trusted; without them it is the system's.
    pub(super) ca: Option<PathBuf>,
    pub(super) token: Token,
}

impl Address {
    /// What the options say: `--socket`, or else `--server` with `--ca` and `--token-file`.
    ///
    /// # Errors
    /// [`TokenError`] when a server is named and there is no token for it.
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

/// Where a TCP bridge listens: `HOST`, `HOST:PORT`, `[IPv6]:PORT` or `IPv6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a text names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServer {
    /// No name of a machine, and no address.
    #[error("HOST is a name such as web1.example, an IPv4 address or an IPv6 address")]
    Host,
    /// No port.
    #[error("PORT is a number from 1 to 65535")]
    Port,
    /// A bracket without its other one, or a URL.
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

/// The host, without brackets, and what is said of the port.
fn split(text: &str) -> Result<(&str, Option<&str>), BadServer> {
    if text.contains('/') {
        return Err(BadServer::Form);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or(BadServer::Form)?;
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':').ok_or(BadServer::Form)?),
            };
            return host.parse::<Ipv6Addr>().map(|_| (host, port)).map_err(|_| BadServer::Host);
        }
        // An address without brackets has no port: its last part could be meant for either.
        None if text.parse::<Ipv6Addr>().is_ok() => return Ok((text, None)),
        None => match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let good = !host.starts_with(['-', '.']) && host.bytes().all(known);
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

/// Where an agent is, in what people read: the path of its socket, or `HOST:PORT`.
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
    fn a_server_is_named_as_people_name_it() {
        for (text, shown) in [
            ("web1", "web1:7465"),
            ("web1.example:1", "web1.example:1"),
            ("web1:65535", "web1:65535"),
            ("192.0.2.7:7465", "192.0.2.7:7465"),
            ("::1", "[::1]:7465"),
            ("[::1]", "[::1]:7465"),
            ("[2001:db8::7]:7000", "[2001:db8::7]:7000"),
            // Without brackets all of it is the address.
            ("::1:7000", "[::1:7000]:7465"),
        ] {
            let server: Server = text.parse().expect(text);
            assert_eq!(server.to_string(), shown);
        }
        assert!("x".repeat(NAME_MAX).parse::<Server>().is_ok());
    }

    #[test]
    fn what_names_no_server_is_refused() {
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
