//! What the agent's tasks share, and the tasks that serve one client each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::access::origins::Origins;
use super::client::Client;
use super::ingest::runs::Runs;
use super::limits::{Limits, Permit, QuotaKey, TooMany, Unauthenticated};
use super::session;
use super::stats::Stats;
use super::transport::connection::Connection;
use super::transport::stream::Stream;
use super::transport::tcp::Bridge;
use crate::log::Log;
use crate::sys::host;
use crate::sys::peer::Peer;
use crate::wire;

/// What the agent's tasks share.
pub(crate) struct Services {
    pub(crate) log: Log,
    pub(crate) limits: Arc<Limits>,
    pub(crate) access: Arc<Access>,
    pub(crate) origins: Origins,
    pub(crate) runs: Arc<Runs>,
    pub(crate) stats: Stats,
    /// `None` unless TCP is configured.
    pub(crate) bridge: Option<Bridge>,
    /// The tasks that a stop waits for.
    pub(crate) clients: TaskTracker,
    /// `true` once the agent is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Services {
    /// Serves a connection on the Unix socket. Does not wait.
    pub(crate) fn accept_unix(self: &Arc<Self>, stream: UnixStream) {
        let admitted = Peer::from_socket(&stream)
            .map_err(|error| format!("the kernel does not identify the peer: {error}"))
            .and_then(|peer| {
                let permit = self.limits.permit(QuotaKey::User(peer.uid));
                Ok((peer, permit.map_err(|full| full.to_string())?))
            });
        match admitted {
            Ok((peer, permit)) => {
                let services = self.clone();
                drop(self.clients.spawn(services.serve_unix(stream, peer, permit)));
            }
            Err(why) => refuse(&mut Stream::Unix(stream), &why),
        }
    }

    /// Serves a connection on the TCP bridge. Does not wait.
    pub(crate) fn accept_tcp(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        match self.admit_tcp(address) {
            Ok((permit, unauthenticated)) => {
                let services = self.clone();
                let serve = services.serve_tcp(stream, address, permit, unauthenticated);
                drop(self.clients.spawn(serve));
            }
            Err(full) => refuse(&mut Stream::Tcp(stream), &full.to_string()),
        }
    }

    fn admit_tcp(&self, address: SocketAddr) -> Result<(Permit, Unauthenticated), TooMany> {
        let key = QuotaKey::for_address(address.ip());
        let permit = self.limits.permit(key.clone())?;
        Ok((permit, self.limits.unauthenticated(&key)?))
    }

    async fn serve_unix(self: Arc<Self>, stream: UnixStream, peer: Peer, permit: Permit) {
        // Syslog senders name the machine as the kernel does, whatever `host` says.
        let stopping = self.stopping.clone();
        let mut connection = Connection::new(Stream::Unix(stream), &host::name(), stopping);
        let rights = self.access.rights_of_user(peer.uid);
        let quota_key = QuotaKey::User(peer.uid);
        let (input, origin) = tokio::join!(connection.wait_for_input(), self.origins.lookup(peer));
        if input.is_ok() {
            let rate = self.limits.rate_of(&quota_key);
            let client = Client { rights, origin, rate, quota_key, _share: None };
            session::serve(&self, &mut connection, &client, &permit).await;
        }
    }

    async fn serve_tcp(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        permit: Permit,
        unauthenticated: Unauthenticated,
    ) {
        let Some(bridge) = &self.bridge else { return };
        let Some((mut connection, client)) = bridge.handshake(stream, address).await else {
            return;
        };
        drop(unauthenticated);
        session::serve(&self, &mut connection, &client, &permit).await;
    }
}

/// Replies why a client is not served. Does not wait: a client with a full socket buffer does not get it.
fn refuse(stream: &mut Stream, why: &str) {
    let mut reply = Vec::new();
    wire::encode_err(wire::Code::Later, why, &mut reply);
    let _ = stream.try_write(&[io::IoSlice::new(&reply)]);
}
