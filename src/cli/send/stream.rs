//! Each line of the input is an event.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::courier::Courier;
use super::lines::{Line, Lines};
use super::outbox::TooLong;
use super::{Common, SendError};
use crate::sys::ready;

/// How much input is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Sends every line of `input`; `name` is what errors call it. Gives where the last event landed.
pub(super) fn run(
    common: &Common,
    mut input: impl io::Read + AsFd,
    name: &str,
) -> Result<Option<String>, SendError> {
    let failed = |source| SendError::Input { name: name.to_owned(), source };
    let mut stream = Stream { common, courier: Courier::new(common)?, lines: 0, cut: false };
    let mut lines = Lines::default();
    let mut piece = vec![0; PIECE];
    loop {
        // Only an agent that is away makes us look up from the input.
        if let Some(wait) = stream.courier.retry_in()
            && !ready::readable(input.as_fd(), wait).map_err(failed)?
        {
            stream.courier.settle();
            continue;
        }
        let length = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        lines.push(&piece[..length], |line| stream.line(line));
        // Whoever writes a line and then waits sees it delivered; a flood goes on at full speed.
        if ready::readable(input.as_fd(), Duration::ZERO).map_err(failed)? {
            stream.courier.write();
        } else {
            stream.courier.settle();
        }
    }
    lines.finish(|line| stream.line(line));
    stream.courier.finish(common.timeout)
}

struct Stream<'a> {
    common: &'a Common,
    courier: Courier<'a>,
    /// How many lines there were.
    lines: u64,
    /// Whether a message was cut.
    cut: bool,
}

impl Stream<'_> {
    fn line(&mut self, line: Line<'_>) {
        self.lines += 1;
        if line.bytes.is_empty() && self.common.skip_empty {
            return;
        }
        let template = &self.common.template;
        if line.is_cut() && (template.size.is_none() || template.json) {
            return self.refuse(TooLong(line.length));
        }
        // What is no UTF-8 is sent with U+FFFD in its place: better than nothing.
        let text = String::from_utf8_lossy(line.bytes);
        match template.line(&text) {
            Err(bad) => self.refuse(bad),
            Ok((draft, cut)) => {
                if cut && !std::mem::replace(&mut self.cut, true) {
                    self.common.tell_cut();
                }
                self.common.copy(&draft);
                if let Err(long) = self.courier.push(&draft) {
                    self.refuse(long);
                }
            }
        }
    }

    fn refuse(&mut self, why: impl std::fmt::Display) {
        self.courier.refuse(format!("line {}: {why}", self.lines));
    }
}
