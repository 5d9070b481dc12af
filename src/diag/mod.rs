//! Diagnostics: the agent's own messages about itself, one line each on stderr.
//!
//! A line is handed to a thread of its own. So a terminal that was stopped or a journal that hangs
//! holds up nobody: what does not fit the queue is left out, and how much that was is told later.

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

use crate::event::Level;
use crate::render::escape;

pub use throttle::{LeftOut, Throttle};

/// The longest diagnostic, in bytes, with its prefix and its line end. What is longer is cut.
pub const LINE_MAX: usize = 2048;

/// How many diagnostics wait for a slow stderr.
pub const QUEUE_MAX: usize = 256;

/// How long [`flush`] waits.
const FLUSH_TIME: Duration = Duration::from_millis(250);

/// Something failed that somebody must look after.
pub fn error(message: impl fmt::Display) {
    say(Level::Err, message);
}

/// Something is not as it should be; the agent copes.
pub fn warning(message: impl fmt::Display) {
    say(Level::Warning, message);
}

/// Something worth knowing: a start, a stop, a reload.
pub fn notice(message: impl fmt::Display) {
    say(Level::Notice, message);
}

/// Waits until what was said is written, but not long. To be called at the end.
pub fn flush() {
    if let Some(writer) = writer() {
        writer.flush();
    }
}

fn say(level: Level, message: impl fmt::Display) {
    let line = line(level, to_journal(), message);
    match writer() {
        Some(writer) => writer.say(line),
        // No thread to be had: better late than never.
        None => {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

fn writer() -> Option<&'static Writer> {
    static WRITER: OnceLock<Option<Writer>> = OnceLock::new();
    WRITER.get_or_init(|| Writer::start(io::stderr()).ok()).as_ref()
}

/// Whether stderr is the journal, which takes a level in front of a line (sd-daemon(3)):
/// `$JOURNAL_STREAM` names the device and the inode of its socket (systemd.exec(5)).
pub fn to_journal() -> bool {
    static TO_JOURNAL: OnceLock<bool> = OnceLock::new();
    *TO_JOURNAL.get_or_init(|| {
        let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
        let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
        let meta = stderr.and_then(|file| file.metadata());
        meta.is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
    })
}

/// The line, with its end. Nothing in it can drive a terminal or begin another line.
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
        let whole = (0..=room).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(whole.unwrap_or(0));
        line.push(CUT);
    }
    line.push('\n');
    line
}

enum Message {
    Line(String),
    /// Everything before this is written.
    Flush(SyncSender<()>),
}

/// The thread that writes, and the queue before it.
struct Writer {
    queue: SyncSender<Message>,
    left_out: AtomicU64,
}

impl Writer {
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let thread = thread::Builder::new().name("diag".into()).stack_size(64 * 1024);
        thread.spawn(move || write(out, &messages))?;
        Ok(Self { queue, left_out: AtomicU64::new(0) })
    }

    fn say(&self, line: String) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        let told = left_out == 0 || {
            let note = format!("{left_out} diagnostics were left out: stderr did not take them");
            self.offer(self::line(Level::Warning, to_journal(), note))
        };
        // The loss is told first, at its place, or the loss goes on.
        if !told || !self.offer(line) {
            let still = if told { 1 } else { left_out + 1 };
            self.left_out.fetch_add(still, Ordering::Relaxed);
        }
    }

    fn offer(&self, line: String) -> bool {
        // Should the thread be gone, nobody will ever read it: there is nothing to count.
        !matches!(self.queue.try_send(Message::Line(line)), Err(TrySendError::Full(_)))
    }

    fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_TIME);
        }
    }
}

fn write(mut out: impl Write, messages: &Receiver<Message>) {
    for message in messages {
        // A stderr that is closed is no reason to do anything else worse.
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
    fn a_line_for_people_and_one_for_the_journal() {
        assert_eq!(line(Level::Err, false, "no"), "pulsed: error: no\n");
        assert_eq!(line(Level::Warning, false, "so so"), "pulsed: warning: so so\n");
        assert_eq!(line(Level::Notice, false, "yes"), "pulsed: yes\n");
        assert_eq!(line(Level::Err, true, "no"), "<3>no\n");
        assert_eq!(line(Level::Notice, true, "yes"), "<5>yes\n");
    }

    #[test]
    fn what_is_quoted_drives_no_terminal() {
        let hostile = "\u{1b}[2J\r\n<0>\u{202e}fake\u{9b}";
        let safe = "pulsed: \\x1b[2J\\r\\n<0>\\u{202e}fake\\u{9b}\n";
        assert_eq!(line(Level::Notice, false, hostile), safe);
    }

    #[test]
    fn the_longest_line() {
        let prefix = "pulsed: ".len();
        let fits = "a".repeat(LINE_MAX - prefix - 1);
        assert_eq!(line(Level::Notice, false, &fits), format!("pulsed: {fits}\n"));
        let cut = line(Level::Notice, false, fits + "a");
        assert_eq!(cut.len(), LINE_MAX);
        assert!(cut.ends_with("a…\n"));
    }

    proptest! {
        #[test]
        fn always_one_line(message in any::<String>(), times in 1usize..300) {
            let line = line(Level::Warning, true, message.repeat(times));
            prop_assert!(line.len() <= LINE_MAX && line.starts_with("<4>"));
            prop_assert_eq!(line.chars().filter(|c| c.is_control()).count(), 1);
        }
    }

    #[test]
    fn what_is_said_is_written_in_order() {
        let (read, write) = io::pipe().expect("a pipe");
        let writer = Writer::start(write).expect("a thread");
        for n in 0..QUEUE_MAX / 2 {
            writer.say(format!("{n}\n"));
        }
        writer.flush();
        drop(writer);
        let lines: Vec<String> = BufReader::new(read).lines().map(|l| l.expect("text")).collect();
        let expected: Vec<String> = (0..QUEUE_MAX / 2).map(|n| n.to_string()).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_stderr_that_hangs_holds_up_nobody_and_the_loss_is_told() {
        let (read, write) = io::pipe().expect("a pipe");
        let writer = Writer::start(write).expect("a thread");
        let long = "x".repeat(4095);
        // Far more than a pipe (64 KiB) and the queue hold. Nobody reads: this must end by itself.
        const SAID: u64 = 4 * QUEUE_MAX as u64;
        for _ in 0..SAID {
            writer.say(format!("{long}\n"));
        }

        let reader = thread::spawn(move || {
            let lines = BufReader::new(read).lines().map(|line| line.expect("text"));
            let (mut whole, mut left_out) = (0, 0);
            for line in lines.take_while(|line| line != "again") {
                let note = line.strip_prefix("pulsed: warning: ").and_then(|l| l.split_once(' '));
                match note {
                    None => whole += u64::from(line == long),
                    Some((number, _)) => left_out += number.parse::<u64>().expect("a number"),
                }
            }
            (whole, left_out)
        });
        while !reader.is_finished() {
            writer.say("again\n".into());
            thread::yield_now();
        }
        let (whole, left_out) = reader.join().expect("no panic");
        // A few that say "again" may be among those left out.
        assert!(left_out > 0 && whole + left_out >= SAID, "{whole} {left_out}");
    }

    #[test]
    fn a_closed_stderr_is_no_harm() {
        let (read, write) = io::pipe().expect("a pipe");
        drop(read);
        let writer = Writer::start(write).expect("a thread");
        writer.say("nobody hears\n".into());
        writer.flush();
        writer.say("nobody hears\n".into());
    }
}
