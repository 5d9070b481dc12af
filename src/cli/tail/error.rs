//! Why pulse-tail fails.

use std::io;

use super::cursor_file::CursorFileError;
use super::plan::BadPlan;
use crate::cli::{Exit, Failure};
use crate::client::{ClientError, OpenError, TokenError};
use crate::wire::Code;

/// Why pulse-tail fails: one line that says what, where and why.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    /// The command line makes no sense.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// There is nothing to show to a server.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The place cannot be read or kept.
    #[error(transparent)]
    CursorFile(#[from] CursorFileError),
    /// There is no connection.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent says no.
    #[error("the agent refuses: {why}")]
    Refused {
        /// Its kind.
        code: Code,
        /// In its words.
        why: String,
    },
    /// What answers is something else.
    #[error("what answers is no agent of this protocol: {0:?}")]
    NotAnAgent(String),
    /// Nothing can be written.
    #[error("cannot write to stdout: {0}")]
    Output(io::Error),
    /// Signals cannot be caught.
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

impl TailError {
    /// For an answer that makes no sense.
    pub(super) fn not_an_agent(answer: &str) -> Self {
        Self::NotAnAgent(answer.chars().take(80).collect())
    }

    /// Whether nobody reads our stdout any more.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether an agent that was there may be there again later. A socket that cannot be used may be
    /// one that is not set up yet, while the agent is `starting`.
    pub(super) fn may_pass(&self, starting: bool) -> bool {
        match self {
            Self::Open(OpenError::Denied { .. }) => starting,
            Self::Open(error) => !error.is_final(),
            Self::Client(_) => true,
            Self::Refused { code, .. } => matches!(code, Code::Unavailable | Code::Later),
            _ => false,
        }
    }
}

impl Failure for TailError {
    fn exit(&self) -> Exit {
        match self {
            Self::Plan(_) | Self::Token(_) | Self::CursorFile(CursorFileError::Content { .. }) => {
                Exit::Usage
            }
            Self::CursorFile(_) | Self::Output(_) | Self::Signals(_) => Exit::NotStored,
            Self::Open(error) => error.code().into(),
            Self::Client(error) => error.code().into(),
            Self::Refused { code, .. } => (*code).into(),
            Self::NotAnAgent(_) => Exit::Unavailable,
        }
    }
}
