//! The limit: a relay that reads lines from a Unix socket, puts a stamp before each, and writes them to every
//! follower. A program of its own, as the systems are.
//!
//! It finds the lines, counts them and copies them once, because a system that stamps lines can do no less. It parses,
//! checks and keeps nothing, and waits for a follower that does not read: a limit, not a system to use.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, io, thread};

use tempfile::TempDir;

use super::{Socket, System, until_it_works};
use crate::check::{PADDED, Part};
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str = "the benchmark's own program, which reads lines from a Unix socket, puts a number and \
    a time before each, and writes them to every follower; the limit";

/// The argument that makes the benchmark's program a relay.
pub(crate) const ARGUMENT: &str = "--relay";

/// The size of a read, in bytes.
const READ_SIZE: usize = 256 << 10;

/// What a stamp is: a number, a space, the time in µs with 16 digits, a space.
const STAMP: usize = PADDED + 1 + PADDED + 1;

/// A running relay.
pub(crate) struct Relay {
    program: Running,
    _dir: TempDir,
    path: PathBuf,
}

impl Relay {
    /// Starts a relay and waits until it listens.
    pub(crate) fn start() -> Result<Self, BenchError> {
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let path = dir.path().join("relay.sock");
        let program = env::current_exe().map_err(refused("find the benchmark's program"))?;
        let child = Command::new(program)
            .arg(ARGUMENT)
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()
            .map_err(refused("start the relay"))?;
        let relay = Self { program: Running(child), _dir: dir, path };
        until_it_works(|| relay.sender())?;
        Ok(relay)
    }
}

impl System for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        let mut socket = Socket::unix(&self.path)?;
        socket.ask("s", "ok")?;
        Ok(socket)
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        let mut socket = Socket::unix(&self.path)?;
        socket.ask("f", "ok")?;
        Ok(socket)
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        format!("{}\n", message.line).into_bytes()
    }

    fn head(&self) -> &'static [Part] {
        &[Part::Padded, Part::Skip(STAMP - PADDED)]
    }

    fn delivered(&self, message: &Message) -> Vec<u8> {
        self.request(message)
    }
}

/// What all connections of a relay share.
#[derive(Default)]
struct Shared {
    followers: Vec<UnixStream>,
    /// Of the next line.
    number: u64,
    /// The stamped lines of one read.
    stamped: Vec<u8>,
}

/// The relay's program: listens until it is killed.
pub(crate) fn run_relay(path: &Path) -> ExitCode {
    let listen = || -> io::Result<()> {
        let listener = UnixListener::bind(path)?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        for stream in listener.incoming() {
            let mut socket = Socket::Unix(stream?);
            let word = socket.read_line()?;
            let Socket::Unix(mut stream) = socket else { continue };
            if word == "f\n" {
                // The follower knows that it follows when it has the answer.
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                stream.write_all(b"ok\n")?;
                shared.followers.push(stream);
            } else {
                stream.write_all(b"ok\n")?;
                let shared = Arc::clone(&shared);
                thread::spawn(move || relay(stream, &shared));
            }
        }
        Ok(())
    };
    match listen() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("relay: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Relays the lines of one sender until it closes.
fn relay(mut sender: UnixStream, shared: &Mutex<Shared>) {
    let mut buffer = vec![0; READ_SIZE];
    let mut kept = 0;
    while let Ok(read @ 1..) = sender.read(&mut buffer[kept..]) {
        let end = kept + read;
        let whole = memchr::memrchr(b'\n', &buffer[..end]).map_or(0, |at| at + 1);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.publish(&buffer[..whole]);
        drop(shared);
        buffer.copy_within(whole..end, 0);
        kept = end - whole;
    }
}

impl Shared {
    fn publish(&mut self, lines: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let mut stamp = [b' '; STAMP];
        write_digits(&mut stamp[PADDED + 1..][..PADDED], now as u64);
        self.stamped.clear();
        let mut rest = lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            write_digits(&mut stamp[..PADDED], self.number);
            self.number += 1;
            self.stamped.extend_from_slice(&stamp);
            self.stamped.extend_from_slice(&rest[..=end]);
            rest = &rest[end + 1..];
        }
        let stamped = &self.stamped;
        // A follower that closed is forgotten.
        self.followers.retain_mut(|follower| follower.write_all(stamped).is_ok());
    }
}

fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
