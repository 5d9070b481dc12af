//! Why pulse-tail fails.

use std::io;

use super::cursor_file::CursorFileError;
use super::plan::BadPlan;
use crate::cli::{Exit, Failure};
use crate::client::{ClientError, OpenError, TokenError};
use crate::wire::Code;

/// The longest shown part of an unexpected answer, in characters.
const ANSWER_SHOWN_MAX: usize = 80;

/// Why pulse-tail fails, as one line.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    /// The command line is wrong.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// There is no token for the server.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The cursor file cannot be read or written.
    #[error(transparent)]
    CursorFile(#[from] CursorFileError),
    /// There is no connection.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent refused the request.
    #[error("refused by the agent: {why}")]
    Refused {
        /// The kind of refusal.
        code: Code,
        /// The reason, in the agent's words.
        why: String,
    },
    /// The peer does not speak this protocol.
    #[error("bad answer: not an agent of this protocol: {0:?}")]
    NotAnAgent(String),
    /// A write failed.
    #[error("cannot write: stdout: {0}")]
    Output(io::Error),
    /// The signal handlers cannot be installed.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
}

impl TailError {
    /// For an answer that is not part of the protocol. Keeps its beginning.
    pub(super) fn not_an_agent(answer: &str) -> Self {
        Self::NotAnAgent(answer.chars().take(ANSWER_SHOWN_MAX).collect())
    }

    /// `true` if the reader of stdout closed it.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// `true` if another attempt may succeed. While the agent is `starting`, the permissions of its socket may
    /// not be set yet.
    pub(super) fn is_temporary(&self, starting: bool) -> bool {
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
            Self::Plan(_)
            | Self::Token(_)
            | Self::CursorFile(CursorFileError::Content { .. } | CursorFileError::Kind { .. }) => {
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
