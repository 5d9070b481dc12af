//! Our agent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use nix::unistd::{Uid, geteuid, seteuid};
use serde_json::Value;
use tempfile::TempDir;

use super::{Socket, System, free_port, until_it_works};
use crate::check::{Head, Part, head};
use crate::load::Message;
use crate::process::Running;
use crate::{BenchError, refused};

pub(super) const SETTINGS: &str =
    "over its Unix socket, with its defaults; with history, the sender waits until all is stored";

/// A directory on the disk that the build uses, for history and for what it is compared with.
pub(crate) const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// What stands before what is the same in each delivery of a message: number and time.
pub(crate) const HEAD: [Part; 4] = [
    Part::Text(b"{\"seq\":"),
    Part::Number,
    Part::Text(b",\"time\":\""),
    Part::Skip("2026-11-22T17:32:05.123456Z\"".len()),
];

/// The programs that are measured.
pub(crate) struct Programs {
    pub(crate) pulsed: PathBuf,
    pub(crate) send: PathBuf,
}

/// Those of this build, or those in `$PULSE_BENCH_PROGRAMS`, to compare builds.
pub(crate) fn programs() -> Programs {
    match env::var_os("PULSE_BENCH_PROGRAMS").map(PathBuf::from) {
        Some(dir) => Programs { pulsed: dir.join("pulsed"), send: dir.join("pulse-send") },
        None => Programs {
            pulsed: env!("CARGO_BIN_EXE_pulsed").into(),
            send: env!("CARGO_BIN_EXE_pulse-send").into(),
        },
    }
}

/// How an agent is configured.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) history: bool,
    /// The bound of the history, in bytes; 0 for the default.
    pub(crate) history_size: u64,
    pub(crate) web: bool,
}

/// A running agent.
pub(crate) struct Agent {
    name: &'static str,
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
        Self::start_with(Settings { history, ..Settings::default() })
    }

    /// Starts an agent with history that also listens for HTTP.
    pub(crate) fn start_web() -> Result<Self, BenchError> {
        Self::start_with(Settings { history: true, web: true, ..Settings::default() })
    }

    /// Starts an agent and waits until it listens.
    pub(crate) fn start_with(settings: Settings) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir().map_err(refused("make a directory"))?;
        let stored = tempfile::tempdir_in(DISK).map_err(refused(format!("use {DISK}")))?;
        let web_port = if settings.web { free_port()? } else { 0 };
        let web = match web_port {
            0 => "false".to_owned(),
            port => format!("\"127.0.0.1:{port}\""),
        };
        let size = match settings.history_size {
            0 => String::new(),
            size => format!("size = \"{}MiB\"\n", size >> 20),
        };
        let text = format!(
            "[socket]\npath = {:?}\n[history]\nenabled = {}\n{size}dir = {:?}\n[web]\nlisten = {web}\n",
            dir.path().join("pulsed.sock"),
            settings.history,
            stored.path(),
        );
        fs::write(dir.path().join("pulsed.toml"), text)
            .map_err(refused("write a configuration"))?;
        let mut program = spawn(dir.path())?;
        let mut output = String::new();
        if let Some(out) = program.0.stdout.take() {
            BufReader::new(out).read_line(&mut output).map_err(refused("read pulsed's output"))?;
        }
        if !output.contains("listening") {
            return Err(BenchError::Failed(format!("pulsed does not listen: {output:?}")));
        }
        let name = if settings.history { "history on" } else { "history off" };
        Ok(Self { name, program, dir, history: stored, web_port })
    }

    /// Kills the agent and starts it again. Returns when the new one was started, as soon as a request is answered.
    pub(crate) fn restart(&mut self, request: &str, answer: &str) -> Result<Duration, BenchError> {
        // Fails if the process has already exited.
        let _ = self.program.0.kill();
        let _ = self.program.0.wait();
        let begin = Instant::now();
        self.program = spawn(self.dir.path())?;
        until_it_works(|| self.sender())?.ask(request, answer)?;
        Ok(begin.elapsed())
    }

    /// Where its history is.
    pub(crate) fn history(&self) -> &Path {
        self.history.path()
    }

    /// Whether its history contains this text.
    pub(crate) fn has_stored(&self, text: &str) -> bool {
        let files = fs::read_dir(self.history.path()).into_iter().flatten().flatten();
        let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.any(|stored| stored.contains(text))
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("pulsed.sock")
    }

    /// Lets other users reach the socket.
    pub(crate) fn open_directory(&self) -> Result<(), BenchError> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755))
            .map_err(refused("open a directory"))
    }

    /// A connection of a sender with another uid, which the kernel reports as it was at connect. Needs root.
    pub(crate) fn sender_as(&self, uid: u32) -> Result<Socket, BenchError> {
        self.open_directory()?;
        let own = geteuid();
        seteuid(Uid::from_raw(uid)).map_err(|e| refused(format!("become uid {uid}"))(e.into()))?;
        let socket = self.sender();
        seteuid(own).map_err(|e| refused("become root again")(e.into()))?;
        socket
    }

    /// A follower of the events that a MATCH selects, from now.
    pub(crate) fn follower_of(&self, matching: &str) -> Result<Socket, BenchError> {
        let mut socket = self.sender()?;
        let newest = socket.ask("PING", "OK ")?;
        let matching = match matching {
            "" => String::new(),
            text => format!(",\"match\":{}", Value::from(text)),
        };
        let request = format!("TAIL {{\"after\":\"{newest}\",\"follow\":true{matching}}}\n");
        socket.write_all(request.as_bytes()).map_err(refused("follow pulsed"))?;
        Ok(socket)
    }

    /// Waits until the statistics contain a text.
    pub(crate) fn wait_for(&self, text: &str) -> Result<(), BenchError> {
        let mut socket = self.sender()?;
        until_it_works(|| {
            let stats = socket.ask("STATS", "{")?;
            if stats.contains(text) {
                return Ok(());
            }
            Err(BenchError::Failed(format!("no {text} in the statistics: {stats}")))
        })
    }

    /// The port of its monitor.
    pub(crate) fn web_port(&self) -> u16 {
        self.web_port
    }

    /// Signs in to its monitor by a one-time link. Returns the cookie of the session.
    pub(crate) fn sign_in(&self) -> Result<String, BenchError> {
        let link = self.sender()?.ask("LINK", "OK ")?;
        let origin = format!("http://127.0.0.1:{}", self.web_port);
        let failed = |what: &str| BenchError::Failed(format!("cannot sign in by {link}: {what}"));
        let target = link.strip_prefix(&origin).ok_or_else(|| failed("another address"))?;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.web_port
        );
        let mut stream = Socket::tcp(self.web_port)?;
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
}

