//! The dialect of JSON lines: each line is an event, and nothing is answered. For loggers with a socket
//! handler.

use super::event;
use super::fields::{Repair, Repairs};
use super::lines::BLANK;
use super::syslog::{Frame, Frames, Taken};
use crate::event::Draft;

/// The decoder of one connection.
#[derive(Debug, Default)]
pub(super) struct JsonLines {
    frames: Frames,
}

impl JsonLines {
    /// Decodes the next line of `buffer`, which holds all bytes that are not consumed yet. A line ends at
    /// LF or NUL, which JSON does not have within a value. `at_end`: the connection ends with `buffer`.
    pub(super) fn next<'b>(&mut self, buffer: &'b [u8], at_end: bool) -> Taken<'b> {
        let Frame { consumed, message } = self.frames.next_line(buffer, at_end);
        let draft = message.and_then(|message| {
            let repairs = Repairs::default().with(Repair::Cut, message.cut);
            if let Ok(text) = simdutf8::basic::from_utf8(message.bytes) {
                return read(text, repairs, message.cut);
            }
            let text = String::from_utf8_lossy(message.bytes);
            read(&text, repairs.with(Repair::Utf8, true), message.cut).map(Draft::into_owned)
        });
        Taken { consumed, draft }
    }
}

/// Reads a line. `None` if it is blank.
fn read(text: &str, repairs: Repairs, cut: bool) -> Option<Draft<'_>> {
    let is_blank = text.trim_start_matches(BLANK).is_empty();
    (!is_blank).then(|| event::read_object(text, repairs, cut))
}
