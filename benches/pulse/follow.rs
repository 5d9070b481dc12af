//! The benchmark's own follower. It does as little per byte as a follower can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::load::MESSAGES;
use crate::systems::{Stream, WAIT_MAX};
use crate::{BenchError, refused};

/// The size of a read, in bytes.
const READ_SIZE: usize = 256 << 10;

/// How far a sender may be ahead of its follower, in events: far enough that neither waits for a single
/// batch, near enough that no system has to drop anything.
const AHEAD_MAX: u64 = 150_000;

/// How many events the follower has received. The sender waits on it.
pub(crate) struct Progress {
    arrived: AtomicU64,
    /// The count at which the sender is woken.
    wake_at: AtomicU64,
    sender: Thread,
}

impl Progress {
    /// For a sender on the current thread.
    pub(crate) fn new() -> Self {
        let (arrived, wake_at) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { arrived, wake_at, sender: thread::current() }
    }

    fn set(&self, arrived: u64) {
        self.arrived.store(arrived, Ordering::SeqCst);
        if arrived >= self.wake_at.load(Ordering::SeqCst) {
            self.wake_at.store(u64::MAX, Ordering::SeqCst);
            self.sender.unpark();
        }
    }

    /// Waits until the follower is at most [`AHEAD_MAX`] events behind a sender that has sent this many. A
    /// wait lasts until half of that distance is left, so that the sender is not woken at each read.
    pub(crate) fn wait(&self, sent: u64) -> Result<(), BenchError> {
        let arrived = || self.arrived.load(Ordering::SeqCst);
        if sent <= arrived() + AHEAD_MAX {
            return Ok(());
        }
        let (enough, since) = (sent - AHEAD_MAX / 2, Instant::now());
        while arrived() < enough {
            if since.elapsed() >= WAIT_MAX {
                return Err(BenchError::Failed(format!(
                    "events lost: {sent} sent, {} received",
                    arrived()
                )));
            }
            self.wake_at.store(enough, Ordering::SeqCst);
            if arrived() < enough {
                thread::park_timeout(WAIT_MAX);
            }
        }
        Ok(())
    }
}

/// What a follower received.
pub(crate) struct Received {
    /// All of it, in bytes.
    pub(crate) bytes: u64,
    /// The first [`MESSAGES`] lines.
    pub(crate) first_lines: Vec<u8>,
    /// When the last message arrived.
    pub(crate) at: Instant,
}

/// Reads `events` messages, each of which contains the byte `mark` once.
pub(crate) fn read_all(
    follower: &mut dyn Stream,
    mark: u8,
    events: u64,
    progress: &Progress,
) -> Result<Received, BenchError> {
    let mut buffer = vec![0; READ_SIZE];
    let (mut arrived, mut bytes) = (0, 0);
    let (mut first_lines, mut lines) = (Vec::new(), 0);
    while arrived < events {
        let lost = |cause| {
            let doing = format!("read {events} events, after {arrived} of them");
            refused(doing)(cause)
        };
        let read = match follower.read(&mut buffer).map_err(lost)? {
            0 => return Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
            read => &buffer[..read],
        };
        if lines < MESSAGES {
            for line in read.split_inclusive(|b| *b == b'\n').take(MESSAGES - lines) {
                first_lines.extend_from_slice(line);
                lines += usize::from(line.ends_with(b"\n"));
            }
        }
        bytes += read.len() as u64;
        arrived += memchr::memchr_iter(mark, read).count() as u64;
        progress.set(arrived);
    }
    Ok(Received { bytes, first_lines, at: Instant::now() })
}
