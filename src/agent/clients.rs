//! The tasks that serve one client each: from an accepted connection to the end of its session.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::client::Client;
use super::limits::{Permit, QuotaKey, TooMany, Unauthenticated, fair};
use super::services::Services;
use super::session;
use super::transport::connection::Connection;
use super::transport::stream::Stream;
use crate::sys::host;
use crate::sys::peer::Peer;
use crate::wire;

/// How long a refused connection is still read.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// The most that is read from a refused connection, in bytes.
const LINGER_BYTES_MAX: usize = 64 << 10;

/// Serves a connection on the Unix socket. Does not wait.
pub(super) fn accept_unix(services: &Arc<Services>, stream: UnixStream) {
    let admitted = Peer::from_socket(&stream)
        .map_err(|error| format!("the kernel does not identify the peer: {error}"))
        .and_then(|peer| {
            let permit = services.limits.permit(QuotaKey::User(peer.uid));
            Ok((peer, permit.map_err(|full| full.to_string())?))
        });
    match admitted {
        Ok((peer, permit)) => {
            let turns = permit.turns();
            let serve = serve_unix(services.clone(), stream, peer, permit);
            drop(services.clients.spawn(fair(turns, Box::pin(serve))));
        }
        Err(why) => refuse(services, Stream::Unix(stream), &why),
    }
}

/// Serves a connection on the TCP bridge. Does not wait.
pub(super) fn accept_tcp(services: &Arc<Services>, stream: TcpStream, address: SocketAddr) {
    match admit_tcp(services, address) {
        Ok((permit, unauthenticated)) => {
            let serve = serve_tcp(services.clone(), stream, address, permit, unauthenticated);
            drop(services.clients.spawn(serve));
        }
        Err(full) => refuse(services, Stream::Tcp(stream), &full.to_string()),
    }
}

fn admit_tcp(
    services: &Services,
    address: SocketAddr,
) -> Result<(Permit, Unauthenticated), TooMany> {
    let key = QuotaKey::for_address(address.ip());
    let permit = services.limits.permit(key.clone())?;
    Ok((permit, services.limits.unauthenticated(&key)?))
}

async fn serve_unix(services: Arc<Services>, stream: UnixStream, peer: Peer, permit: Permit) {
    // Syslog senders name the machine as the kernel does, whatever `host` says.
    let stopping = services.stopping.clone();
    let quota_key = QuotaKey::User(peer.uid);
    let held = services.limits.held(&quota_key);
    let mut connection = Connection::new(Stream::Unix(stream), &host::name(), held, stopping);
    let rights = Arc::new(services.access.rights_of_user(peer.uid));
    let (input, origin) = tokio::join!(connection.wait_for_input(), services.origins.lookup(peer));
    if input.is_ok() {
        let rate = services.limits.rate_of(&quota_key);
        let client = Client { rights, origin, rate, quota_key, share: None };
        session::serve(&services, &mut connection, &client, &permit).await;
    }
}

async fn serve_tcp(
    services: Arc<Services>,
    stream: TcpStream,
    address: SocketAddr,
    permit: Permit,
    unauthenticated: Unauthenticated,
) {
    let Some(bridge) = &services.bridge else { return };
    let handshake = Box::pin(bridge.handshake(stream, address));
    let Some((mut connection, client)) = fair(permit.turns(), handshake).await else { return };
    drop(unauthenticated);
    let serve = session::serve(&services, &mut connection, &client, &permit);
    fair(client.turns(), Box::pin(serve)).await;
}

/// Replies why a client is not served. Does not wait: a client with a full socket buffer does not get it.
///
/// A client that has sent something already would have its connection reset by close(2), which can destroy the
/// reply. A few connections (`Limits::linger`) are therefore closed by a task that first reads what came.
fn refuse(services: &Services, mut stream: Stream, why: &str) {
    let mut reply = Vec::new();
    wire::encode_err(wire::Code::Later, why, &mut reply);
    let _ = stream.try_write(&[io::IoSlice::new(&reply)]);
    if let Some(permit) = services.limits.linger() {
        // Not one of the clients that a stop waits for.
        drop(tokio::spawn(async move {
            let _ = tokio::time::timeout(LINGER_MAX, linger(&mut stream)).await;
            drop(permit);
        }));
    }
}

/// Ends our side of a refused connection, and discards what the client sends until it ends its own.
async fn linger(stream: &mut Stream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut read = 0;
    let mut discarded = [0; 4096];
    while read < LINGER_BYTES_MAX {
        stream.readable().await?;
        match stream.try_read(&mut discarded) {
            Ok(0) => break,
            Ok(length) => read += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
