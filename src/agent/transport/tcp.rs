//! The TCP bridge: from an accepted TCP connection to an authenticated client, within
//! [`HANDSHAKE_MAX`].

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ServerConfig;

use super::authenticate::{AuthError, Authenticator};
use super::connection::{Connection, FIRST_REQUEST_GRACE, stopped_after};
use super::stream::Stream;
use super::tls::{AcceptError, Acceptor, HANDSHAKE_RECORD};
use crate::agent::access::Access;
use crate::agent::client::Client;
use crate::agent::limits::{Limits, QuotaKey};
use crate::diag::{self, Throttle};
use crate::sys::{host, tcp};
use crate::wire::{self, Code};

/// Deadline from connect to a good token, TLS included.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Minimum interval between two diagnostics about clients that did not authenticate.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How much is read of a client that is refused before TLS, in bytes: a connection that is closed with unread
/// input is reset, and the reset may overtake the reply.
const DISCARD_MAX: usize = 1024;

/// Authenticates TCP clients.
pub(crate) struct Bridge {
    authenticator: Authenticator,
    tls: Acceptor,
    reports: Mutex<Throttle>,
    stopping: watch::Receiver<bool>,
}

/// Why a client is not served, for the diagnostics.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] AcceptError),
    #[error("no TLS")]
    NoTls,
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("no good token within {} s", HANDSHAKE_MAX.as_secs())]
    Late,
}

impl Bridge {
    pub(crate) fn new(
        access: Arc<Access>,
        limits: Arc<Limits>,
        tls: Acceptor,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let reports = Mutex::new(Throttle::new(REPORT_EVERY));
        let authenticator = Authenticator { access, limits };
        Self { authenticator, tls, reports, stopping }
    }

    /// Uses this certificate for the next connections.
    pub(crate) fn replace_tls(&self, tls: Arc<ServerConfig>) {
        self.tls.replace(tls);
    }

    /// Runs the handshake. `None` if the client did not authenticate; why is in the diagnostics. While the agent
    /// stops, the deadline is [`FIRST_REQUEST_GRACE`].
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(Connection, Client)> {
        let (mut stopping, grace) = (self.stopping.clone(), Instant::now() + FIRST_REQUEST_GRACE);
        let authenticated = tokio::select! {
            authenticated = self.try_handshake(stream, address) => authenticated,
            () = stopped_after(&mut stopping, Some(grace)) => return None,
        };
        authenticated.unwrap_or_else(|error| {
            self.report(address, &error.to_string());
            None
        })
    }

    fn report(&self, address: SocketAddr, why: &str) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(omitted) = reports.pass(std::time::Instant::now()) {
            let address = address.ip().to_canonical();
            diag::warning(format_args!("{address}: not authenticated: {why}{omitted}"));
        }
    }

    async fn try_handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Option<(Connection, Client)>, HandshakeError> {
        let deadline = Instant::now() + HANDSHAKE_MAX;
        let secured = timeout_at(deadline, self.secure(stream, address)).await;
        let Some(mut connection) = secured.map_err(|_| HandshakeError::Late)?? else {
            return Ok(None);
        };
        let report = |fault: &str| self.report(address, fault);
        let client = self.authenticator.run(&mut connection, address, report);
        let Ok(client) = timeout_at(deadline, client).await else {
            // A person may be typing: say why the connection closes.
            let mut reply = Vec::new();
            wire::encode_err(Code::Later, &HandshakeError::Late.to_string(), &mut reply);
            let _ = connection.write_now(&[IoSlice::new(&reply)]);
            connection.close_notify();
            return Err(HandshakeError::Late);
        };
        Ok(client?.map(|client| (connection, client)))
    }

    /// TLS, or plain text between loopback addresses. `None` if the client has left.
    async fn secure(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Option<Connection>, HandshakeError> {
        tcp::prepare(&stream)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        let stream = if first == [HANDSHAKE_RECORD] {
            Stream::Tls(Box::new(self.tls.accept(stream).await?))
        } else if is_loopback(&stream, address) {
            Stream::Tcp(stream)
        } else {
            let mut reply = Vec::new();
            wire::encode_err(Code::Denied, "this agent accepts TLS only", &mut reply);
            let _ = stream.try_read(&mut [0; DISCARD_MAX]);
            let _ = stream.try_write(&reply);
            return Err(HandshakeError::NoTls);
        };
        let held = self.authenticator.limits.held(&QuotaKey::for_address(address.ip()));
        Ok(Some(Connection::new(stream, &host::name(), held, self.stopping.clone())))
    }
}

/// `true` if no byte of the connection leaves this machine, so that plain text cannot be read on the way.
fn is_loopback(stream: &TcpStream, address: SocketAddr) -> bool {
    let local = stream.local_addr().map(|local| local.ip().to_canonical());
    local.is_ok_and(|local| local.is_loopback()) && address.ip().to_canonical().is_loopback()
}
