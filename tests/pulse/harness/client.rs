//! The protocol spoken by hand, byte by byte.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::{PATIENCE, begins_log, seq_of};

/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// A connection to the agent.
pub(crate) struct Client {
    stream: UnixStream,
    came: Vec<u8>,
    /// How many of those bytes were given out.
    given: usize,
}

impl Client {
    /// Over a stream that is connected.
    pub(crate) fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time");
        Self { stream, came: Vec::new(), given: 0 }
    }

    /// A second handle on the same connection, to write while the first one reads.
    pub(crate) fn writer(&self) -> Self {
        Self::over(self.stream.try_clone().expect("a descriptor"))
    }

    /// Writes these bytes, and nothing else.
    #[track_caller]
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("the agent reads");
        self
    }

    /// As [`Client::say`], where the agent may be gone: tells whether it was there.
    pub(crate) fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Writes a line, and gives the next line that comes.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(format!("{line}\n")).line()
    }

    /// The next line, without its line end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        self.try_line().expect("a line, and not the end of the stream")
    }

    /// The next line; none at the end of the stream.
    #[track_caller]
    pub(crate) fn try_line(&mut self) -> Option<String> {
        self.next_line(false)
    }

    /// The next whole line; none at the end of the stream, where an agent that was killed may have left a
    /// part of one.
    #[track_caller]
    pub(crate) fn try_whole_line(&mut self) -> Option<String> {
        self.next_line(true)
    }

    #[track_caller]
    fn next_line(&mut self, broken_off_is_fine: bool) -> Option<String> {
        let mut searched = 0;
        loop {
            let left = &self.came[self.given..];
            if let Some(at) = memchr::memchr(b'\n', &left[searched..]) {
                let line = left[..searched + at].to_vec();
                self.given += line.len() + 1;
                return Some(String::from_utf8(line).expect("the agent says UTF-8"));
            }
            searched = left.len();
            if !self.read_more() {
                assert!(searched == 0 || broken_off_is_fine, "the stream ends within a line");
                return None;
            }
        }
    }

    /// Reads once. False at the end of the stream.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        self.came.drain(..self.given);
        self.given = 0;
        let mut piece = [0; PIECE];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return false,
                Ok(length) => {
                    self.came.extend_from_slice(&piece[..length]);
                    return true;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // The agent was killed before it had read all that we said.
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("nothing to read: {e}"),
            }
        }
    }

    /// Everything up to the end of the stream, as lines.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.try_line()).collect()
    }

    /// Says that nothing more will come from here.
    pub(crate) fn end(&mut self) -> &mut Self {
        // It fails when the agent has closed already: then the end has come anyway.
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Says SYNC, which must succeed. Gives the cursor.
    #[track_caller]
    pub(crate) fn sync(&mut self) -> String {
        let answer = self.ask("SYNC");
        answer.strip_prefix("OK ").unwrap_or_else(|| panic!("SYNC: {answer}")).to_owned()
    }

    /// The cursor of the newest line.
    #[track_caller]
    pub(crate) fn newest(&mut self) -> String {
        let answer = self.ask("PING");
        answer.strip_prefix("OK ").unwrap_or_else(|| panic!("PING: {answer}")).to_owned()
    }

    /// Says a TAIL without follow, and gives its lines without the OK at the end, and without the gap
    /// with which a new log begins.
    #[track_caller]
    pub(crate) fn tail(&mut self, object: &str) -> Vec<String> {
        self.say(format!("TAIL {object}\n"));
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

    /// Begins to follow behind the newest line, so that nothing that is sent from now on is missed.
    /// `more` is further keys, such as `,"match":"tag=a"`.
    #[track_caller]
    pub(crate) fn follow(&mut self, more: &str) -> u64 {
        let newest = self.newest();
        self.say(format!("TAIL {{\"after\":\"{newest}\",\"follow\":true{more}}}\n"));
        seq_of(&newest)
    }
}
