//! The measured systems: our agent and nats-server, each started and ended by the benchmark, and a sender and
//! a follower connected to one of them.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use crate::load::Load;
use crate::{BenchError, refused};

/// Timeout of everything that should happen at once.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);

/// A directory on the disk that the build uses, for history and for the plain writes it is compared with.
pub(crate) const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// A running program, killed when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the process has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running agent.
pub(crate) struct Agent {
    program: Running,
    /// For the socket and the configuration: a path that is short enough for a socket.
    dir: TempDir,
    history: TempDir,
    /// Of the monitor. 0 without one.
    web_port: u16,
}

impl Agent {
    /// Starts an agent and waits until it listens.
    pub(crate) fn start(history: bool) -> Result<Self, BenchError> {
        Self::start_with(history, 0)
    }

    /// Starts an agent with history that also listens for HTTP.
    pub(crate) fn start_web() -> Result<Self, BenchError> {
        Self::start_with(true, free_port()?)
    }

    fn start_with(history: bool, web_port: u16) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let stored = tempfile::tempdir_in(DISK).map_err(refused(format!("use {DISK}")))?;
        let config = dir.path().join("pulsed.toml");
        let web = match web_port {
            0 => "false".to_owned(),
            port => format!("\"127.0.0.1:{port}\""),
        };
        let text = format!(
            "[socket]\npath = {:?}\n[history]\nenabled = {history}\ndir = {:?}\n[web]\nlisten = {web}\n",
            dir.path().join("pulsed.sock"),
            stored.path(),
        );
        fs::write(&config, text).map_err(refused("write a configuration"))?;
        let child = Command::new(env!("CARGO_BIN_EXE_pulsed"))
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(refused("start pulsed"))?;
        let mut program = Running(child);
        let mut output = String::new();
        if let Some(out) = program.0.stdout.take() {
            BufReader::new(out).read_line(&mut output).map_err(refused("read pulsed's output"))?;
        }
        if !output.contains("listening") {
            return Err(BenchError::Failed(format!("pulsed does not listen: {output:?}")));
        }
        Ok(Self { program, dir, history: stored, web_port })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.program.0.id()
    }

    /// Whether its history contains this text.
    pub(crate) fn has_stored(&self, text: &str) -> bool {
        let files = fs::read_dir(self.history.path()).into_iter().flatten().flatten();
        let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.any(|stored| stored.contains(text))
    }

    /// The port of its monitor.
    pub(crate) fn web_port(&self) -> u16 {
        self.web_port
    }

    /// Signs in to its monitor by a one-time link. Returns the cookie of the session.
    pub(crate) fn sign_in(&self) -> Result<String, BenchError> {
        let link = ask(&mut self.connect()?, "LINK", "OK ")?;
        let origin = format!("http://127.0.0.1:{}", self.web_port);
        let failed = |what: &str| BenchError::Failed(format!("cannot sign in by {link}: {what}"));
        let target = link.strip_prefix(&origin).ok_or_else(|| failed("another address"))?;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.web_port
        );
        let mut stream = connect(self.web_port)?;
        let mut response = String::new();
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read_to_string(&mut response))
            .map_err(refused("sign in"))?;
        let cookie = response.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next())?
        });
        cookie.map(str::to_owned).ok_or_else(|| failed(&response))
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("pulsed.sock")
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Result<UnixStream, BenchError> {
        let connected = || {
            let stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(WAIT_MAX))?;
            stream.set_write_timeout(Some(WAIT_MAX))?;
            Ok(stream)
        };
        connected().map_err(refused("connect to pulsed"))
    }

    /// A new connection that follows from now.
    pub(crate) fn follow(&self) -> Result<UnixStream, BenchError> {
        let mut stream = self.connect()?;
        let newest = ask(&mut stream, "PING", "OK ")?;
        stream
            .write_all(format!("TAIL {{\"after\":\"{newest}\",\"follow\":true}}\n").as_bytes())
            .map_err(refused("follow pulsed"))?;
        Ok(stream)
    }

    /// A sender of this load and a follower.
    pub(crate) fn link(&self, load: Load) -> Result<Link, BenchError> {
        let request = |message: String| format!("SEND {message}\n").into_bytes();
        Ok(Link {
            follower: Box::new(self.follow()?),
            sender: Box::new(self.connect()?),
            messages: load.messages().into_iter().map(request).collect(),
            mark: b'\n',
            finish: ("SYNC", "OK "),
        })
    }
}

