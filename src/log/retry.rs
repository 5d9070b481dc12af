//! Passing errors of the disk: no free descriptor, no memory, an interruption. They say nothing about history, so that
//! reads and writes are tried again after a pause and nothing counts as lost. A gap is only what is gone.
//!
//! Readers try until their client leaves, and without their turn meanwhile. The writer tries as long as the log is
//! open, and its senders wait for at most [`super::STALL_MAX`]. A start gives up after [`START_MAX`].

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::files;

/// The pause before the next attempt.
pub(crate) const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 50 });

/// How long a start tries. Then it fails, and the service manager starts the agent again.
const START_MAX: Duration = Duration::from_secs(10);

/// `true` if the same call works later.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    files::is_passing(error)
}

/// Tries until there is another outcome than a passing error: at most [`START_MAX`].
pub(crate) fn at_start<T>(attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    within(START_MAX, attempt)
}

fn within<T>(limit: Duration, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_passing(&error) && begin.elapsed() < limit => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_passing_errors_only_within_a_limit() {
        let mut attempts = 0;
        let mut fail = |kind: io::ErrorKind, limit| {
            attempts = 0;
            let outcome = within(limit, || {
                attempts += 1;
                if attempts < 3 { Err::<u32, _>(kind.into()) } else { Ok(attempts) }
            });
            outcome.map_err(|error| error.kind())
        };
        let long = Duration::from_secs(60);
        assert_eq!(fail(io::ErrorKind::Interrupted, long), Ok(3));
        assert_eq!(fail(io::ErrorKind::NotFound, long), Err(io::ErrorKind::NotFound));
        let none = fail(io::ErrorKind::WouldBlock, Duration::ZERO);
        assert_eq!(none, Err(io::ErrorKind::WouldBlock));
        assert_eq!(attempts, 1);
    }
}
