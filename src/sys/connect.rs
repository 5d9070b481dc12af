//! Connecting to a Unix socket with a timeout.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// Connects to the socket at `path`, and waits at most `timeout` if the listener's backlog is full. Sets
/// `SO_SNDTIMEO`, which on Linux bounds connect(2) too and remains the timeout of each write. std has no
/// timeout for this.
///
/// # Errors
/// Those of connect(2); [`io::ErrorKind::WouldBlock`] on timeout.
pub fn unix(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let fd: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // 0 would mean no timeout.
    let micros = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX).max(1);
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::microseconds(micros))?;
    connect(fd.as_raw_fd(), &address)?;
    Ok(fd.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{Backlog, bind, listen};

    #[test]
    fn a_full_backlog_times_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
            .expect("a socket");
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).expect("short")).expect("bound");
        listen(&listener, Backlog::new(0).expect("none")).expect("listening");
        // Linux queues one connection more than the backlog. Nothing accepts them.
        let _first = unix(&path, Duration::from_secs(10)).expect("room for one");
        let late = unix(&path, Duration::from_millis(1)).expect_err("no room");
        assert_eq!(late.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn distinguishes_a_missing_socket_from_a_dead_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let kind = || unix(&path, Duration::from_secs(10)).expect_err("no listener").kind();
        assert_eq!(kind(), io::ErrorKind::NotFound);
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert_eq!(kind(), io::ErrorKind::ConnectionRefused);
    }
}
