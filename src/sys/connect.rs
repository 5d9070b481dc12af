//! Reaching somebody else's Unix socket.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// Connects to the socket at `path`. A listener that takes nobody in is waited for at most `timeout`,
/// which stays the bound of each write; std cannot bound a connect to a Unix socket, but on Linux
/// `SO_SNDTIMEO` does.
///
/// # Errors
/// What connect(2) says; [`io::ErrorKind::WouldBlock`] when the time is over.
pub fn unix(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let fd: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Zero would mean for ever.
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
    fn a_full_backlog_is_not_waited_for_longer_than_asked() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
            .expect("a socket");
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).expect("short")).expect("bound");
        listen(&listener, Backlog::new(0).expect("none")).expect("listening");
        // Linux takes one more than the backlog says; nobody ever accepts.
        let _first = unix(&path, Duration::from_secs(10)).expect("room for one");
        let late = unix(&path, Duration::from_millis(1)).expect_err("no room");
        assert_eq!(late.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn nobody_there_is_told_apart_from_nothing_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let kind = || unix(&path, Duration::from_secs(10)).expect_err("nobody").kind();
        assert_eq!(kind(), io::ErrorKind::NotFound);
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert_eq!(kind(), io::ErrorKind::ConnectionRefused);
    }
}
