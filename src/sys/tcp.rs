//! TCP connections that are kept for long (tcp(7)).

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

/// After so many seconds of silence the other side is asked whether it is still there.
const IDLE_SECONDS: u32 = 30;

/// How many seconds later it is asked again.
const AGAIN_SECONDS: u32 = 10;

/// How often, before it is taken for gone.
const TIMES: u32 = 3;

/// Sends each write at once, and notices that the other side is gone: a machine that lost its power never says
/// so. Where nothing is under way, that is within a minute; else when the kernel gives up
/// sending it again (`tcp_retries2` of tcp(7)).
///
/// # Errors
/// What setsockopt(2) says.
pub fn prepare(stream: &impl AsFd) -> io::Result<()> {
    setsockopt(stream, sockopt::TcpNoDelay, &true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &IDLE_SECONDS)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &AGAIN_SECONDS)?;
    setsockopt(stream, sockopt::TcpKeepCount, &TIMES)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::getsockopt;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_kernel_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let stream = TcpStream::connect(listener.local_addr().expect("one")).expect("connected");
        prepare(&stream).expect("set");
        assert!(stream.nodelay().expect("known"));
        assert!(getsockopt(&stream, sockopt::KeepAlive).expect("known"));
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepIdle).expect("known"), IDLE_SECONDS);
    }
}
