//! One client's connection: a stream and the decoder of what arrives on it. Read buffers belong to the
//! threads, so that an idle connection holds none.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::stream::Stream;
use crate::wire::Decoder;

/// Size of a thread's read buffer, in bytes: the most that one read returns.
pub(crate) const READ_SIZE: usize = 256 << 10;

/// Reads without a wait before the task yields to others.
const READS_MAX: u32 = 8;

/// The most that is read at once of a client whose input is ignored.
const LITTLE: usize = 4 << 10;

/// Grace period for a client that connected but has sent nothing yet when the agent stops. Without it every
/// restart would drop clients that have left the accept queue and can no longer wait there.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::default());
}

/// Buffers of one thread, shared by the connections it serves.
struct Buffers {
    /// Target of reads.
    read: Vec<u8>,
    /// Lent to the decoder of a connection that has something to decode.
    decode: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { read: vec![0; READ_SIZE], decode: Vec::new() }
    }
}

/// A client's stream, and its input that is not decoded yet.
pub(crate) struct Connection {
    stream: Stream,
    /// Decodes what arrived.
    pub(crate) decoder: Decoder,
    /// End of input was reached.
    ended: bool,
    /// Successful reads since the last wait.
    reads: u32,
    /// Bytes that [`Self::read_little`] has read.
    ignored: usize,
    /// End of [`FIRST_REQUEST_GRACE`]. `None` once something arrived.
    grace_until: Option<Instant>,
    stopping: watch::Receiver<bool>,
}

/// The outcome of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Bytes were passed to the decoder.
    Some,
    /// The client has sent everything.
    End,
    /// The agent is stopping, and nothing is left to read.
    Stopping,
}

impl Connection {
    pub(crate) fn new(stream: Stream, host: &str, stopping: watch::Receiver<bool>) -> Self {
        let grace_until = Some(Instant::now() + FIRST_REQUEST_GRACE);
        let decoder = Decoder::for_host(host);
        Self { stream, decoder, ended: false, reads: 0, ignored: 0, grace_until, stopping }
    }

    /// `true` once end of input was reached.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Waits until there is something to read, or the agent stops.
    pub(crate) async fn wait_for_input(&mut self) -> io::Result<()> {
        tokio::select! {
            ready = self.stream.readable() => ready,
            _ = stopped(&mut self.stopping) => Ok(()),
        }
    }

    /// Reads what is available, or waits until something is. Returns [`Input::Stopping`] when the agent stops,
    /// for a client that has sent nothing yet after [`FIRST_REQUEST_GRACE`].
    pub(crate) async fn read(&mut self) -> io::Result<Input> {
        self.read_up_to(READ_SIZE).await
    }

    /// As [`Self::read`], but only a little, of a client whose input is ignored.
    pub(crate) async fn read_little(&mut self) -> io::Result<Input> {
        let before = self.decoder.buffered();
        let read = self.read_up_to(LITTLE).await;
        self.ignored += self.decoder.buffered().saturating_sub(before);
        read
    }

    /// Bytes that [`Self::read_little`] has read.
    pub(crate) fn ignored(&self) -> usize {
        self.ignored
    }

    async fn read_up_to(&mut self, limit: usize) -> io::Result<Input> {
        if self.ended {
            return Ok(Input::End);
        }
        self.reads += 1;
        if self.reads > READS_MAX {
            // A client that sends as fast as we read must not keep the thread from others.
            self.reads = 0;
            tokio::task::yield_now().await;
        }
        loop {
            match self.read_now(limit) {
                Ok(0) => {
                    self.ended = true;
                    self.decoder.finish();
                    return Ok(Input::End);
                }
                Ok(_) => {
                    self.grace_until = None;
                    return Ok(Input::Some);
                }
                // TLS ended without close_notify: an attacker may have truncated the stream.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended = true;
                    self.decoder.abort();
                    return Ok(Input::End);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.release_buffer(),
                Err(e) => return Err(e),
            }
            self.reads = 0;
            tokio::select! {
                biased;
                ready = self.stream.readable() => ready?,
                () = stopped_after(&mut self.stopping, self.grace_until) => {
                    return Ok(Input::Stopping);
                }
            }
        }
    }

    fn read_now(&mut self, limit: usize) -> io::Result<usize> {
        BUFFERS.with_borrow_mut(|buffers| {
            let read = self.stream.try_read(&mut buffers.read[..limit])?;
            if buffers.decode.capacity() > 0 {
                self.decoder.lend(std::mem::take(&mut buffers.decode));
            }
            self.decoder.push(&buffers.read[..read]);
            Ok(read)
        })
    }

    /// Returns the decoder's buffer to the thread before a wait.
    fn release_buffer(&mut self) {
        let buffer = self.decoder.give_back();
        BUFFERS.with_borrow_mut(|buffers| {
            if buffer.capacity() > buffers.decode.capacity() {
                buffers.decode = buffer;
            }
        });
    }

    /// Writes as much of the pieces as fits without waiting. Returns the number of bytes.
    pub(crate) fn write_now(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.stream.try_write(pieces) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    /// Writes all of `bytes`, and waits for the client for as long as that takes.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(&[IoSlice::new(bytes)]) {
                Ok(written) => bytes = &bytes[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(e) => return Err(e),
            }
        }
        self.flush().await
    }

    /// Waits until the kernel has everything that was written. Call it before any wait for something else.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    /// Announces an orderly end to the client where the transport can.
    pub(crate) fn close_notify(&mut self) {
        self.stream.close_notify();
    }

    /// Waits until there may be room to write.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// `true` if the client is known to read no more.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.stream.is_hung_up()
    }

    /// Waits until a TCP client is known to be gone, or the agent stops.
    pub(crate) async fn gone_or_stopped(&mut self) {
        tokio::select! {
            () = self.stream.gone() => {}
            () = stopped(&mut self.stopping) => {}
        }
    }

    /// `true` once the agent is stopping.
    pub(crate) fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// Waits until the agent stops, then until the given moment.
pub(crate) async fn stopped_after(stopping: &mut watch::Receiver<bool>, until: Option<Instant>) {
    stopped(stopping).await;
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped: the agent has stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
