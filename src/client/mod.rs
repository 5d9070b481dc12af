//! The blocking connection to the agent that the commands share: to its socket on this machine, or to
//! its TCP bridge. One thread, no runtime: what the protocol's bytes mean is `wire`'s.
//!
//! What a bridge needs (names of hosts, tokens, TLS) costs nothing where only a socket is used.

mod address;
mod dial;
mod error;
mod find;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod token;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::wire::{Answer, Answers};
use stream::Stream;

pub use address::{Address, BadServer, PORT, Remote, Server, Where};
pub use dial::ADDRESSES_MAX;
pub use error::{ClientError, OpenError};
pub use find::{Looked, Place, SOCKET_VARIABLE};
#[cfg(feature = "tls")]
pub use tls::{BadCa, BadCertificate, TlsError};
pub use token::{BadToken, TOKEN_MAX, TOKEN_VARIABLE, Token, TokenError, TokenSource};

/// The first size of the read buffer, in bytes: one answer is short.
const READ_MIN: usize = 4 * 1024;

/// What the read buffer may grow to, in bytes, when the agent has much to say.
const READ_MAX: usize = 256 * 1024;

/// A connection to an agent.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    at: Where,
    /// How long one write or one answer may take; none waits for ever.
    timeout: Option<Duration>,
    /// What the socket's read timeout is set to.
    read_timeout: Option<Duration>,
    answers: Answers,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to the agent at this address. Without a name of a socket that is the one at
    /// `$PULSED_SOCKET`; without that the user's own agent, or else the system's. A bridge is shown its
    /// token, and has let us in. Each wait is bounded by `timeout`, which must not be zero: for the name
    /// of a host, for each of its addresses, for TLS, and for what the agent says to the token.
    ///
    /// # Errors
    /// [`OpenError`], which names every place that was looked at.
    pub fn open(address: &Address, timeout: Duration) -> Result<Self, OpenError> {
        match address {
            Address::Local(socket) => {
                let (stream, path) = find::first(find::places(socket.as_deref()), timeout)?;
                Ok(Self::over(Stream::Unix(stream), Where::Socket(path), timeout))
            }
            Address::Remote(remote) => {
                let at = Where::Server(remote.server.clone());
                let mut own = Self::over(dial::dial(remote, timeout)?, at, timeout);
                own.show_token(remote)?;
                Ok(own)
            }
        }
    }

    fn over(stream: Stream, at: Where, timeout: Duration) -> Self {
        Self {
            stream,
            at,
            timeout: Some(timeout),
            read_timeout: None,
            answers: Answers::new(),
            buffer: vec![0; READ_MIN],
        }
    }

    /// A bridge asks for it before anything else.
    fn show_token(&mut self, remote: &Remote) -> Result<(), OpenError> {
        // An agent that takes nobody in may have said why before it closed.
        let written = self.write(remote.token.line().as_bytes());
        let (server, plain) = (remote.server.clone(), self.stream.is_plain());
        match self.answer() {
            Ok(Some(Answer::Ok(_))) => Ok(()),
            Ok(Some(Answer::Err { code, why })) => {
                let (why, token) = (remote.token.hidden_in(why), remote.token.source().clone());
                Err(OpenError::Refused { server, code, why, token })
            }
            Ok(Some(_)) | Err(ClientError::Answer { .. }) => {
                Err(OpenError::NotAnAgent { server, plain })
            }
            Ok(None) if plain => Err(OpenError::ClosedPlain(server)),
            Ok(None) => Err(written.err().unwrap_or_else(|| self.closed()).into()),
            Err(error) => Err(error.into()),
        }
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
        while !rest.is_empty() || self.stream.holds() {
            match self.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
            let more = !rest.is_empty() || self.stream.holds();
            if let Some(timeout) = self.timeout.filter(|_| more) {
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
            Some(Err(source)) => Err(ClientError::Answer { at: self.at.clone(), source }),
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

    /// Where the agent is.
    pub const fn at(&self) -> &Where {
        &self.at
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
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::WriteZero => self.closed(),
            _ => ClientError::Io { at: self.at.clone(), source },
        }
    }

    fn timed_out(&self) -> ClientError {
        let timeout = self.timeout.unwrap_or_default();
        ClientError::TimedOut { at: self.at.clone(), timeout }
    }

    /// The failure of an agent that is gone before it has said what was asked.
    pub fn closed(&self) -> ClientError {
        ClientError::Closed { at: self.at.clone() }
    }
}

/// To wait on, and to be shut down. What it is waited for may have been read from it already: see
/// [`Connection::ready`], and TLS holds more than that shows.
impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The time that is left; none if there is none, since zero would mean for ever.
fn left_until(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
