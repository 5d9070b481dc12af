//! Diagnostics: the agent's messages about itself, one line each on stderr.
//!
//! A thread of its own writes them, so that a stopped terminal or a hanging journal does not block the
//! agent. Lines that do not fit the queue are dropped, and their number is reported later.
//!
//! ```no_run
//! use pulsed::diag;
//!
//! diag::warning(format_args!("cannot reach the service manager: {}", "timed out"));
//! // pulsed: warning: cannot reach the service manager: timed out
//! diag::flush();
//! ```

mod throttle;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::event::{Level, cut};
use crate::render::escape;

pub use throttle::{Suppressed, Throttle};

/// The longest diagnostic, in bytes, with its prefix and its line end. A longer one is cut.
pub const LINE_MAX: usize = 2048;

/// The length of the queue for a slow stderr.
pub const QUEUE_MAX: usize = 256;

/// The timeout of [`flush`].
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);

/// Reports a failure that needs the operator.
pub fn error(message: impl fmt::Display) {
    report(Level::Err, message);
}

/// Reports a problem that the agent handles.
pub fn warning(message: impl fmt::Display) {
    report(Level::Warning, message);
}

/// Reports a normal event: a start, a stop, a reload.
pub fn notice(message: impl fmt::Display) {
    report(Level::Notice, message);
}

/// Waits, with a timeout, until the queue is written. Call it before the process ends.
pub fn flush() {
    if let Some(writer) = writer() {
        writer.flush();
    }
}

