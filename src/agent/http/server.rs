//! Connections of the monitor: who the peer is, how many there may be, and how long they may take.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::conn::{Conn, Peer};
use super::{Monitor, route};
use crate::agent::limits::{Turns, fair};
use crate::agent::services::Services;
use crate::sys::peer::Peer as UnixPeer;
use crate::sys::{tcp, tcp_peer};

/// How long a client may take for TLS, and for the head of each request. It closes idle connections too.
pub const HEADER_WAIT_MAX: Duration = Duration::from_secs(10);

/// The most bytes of a request's head, and of what is sent to one connection ahead of what it takes.
const BUFFER_MAX: usize = 64 << 10;

/// The most header fields of a request.
const HEADERS_MAX: usize = 64;

/// Concurrent requests of one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;

/// How long a stop waits for a client of a live response to take its end.
const LIVE_GRACE: Duration = Duration::from_millis(500);

/// The protocol that TLS has negotiated (RFC 7301).
const HTTP2: &[u8] = b"h2";

/// Serves a connection by TCP. Does not wait.
pub(crate) fn accept_tcp(
    services: &Arc<Services>,
    monitor: &Arc<Monitor>,
    stream: TcpStream,
    address: SocketAddr,
) {
    // A refused connection is closed without an answer, which would cost as much as what is refused.
    let Ok(conn) = admit_tcp(services, monitor, &stream, address) else { return };
    let turns = conn.permit.turns();
    drop(services.clients.spawn(fair(turns, Box::pin(serve_tcp(conn, stream)))));
}

/// Serves a connection of a proxy by a Unix socket. Does not wait.
pub(crate) fn accept_unix(services: &Arc<Services>, monitor: &Arc<Monitor>, stream: UnixStream) {
    let Ok(UnixPeer { uid, .. }) = UnixPeer::from_socket(&stream) else { return };
    if let Ok(conn) = Conn::admit(services, monitor, Peer::Proxy { uid }) {
        let turns = conn.permit.turns();
        let serve = serve(Arc::new(conn), stream, false);
        drop(services.clients.spawn(fair(turns, Box::pin(serve))));
    }
}

fn admit_tcp(
    services: &Arc<Services>,
    monitor: &Arc<Monitor>,
    stream: &TcpStream,
    address: SocketAddr,
) -> Result<Conn, Box<dyn std::error::Error>> {
    tcp::prepare(stream)?;
    let ip = address.ip().to_canonical();
    let peer = if ip.is_loopback() {
        Peer::Local { uid: tcp_peer::uid(address, stream.local_addr()?)?, address: ip }
    } else {
        Peer::Remote(ip)
    };
    Ok(Conn::admit(services, monitor, peer)?)
}

async fn serve_tcp(conn: Conn, stream: TcpStream) {
    let conn = Arc::new(conn);
    let monitor = conn.monitor.clone();
    let Some(tls) = &monitor.tls else { return serve(conn, stream, false).await };
    let mut stopping = conn.services.stopping.clone();
    let accepted = tokio::select! {
        accepted = timeout(HEADER_WAIT_MAX, tls.accept(stream)) => accepted,
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    // A client that does not speak TLS, or does not trust the certificate, is no news for the operator.
    let Ok(Ok(stream)) = accepted else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    serve(conn, stream, http2).await;
}

/// Runs the streams of an HTTP/2 connection as tasks that take turns with the others of its key.
#[derive(Clone)]
struct FairExecutor(Option<Arc<Turns>>);

impl<F> Executor<F> for FairExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(fair(self.0.clone(), stream));
    }
}

async fn serve<S>(conn: Arc<Conn>, stream: S, http2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stopping = conn.services.stopping.clone();
    let stopped = async move {
        // An error means that the agent has stopped.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let executor = FairExecutor(conn.permit.turns());
    let for_requests = conn.clone();
    let service = service_fn(move |request| {
        let conn = for_requests.clone();
        async move { Ok::<_, Infallible>(route::respond(&conn, request).await) }
    });
    let io = TokioIo::new(stream);
    // What goes wrong on a connection concerns its client only.
    if http2 {
        let mut builder = http2::Builder::new(executor);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(BUFFER_MAX as u32)
            .max_send_buf_size(BUFFER_MAX)
            .keep_alive_interval(Some(HEADER_WAIT_MAX))
            .keep_alive_timeout(HEADER_WAIT_MAX);
        let mut served = pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = served.as_mut() => return,
            () = stopped => served.as_mut().graceful_shutdown(),
        }
        finish(&conn, served).await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_WAIT_MAX)
            .max_buf_size(BUFFER_MAX)
            .max_headers(HEADERS_MAX);
        let mut served = pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = served.as_mut() => return,
            () = stopped => served.as_mut().graceful_shutdown(),
        }
        finish(&conn, served).await;
    }
}

/// Waits for the last responses of a connection while the agent stops. A client that takes no more of a live response is
/// not waited for: it resumes by its cursor.
async fn finish(conn: &Conn, served: impl Future) {
    if conn.is_live() {
        let _ = timeout(LIVE_GRACE, served).await;
    } else {
        served.await;
    }
}
