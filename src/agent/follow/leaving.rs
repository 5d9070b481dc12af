//! The end of following: what a client does meanwhile is not served, only noticed.

use std::io;
use std::time::Duration;

use crate::agent::transport::connection::{Connection, Input};
use crate::wire::Request;

/// How often a client that sends no more, or is not read further, is checked for having gone. Only a Unix socket needs
/// this: nothing wakes its reader when the other end closes.
pub const GONE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// Bytes besides QUIT that are read of a client while it follows. Then it is not read further.
pub const IGNORED_MAX: usize = 64 << 10;

/// Why a follower left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The client sent QUIT.
    Quit,
    /// The client has disconnected.
    Gone,
    /// The agent is stopping.
    Stopping,
    /// The client has read so slowly that the log no longer has the rest of a line that was begun.
    Cut,
}

/// Waits until a client that follows leaves. Dropping the future loses nothing.
///
/// # Errors
/// If the client cannot be read.
pub(crate) async fn left(connection: &mut Connection) -> io::Result<Left> {
    loop {
        if connection.stopping() {
            return Ok(Left::Stopping);
        }
        if quits(connection) {
            return Ok(Left::Quit);
        }
        if connection.ended() || connection.ignored() >= IGNORED_MAX {
            // A client that sends no more may still read.
            if connection.is_hung_up() {
                return Ok(Left::Gone);
            }
            let gone = connection.gone_or_stopped();
            // Boxed: every follower would hold its state, and few get here.
            let _ = Box::pin(tokio::time::timeout(GONE_CHECK_EVERY, gone)).await;
        } else if connection.read_little().await? == Input::Stopping {
            return Ok(Left::Stopping);
        }
    }
}

/// `true` if QUIT has arrived. Other input is not understood, and dropped.
fn quits(connection: &mut Connection) -> bool {
    loop {
        match connection.decoder.next() {
            None => return false,
            Some(Ok(Request::Quit)) => return true,
            Some(_) => {}
        }
    }
}
