//! A real nats-server with JetStream, and a client of its protocol, byte by byte.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{TIMEOUT, parse, wait_for};

/// Where Debian has the server, which is not in every user's path.
const SERVER: &str = "nats-server";
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";

/// The wait for an answer that may not come.
const ASKED_FOR: Duration = Duration::from_secs(1);

/// How many inboxes were used.
static INBOXES: AtomicU64 = AtomicU64::new(0);

/// An engine in a directory of its own. Drop kills it.
pub(super) struct Engine {
    dir: TempDir,
    port: u16,
    child: Option<Child>,
    /// Lines that [`Nats`] adds to its CONNECT.
    pub(super) login: Value,
}

impl Engine {
    /// Starts one with defaults.
    pub(super) fn start() -> Self {
        Self::with("")
    }

    /// Starts one with further configuration.
    pub(super) fn with(config: &str) -> Self {
        let mut engine = Self::prepare(config);
        engine.restart();
        engine
    }

    /// Chooses its port and writes its configuration, without starting it.
    pub(super) fn prepare(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        let engine = Self { dir, port, child: None, login: json!({}) };
        engine.configure(config);
        engine
    }

    /// Rewrites its configuration, which counts from its next start on.
    pub(super) fn configure(&self, config: &str) {
        let (port, dir) = (self.port, self.dir.path().display());
        let text =
            format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{dir}\" }}\n{config}");
        fs::write(self.file(), text).expect("a writable directory");
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("nats.conf")
    }

    /// A path in its directory.
    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Starts it, also again, and waits until JetStream answers.
    pub(super) fn restart(&mut self) {
        self.launch();
        self.wait_until_ready();
    }

    /// Waits until JetStream answers.
    pub(super) fn wait_until_ready(&self) {
        wait_for("an engine that answers", || {
            // A cluster without a leader leaves requests unanswered.
            let mut nats = self.connect_for(ASKED_FOR)?;
            nats.try_request("$JS.API.INFO", "").filter(|info| info["streams"].is_u64())
        });
    }

    /// Starts it without waiting until it answers.
    pub(super) fn launch(&mut self) {
        assert!(self.child.is_none(), "already running");
        let output = fs::File::options().create(true).append(true).open(self.path("output"));
        let output = output.expect("a writable directory");
        let mut command = Command::new(SERVER);
        command.env("PATH", PATH).arg("-c").arg(self.file()).stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a free descriptor")).stderr(output);
        self.child = Some(command.spawn().expect("tests/run installs nats-server"));
    }

    /// Sends SIGKILL and waits for its exit.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let mut child = self.child.take().expect("a running engine");
        child.wait().expect("a child process");
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a running engine");
        kill(Pid::from_raw(child.id() as i32), signal).expect("a running engine");
    }

    /// The configuration line that makes an agent forward to it.
    pub(super) fn url(&self) -> String {
        format!("nats.url = \"nats://127.0.0.1:{}\"", self.port)
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it.
    #[track_caller]
    pub(super) fn connect(&self) -> Nats {
        self.connect_for(TIMEOUT).expect("a running engine")
    }

    /// Information about a stream. `None` while the engine does not know it.
    pub(super) fn try_stream(&self, stream: &str) -> Option<Value> {
        let mut nats = self.connect_for(ASKED_FOR)?;
        nats.try_request(&format!("$JS.API.STREAM.INFO.{stream}"), "")
    }

    /// A connection with this timeout of each read.
    fn connect_for(&self, timeout: Duration) -> Option<Nats> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(timeout)).ok()?;
        let mut nats = Nats { stream: BufReader::new(stream), next: 0 };
        let mut options = json!({ "verbose": false, "headers": true, "no_responders": true });
        let login = self.login.as_object().expect("an object").clone();
        options.as_object_mut().expect("an object").extend(login);
        nats.line()?;
        nats.write(&format!("CONNECT {options}\r\nPING\r\n"))?;
        nats.line()?.starts_with("PONG").then_some(nats)
    }

    /// The messages of a stream, as they are.
    #[track_caller]
    pub(super) fn messages(&self, stream: &str) -> Vec<Message> {
        let mut nats = self.connect();
        let count = nats.stream(stream)["state"]["messages"].as_u64().expect("a number");
        // The consumer of an earlier call would deliver to the same inbox.
        let inbox = format!("inbox.all.{}", INBOXES.fetch_add(1, Ordering::Relaxed));
        let config = json!({
            "stream_name": stream,
            "config": { "deliver_subject": inbox, "deliver_policy": "all", "ack_policy": "none" },
        });
        nats.write(&format!("SUB {inbox} 9\r\n")).expect("a running engine");
        let api = format!("$JS.API.CONSUMER.CREATE.{stream}");
        let mut found = Vec::new();
        // Messages may come before the answer.
        nats.send_request(&api, &config.to_string()).expect("a running engine");
        while (found.len() as u64) < count {
            let message = nats.message().expect("all messages");
            if message.subject.starts_with("inbox.reply") {
                let answer: Value = serde_json::from_slice(&message.payload).expect("JSON");
                assert!(answer["error"].is_null(), "{answer}");
            } else {
                found.push(message);
            }
        }
        found
    }

    /// The numbers and lines of a host's chain: without what was published twice or out of turn.
    #[track_caller]
    pub(super) fn chain(&self, stream: &str, subject: &str) -> Vec<String> {
        let mut end = None;
        let mut lines = Vec::new();
        for message in self.messages(stream).iter().filter(|message| message.subject == subject) {
            let (log, after) = (message.header("Pulse-Log"), message.number("Pulse-After"));
            let checked = message.header("Pulse-Known").is_empty();
            let continues = end.as_ref().is_none_or(|(of, end)| *of == log && *end == after);
            let other_log = end.as_ref().is_some_and(|(of, _)| *of != log);
            if continues || (other_log && checked) {
                lines.extend(message.lines());
                end = Some((log, message.number("Pulse-Last")));
            }
        }
        lines
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- engine\n{}---",
                fs::read_to_string(self.path("output")).unwrap_or_default()
            );
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A message of a stream.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) subject: String,
    headers: String,
    pub(super) payload: Vec<u8>,
}

