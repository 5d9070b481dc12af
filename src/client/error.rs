//! Why there is no connection, or no longer. Each is one line that says what, where and why.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Server, Where};
use super::find::Looked;
#[cfg(feature = "tls")]
use super::tls::TlsError;
use super::token::TokenSource;
use crate::wire::{BadAnswer, Code};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No agent at any of the places.
    #[error("no agent: looked at {}: start one with pulsed, or name its socket", list(.0))]
    Absent(Vec<Looked>),
    /// There is a socket that this user may not use.
    #[error("cannot connect: {}: {source}", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The agent takes nobody in.
    #[error("cannot connect: {}: the agent took nobody in for {timeout:?}", path.display())]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// Anything else, such as a path that is too long for a socket.
    #[error("cannot connect: {}: {source}", path.display())]
    Other {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A host without an address.
    #[error("cannot connect: {server}: {source}")]
    Unresolved {
        /// What was to be reached.
        server: Server,
        /// What the resolver said; [`io::ErrorKind::TimedOut`] if it said nothing.
        source: io::Error,
    },
    /// Nobody listens at any of the host's addresses.
    #[error("cannot connect: {server}: {}", tries(.tried))]
    Unreached {
        /// What was to be reached.
        server: Server,
        /// Each address, and what the kernel said.
        tried: Vec<(SocketAddr, io::Error)>,
    },
    /// There is no TLS with what listens there.
    #[cfg(feature = "tls")]
    #[error("cannot connect: {server}: {source}")]
    Tls {
        /// What was to be reached.
        server: Server,
        /// Why not.
        source: TlsError,
    },
    /// TLS is needed, and not here.
    #[cfg(not(feature = "tls"))]
    #[error(
        "cannot connect: {0}: this program was built without TLS, and shows a token without it only \
         to this machine: build it with the feature tls"
    )]
    NoTls(Server),
    /// The agent does not let us in.
    #[error("refused: {server}: {why}{}", match code {
        Code::Denied => format!(" (the token was that in {token})"),
        _ => String::new(),
    })]
    Refused {
        /// What was reached.
        server: Server,
        /// Its kind.
        code: Code,
        /// In the agent's words.
        why: String,
        /// Where the token was that it was shown.
        token: TokenSource,
    },
    /// What answers is something else.
    #[error(
        "cannot connect: {server}: what answers is no agent of this protocol{}",
        if *.plain { ", or wants TLS (--ca FILE)" } else { "" }
    )]
    NotAnAgent {
        /// What was reached.
        server: Server,
        /// Whether it was spoken to without TLS.
        plain: bool,
    },
    /// It closed the connection instead of an answer, and was spoken to without TLS.
    #[error("no answer: {0}: the agent closed the connection: does it want TLS (--ca FILE)?")]
    ClosedPlain(Server),
    /// The connection failed before the agent had let us in.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl OpenError {
    /// The exit code that it becomes.
    pub fn code(&self) -> Code {
        let of = |source: &io::Error| match source.kind() {
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
            Self::Unresolved { source, .. } => of(source),
            // One that is silent may be the one that would have taken us in.
            Self::Unreached { tried, .. } => {
                let later = tried.iter().any(|(_, source)| of(source) == Code::Later);
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

    /// Whether the agent knows us, and will say no again: another try is of no use.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { code: Code::Denied, .. })
    }
}

fn list(looked: &[Looked]) -> String {
    looked.iter().map(Looked::to_string).collect::<Vec<_>>().join(", ")
}

/// One address needs no name: the host is told already.
fn tries(tried: &[(SocketAddr, io::Error)]) -> String {
    match tried {
        [(_, source)] => source.to_string(),
        tried => {
            let each = tried.iter().map(|(at, source)| format!("{}: {source}", at.ip()));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The agent is gone.
    #[error("no answer: {at}: the agent closed the connection")]
    Closed {
        /// Where it was.
        at: Where,
    },
    /// The agent is there, and silent.
    #[error("no answer: {at}: timed out after {timeout:?}")]
    TimedOut {
        /// Where it is.
        at: Where,
        /// The bound.
        timeout: Duration,
    },
    /// What the kernel says.
    #[error("connection lost: {at}: {source}")]
    Io {
        /// Where it was.
        at: Where,
        /// Its words.
        source: io::Error,
    },
    /// What answers there is no agent.
    #[error("bad answer: {at}: {source}")]
    Answer {
        /// Where it is.
        at: Where,
        /// What is wrong with the answer.
        source: BadAnswer,
    },
}

impl ClientError {
    /// The exit code that it becomes.
    pub const fn code(&self) -> Code {
        match self {
            Self::TimedOut { .. } => Code::Later,
            Self::Closed { .. } | Self::Io { .. } | Self::Answer { .. } => Code::Unavailable,
        }
    }
}
