//! Socket options of long-lived TCP connections (tcp(7)).

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

/// Idle seconds before the first keepalive probe.
const IDLE_SECONDS: u32 = 30;

/// Seconds between two probes.
const INTERVAL_SECONDS: u32 = 10;

/// Unanswered probes before the connection is closed.
const PROBES: u32 = 3;

/// Sends each write at once (`TCP_NODELAY`), and enables keepalive, which detects a peer that vanished
/// without closing: within a minute on an idle connection, else when the kernel stops retransmitting
/// (`tcp_retries2` in tcp(7)).
///
/// # Errors
/// Those of setsockopt(2).
pub fn prepare(stream: &impl AsFd) -> io::Result<()> {
    setsockopt(stream, sockopt::TcpNoDelay, &true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &IDLE_SECONDS)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &INTERVAL_SECONDS)?;
    setsockopt(stream, sockopt::TcpKeepCount, &PROBES)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::getsockopt;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn sets_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let stream = TcpStream::connect(listener.local_addr().expect("one")).expect("connected");
        prepare(&stream).expect("set");
        assert!(stream.nodelay().expect("known"));
        assert!(getsockopt(&stream, sockopt::KeepAlive).expect("known"));
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepIdle).expect("known"), IDLE_SECONDS);
    }
}
