//! `pulse-tail --web`: asks the agent for a one-time link to the monitor.

use std::time::Duration;

use super::error::TailError;
use crate::client::{Address, Connection};
use crate::render::escape;
use crate::wire::Answer;

/// The timeout of each wait for the agent.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns a URL that signs this user in to the monitor of the agent at `address`.
///
/// # Errors
/// [`TailError`] if there is no agent, or it has no monitor.
pub(super) fn link(address: &Address) -> Result<String, TailError> {
    let mut agent = Connection::open(address, TIMEOUT)?;
    agent.write(b"LINK\n")?;
    match agent.answer()? {
        Some(Answer::Ok(url)) => Ok(escape(url).into_owned()),
        Some(Answer::Err { code, why }) => {
            Err(TailError::Refused { code, why: escape(why).into_owned() })
        }
        Some(Answer::Text(text) | Answer::Line(text)) => Err(TailError::not_an_agent(text)),
        Some(Answer::At(_)) | None => Err(TailError::not_an_agent("")),
    }
}
