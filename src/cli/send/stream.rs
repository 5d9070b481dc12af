//! An input of lines: each line is an event.

use std::borrow::Cow;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::delivery::Delivery;
use super::error::SendError;
use super::lines::{InputLine, InputLines};
use super::options::Options;
use crate::event::Cursor;
use crate::sys::poll;

/// How much input is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Sends every line of `input`, which errors call `name`. Returns the cursor of the last event.
pub(super) fn run(
    options: &Options,
    mut input: impl io::Read + AsFd,
    name: &str,
) -> Result<Option<Cursor>, SendError> {
    let failed = |source| SendError::Input { name: name.to_owned(), source };
    let delivery = Delivery::connected(options)?;
    let mut stream = Stream { options, delivery, cut: false };
    let mut lines = InputLines::default();
    let mut piece = vec![0; PIECE];
    loop {
        // Waits in poll(2) only while the agent is away; otherwise the read itself waits.
        if let Some(wait) = stream.delivery.retry_in()
            && !poll::readable(input.as_fd(), wait).map_err(failed)?
        {
            stream.delivery.sync();
            continue;
        }
        let length = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A descriptor that another process made non-blocking. The wait has no timeout.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll::readable(input.as_fd(), Duration::MAX).map_err(failed)?;
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        lines.push(&piece[..length], |line| stream.line(line));
        // An input that pauses is synced at once; one that has more waiting is only written.
        if poll::readable(input.as_fd(), Duration::ZERO).map_err(failed)? {
            stream.delivery.write();
        } else {
            stream.delivery.sync();
        }
    }
    lines.finish(|line| stream.line(line));
    stream.delivery.flush(options.timeout);
    stream.delivery.detach_runs();
    stream.delivery.outcome()
}

struct Stream<'a> {
    options: &'a Options,
    delivery: Delivery<'a>,
    /// Whether cutting a message was reported.
    cut: bool,
}

impl Stream<'_> {
    fn line(&mut self, line: InputLine<'_>) {
        if line.bytes.is_empty() && self.options.skip_empty {
            return;
        }
        let text = String::from_utf8_lossy(line.bytes);
        let Some(mut message) = self.options.template.line(&text, line.is_cut()) else { return };
        message.lossy = matches!(text, Cow::Owned(_));
        if message.cut && !std::mem::replace(&mut self.cut, true) {
            self.options.warn_cut();
        }
        self.options.echo(&message.draft);
        self.delivery.push(&message);
    }
}
