//! The accept loop: never ends because of an error, and never spins.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::diag::{self, Throttle};

/// Pause after an accept that failed for lack of descriptors or memory (EMFILE, ENFILE, ENOMEM).
const PAUSE: Duration = Duration::from_millis(100);

/// Minimum interval between two diagnostics about failing accepts.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// A listening socket.
pub(crate) trait Listener: Send + Sync {
    /// An accepted connection, with what the kernel says of its peer.
    type Incoming: Send;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Incoming>> + Send;
}

impl Listener for UnixListener {
    type Incoming = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

impl Listener for TcpListener {
    type Incoming = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Accepts until it is dropped, and calls `serve` with each connection. `serve` must not block.
pub(crate) async fn run<L: Listener>(listener: L, serve: impl Fn(L::Incoming)) {
    let mut reports = Throttle::new(REPORT_EVERY);
    loop {
        match listener.accept().await {
            Ok(incoming) => serve(incoming),
            // The client disconnected before it was accepted.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) => {
                if let Some(omitted) = reports.pass(Instant::now()) {
                    diag::warning(format_args!(
                        "cannot accept a connection: {e}: trying again{omitted}"
                    ));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
