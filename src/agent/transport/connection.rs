//! One client's connection: a stream and the decoder of what arrives on it. While it waits, it holds no buffer, and of
//! an unfinished line what its share of the memory allows.

use std::io::{self, IoSlice};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::buffers::{Lent, READ_SIZE, ReadBuffer};
use super::stream::Stream;
use crate::agent::limits::{HELD_FREE, Held, ROOM_EVERY};
use crate::wire::Decoder;

/// Reads without a wait before the task yields to others.
const READS_MAX: u32 = 8;

/// The most that is read at once of a client whose input is ignored.
const LITTLE: usize = 4 << 10;

/// How long a follower's client may take no more while the agent stops, before it is disconnected.
pub(crate) const STALL_GRACE: Duration = Duration::from_millis(100);

/// Grace period for a client that connected but has sent nothing yet when the agent stops. Without it every
/// restart would drop clients that have left the accept queue and can no longer wait there.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);

/// A client's stream, and its input that is not decoded yet.
pub(crate) struct Connection {
    stream: Stream,
    /// Decodes what arrived.
    pub(crate) decoder: Decoder,
    /// The decoder's memory is a buffer of the pool.
    lent: Option<Lent>,
    /// Its share of the memory for what is not decoded.
    held: Held,
    /// The client is gone: what it has sent is read to its end, which needs no wait.
    hung_up: bool,
    /// End of input was reached.
    ended: bool,
    /// The client follows: a stop does not wait for it to take what it has not taken.
    follows: bool,
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
    pub(crate) fn new(
        stream: Stream,
        host: &str,
        held: Held,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            stream,
            decoder: Decoder::for_host(host),
            lent: None,
            held,
            hung_up: false,
            ended: false,
            follows: false,
            reads: 0,
            ignored: 0,
            grace_until: Some(Instant::now() + FIRST_REQUEST_GRACE),
            stopping,
        }
    }

    /// Counts what it holds by another key from the next read on.
    pub(crate) fn hold_for(&mut self, held: Held) {
        self.held = held;
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
            let room = self.room().min(limit);
            match self.read_now(room) {
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
                ready = self.stream.readable(), if room > 0 => ready?,
                () = tokio::time::sleep(ROOM_EVERY), if room == 0 => {
                    self.hung_up = self.stream.is_hung_up();
                }
                () = stopped_after(&mut self.stopping, self.grace_until) => {
                    return Ok(Input::Stopping);
                }
            }
        }
    }

    /// How many bytes may be read now.
    fn room(&mut self) -> usize {
        let rest = self.decoder.buffered();
        self.held.set(rest);
        if self.hung_up { READ_SIZE } else { self.held.room(rest).min(READ_SIZE) }
    }

    /// Reads without a wait, at most `room` bytes. Without room that is as if nothing had arrived.
    fn read_now(&mut self, room: usize) -> io::Result<usize> {
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut buffer = ReadBuffer::take();
        let read = self.stream.try_read(&mut buffer[..room])?;
        let held = self.decoder.buffered() + read;
        if held > HELD_FREE
            && self.lent.is_none()
            && let Some((lent, memory)) = Lent::take()
        {
            self.lent = Some(lent);
            self.decoder.lend(memory);
        }
        self.decoder.push(&buffer[..read]);
        self.held.set(held);
        Ok(read)
    }

    /// Leaves the decoder only what it has not decoded. Call it before a wait for the client.
    fn release_buffer(&mut self) {
        let rest = self.decoder.buffered();
        if let Some(lent) = self.lent.take() {
            lent.give_back(self.decoder.give_back());
        } else if rest == 0 || self.decoder.allocated() > rest + HELD_FREE {
            drop(self.decoder.give_back());
        }
        self.held.set(rest);
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
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(e) => return Err(e),
            }
        }
        self.flush().await
    }

    /// Waits until the kernel has everything that was written. Call it before any wait for something else.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.stream.try_flush()? {
            return Ok(());
        }
        self.release_buffer();
        let Self { stream, stopping, follows, .. } = self;
        unless_stalled(stopping, *follows, stream.flush()).await
    }

    /// Announces an orderly end to the client where the transport can.
    pub(crate) fn close_notify(&mut self) {
        self.stream.close_notify();
    }

    /// Waits until there may be room to write.
    pub(crate) async fn writable(&mut self) -> io::Result<()> {
        self.release_buffer();
        let Self { stream, stopping, follows, .. } = self;
        unless_stalled(stopping, *follows, stream.writable()).await
    }

    /// Sets whether the client follows. Writing to a follower fails with [`io::ErrorKind::TimedOut`] once the agent is
    /// stopping and the client has taken nothing for [`STALL_GRACE`]: it resumes by its cursor.
    pub(crate) fn set_follows(&mut self, follows: bool) {
        self.follows = follows;
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

/// Waits for a client to take more: without end, but for a follower's client not while the agent stops.
async fn unless_stalled(
    stopping: &mut watch::Receiver<bool>,
    follows: bool,
    ready: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let until = Instant::now() + STALL_GRACE;
    tokio::select! {
        biased;
        ready = ready => ready,
        () = stopped_after(stopping, Some(until)), if follows => {
            Err(io::ErrorKind::TimedOut.into())
        }
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