fn spawn(dir: &Path) -> Result<Running, BenchError> {
    let child = Command::new(programs().pulsed)
        .arg("--config")
        .arg(dir.join("pulsed.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(refused("start pulsed"))?;
    Ok(Running(child))
}

impl System for Agent {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    fn sender(&self) -> Result<Socket, BenchError> {
        Socket::unix(&self.socket())
    }

    fn follower(&self) -> Result<Socket, BenchError> {
        self.follower_of("")
    }

    fn request(&self, message: &Message) -> Vec<u8> {
        if message.line.starts_with('<') {
            format!("{}\n", message.line).into_bytes()
        } else {
            format!("SEND {}\n", message.line).into_bytes()
        }
    }

    fn head(&self) -> &'static [Part] {
        &HEAD
    }

    /// Unused: [`System::expected`] learns it.
    fn delivered(&self, _message: &Message) -> Vec<u8> {
        Vec::new()
    }

    /// Learned from one delivery of each message, which must say what the message says: only the agent knows the
    /// origin, for example.
    fn expected(
        &self,
        sender: &mut Socket,
        messages: &[Message],
    ) -> Result<Vec<Vec<u8>>, BenchError> {
        let mut follower = BufReader::new(self.follower()?);
        let requests: Vec<u8> = messages.iter().flat_map(|message| self.request(message)).collect();
        thread::scope(|scope| {
            let sending = scope.spawn(|| sender.write_all(&requests));
            let mut expected = Vec::new();
            for message in messages {
                let mut line = Vec::new();
                follower.read_until(b'\n', &mut line).map_err(refused("read the first events"))?;
                expected.push(tail_of(&line, message).ok_or_else(|| {
                    let line = String::from_utf8_lossy(&line);
                    BenchError::Failed(format!("sent {}, received {line}", message.line))
                })?);
            }
            let sent =
                sending.join().map_err(|_| BenchError::Failed("the sender panicked".into()))?;
            sent.map_err(refused("send"))?;
            Ok(expected)
        })
    }

    fn finish(&self, sender: &mut Socket) -> Result<(), BenchError> {
        sender.ask("SYNC", "OK ").map(drop)
    }
}

/// The bytes after the head, if the event says what the message says.
fn tail_of(line: &[u8], message: &Message) -> Option<Vec<u8>> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let text = |value: &Value, expected: &str| value.as_str() == Some(expected);
    let claimed = message
        .claims
        .is_none_or(|(tag, level)| text(&event["tag"], tag) && text(&event["level"], level));
    let user = message.user.is_none_or(|user| text(&event["fields"]["user"], user));
    let took = match (message.took, event["took"].as_f64()) {
        (None, None) => true,
        (Some(expected), Some(found)) => (expected - found).abs() <= expected * 1e-9,
        _ => false,
    };
    let Head::Whole(len, _) = head(&HEAD, line) else { return None };
    (text(&event["msg"], &message.text) && claimed && user && took).then(|| line[len..].to_vec())
}
