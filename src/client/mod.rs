//! The blocking connection to an agent that the commands share: to its socket on this machine (`find`), or
//! to a TCP bridge (`dial`). One thread, no runtime; `wire` encodes and decodes the protocol.
//!
//! What a bridge needs (host names, tokens, TLS) costs nothing when only a socket is used.

mod address;
mod candidate;
mod deadline;
mod dial;
mod error;
mod find;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod token;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::wire::{Answer, Answers};
use deadline::Deadline;
use stream::Stream;

pub use address::{Address, BadServer, PORT, Remote, Server, Where};
pub use candidate::{Absence, Candidate, SOCKET_VARIABLE, Tried};
pub use dial::ADDRESSES_MAX;
pub use error::{ClientError, OpenError};
#[cfg(feature = "tls")]
pub use tls::{BadCa, BadCertificate, TlsError};
pub use token::{BadToken, TOKEN_MAX, TOKEN_VARIABLE, Token, TokenError, TokenSource};

/// The initial size of the read buffer, in bytes.
const READ_MIN: usize = 4 * 1024;

/// The size up to which the read buffer grows, in bytes.
const READ_MAX: usize = 256 * 1024;

/// A connection to an agent.
///
/// ```no_run
/// use std::time::Duration;
/// use pulsed::client::{Address, Connection};
///
/// let mut agent = Connection::open(&Address::Local(None), Duration::from_secs(1))?;
/// agent.write(b"SEND query took 40ms\nSYNC\n")?;
/// // Answer::Ok("7f3a9c21-1042")
/// println!("{:?}", agent.answer()?);
/// # Ok::<(), pulsed::client::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    at: Where,
    /// The timeout of one write or one answer. `None` means no timeout.
    timeout: Option<Duration>,
    /// The socket's current read timeout.
    read_timeout: Option<Duration>,
    answers: Answers,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects, and authenticates at a bridge. [`Address::Local`] without a socket means that of
    /// `$PULSED_SOCKET`, else the user's own agent, else the system's. `timeout`, which must not be 0, bounds
    /// each wait separately: for the lookup of a host name, each of its addresses, the TLS handshake, and
    /// the answer to the token. It remains the timeout of the connection.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(address: &Address, timeout: Duration) -> Result<Self, OpenError> {
        match address {
            Address::Local(socket) => {
                let found = find::connect(candidate::candidates(socket.as_deref()), timeout)?;
                Ok(Self::over(Stream::Unix(found.stream), Where::Socket(found.path), timeout))
            }
            Address::Remote(remote) => {
                let at = Where::Server(remote.server.clone());
                let mut own = Self::over(dial::dial(remote, timeout)?, at, timeout);
                own.authenticate(remote)?;
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

    fn authenticate(&mut self, remote: &Remote) -> Result<(), OpenError> {
        // Even if the write fails: an agent that closed the connection may have sent the reason.
        let written = self.write(remote.token.line().as_bytes());
        let (server, plain) = (remote.server.clone(), self.stream.is_plain());
        match self.answer() {
            Ok(Some(Answer::Ok(_))) => Ok(()),
            Ok(Some(Answer::Err { code, why })) => {
                let (why, token) = (remote.token.redact(why), remote.token.source().clone());
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

    /// Writes all of `bytes` within the timeout.
    ///
    /// # Errors
    /// [`ClientError`]; a part may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let mut rest = bytes;
        // The timeout bounds all writes together. The deadline is set after the first, which usually is
        // the only one.
        let mut deadline = None;
        while !rest.is_empty() || self.stream.has_unsent() {
            match self.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
            let more = !rest.is_empty() || self.stream.has_unsent();
            if let Some(timeout) = self.timeout.filter(|_| more) {
                let left = deadline.get_or_insert_with(|| Deadline::after(timeout)).left();
                let left = left.ok_or_else(|| self.timed_out())?;
                self.stream.set_write_timeout(Some(left)).map_err(|error| self.failed(error))?;
            }
        }
        if deadline.is_some() {
            self.stream.set_write_timeout(self.timeout).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Reads the next answer within the timeout. `None` once the agent closed the connection.
    ///
    /// # Errors
    /// [`ClientError`]. After [`ClientError::TimedOut`] it can be called again.
    pub fn answer(&mut self) -> Result<Option<Answer<'_>>, ClientError> {
        let mut deadline: Option<Deadline> = None;
        while !self.answers.ready() {
            let wait = match (self.timeout, deadline) {
                (None, _) => None,
                (Some(timeout), None) => {
                    deadline = Some(Deadline::after(timeout));
                    Some(timeout)
                }
                (Some(_), Some(deadline)) => Some(deadline.left().ok_or_else(|| self.timed_out())?),
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

    /// Writes a request and reads the first answer, even if the write fails: an agent that closed the
    /// connection may have sent the reason.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn request(&mut self, bytes: &[u8]) -> Result<Answer<'_>, ClientError> {
        let closed = self.write(bytes).err().unwrap_or_else(|| self.closed());
        self.answer()?.ok_or(closed)
    }

    /// `true` if the next answer was received already, so that [`Self::answer`] will not block.
    pub fn ready(&mut self) -> bool {
        self.answers.ready()
    }

    /// Sends QUIT: the connection is closed on purpose, and runs that it began stay open without it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn quit(&mut self) -> Result<(), ClientError> {
        self.write(b"QUIT\n")
    }

    /// Sets the timeout of each later write and answer, which must not be 0. `None` means no timeout.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        self.stream.set_write_timeout(timeout).map_err(|error| self.failed(error))?;
        self.timeout = timeout;
        Ok(())
    }

    /// The agent's address.
    pub const fn at(&self) -> &Where {
        &self.at
    }

    /// Reads once within `wait`. Returns `false` at the end of the stream.
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
            // An agent that closes with our bytes unread resets the connection.
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

    /// The timeout of a write and of an answer.
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The error for an agent that does not answer within the timeout.
    pub fn timed_out(&self) -> ClientError {
        let timeout = self.timeout.unwrap_or_default();
        ClientError::TimedOut { at: self.at.clone(), timeout }
    }

    /// The error for an answer that should hold a cursor and does not.
    pub fn no_cursor(&self) -> ClientError {
        ClientError::NoCursor { at: self.at.clone() }
    }

    /// The error for an agent that closed the connection before it answered.
    pub fn closed(&self) -> ClientError {
        ClientError::Closed { at: self.at.clone() }
    }
}

/// For poll(2) and shutdown(2). Answers may have been read from it already: see [`Connection::ready`]. TLS may
/// hold further ones.
impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests;
