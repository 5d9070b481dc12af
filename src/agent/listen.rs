//! Taking connections in. Never ends by itself, and never spins.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::diag::{self, Throttle};

/// How long to wait when the system has no descriptor or no memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a failure that goes on is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Where connections come in.
pub(crate) trait Door: Send + Sync {
    /// A connection, and what the kernel says of it.
    type Caller: Send;

    /// The next one.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Caller>> + Send;
}

impl Door for UnixListener {
    type Caller = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

impl Door for TcpListener {
    type Caller = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Accepts for ever, and hands over each connection; who takes it must not wait.
pub(crate) async fn run<D: Door>(door: D, take_in: impl Fn(D::Caller)) {
    let mut told = Throttle::new(TELL_EVERY);
    loop {
        match door.accept().await {
            Ok(caller) => take_in(caller),
            // The client was gone before it was accepted.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) => {
                if let Some(left_out) = told.pass(Instant::now()) {
                    diag::warning(format_args!(
                        "cannot accept a connection: {e}: trying again{left_out}"
                    ));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