impl Message {
    /// A header's value. Empty if there is none.
    pub(super) fn header(&self, name: &str) -> String {
        let lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        let mut value =
            lines.filter(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned());
        value.next_back().unwrap_or_default()
    }

    #[track_caller]
    pub(super) fn number(&self, name: &str) -> u64 {
        self.header(name).parse().unwrap_or_else(|_| panic!("{name}: {:?}", self.headers))
    }

    /// Its lines, uncompressed.
    #[track_caller]
    pub(super) fn lines(&self) -> Vec<String> {
        let mut text = String::new();
        if self.header("Content-Encoding") == "gzip" {
            flate2::read::GzDecoder::new(&self.payload[..]).read_to_string(&mut text)
        } else {
            (&self.payload[..]).read_to_string(&mut text)
        }
        .expect("UTF-8");
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let ranges: Vec<_> = lines.iter().map(|line| parse(line).seq_range()).collect();
        let covered =
            (ranges.first().map(|(first, _)| first - 1), ranges.last().map(|last| last.1));
        let headers = (Some(self.number("Pulse-After")), Some(self.number("Pulse-Last")));
        assert_eq!(covered, headers, "the headers name the numbers of the lines");
        lines
    }
}

/// A connection of the NATS protocol.
pub(super) struct Nats {
    stream: BufReader<TcpStream>,
    next: u64,
}

impl Nats {
    /// `false` if the engine refuses a subscription.
    #[track_caller]
    pub(super) fn may_subscribe(&mut self, subject: &str) -> bool {
        self.write(&format!("SUB {subject} 7\r\nPING\r\n")).expect("a running engine");
        !self.line().expect("an answer").starts_with("-ERR 'Permissions Violation")
    }

