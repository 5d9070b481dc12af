//! `pulse-tail --web`: asks the agent for a one-time link to the monitor.

use std::time::Duration;

use super::error::TailError;
use crate::client::{Address, Connection};
use crate::wire::Answer;

/// The timeout of each wait for the agent.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest link that is printed, in bytes.
const LINK_MAX: usize = 1024;

/// Returns a URL that signs this user in to the monitor of the agent at `address`.
///
/// # Errors
/// [`TailError`] if there is no agent, or it has no monitor.
pub(super) fn link(address: &Address) -> Result<String, TailError> {
    let mut agent = Connection::open(address, TIMEOUT)?;
    match agent.request(b"LINK\n")? {
        Answer::Ok(url) if is_link(url) => Ok(url.to_owned()),
        Answer::Err { code, why } => Err(TailError::Refused { code, why: why.to_owned() }),
        Answer::Ok(text) | Answer::Text(text) | Answer::Line(text) => {
            Err(TailError::not_an_agent(text))
        }
        Answer::At(cursor) => Err(TailError::not_an_agent(&cursor.to_string())),
    }
}

/// `true` for a link that is safe to print and to open: scripts pass it to a browser, which also runs or opens
/// what is not HTTP.
fn is_link(url: &str) -> bool {
    let http = url.starts_with("http://") || url.starts_with("https://");
    http && url.len() <= LINK_MAX && url.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_is_a_link() {
        for link in ["http://127.0.0.1:7466/login?link=x", "https://[::1]:1/login?link=a-b_c"] {
            assert!(is_link(link), "{link}");
        }
        let longest = format!("http://{}", "x".repeat(LINK_MAX - "http://".len()));
        assert!(is_link(&longest) && !is_link(&format!("{longest}x")));
        for other in ["", "file:///etc/passwd", "-h", "http://a b", "http://a\u{1b}[2J", "http://é"]
        {
            assert!(!is_link(other), "{other:?}");
        }
    }
}
