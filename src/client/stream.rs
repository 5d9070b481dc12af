//! The byte stream of a connection: a Unix socket, TCP, or TLS.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(feature = "tls")]
use super::tls::Tls;

/// A byte stream to an agent.
#[derive(Debug)]
pub(super) enum Stream {
    /// The agent's socket.
    Unix(UnixStream),
    /// A TCP bridge on this machine.
    Tcp(TcpStream),
    /// A TCP bridge with TLS.
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
}

impl Stream {
    /// Reads available bytes; 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of read(2) and of TLS. [`io::ErrorKind::WouldBlock`] on timeout.
    /// [`io::ErrorKind::Interrupted`] also after a part of a TLS record: check the deadline and read again.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Writes some of `bytes` and returns how many, with at most one system call that blocks. May be 0 while
    /// [`Self::has_unsent`] is `true`.
    ///
    /// # Errors
    /// Those of write(2); [`io::ErrorKind::WouldBlock`] on timeout.
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

    /// `true` if it holds bytes that are not in the kernel yet. The next [`Self::write`] sends them, also an
    /// empty one.
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            Self::Unix(_) | Self::Tcp(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.has_unsent(),
        }
    }

    /// Sets the timeout of each read, which must not be 0. `None` means no timeout.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout),
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.tcp().set_read_timeout(timeout),
        }
    }

    /// Sets the timeout of each write, which must not be 0. `None` means no timeout.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(timeout),
            Self::Tcp(stream) => stream.set_write_timeout(timeout),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.tcp().set_write_timeout(timeout),
        }
    }

    /// `true` unless it is encrypted.
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
