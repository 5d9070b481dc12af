//! Why all hosts cannot be followed.

use crate::agent::follow::Refusal;
use crate::agent::follow::source::Broken;
use crate::filter::BadGlob;
use crate::wire::Code;

/// Why all hosts cannot be followed, or no longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoHosts {
    #[error("this agent reads no other hosts: set nats.url in pulsed.toml(5)")]
    NotConfigured,
    #[error("the stream of all hosts cannot be read: {0}")]
    Unavailable(String),
    #[error("the stream of all hosts is another one now: follow it again")]
    Replaced,
    #[error("after: this cursor is not one of the stream of all hosts, such as 7f3a9c21-1042.3")]
    OfHost,
    #[error("host: {0}")]
    Host(#[from] BadGlob),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Broken for NoHosts {
    fn code(&self) -> Code {
        match self {
            Self::NotConfigured | Self::Host(_) => Code::Usage,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Replaced => Code::Later,
            Self::OfHost => Code::Data,
            Self::Refused(refusal) => refusal.code(),
        }
    }

    fn is_replaced(&self) -> bool {
        matches!(self, Self::Replaced)
    }
}
