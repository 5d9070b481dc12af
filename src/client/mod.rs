//! The blocking connection to the agent that the commands share. One thread, no runtime: what the
//! protocol's bytes mean is `wire`'s.

mod find;

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::wire::{Answer, Answers, BadAnswer, Code};

pub use find::{Looked, OpenError, Place, SOCKET_VARIABLE};

/// The first size of the read buffer, in bytes: one answer is short.
const READ_MIN: usize = 4 * 1024;

/// What the read buffer may grow to, in bytes, when the agent has much to say.
const READ_MAX: usize = 256 * 1024;

/// A connection to an agent.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    socket: PathBuf,
    /// How long one write or one answer may take; none waits for ever.
    timeout: Option<Duration>,
    /// What the socket's read timeout is set to.
    read_timeout: Option<Duration>,
    answers: Answers,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to the agent at `socket`; without one to `$PULSED_SOCKET`; without that to the
    /// user's own agent, or else the system's. Each wait is bounded by `timeout`, which must not be
    /// zero.
    ///
    /// # Errors
    /// [`OpenError`], which names every place that was looked at.
    pub fn open(socket: Option<&Path>, timeout: Duration) -> Result<Self, OpenError> {
        let (stream, socket) = find::first(find::places(socket), timeout)?;
        Ok(Self {
            stream,
            socket,
            timeout: Some(timeout),
            read_timeout: None,
            answers: Answers::new(),
            buffer: vec![0; READ_MIN],
        })
    }

    /// Writes all of `bytes`, within the timeout.
    ///
    /// # Errors
    /// [`ClientError`]; how much was written is not known then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let mut rest = bytes;
        // A write that moves something may be followed by one that waits again: the whole has the
        // bound, so its end is known before the second.
        let mut end = None;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(self.closed()),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
            if let Some(timeout) = self.timeout.filter(|_| !rest.is_empty()) {
                let left = left_until(*end.get_or_insert_with(|| Instant::now() + timeout));
                let left = left.ok_or_else(|| self.timed_out())?;
                self.stream.set_write_timeout(Some(left)).map_err(|error| self.failed(error))?;
            }
        }
        if end.is_some() {
            self.stream.set_write_timeout(self.timeout).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// The next answer; none once the agent has closed the connection. Waits for it no longer than
    /// the timeout.
    ///
    /// # Errors
    /// [`ClientError`]. After [`ClientError::TimedOut`] it may be asked again.
    pub fn answer(&mut self) -> Result<Option<Answer<'_>>, ClientError> {
        let mut end = None;
        while !self.answers.ready() {
            let wait = match (self.timeout, end) {
                (None, _) => None,
                (Some(timeout), None) => {
                    end = Some(Instant::now() + timeout);
                    Some(timeout)
                }
                (Some(_), Some(end)) => Some(left_until(end).ok_or_else(|| self.timed_out())?),
            };
            if !self.read(wait)? {
                return Ok(None);
            }
        }
        match self.answers.next() {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some(answer)),
            Some(Err(source)) => Err(ClientError::Answer { socket: self.socket.clone(), source }),
        }
    }

    /// Whether the next answer has come already, so that asking for it waits for nothing.
    pub fn ready(&mut self) -> bool {
        self.answers.ready()
    }

    /// Bounds each later write and answer; none waits for ever. Must not be zero.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        self.stream.set_write_timeout(timeout).map_err(|error| self.failed(error))?;
        self.timeout = timeout;
        Ok(())
    }

    /// Which socket it is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The stream itself, to wait on or to shut down.
    pub const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads once, after at most `wait`. False at the end.
    fn read(&mut self, wait: Option<Duration>) -> Result<bool, ClientError> {
        if wait != self.read_timeout {
            self.stream.set_read_timeout(wait).map_err(|error| self.failed(error))?;
            self.read_timeout = wait;
        }
        match self.stream.read(&mut self.buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                self.answers.push(&self.buffer[..n]);
                if n == self.buffer.len() && n < READ_MAX {
                    self.buffer.resize(n * 2, 0);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // An agent that ends with our bytes unread resets the connection.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        }
        Ok(true)
    }

    fn failed(&self, source: io::Error) -> ClientError {
        match source.kind() {
            io::ErrorKind::WouldBlock => self.timed_out(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.closed(),
            _ => ClientError::Io { socket: self.socket.clone(), source },
        }
    }

    fn timed_out(&self) -> ClientError {
        let timeout = self.timeout.unwrap_or_default();
        ClientError::TimedOut { socket: self.socket.clone(), timeout }
    }

    /// The failure of an agent that is gone before it has said what was asked.
    pub fn closed(&self) -> ClientError {
        ClientError::Closed { socket: self.socket.clone() }
    }
}

/// The time that is left; none if there is none, since zero would mean for ever.
fn left_until(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Why a connection failed. Each is one line that says what, where and why.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The agent is gone.
    #[error("no answer: {}: the agent closed the connection", socket.display())]
    Closed {
        /// The socket.
        socket: PathBuf,
    },
    /// The agent is there, and silent.
    #[error("no answer: {}: timed out after {timeout:?}", socket.display())]
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// The bound.
        timeout: Duration,
    },
    /// What the kernel says.
    #[error("connection lost: {}: {source}", socket.display())]
    Io {
        /// The socket.
        socket: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// What answers there is no agent.
    #[error("bad answer: {}: {source}", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with the answer.
        source: BadAnswer,
    },
}

impl ClientError {
    /// The exit code that it becomes.
    pub const fn code(&self) -> Code {
        match self {
            Self::TimedOut { .. } => Code::Later,
            Self::Closed { .. } | Self::Io { .. } | Self::Answer { .. } => Code::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests;
