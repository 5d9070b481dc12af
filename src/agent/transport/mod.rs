//! How clients reach the agent: accepting, the Unix socket's peer, the TCP bridge's handshake, and the
//! byte stream that is left once a client is authenticated.
//!
//! Datagrams have no connection: their socket has a queue for each user.
//!
//! A transport yields a [`Connection`](connection::Connection) and the [`Client`](super::client::Client)
//! behind it. It knows nothing of events.

pub(crate) mod accept;
pub(crate) mod authenticate;
mod buffers;
pub(crate) mod connection;
pub(crate) mod datagram;
pub(crate) mod handshakes;
pub(crate) mod stream;
pub(crate) mod tcp;
pub mod tls;
