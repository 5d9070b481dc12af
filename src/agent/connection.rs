//! One client's stream: reads into a buffer that the thread lends, writes without holding anything
//! but the rest of a line.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::stream::Stream;
use crate::wire::Decoder;

/// The most that is read at a time, in bytes. The buffer belongs to the thread, not to the
/// connection: an idle connection has none.
pub(crate) const READ_SIZE: usize = 256 << 10;

/// After so many reads without a wait, others get a turn.
const READS_MAX: u32 = 8;

/// How long after it was taken in a client may begin to speak although the agent stops. Such clients
/// would otherwise be refused by every restart: they cannot wait in the queue any more.
pub(crate) const FIRST_WORDS_WAIT: Duration = Duration::from_millis(500);

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

/// What a thread has for whichever connection it serves.
struct Memory {
    /// What is read into.
    buffer: Vec<u8>,
    /// For the decoder of a connection with something to decode.
    spare: Vec<u8>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { buffer: vec![0; READ_SIZE], spare: Vec::new() }
    }
}

/// A client's stream and what came from it unfinished.
pub(crate) struct Connection {
    stream: Stream,
    /// What came and is not decoded yet.
    pub(crate) decoder: Decoder,
    /// The client will send no more.
    ended: bool,
    /// How often something was there at once since the last wait.
    reads: u32,
    /// How long it is waited for although the agent stops; none once something came.
    first_words_until: Option<Instant>,
    stopping: watch::Receiver<bool>,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Bytes, which the decoder has now.
    Some,
    /// The client will send no more.
    End,
    /// The agent stops, and nothing is left to read.
    Stopping,
}

impl Connection {
    pub(crate) fn new(stream: Stream, host: &str, stopping: watch::Receiver<bool>) -> Self {
        let first_words_until = Some(Instant::now() + FIRST_WORDS_WAIT);
        let decoder = Decoder::on(host);
        Self { stream, decoder, ended: false, reads: 0, first_words_until, stopping }
    }

    /// Whether the client will send no more.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Waits until there is something to read, the client ends, or the agent stops.
    pub(crate) async fn wait_for_input(&mut self) -> io::Result<()> {
        tokio::select! {
            ready = self.stream.readable() => ready,
            _ = stopped(&mut self.stopping) => Ok(()),
        }
    }

    /// Reads what is there, and waits for something if there is nothing: until the agent stops, and for
    /// the first words of who has just connected [`FIRST_WORDS_WAIT`] at most even then.
    pub(crate) async fn read(&mut self) -> io::Result<Input> {
        if self.ended {
            return Ok(Input::End);
        }
        self.reads += 1;
        if self.reads > READS_MAX {
            // Whoever sends as fast as it can be read shares the thread with the others.
            self.reads = 0;
            tokio::task::yield_now().await;
        }
        loop {
            match self.read_now() {
                Ok(0) => {
                    self.ended = true;
                    self.decoder.finish();
                    return Ok(Input::End);
                }
                Ok(_) => {
                    self.first_words_until = None;
                    return Ok(Input::Some);
                }
                // Somebody on the way may have cut it off.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended = true;
                    self.decoder.cut_off();
                    return Ok(Input::End);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.settle(),
                Err(e) => return Err(e),
            }
            self.reads = 0;
            tokio::select! {
                biased;
                ready = self.stream.readable() => ready?,
                () = to_leave(&mut self.stopping, self.first_words_until) => {
                    return Ok(Input::Stopping);
                }
            }
        }
    }

    fn read_now(&mut self) -> io::Result<usize> {
        MEMORY.with_borrow_mut(|memory| {
            let read = self.stream.try_read(&mut memory.buffer)?;
            if memory.spare.capacity() > 0 {
                self.decoder.lend(std::mem::take(&mut memory.spare));
            }
            self.decoder.push(&memory.buffer[..read]);
            Ok(read)
        })
    }

    /// Gives memory back before a wait.
    fn settle(&mut self) {
        let memory = self.decoder.give_back();
        MEMORY.with_borrow_mut(|kept| {
            if memory.capacity() > kept.spare.capacity() {
                kept.spare = memory;
            }
        });
    }

    /// Writes as much of the pieces as the client takes at once, and tells how many bytes that was.
    pub(crate) fn write_now(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.stream.try_write(pieces) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    /// Writes all of it, and waits for the client as long as that takes.
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

    /// Waits until everything that was written is under way: before any wait for something else.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    /// Tells the client that this is the end.
    pub(crate) fn farewell(&mut self) {
        self.stream.farewell();
    }

    /// Waits until the client takes more.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Whether the client, which sends no more, does not read any more either.
    pub(crate) async fn hung_up(&self) -> bool {
        self.stream.hung_up().await
    }

    /// Waits until the client, which sends no more, is known to be gone, or the agent stops.
    pub(crate) async fn gone_or_stopped(&mut self) {
        tokio::select! {
            () = self.stream.gone() => {}
            () = stopped(&mut self.stopping) => {}
        }
    }

    /// Whether the agent stops.
    pub(crate) fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// Waits until the agent stops, and then until this moment.
pub(crate) async fn to_leave(stopping: &mut watch::Receiver<bool>, until: Option<Instant>) {
    stopped(stopping).await;
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: the agent has stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
