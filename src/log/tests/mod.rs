//! Tests of the whole log: real files, real threads, a clock that the test controls.

mod clock;
mod fairness;
mod faults;
mod model;
mod numbered;
mod recovery;
mod senders;
mod smoke;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::running::open_reserving;
use super::{
    Durability, HistoryOptions, Log, Opened, Options, Read, Reader, Running, SyncPolicy,
    WINDOW_SIZE_MIN, open,
};
use crate::event::{Batch, Draft, Gap, Line, Seq, Timestamp, Why};

/// One second, in the microseconds of the log's clock.
const SECOND: i64 = 1_000_000;

/// A directory and a clock for logs that are opened one after the other.
struct Site {
    root: TempDir,
    clock: Arc<AtomicI64>,
    /// In microseconds.
    uptime: Arc<AtomicI64>,
    size: u64,
    age: Duration,
    sync: SyncPolicy,
}

impl Site {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().expect("a directory"),
            clock: Arc::new(AtomicI64::new(1_000_000 * SECOND)),
            uptime: Arc::new(AtomicI64::new(10_000_000 * SECOND)),
            size: 1 << 30,
            age: Duration::from_hours(1),
            sync: SyncPolicy::Within(Duration::from_secs(1)),
        }
    }

    /// On tmpfs if there is one, where fsync is cheap.
    fn in_memory() -> Self {
        let site = Self::new();
        match tempfile::tempdir_in("/dev/shm") {
            Ok(root) => Self { root, ..site },
            Err(_) => site,
        }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("history")
    }

    fn options(&self, dir: &Path) -> Options {
        let (clock, uptime) = (self.clock.clone(), self.uptime.clone());
        Options {
            host: "h".into(),
            clock: Arc::new(move || Timestamp::from_micros(clock.load(Ordering::Relaxed))),
            uptime: Arc::new(move || {
                Duration::from_micros(uptime.load(Ordering::Relaxed).unsigned_abs())
            }),
            window_size: WINDOW_SIZE_MIN,
            history: Some(HistoryOptions {
                dir: dir.to_owned(),
                size: self.size,
                age: self.age,
                sync: self.sync,
            }),
        }
    }

    fn open(&self) -> Opened {
        self.open_at(&self.dir())
    }

    fn open_at(&self, dir: &Path) -> Opened {
        open(self.options(dir)).expect("opened")
    }

    /// Time passes, or the clock steps back.
    fn step(&self, seconds: i64) -> Timestamp {
        self.uptime.fetch_add(seconds.max(0) * SECOND, Ordering::Relaxed);
        self.set_clock(seconds)
    }

    /// The clock is set by these seconds.
    fn set_clock(&self, seconds: i64) -> Timestamp {
        let before = self.clock.fetch_add(seconds * SECOND, Ordering::Relaxed);
        Timestamp::from_micros(before + seconds * SECOND)
    }

    /// Copies what kill -9 would leave at this moment.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.root.path().join(name);
        std::fs::create_dir(&to).expect("a directory");
        for entry in std::fs::read_dir(self.dir()).expect("listed") {
            let entry = entry.expect("listed");
            // Retention may remove a file meanwhile.
            let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
        }
        to
    }
}

fn batch<S: AsRef<str>>(messages: &[S]) -> Batch {
    let mut batch = Batch::default();
    for msg in messages {
        batch.push(&Draft { msg: msg.as_ref().into(), ..Draft::default() }, "t", b"");
    }
    batch
}

/// Appends messages as one batch. Returns their first and last number.
async fn append<S: AsRef<str>>(log: &Log, messages: &[S]) -> (Seq, Seq) {
    let last = log.append_waiting(&batch(messages)).await;
    (Seq::new(last.get() + 1 - messages.len() as u64).expect("small"), last)
}

fn seq(n: u64) -> Seq {
    Seq::new(n).expect("small")
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Event(u64, String),
    Gap(Gap),
}

impl Seen {
    fn of(line: &str) -> Self {
        match Line::parse(line).unwrap_or_else(|| panic!("not a line: {line:.300}")) {
            Line::Event(event) => Self::Event(event.seq.get(), event.msg_text().into_owned()),
            Line::Gap(line) => Self::Gap(line.gap),
        }
    }

    fn first(&self) -> u64 {
        match self {
            Self::Event(n, _) => *n,
            Self::Gap(gap) => gap.first().get(),
        }
    }

    fn last(&self) -> u64 {
        match self {
            Self::Event(n, _) => *n,
            Self::Gap(gap) => gap.last().get(),
        }
    }
}

/// The gap that a start appends after a clean stop, or to a new log.
fn gap_of_start(last: u64) -> Gap {
    Gap { after: seq(last), before: seq(last + 2), lost: Some(0), why: Why::Restart }
}

fn clean_start(last: u64) -> Seen {
    Seen::Gap(gap_of_start(last))
}

/// Reads to the end, and checks that the numbers are consecutive.
async fn read_to_end(reader: &mut Reader) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let mut expected = reader.seen().get() + 1;
        let seen: Vec<Seen> = match reader.read().await {
            Read::End => return all,
            Read::Gap(gap) => {
                reader.skip(gap);
                vec![Seen::Gap(gap)]
            }
            Read::Lines(chunk) => {
                assert!(!chunk.is_empty());
                reader.advance(&chunk, chunk.len());
                chunk.pieces.iter().flat_map(|piece| lines(piece)).collect()
            }
        };
        for line in &seen {
            assert_eq!(line.first(), expected, "{line:?}");
            expected = line.last() + 1;
        }
        assert_eq!(reader.seen().get() + 1, expected);
        all.extend(seen);
    }
}

fn lines(bytes: &[u8]) -> Vec<Seen> {
    std::str::from_utf8(bytes).expect("utf-8").lines().map(Seen::of).collect()
}

async fn read_all(log: &Log, after: u64) -> Vec<Seen> {
    read_to_end(&mut log.reader(seq(after))).await
}

/// Reads everything before a number, the newest first.
async fn read_back(log: &Log, before: Seq) -> Vec<Seen> {
    let mut backward = log.backward(before);
    let mut all = Vec::new();
    while let Some(bytes) = backward.read().await.expect("read") {
        all.extend(lines(&bytes).into_iter().rev());
    }
    all
}

fn events(messages: &[String], first: u64) -> Vec<Seen> {
    (first..).zip(messages).map(|(n, msg)| Seen::Event(n, msg.clone())).collect()
}

fn numbered(count: usize, len: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n} {}", "x".repeat(len))).collect()
}
