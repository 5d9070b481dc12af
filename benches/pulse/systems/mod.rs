//! The measured systems, each started and ended by the benchmark, and what the load generator must know of each.

mod agent;
mod agent_sse;
mod mosquitto;
mod nats;
mod nchan;
mod redis;
mod relay;
mod rsyslog;

use std::ffi::OsStr;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use agent::{Agent, DISK, Settings, programs};
pub(crate) use agent_sse::AgentSse;
pub(crate) use mosquitto::Mosquitto;
pub(crate) use nats::Nats;
pub(crate) use nchan::Nchan;
pub(crate) use redis::Redis;
pub(crate) use relay::{ARGUMENT as RELAY, Relay, run_relay};
pub(crate) use rsyslog::Rsyslog;

use crate::check::Part;
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

/// Timeout of everything that should happen at once.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(20);

/// How often something is tried that does not work yet: also how exactly the start of a program is measured.
const TRY_EVERY: Duration = Duration::from_micros(50);

/// A system that carries messages from senders to followers.
pub(crate) trait System: Sync {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// Its process.
    fn pid(&self) -> u32;

    /// A new connection of a sender.
    fn sender(&self) -> Result<Socket, BenchError>;

    /// A new connection of a follower of everything that is sent from now on.
    fn follower(&self) -> Result<Socket, BenchError>;

    /// What a sender writes to send a message.
    fn request(&self, message: &Message) -> Vec<u8>;

    /// What stands before each delivered message, and differs between deliveries of one message.
    fn head(&self) -> &'static [Part] {
        &[]
    }

    /// What a follower receives for a message, after the head.
    fn delivered(&self, message: &Message) -> Vec<u8>;

    /// What followers receive for the messages of a sender that has sent nothing yet.
    fn expected(
        &self,
        _sender: &mut Socket,
        messages: &[Message],
    ) -> Result<Vec<Vec<u8>>, BenchError> {
        Ok(messages.iter().map(|message| self.delivered(message)).collect())
    }

    /// What the system sends to followers on its own account.
    fn noise(&self) -> &'static [&'static [Part]] {
        &[]
    }

    /// Whether followers receive the body of an HTTP response in chunks.
    fn is_chunked(&self) -> bool {
        false
    }

    /// Waits until the system has all of a sender's messages, as far as it says so.
    fn finish(&self, _sender: &mut Socket) -> Result<(), BenchError> {
        Ok(())
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to a port of this machine.
    pub(crate) fn tcp(port: u16) -> Result<Self, BenchError> {
        let connected = || {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            Self::Tcp(stream).with_timeouts()
        };
        connected().map_err(refused(format!("connect to port {port}")))
    }

    /// Connects to a Unix socket.
    pub(crate) fn unix(path: &Path) -> Result<Self, BenchError> {
        let connected = || Self::Unix(UnixStream::connect(path)?).with_timeouts();
        connected().map_err(refused(format!("connect to {}", path.display())))
    }

    /// So that a system that hangs ends the run.
    pub(crate) fn with_timeouts(self) -> io::Result<Self> {
        match &self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(WAIT_MAX))?;
                stream.set_write_timeout(Some(WAIT_MAX))?;
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(WAIT_MAX))?;
                stream.set_write_timeout(Some(WAIT_MAX))?;
            }
        }
        Ok(self)
    }

    /// Another timeout of reads.
    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    /// Another handle of the same connection.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// Writes a request line, and waits for a line that begins with `answer`. Returns the rest of that line.
    pub(crate) fn ask(&mut self, what: &str, answer: &str) -> Result<String, BenchError> {
        let asked = refused(format!("get an answer to {}", what.trim_end()));
        let mut line = || {
            self.write_all(format!("{what}\n").as_bytes())?;
            loop {
                let line = self.read_line()?;
                if let Some(rest) = line.strip_prefix(answer) {
                    return Ok(rest.trim_end().to_owned());
                }
                if line.starts_with("ERR") || line.starts_with("-ERR") || line.is_empty() {
                    return Err(io::Error::other(line));
                }
            }
        };
        line().map_err(asked)
    }

    /// Reads one line byte by byte, so that nothing after it is consumed. Empty at the end.
    pub(crate) fn read_line(&mut self) -> io::Result<String> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while byte != *b"\n" && self.read(&mut byte)? == 1 {
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            Self::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// A follower over HTTP, after the head of its response.
fn follow_http(port: u16, request: &str) -> Result<Socket, BenchError> {
    let mut socket = Socket::tcp(port)?;
    let mut read = || {
        socket.write_all(request.as_bytes())?;
        let head = socket.read_line()?;
        while !socket.read_line()?.trim_end().is_empty() {}
        Ok(head)
    };
    let head = read().map_err(refused("follow over HTTP"))?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(BenchError::Failed(format!("a follower is refused: {head}")));
    }
    Ok(socket)
}

/// A loopback port that no socket uses now.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(address.map_err(refused("find a free port"))?.port())
}

/// Starts a program of a peer. `None` if it is not installed.
fn spawn<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<Option<Running>, BenchError> {
    let start = |program: &str| {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    // Debian installs some where only root's PATH looks.
    let started = start(program).or_else(|e| match e.kind() {
        io::ErrorKind::NotFound => start(&format!("/usr/sbin/{program}")),
        _ => Err(e),
    });
    match started {
        Ok(child) => Ok(Some(Running(child))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(refused(format!("start {program}"))(e)),
    }
}

/// Repeats something until it succeeds, at most for [`WAIT_MAX`].
fn until_it_works<T>(mut what: impl FnMut() -> Result<T, BenchError>) -> Result<T, BenchError> {
    let since = Instant::now();
    loop {
        match what() {
            Err(e) if since.elapsed() > WAIT_MAX => return Err(e),
            Err(_) => thread::sleep(TRY_EVERY),
            done => return done,
        }
    }
}

/// The first line that a program prints about its version.
fn version(program: &str, argument: &str) -> Option<String> {
    let ask = |program: &str| Command::new(program).arg(argument).output();
    let output = ask(program).or_else(|_| ask(&format!("/usr/sbin/{program}"))).ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}

/// Versions and settings of all systems, one a line.
pub(crate) fn about() -> Vec<String> {
    let all = [
        (version(&programs().pulsed.to_string_lossy(), "--version"), agent::SETTINGS),
        (version("nats-server", "--version"), nats::SETTINGS),
        (version("redis-server", "--version"), redis::SETTINGS),
        (version("mosquitto", "-h"), mosquitto::SETTINGS),
        (version("rsyslogd", "-v"), rsyslog::SETTINGS),
        (version("nginx", "-v"), nchan::SETTINGS),
        (version("logger", "--version"), "`logger -u SOCKET`, which does not wait for an answer"),
        (version("grep", "--version"), "in the C locale, over the files of the history"),
        (version("journalctl", "--version"), "over one file that systemd-journal-remote wrote"),
        (Some("relay".into()), relay::SETTINGS),
    ];
    let line =
        |(version, settings): (Option<String>, &str)| Some(format!("{}: {settings}", version?));
    all.into_iter().filter_map(line).collect()
}
