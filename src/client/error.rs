//! Errors of a connection, each one line: what failed, the agent's address, the cause.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Server, Where};
use super::candidate::Tried;
#[cfg(feature = "tls")]
use super::tls::TlsError;
use super::token::TokenSource;
use crate::wire::{BadAnswer, Code};

/// Why a connection cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No candidate has an agent.
    #[error("no agent: tried {}: start one with pulsed, or name its socket with --socket", list(.0))]
    Absent(Vec<Tried>),
    /// This user may not connect to the socket.
    #[error("cannot connect: {}: {source}", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The agent does not accept connections.
    #[error("cannot connect: {}: connection not accepted within {timeout:?}", path.display())]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// The timeout.
        timeout: Duration,
    },
    /// Another error, such as a path that is too long for a socket.
    #[error("cannot connect: {}: {source}", path.display())]
    Other {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The host name has no address.
    #[error("cannot connect: {server}: {source}")]
    Unresolved {
        /// The bridge.
        server: Server,
        /// The resolver's error; [`io::ErrorKind::TimedOut`] after a timeout.
        source: io::Error,
    },
    /// No address of the host accepts the connection.
    #[error("cannot connect: {server}: {}", tries(.tried))]
    Unreached {
        /// The bridge.
        server: Server,
        /// Each address and its error.
        tried: Vec<(SocketAddr, io::Error)>,
    },
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    #[error("cannot connect: {server}: {source}")]
    Tls {
        /// The bridge.
        server: Server,
        /// Why.
        source: TlsError,
    },
    /// TLS is required, and not built in.
    #[cfg(not(feature = "tls"))]
    #[error(
        "cannot connect: {0}: this program was built without TLS, which a token requires on the way to \
         another machine: build it with the feature tls"
    )]
    NoTls(Server),
    /// The bridge refused the token, or the connection.
    #[error("refused: {server}: {why}{}", match code {
        Code::Denied => format!(" (the token was that in {token})"),
        _ => String::new(),
    })]
    Refused {
        /// The bridge.
        server: Server,
        /// The kind of refusal.
        code: Code,
        /// The reason, in the agent's words.
        why: String,
        /// Where the token comes from.
        token: TokenSource,
    },
    /// The peer does not speak this protocol.
    #[error(
        "cannot connect: {server}: the peer is not an agent of this protocol{}",
        if *.plain { ", or requires TLS (--ca FILE)" } else { "" }
    )]
    NotAnAgent {
        /// The bridge.
        server: Server,
        /// `true` for a connection without TLS.
        plain: bool,
    },
    /// The peer closed a connection without TLS instead of answering.
    #[error("no answer: {0}: the agent closed the connection: does it require TLS (--ca FILE)?")]
    ClosedPlain(Server),
    /// The connection failed before the bridge accepted the token.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl OpenError {
    /// The code of the exit status.
    pub fn code(&self) -> Code {
        let by_kind = |source: &io::Error| match source.kind() {
            io::ErrorKind::TimedOut => Code::Later,
            _ => Code::Unavailable,
        };
        match self {
            Self::Denied { .. } => Code::Denied,
            Self::TimedOut { .. } => Code::Later,
            Self::Absent(_)
            | Self::Other { .. }
            | Self::NotAnAgent { .. }
            | Self::ClosedPlain(_) => Code::Unavailable,
            Self::Unresolved { source, .. } => by_kind(source),
            // The address that timed out may be the one that works.
            Self::Unreached { tried, .. } => {
                let later = tried.iter().any(|(_, source)| by_kind(source) == Code::Later);
                if later { Code::Later } else { Code::Unavailable }
            }
            #[cfg(feature = "tls")]
            Self::Tls { source, .. } => source.code(),
            #[cfg(not(feature = "tls"))]
            Self::NoTls(_) => Code::Unavailable,
            Self::Refused { code, .. } => *code,
            Self::Client(error) => error.code(),
        }
    }

    /// `true` if the agent refused the token: another attempt would fail as well.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { code: Code::Denied, .. })
    }
}

fn list(tried: &[Tried]) -> String {
    tried.iter().map(Tried::to_string).collect::<Vec<_>>().join(", ")
}

/// Lists the errors. A single address is not named, because the message names the host.
fn tries(tried: &[(SocketAddr, io::Error)]) -> String {
    match tried {
        [(_, source)] => source.to_string(),
        tried => {
            let each = tried.iter().map(|(at, source)| format!("{}: {source}", at.ip()));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Why an open connection failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The agent closed it.
    #[error("no answer: {at}: the agent closed the connection")]
    Closed {
        /// The agent's address.
        at: Where,
    },
    /// The agent did not answer in time, or did not read.
    #[error("no answer: {at}: timed out after {timeout:?}")]
    TimedOut {
        /// The agent's address.
        at: Where,
        /// The timeout.
        timeout: Duration,
    },
    /// A system call failed.
    #[error("connection lost: {at}: {source}")]
    Io {
        /// The agent's address.
        at: Where,
        /// The system's error.
        source: io::Error,
    },
    /// The peer does not speak this protocol.
    #[error("bad answer: {at}: {source}")]
    Answer {
        /// The agent's address.
        at: Where,
        /// What is wrong with the answer.
        source: BadAnswer,
    },
    /// An answer should hold a cursor, and holds something else.
    #[error("bad answer: {at}: not a cursor: the peer is not an agent of this protocol")]
    NoCursor {
        /// The agent's address.
        at: Where,
    },
}

impl ClientError {
    /// The code of the exit status.
    pub const fn code(&self) -> Code {
        match self {
            Self::TimedOut { .. } => Code::Later,
            Self::Closed { .. } | Self::Io { .. } | Self::Answer { .. } | Self::NoCursor { .. } => {
                Code::Unavailable
            }
        }
    }
}
