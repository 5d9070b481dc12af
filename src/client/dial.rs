//! Connects to a TCP bridge. The stream that this returns is safe for a token.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::address::{Remote, Server};
use super::error::OpenError;
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::{Tls, TlsError};
use crate::sys::tcp;

/// The most addresses of a host that are tried: each may take a whole timeout.
pub const ADDRESSES_MAX: usize = 8;

/// Connects to the first address of the host that accepts, with TLS unless it is a loopback address and
/// `ca` is not set. `timeout` bounds the name lookup, each address and the handshake separately, and must
/// not be 0.
///
/// # Errors
/// [`OpenError`]
pub(super) fn dial(remote: &Remote, timeout: Duration) -> Result<Stream, OpenError> {
    let server = &remote.server;
    let mut tried = Vec::new();
    for address in resolve(server, timeout)? {
        let connected = TcpStream::connect_timeout(&address, timeout)
            .and_then(|stream| tcp::prepare(&stream).map(|()| stream));
        match connected {
            // The address that was reached decides, not the name.
            Ok(stream) if address.ip().is_loopback() && remote.ca.is_none() => {
                return Ok(Stream::Tcp(stream));
            }
            Ok(stream) => return secure(stream, remote, timeout),
            Err(source) => tried.push((address, source)),
        }
    }
    Err(OpenError::Unreached { server: server.clone(), tried })
}

#[cfg(feature = "tls")]
fn secure(stream: TcpStream, remote: &Remote, timeout: Duration) -> Result<Stream, OpenError> {
    let failed = |source: TlsError| OpenError::Tls { server: remote.server.clone(), source };
    let tls = Tls::handshake(stream, &remote.server.host, remote.ca.as_deref(), timeout);
    Ok(Stream::Tls(Box::new(tls.map_err(failed)?)))
}

#[cfg(not(feature = "tls"))]
fn secure(_: TcpStream, remote: &Remote, _: Duration) -> Result<Stream, OpenError> {
    Err(OpenError::NoTls(remote.server.clone()))
}

/// Looks up the addresses of the host, at least one.
fn resolve(server: &Server, timeout: Duration) -> Result<Vec<SocketAddr>, OpenError> {
    let Server { host, port } = server;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, *port)]);
    }
    let failed = |source| OpenError::Unresolved { server: server.clone(), source };
    let (sender, receiver) = mpsc::channel();
    let (name, port) = (host.clone(), *port);
    // getaddrinfo(3) has no timeout. After ours, its thread is left running until it or the process ends.
    let started = thread::Builder::new().name("resolver".into()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        let _ = sender.send(found.map(|all| all.take(ADDRESSES_MAX).collect::<Vec<_>>()));
    });
    started.map_err(failed)?;
    match receiver.recv_timeout(timeout) {
        Ok(Ok(addresses)) if addresses.is_empty() => {
            Err(failed(io::Error::new(io::ErrorKind::NotFound, "no address for this name")))
        }
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(source)) => Err(failed(source)),
        Err(_) => {
            let late = format!("name lookup timed out after {timeout:?}");
            Err(failed(io::Error::new(io::ErrorKind::TimedOut, late)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn resolves_addresses_and_names() {
        let addresses = |text: &str| resolve(&text.parse().expect(text), LONG).expect(text);
        assert_eq!(addresses("192.0.2.7:1"), ["192.0.2.7:1".parse().expect("one")]);
        assert_eq!(addresses("[::1]"), ["[::1]:7465".parse().expect("one")]);
        let local = addresses("localhost:9");
        assert!(
            !local.is_empty() && local.iter().all(|at| at.ip().is_loopback() && at.port() == 9)
        );
    }

    #[test]
    fn reports_an_unknown_name() {
        // A top-level domain that never exists (RFC 6761).
        let server: Server = "x.invalid".parse().expect("well-formed");
        let error = resolve(&server, LONG).expect_err("no such name");
        assert!(error.to_string().starts_with("cannot connect: x.invalid:7465: "), "{error}");
    }
}