fn report(level: Level, message: impl fmt::Display) {
    let line = line(level, to_journal(), message);
    match writer() {
        Some(writer) => writer.push(line),
        // Without the thread, writing blocks.
        None => {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

fn writer() -> Option<&'static Writer> {
    static WRITER: OnceLock<Option<Writer>> = OnceLock::new();
    WRITER.get_or_init(|| Writer::start(io::stderr()).ok()).as_ref()
}

/// `true` if stderr is the journal, which reads a level at the beginning of each line (sd-daemon(3)):
/// `$JOURNAL_STREAM` holds the device and the inode of its socket (systemd.exec(5)).
pub fn to_journal() -> bool {
    static TO_JOURNAL: OnceLock<bool> = OnceLock::new();
    *TO_JOURNAL.get_or_init(|| {
        let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
        let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
        let meta = stderr.and_then(|file| file.metadata());
        meta.is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
    })
}

/// Formats a line, with its end. Control characters in the message are escaped.
fn line(level: Level, journal: bool, message: impl fmt::Display) -> String {
    let mut line = match level {
        _ if journal => format!("<{}>", level as u8),
        Level::Emerg | Level::Alert | Level::Crit | Level::Err => "pulsed: error: ".into(),
        Level::Warning => "pulsed: warning: ".into(),
        Level::Notice | Level::Info | Level::Debug => "pulsed: ".into(),
    };
    line.push_str(&escape(&message.to_string()));
    if line.len() >= LINE_MAX {
        const CUT: char = '…';
        let room = LINE_MAX - 1 - CUT.len_utf8();
        line.truncate(cut(&line, room).len());
        line.push(CUT);
    }
    line.push('\n');
    line
}

enum Message {
    Line(String),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// The queue of the thread that writes.
struct Writer {
    queue: SyncSender<Message>,
    /// Lines dropped and not yet reported.
    dropped: AtomicU64,
}

impl Writer {
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let thread = thread::Builder::new().name("diag".into()).stack_size(64 * 1024);
        thread.spawn(move || write(out, &messages))?;
        Ok(Self { queue, dropped: AtomicU64::new(0) })
    }

    fn push(&self, line: String) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let reported = dropped == 0 || {
            let note = format!("{dropped} diagnostics dropped: stderr is too slow");
            self.try_push(self::line(Level::Warning, to_journal(), note))
        };
        // The loss is reported in its place, before later lines. Otherwise they are dropped too.
        if !reported || !self.try_push(line) {
            let unreported = if reported { 1 } else { dropped + 1 };
            self.dropped.fetch_add(unreported, Ordering::Relaxed);
        }
    }

    /// Returns `false` if the queue is full.
    fn try_push(&self, line: String) -> bool {
        // A queue whose thread has ended drops everything, and cannot report it.
        !matches!(self.queue.try_send(Message::Line(line)), Err(TrySendError::Full(_)))
    }

    fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

fn write(mut out: impl Write, messages: &Receiver<Message>) {
    for message in messages {
        // A closed stderr is no error.
        match message {
            Message::Line(line) => drop(out.write_all(line.as_bytes())),
            Message::Flush(done) => drop(done.try_send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::io::{BufRead as _, BufReader};

    #[test]
    fn formats_lines_for_people_and_for_the_journal() {
        assert_eq!(line(Level::Err, false, "no"), "pulsed: error: no\n");
        assert_eq!(line(Level::Warning, false, "so so"), "pulsed: warning: so so\n");
        assert_eq!(line(Level::Notice, false, "yes"), "pulsed: yes\n");
        assert_eq!(line(Level::Err, true, "no"), "<3>no\n");
        assert_eq!(line(Level::Notice, true, "yes"), "<5>yes\n");
    }

    #[test]
    fn escapes_control_characters() {
        let hostile = "\u{1b}[2J\r\n<0>\u{202e}fake\u{9b}";
        let safe = "pulsed: \\x1b[2J\\r\\n<0>\\u{202e}fake\\u{9b}\n";
        assert_eq!(line(Level::Notice, false, hostile), safe);
    }

    #[test]
    fn cuts_long_lines() {
        let prefix = "pulsed: ".len();
        let fits = "a".repeat(LINE_MAX - prefix - 1);
        assert_eq!(line(Level::Notice, false, &fits), format!("pulsed: {fits}\n"));
        let cut = line(Level::Notice, false, fits + "a");
        assert_eq!(cut.len(), LINE_MAX);
        assert!(cut.ends_with("a…\n"));
    }

    proptest! {
        #[test]
        fn formats_one_line(message in any::<String>(), times in 1usize..300) {
            let line = line(Level::Warning, true, message.repeat(times));
            prop_assert!(line.len() <= LINE_MAX && line.starts_with("<4>"));
            prop_assert_eq!(line.chars().filter(|c| c.is_control()).count(), 1);
        }
    }

    #[test]
    fn writes_in_order() {
        let (read, write) = io::pipe().expect("a pipe");
        let writer = Writer::start(write).expect("a thread");
        for n in 0..QUEUE_MAX / 2 {
            writer.push(format!("{n}\n"));
        }
        writer.flush();
        drop(writer);
        let lines: Vec<String> = BufReader::new(read).lines().map(|l| l.expect("text")).collect();
        let expected: Vec<String> = (0..QUEUE_MAX / 2).map(|n| n.to_string()).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_blocked_stderr_blocks_no_caller_and_loss_is_reported() {
        let (read, write) = io::pipe().expect("a pipe");
        let writer = Writer::start(write).expect("a thread");
        let long = "x".repeat(4095);
        // Far more than a pipe (64 KiB) and the queue hold. Without a reader, this must not block.
        const PUSHED: u64 = 4 * QUEUE_MAX as u64;
        for _ in 0..PUSHED {
            writer.push(format!("{long}\n"));
        }

        let reader = thread::spawn(move || {
            let lines = BufReader::new(read).lines().map(|line| line.expect("text"));
            let (mut whole, mut dropped) = (0, 0);
            for line in lines.take_while(|line| line != "again") {
                let note = line.strip_prefix("pulsed: warning: ").and_then(|l| l.split_once(' '));
                match note {
                    None => whole += u64::from(line == long),
                    Some((number, _)) => dropped += number.parse::<u64>().expect("a number"),
                }
            }
            (whole, dropped)
        });
        while !reader.is_finished() {
            writer.push("again\n".into());
            thread::yield_now();
        }
        let (whole, dropped) = reader.join().expect("no panic");
        // Some of those that say "again" may have been dropped too.
        assert!(dropped > 0 && whole + dropped >= PUSHED, "{whole} {dropped}");
    }

    #[test]
    fn a_closed_stderr_is_no_error() {
        let (read, write) = io::pipe().expect("a pipe");
        drop(read);
        let writer = Writer::start(write).expect("a thread");
        writer.push("unread\n".into());
        writer.flush();
        writer.push("unread\n".into());
    }
}
