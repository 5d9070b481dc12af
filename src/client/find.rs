//! Finds the agent on this machine: connects to the first candidate with a listener.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::candidate::{Absence, Candidate, Tried};
use super::error::OpenError;
use crate::sys::connect;

/// A connection to an agent on this machine.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stream: UnixStream,
    /// The path of its socket.
    pub(super) path: PathBuf,
}

/// Connects to the first candidate that has an agent. A socket that refuses counts as absent.
///
/// # Errors
/// [`OpenError`]
pub(super) fn connect(candidates: Vec<Candidate>, timeout: Duration) -> Result<Found, OpenError> {
    let mut tried = Vec::new();
    for candidate in candidates {
        let source = match connect::unix(&candidate.path, timeout) {
            Ok(stream) => return Ok(Found { stream, path: candidate.path }),
            Err(source) => source,
        };
        let path = candidate.path.clone();
        let absence = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Absence::NoFile,
            io::ErrorKind::ConnectionRefused => Absence::NoListener,
            io::ErrorKind::PermissionDenied => return Err(OpenError::Denied { path, source }),
            io::ErrorKind::WouldBlock => return Err(OpenError::TimedOut { path, timeout }),
            _ => return Err(OpenError::Other { path, source }),
        };
        tried.push(Tried { candidate, absence });
    }
    Err(OpenError::Absent(tried))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Code;
    use std::os::unix::net::UnixListener;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn skips_and_names_absent_and_refusing_sockets() {
        let dir = tempfile::tempdir().expect("a directory");
        let (absent, dead, live) =
            (dir.path().join("absent"), dir.path().join("dead"), dir.path().join("live"));
        drop(UnixListener::bind(&dead).expect("bound"));
        let _listener = UnixListener::bind(&live).expect("bound");
        let candidate = |path: &PathBuf| Candidate { path: path.clone(), source: "as asked" };

        let found = connect(vec![candidate(&absent), candidate(&dead), candidate(&live)], LONG);
        assert_eq!(found.expect("the third is live").path, live);

        let error = connect(vec![candidate(&absent), candidate(&dead)], LONG).expect_err("none");
        assert_eq!(error.code(), Code::Unavailable);
        let text = error.to_string();
        assert!(text.contains("absent (as asked, does not exist)"), "{text}");
        assert!(text.contains("dead (as asked, no process listens)"), "{text}");
        assert!(!text.contains('\n'));
    }

    #[test]
    fn names_a_path_that_is_too_long() {
        let long = PathBuf::from(format!("/{}", "x".repeat(200)));
        let candidate = Candidate { path: long.clone(), source: "as asked" };
        let error = connect(vec![candidate], LONG).expect_err("too long");
        assert!(matches!(&error, OpenError::Other { path, .. } if *path == long));
        assert_eq!(error.code(), Code::Unavailable);
    }
}
