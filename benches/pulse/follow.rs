//! The benchmark's own follower: it should cost as little as a follower can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::systems::{Stream, WAIT_MAX};
use crate::{BenchError, refused};

/// How many bytes are read at a time.
const READ_SIZE: usize = 256 << 10;

/// How far a sender may be ahead of its follower, in events: far enough that neither ever waits for a
/// single batch, near enough that no system must drop anything.
const AHEAD_MAX: u64 = 150_000;

/// How far the follower has come; the sender waits for it here.
pub(crate) struct Progress {
    arrived: AtomicU64,
    /// Where the sender wants to be woken.
    wake_at: AtomicU64,
    sender: Thread,
}

impl Progress {
    /// For a sender on the current thread.
    pub(crate) fn new() -> Self {
        let (arrived, wake_at) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { arrived, wake_at, sender: thread::current() }
    }

    fn tell(&self, arrived: u64) {
        self.arrived.store(arrived, Ordering::SeqCst);
        if arrived >= self.wake_at.load(Ordering::SeqCst) {
            self.wake_at.store(u64::MAX, Ordering::SeqCst);
            self.sender.unpark();
        }
    }

    /// Waits until the follower is near enough for a sender that has sent so many. It then waits for
    /// half of what may lie between them, so as not to be woken at each read.
    pub(crate) fn wait(&self, sent: u64) -> Result<(), BenchError> {
        let arrived = || self.arrived.load(Ordering::SeqCst);
        if sent <= arrived() + AHEAD_MAX {
            return Ok(());
        }
        let (enough, since) = (sent - AHEAD_MAX / 2, Instant::now());
        while arrived() < enough {
            if since.elapsed() >= WAIT_MAX {
                return Err(BenchError::Wrong(format!(
                    "lost: {sent} events sent, {} arrived",
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

/// What a follower got.
pub(crate) struct Got {
    /// All of it, in bytes.
    pub(crate) bytes: u64,
    /// Up to the first line end.
    pub(crate) first_line: Vec<u8>,
    /// When the last message was there.
    pub(crate) at: Instant,
}

/// Reads so many messages, each of which has this byte once.
pub(crate) fn read_all(
    follower: &mut dyn Stream,
    mark: u8,
    events: u64,
    progress: &Progress,
) -> Result<Got, BenchError> {
    let mut buffer = vec![0; READ_SIZE];
    let (mut arrived, mut bytes, mut first_line) = (0, 0, Vec::new());
    while arrived < events {
        let lost = |cause| {
            let doing = format!("get all of {events} events, after {arrived} of them");
            refused(doing)(cause)
        };
        let got = match follower.read(&mut buffer).map_err(lost)? {
            0 => return Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
            got => &buffer[..got],
        };
        if !first_line.ends_with(b"\n") {
            first_line.extend(got.split_inclusive(|b| *b == b'\n').next().unwrap_or_default());
        }
        bytes += got.len() as u64;
        arrived += memchr::memchr_iter(mark, got).count() as u64;
        progress.tell(arrived);
    }
    Ok(Got { bytes, first_line, at: Instant::now() })
}
