//! A client's bytes, whichever door they come through: read and written at once or not at all, and waited
//! for apart from that.

use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::unconstrained;
use tokio_rustls::server::TlsStream;

/// The stream of one connection.
pub(crate) enum Stream {
    /// The Unix socket.
    Unix(UnixStream),
    /// The TCP bridge, within this machine.
    Tcp(TcpStream),
    /// The TCP bridge.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Reads what is there. An end without a word of farewell, where one is due, is
    /// [`io::ErrorKind::UnexpectedEof`].
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => match stream.try_read(buffer) {
                // Gone with answers unread. What it had said comes before this, whole (unix(7)).
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
                read => read,
            },
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Tls(stream) => {
                let mut read = ReadBuf::new(buffer);
                now(|context| Pin::new(&mut **stream).poll_read(context, &mut read))?;
                Ok(read.filled().len())
            }
        }
    }

    /// Writes as much as is taken. Of what TLS took, up to 64 KiB may not be under way yet:
    /// [`Stream::flush`].
    pub(crate) fn try_write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_write_vectored(pieces),
            Self::Tcp(stream) => stream.try_write_vectored(pieces),
            Self::Tls(stream) => {
                now(|context| Pin::new(&mut **stream).poll_write_vectored(context, pieces))
            }
        }
    }

    /// Waits until everything that was written is under way.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(_) | Self::Tcp(_) => Ok(()),
            Self::Tls(stream) => {
                poll_fn(|context| Pin::new(&mut **stream).poll_flush(context)).await
            }
        }
    }

    /// Says farewell where that is done, so that the client can tell an end from a cut (RFC 8446, section
    /// 6.1). Whoever does not take it at once does not hear it.
    pub(crate) fn farewell(&mut self) {
        if let Self::Tls(stream) = self {
            let _ = now(|context| Pin::new(&mut **stream).poll_shutdown(context));
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

    /// Waits until something may be written.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.writable().await,
            Self::Tcp(stream) => stream.writable().await,
            Self::Tls(stream) => stream.get_ref().0.writable().await,
        }
    }

    /// Whether the client does not read any more either, as far as that shows.
    pub(crate) async fn hung_up(&self) -> bool {
        let ready = match self {
            Self::Unix(stream) => stream.ready(Interest::WRITABLE).await,
            Self::Tcp(stream) => stream.ready(Interest::WRITABLE).await,
            Self::Tls(stream) => stream.get_ref().0.ready(Interest::WRITABLE).await,
        };
        ready.map_or(true, |ready| ready.is_write_closed())
    }

    /// Waits until the client's machine says that nobody is there any more, or does not answer. A Unix
    /// socket does not tell: there it shows at the next write.
    pub(crate) async fn gone(&self) {
        let tcp = match self {
            Self::Unix(_) => return std::future::pending().await,
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        let _ = tcp.ready(Interest::ERROR).await;
    }
}

/// Does it now or not at all. Nobody is woken later: whoever wants that waits for the socket. So it must be the
/// socket alone that says "not now", and not that the task has done much already: the socket would be
/// waited for in vain, since it is ready.
fn now<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    let done = pin!(unconstrained(poll_fn(poll)));
    match done.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
