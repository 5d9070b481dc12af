//! Reaching a TCP bridge. The token is behind this: what is returned here may be told it.

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

/// How many addresses of a host are tried: each may cost a whole timeout.
pub const ADDRESSES_MAX: usize = 8;

/// Connects to the first address of the host that takes us in, and agrees on TLS with it. Only a
/// loopback address is spoken to without, unless the user says whose certificates to trust. The name,
/// each address and TLS are waited for `timeout` each, which must not be zero.
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
            // Not what the name promised, but what was reached decides.
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
    let tls = Tls::agree(stream, &remote.server.host, remote.ca.as_deref(), timeout);
    Ok(Stream::Tls(Box::new(tls.map_err(failed)?)))
}

#[cfg(not(feature = "tls"))]
fn secure(_: TcpStream, remote: &Remote, _: Duration) -> Result<Stream, OpenError> {
    Err(OpenError::NoTls(remote.server.clone()))
}

/// The addresses of the host, at least one.
fn resolve(server: &Server, timeout: Duration) -> Result<Vec<SocketAddr>, OpenError> {
    let Server { host, port } = server;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, *port)]);
    }
    let failed = |source| OpenError::Unresolved { server: server.clone(), source };
    let (told, answer) = mpsc::channel();
    let (name, port) = (host.clone(), *port);
    // getaddrinfo(3) has no bound that we could set. Who gives up on it leaves it a thread, which ends
    // with it or with the command.
    let asking = thread::Builder::new().name("resolver".into()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        let _ = told.send(found.map(|all| all.take(ADDRESSES_MAX).collect::<Vec<_>>()));
    });
    asking.map_err(failed)?;
    match answer.recv_timeout(timeout) {
        Ok(Ok(addresses)) if addresses.is_empty() => {
            Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
        }
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(source)) => Err(failed(source)),
        Err(_) => {
            let late = format!("the name is not resolved after {timeout:?}");
            Err(failed(io::Error::new(io::ErrorKind::TimedOut, late)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn an_address_needs_no_resolver_and_a_name_has_some() {
        let of = |text: &str| resolve(&text.parse().expect(text), LONG).expect(text);
        assert_eq!(of("192.0.2.7:1"), ["192.0.2.7:1".parse().expect("one")]);
        assert_eq!(of("[::1]"), ["[::1]:7465".parse().expect("one")]);
        let local = of("localhost:9");
        assert!(
            !local.is_empty() && local.iter().all(|at| at.ip().is_loopback() && at.port() == 9)
        );
    }

    #[test]
    fn a_name_that_nobody_has_is_told() {
        // The top-level domain that never is (RFC 6761).
        let server: Server = "x.invalid".parse().expect("well-formed");
        let error = resolve(&server, LONG).expect_err("no such name");
        assert!(error.to_string().starts_with("cannot connect: x.invalid:7465: "), "{error}");
    }
}
