//! A client of the line protocol, byte by byte.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::{TIMEOUT, begins_log, seq_of};

/// The size of one read, in bytes.
const READ_SIZE: usize = 64 << 10;

/// A connection to the agent.
pub(crate) struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// How many bytes of the buffer were returned.
    consumed: usize,
}

impl Client {
    /// Uses a connected stream.
    pub(crate) fn from_stream(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(TIMEOUT)).expect("the timeout is not zero");
        stream.set_write_timeout(Some(TIMEOUT)).expect("the timeout is not zero");
        Self { stream, buffer: Vec::new(), consumed: 0 }
    }

    /// A second handle on the same connection, to write while the first one reads.
    pub(crate) fn writer(&self) -> Self {
        Self::from_stream(self.stream.try_clone().expect("a free descriptor"))
    }

    /// Writes exactly these bytes.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("the agent reads");
        self
    }

    /// As [`Client::write`], but returns `false` if the connection is closed.
    pub(crate) fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Writes a line and returns the next line that arrives.
    #[track_caller]
    pub(crate) fn request(&mut self, line: &str) -> String {
        self.write(format!("{line}\n")).line()
    }

    /// The next line, without its line end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        self.try_line().expect("a line before the end of the stream")
    }

    /// The next line. `None` at the end of the stream.
    #[track_caller]
    pub(crate) fn try_line(&mut self) -> Option<String> {
        self.next_line(false)
    }

    /// The next whole line. `None` at the end of the stream, where a killed agent may have left a partial
    /// line.
    #[track_caller]
    pub(crate) fn try_whole_line(&mut self) -> Option<String> {
        self.next_line(true)
    }

    #[track_caller]
    fn next_line(&mut self, may_end_within_line: bool) -> Option<String> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.consumed..];
            if let Some(at) = memchr::memchr(b'\n', &rest[searched..]) {
                let line = rest[..searched + at].to_vec();
                self.consumed += line.len() + 1;
                return Some(String::from_utf8(line).expect("the agent writes UTF-8"));
            }
            searched = rest.len();
            if !self.read_more() {
                assert!(searched == 0 || may_end_within_line, "the stream ends within a line");
                return None;
            }
        }
    }

    /// Reads once. `false` at the end of the stream.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        let mut bytes = [0; READ_SIZE];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(length) => {
                    self.buffer.extend_from_slice(&bytes[..length]);
                    return true;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // The agent was killed before it had read all that was written.
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("cannot read from the agent: {e}"),
            }
        }
    }

    /// All lines up to the end of the stream.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.try_line()).collect()
    }

    /// Half-closes the connection.
    pub(crate) fn shutdown_write(&mut self) -> &mut Self {
        // It fails if the agent has already closed the connection.
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Requests SYNC, which must succeed. Returns the cursor.
    #[track_caller]
    pub(crate) fn sync(&mut self) -> String {
        let answer = self.request("SYNC");
        answer.strip_prefix("OK ").unwrap_or_else(|| panic!("SYNC: {answer}")).to_owned()
    }

    /// The cursor of the newest line.
    #[track_caller]
    pub(crate) fn newest(&mut self) -> String {
        let answer = self.request("PING");
        answer.strip_prefix("OK ").unwrap_or_else(|| panic!("PING: {answer}")).to_owned()
    }

    /// Requests a TAIL without follow. Returns its lines without the final OK, and without the gap that begins
    /// a new log.
    #[track_caller]
    pub(crate) fn tail(&mut self, object: &str) -> Vec<String> {
        self.write(format!("TAIL {object}\n"));
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line.starts_with("OK ") {
                return lines;
            }
            assert!(line.starts_with('{'), "TAIL {object}: {line}");
            if !begins_log(&line) {
                lines.push(line);
            }
        }
    }

    /// Follows from after the newest line, so that no event sent from now on is missed. Returns the sequence
    /// number of that line. `more` is further keys, for example `,"match":"tag=a"`.
    #[track_caller]
    pub(crate) fn follow(&mut self, more: &str) -> u64 {
        let newest = self.newest();
        self.write(format!("TAIL {{\"after\":\"{newest}\",\"follow\":true{more}}}\n"));
        seq_of(&newest)
    }
}
