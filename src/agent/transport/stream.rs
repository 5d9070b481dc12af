//! A client's byte stream over any transport. Reads and writes never wait; readiness is awaited apart from
//! them.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::unconstrained;
use tokio_rustls::server::TlsStream;

/// The stream of one connection.
pub(crate) enum Stream {
    /// The Unix socket.
    Unix(UnixStream),
    /// Plain TCP, between two loopback addresses only.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Reads what is available. A TLS stream that ends without a close_notify alert is
    /// [`io::ErrorKind::UnexpectedEof`].
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => match stream.try_read(buffer) {
                // The client closed with replies unread. All that it sent was read before this (unix(7)).
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
                read => read,
            },
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Tls(stream) => {
                let mut read = ReadBuf::new(buffer);
                poll_once(|context| Pin::new(&mut **stream).poll_read(context, &mut read))?;
                Ok(read.filled().len())
            }
        }
    }

    /// Writes as much as fits, and returns how many bytes that was. TLS may still buffer up to 64 KiB of them:
    /// see [`Stream::flush`].
    pub(crate) fn try_write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_write_vectored(pieces),
            Self::Tcp(stream) => stream.try_write_vectored(pieces),
            Self::Tls(stream) => {
                poll_once(|context| Pin::new(&mut **stream).poll_write_vectored(context, pieces))
            }
        }
    }

    /// Waits until the kernel has everything that was written.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(_) | Self::Tcp(_) => Ok(()),
            Self::Tls(stream) => {
                poll_fn(|context| Pin::new(&mut **stream).poll_flush(context)).await
            }
        }
    }

    /// Ends our side: the client reads the end of the stream after what was written.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|context| match self {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        })
        .await
    }

    /// Passes to the kernel what fits. `true` if that is everything that was written.
    pub(crate) fn try_flush(&mut self) -> io::Result<bool> {
        let Self::Tls(stream) = self else { return Ok(true) };
        match poll_once(|context| Pin::new(&mut **stream).poll_flush(context)) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            flushed => flushed.map(|()| true),
        }
    }

    /// Sends TLS's close_notify alert (RFC 8446, section 6.1), so that the client can tell an orderly end from
    /// truncation. Does not wait: a client with a full socket buffer does not get it.
    pub(crate) fn close_notify(&mut self) {
        if let Self::Tls(stream) = self {
            let _ = poll_once(|context| Pin::new(&mut **stream).poll_shutdown(context));
        }
    }

    /// Waits until there may be something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.readable().await,
            Self::Tcp(stream) => stream.readable().await,
            Self::Tls(stream) => stream.get_ref().0.readable().await,
        }
    }

    /// Waits until there may be room to write.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.writable().await,
            Self::Tcp(stream) => stream.writable().await,
            Self::Tls(stream) => stream.get_ref().0.writable().await,
        }
    }

    /// `true` if the client is known to read no more.
    pub(crate) fn is_hung_up(&self) -> bool {
        let ready = match self {
            Self::Unix(stream) => ready_now(stream.ready(Interest::WRITABLE)),
            Self::Tcp(stream) => ready_now(stream.ready(Interest::WRITABLE)),
            Self::Tls(stream) => ready_now(stream.get_ref().0.ready(Interest::WRITABLE)),
        };
        ready
            .map_or_else(|e| e.kind() != io::ErrorKind::WouldBlock, |ready| ready.is_write_closed())
    }

    /// Waits until a TCP peer resets the connection or misses its keepalives. Never completes for a Unix
    /// socket, where only the next write shows that the peer is gone.
    pub(crate) async fn gone(&self) {
        let tcp = match self {
            Self::Unix(_) => return std::future::pending().await,
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        let _ = tcp.ready(Interest::ERROR).await;
    }
}

/// The readiness that is known now. [`io::ErrorKind::WouldBlock`] if none is.
fn ready_now(ready: impl Future<Output = io::Result<Ready>>) -> io::Result<Ready> {
    let mut ready = pin!(ready);
    poll_once(|context| ready.as_mut().poll(context))
}

/// Polls once with a no-op waker. Runs `unconstrained`: an exhausted coop budget would return `Pending` on a
/// ready socket, and the caller would then wait for a readiness event that never comes.
fn poll_once<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    let polled = pin!(unconstrained(poll_fn(poll)));
    match polled.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