/// A running nats-server.
pub(crate) struct Nats {
    _program: Running,
    port: u16,
}

impl Nats {
    /// Starts nats-server and waits until it listens. `None` if it is not installed.
    pub(crate) fn start() -> Result<Option<Self>, BenchError> {
        let port = free_port()?;
        // Debian installs it where only root's PATH looks.
        let started = spawn_nats("nats-server", port).or_else(|e| match e.kind() {
            io::ErrorKind::NotFound => spawn_nats("/usr/sbin/nats-server", port),
            _ => Err(e),
        });
        let program = match started {
            Ok(child) => Running(child),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(refused("start nats-server")(e)),
        };
        let nats = Self { _program: program, port };
        let since = Instant::now();
        while let Err(e) = nats.connect() {
            if since.elapsed() > WAIT_MAX {
                return Err(e);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Some(nats))
    }

    fn connect(&self) -> Result<TcpStream, BenchError> {
        let mut stream = connect(self.port)?;
        ask(&mut stream, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r", "PONG")?;
        Ok(stream)
    }

    /// A sender of this load and a follower.
    pub(crate) fn link(&self, load: Load) -> Result<Link, BenchError> {
        let request =
            |message: String| format!("PUB x {}\r\n{message}\r\n", message.len()).into_bytes();
        let mut follower = self.connect()?;
        ask(&mut follower, "SUB x 1\r\nPING\r", "PONG")?;
        Ok(Link {
            follower: Box::new(follower),
            sender: Box::new(self.connect()?),
            messages: load.messages().into_iter().map(request).collect(),
            // The one in `MSG x 1 LENGTH`. A PING of the server has none.
            mark: b'M',
            finish: ("PING\r", "PONG"),
        })
    }
}

fn spawn_nats(program: impl AsRef<Path>, port: u16) -> io::Result<Child> {
    Command::new(program.as_ref())
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A loopback port that no socket uses now.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(address.map_err(refused("find a free port"))?.port())
}

/// A new connection to a loopback port.
pub(crate) fn connect(port: u16) -> Result<TcpStream, BenchError> {
    let connected = || {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.set_write_timeout(Some(WAIT_MAX))?;
        Ok(stream)
    };
    connected().map_err(refused(format!("connect to port {port}")))
}

/// A connection over TCP or a Unix socket.
pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A sender and a follower, and the bytes they exchange.
pub(crate) struct Link {
    /// The sender's connection.
    pub(crate) sender: Box<dyn Stream>,
    /// The follower's connection. It has received no event yet.
    pub(crate) follower: Box<dyn Stream>,
    /// The load's messages, each as one request.
    pub(crate) messages: Vec<Vec<u8>>,
    /// A byte that each received message contains once.
    pub(crate) mark: u8,
    /// The last request, and the beginning of its answer.
    pub(crate) finish: (&'static str, &'static str),
}

/// Writes a request, and waits for a line that begins with `answer`. Returns the rest of that line.
pub(crate) fn ask(stream: &mut dyn Stream, what: &str, answer: &str) -> Result<String, BenchError> {
    let asked = refused(format!("get an answer to {}", what.trim_end()));
    let mut line = || {
        stream.write_all(format!("{what}\n").as_bytes())?;
        loop {
            let line = read_line(stream)?;
            if let Some(rest) = line.strip_prefix(answer) {
                return Ok(rest.trim_end().to_owned());
            }
            if line.starts_with("ERR") || line.starts_with("-ERR") {
                return Err(io::Error::other(line));
            }
        }
    };
    line().map_err(asked)
}

/// Reads one line byte by byte, so that nothing after it is consumed.
fn read_line(stream: &mut dyn Stream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte != *b"\n" {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
