//! The bytes of a connection, whichever way they go.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(feature = "tls")]
use super::tls::Tls;

/// One of three ways to an agent.
#[derive(Debug)]
pub(super) enum Stream {
    /// On this machine, by its socket.
    Unix(UnixStream),
    /// On this machine, by its TCP bridge.
    Tcp(TcpStream),
    /// On another one.
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
}

impl Stream {
    /// Reads what is there; none is the end. [`io::ErrorKind::Interrupted`] too when something came that
    /// makes no whole piece yet: who has a clock looks at it and comes again.
    ///
    /// # Errors
    /// What the kernel says, [`io::ErrorKind::WouldBlock`] when the time is over; what TLS says.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Takes some of `bytes`, perhaps none while it [`Self::holds`] earlier ones. One wait at most.
    ///
    /// # Errors
    /// What the kernel says, [`io::ErrorKind::WouldBlock`] when the time is over.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Unix(stream) => stream.write(bytes)?,
            Self::Tcp(stream) => stream.write(bytes)?,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => return stream.write(bytes),
        };
        if written == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(written)
    }

    /// Whether it holds bytes that the kernel has not taken yet. A further [`Self::write`] moves them,
    /// also one of nothing.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Unix(_) | Self::Tcp(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.holds(),
        }
    }

    /// Bounds each read; none waits for ever. Must not be zero.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout),
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.tcp().set_read_timeout(timeout),
        }
    }

    /// Bounds each write; none waits for ever. Must not be zero.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(timeout),
            Self::Tcp(stream) => stream.set_write_timeout(timeout),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.tcp().set_write_timeout(timeout),
        }
    }

    /// Whether others on the way could read it.
    pub(super) const fn is_plain(&self) -> bool {
        match self {
            Self::Unix(_) | Self::Tcp(_) => true,
            #[cfg(feature = "tls")]
            Self::Tls(_) => false,
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.tcp().as_fd(),
        }
    }
}
