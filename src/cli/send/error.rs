//! Why sending fails.

use std::io;
use std::time::Duration;

use crate::cli::{Exit, Failure};
use crate::client::{BadServer, ClientError, Connection, OpenError, TokenError, Where};
use crate::event::BadField;
use crate::wire::Code;

/// Why an event was refused or could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Becomes the exit status.
    pub(super) code: Code,
    /// In the agent's words, or ours if it was not even sent.
    pub(super) why: String,
}

impl Refusal {
    /// Puts the agent's address before the reason.
    pub(super) fn at(self, agent: &Where) -> Self {
        Self { why: format!("{agent}: {}", self.why), ..self }
    }
}

/// Why there is no connection to the agent, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent closed the connection and gave a reason.
    #[error("refused: {at}: {}", refusal.why)]
    Refused { at: Where, refusal: Refusal },
}

impl Trouble {
    /// For a connection that the agent closed, after this refusal if there was one.
    pub(super) fn closed(agent: &Connection, refusal: Option<Refusal>) -> Self {
        match refusal {
            None => agent.closed().into(),
            Some(refusal) => Self::Refused { at: agent.at().clone(), refusal },
        }
    }

    /// `true` if another attempt would fail in the same way.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Open(error) if error.is_final())
    }

    /// The code of the exit status.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Open(error) => error.code(),
            Self::Client(error) => error.code(),
            Self::Refused { refusal, .. } => refusal.code,
        }
    }
}

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("--cursor: needs --ack stored, synced or replicated")]
    NoCursor,
    #[error("--port: {}", BadServer::Port)]
    Port,
    #[error("-F took: --time measures it")]
    TookTwice,
    #[error("-F: {0}")]
    Field(#[from] BadField),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot read: {name}: {source}")]
    Input { name: String, source: io::Error },
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error("{}: {}", if .0.code == Code::NotStored { "not stored" } else { "refused" }, .0.why)]
    Refused(Refusal),
    #[error("{refused} of {events} events refused: {}", refusal.why)]
    SomeRefused { refused: u64, events: u64, refusal: Refusal },
    #[error("cannot write: stdout: {0}")]
    Output(io::Error),
    #[error("events may be lost: no answer within {0:?}")]
    NoAnswer(Duration),
    #[error("{lost} events lost: {}", match why {
        Some(why) => why.to_string(),
        None => "the agent was away".to_owned(),
    })]
    Lost { lost: u64, why: Option<Box<Trouble>> },
}

impl Failure for SendError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoCursor | Self::Port | Self::TookTwice | Self::Field(_) | Self::Token(_) => {
                Exit::Usage
            }
            Self::Input { .. } => Exit::Data,
            Self::Trouble(trouble) => trouble.code().into(),
            Self::Lost { why: Some(trouble), .. } => trouble.code().into(),
            Self::Refused(refusal) | Self::SomeRefused { refusal, .. } => refusal.code.into(),
            Self::Output(_) => Exit::NotStored,
            Self::NoAnswer(_) => Exit::Later,
            Self::Lost { why: None, .. } => Exit::Unavailable,
        }
    }
}