    fn write(&mut self, text: &str) -> Option<()> {
        self.stream.get_mut().write_all(text.as_bytes()).ok()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).ok()?;
        (read > 0).then_some(line)
    }

    /// Publishes without a reply.
    #[track_caller]
    pub(super) fn publish(&mut self, subject: &str, payload: &str) {
        self.write(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()))
            .expect("a running engine");
    }

    /// Publishes with these headers.
    #[track_caller]
    pub(super) fn publish_with(&mut self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) {
        let mut head = String::from("NATS/1.0\r\n");
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        head += "\r\n";
        let all = head.len() + payload.len();
        let mut bytes = format!("HPUB {subject} {} {all}\r\n{head}", head.len()).into_bytes();
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(b"\r\n");
        self.stream.get_mut().write_all(&bytes).expect("a running engine");
    }

    fn send_request(&mut self, subject: &str, payload: &str) -> Option<String> {
        self.next += 1;
        let inbox = format!("inbox.reply.{}", self.next);
        let len = payload.len();
        let sub = format!("SUB {inbox} {}\r\n", self.next + 100);
        self.write(&format!("{sub}PUB {subject} {inbox} {len}\r\n{payload}\r\n"))?;
        Some(inbox)
    }

    /// A request of the JetStream API. `None` if there is no answer.
    fn try_request(&mut self, subject: &str, payload: &str) -> Option<Value> {
        let inbox = self.send_request(subject, payload)?;
        loop {
            let message = self.message()?;
            if message.subject == inbox {
                return serde_json::from_slice(&message.payload).ok();
            }
        }
    }

    /// A request of the JetStream API, which must succeed.
    #[track_caller]
    pub(super) fn request(&mut self, subject: &str, payload: &Value) -> Value {
        let text = if payload.is_null() { String::new() } else { payload.to_string() };
        let answer =
            self.try_request(subject, &text).unwrap_or_else(|| panic!("{subject}: no answer"));
        assert!(answer["error"].is_null(), "{subject}: {answer}");
        answer
    }

    /// Information about a stream.
    #[track_caller]
    pub(super) fn stream(&mut self, stream: &str) -> Value {
        self.request(&format!("$JS.API.STREAM.INFO.{stream}"), &Value::Null)
    }

    /// Creates a stream with this configuration over the defaults.
    #[track_caller]
    pub(super) fn create(&mut self, stream: &str, config: Value) {
        let mut all = json!({
            "name": stream, "subjects": ["pulse.*"], "retention": "limits", "storage": "file",
            "num_replicas": 1, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
            "discard": "old",
        });
        let config = config.as_object().expect("an object").clone();
        all.as_object_mut().expect("an object").extend(config);
        self.request(&format!("$JS.API.STREAM.CREATE.{stream}"), &all);
    }

    /// Deletes a stream.
    #[track_caller]
    pub(super) fn delete(&mut self, stream: &str) {
        self.request(&format!("$JS.API.STREAM.DELETE.{stream}"), &Value::Null);
    }

    /// The next message. `None` if the connection is closed.
    fn message(&mut self) -> Option<Message> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let size = |at: usize| words[words.len() - at].parse::<usize>().expect("a size");
            let (headers, all) = match words.first().copied() {
                Some("MSG") => (0, size(1)),
                Some("HMSG") => (size(2), size(1)),
                Some("PING") => {
                    self.write("PONG\r\n")?;
                    continue;
                }
                _ => continue,
            };
            // A delivered message names the subject that it was published on.
            let mut bytes = vec![0; all + 2];
            self.stream.read_exact(&mut bytes).ok()?;
            bytes.truncate(all);
            let payload = bytes.split_off(headers);
            let headers = String::from_utf8(bytes).expect("UTF-8");
            return Some(Message { subject: words[1].to_owned(), headers, payload });
        }
    }
}
