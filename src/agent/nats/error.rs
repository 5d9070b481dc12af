//! Why events are not forwarded.

use std::io;
use std::path::PathBuf;

use crate::agent::forwarding::{ACK_WAIT_MAX, CONNECT_MAX};

/// Why the forwarder does not forward.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("connect to {urls}: {cause}")]
    Connect { urls: String, cause: String },
    #[error("connect to {urls}: not within {} s", CONNECT_MAX.as_secs())]
    ConnectLate { urls: String },
    #[error("the connection is lost{0}")]
    Disconnected(String),
    /// A request failed. The engine's last error is appended.
    #[error("{doing}: {cause}")]
    Request { doing: String, cause: String },
    #[error("stream {stream}: {why}")]
    Stream { stream: String, why: String },
    #[error("publish on {subject}: {cause}")]
    Publish { subject: String, cause: String },
    #[error("publish on {subject}: not acknowledged within {} s{said}", ACK_WAIT_MAX.as_secs())]
    AckLate { subject: String, said: String },
    /// Another message came first.
    #[error("publish on {subject}: the subject has changed")]
    Moved { subject: String },
    #[error("read the log: {0}")]
    Log(String),
    #[error(
        "host {host:?} also publishes on {subject}, because dots in a host's name become _: give one of them another \
         name (host in pulsed.toml(5))"
    )]
    OtherHost { subject: String, host: String },
    #[error(
        "another agent publishes on {subject}: it forwards for host {host:?}, and this one no more; give each machine a \
         name of its own (host in pulsed.toml(5)), and start this agent again"
    )]
    OtherAgent { subject: String, host: String },
    #[error(
        "message {sequence} on {subject} is not from an agent: delete it, and let only the agent publish on this subject"
    )]
    Foreign { subject: String, sequence: u64 },
    #[error(
        "the stream has lines up to number {theirs} on {subject}, and the log ends at {ours}: another machine has a copy \
         of this log, or the history was replaced by an older copy"
    )]
    Ahead { subject: String, theirs: u64, ours: u64 },
}

impl ForwardError {
    /// `true` if only an operator can help.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Stream { .. }
                | Self::OtherHost { .. }
                | Self::OtherAgent { .. }
                | Self::Foreign { .. }
                | Self::Ahead { .. }
        )
    }
}
