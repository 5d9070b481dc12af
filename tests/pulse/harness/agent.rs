//! A `pulsed` process in a directory of its own.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::{Client, Tool, begins_log, wait_for};

/// The path of `pulsed`.
pub(crate) const PULSED: &str = env!("CARGO_BIN_EXE_pulsed");

/// The environment variable that names an optimized `pulsed`, which agents run instead: for tests that measure time.
const OPTIMIZED: &str = "PULSE_TEST_OPTIMIZED";

/// The host in every event.
pub(crate) const HOST: &str = "testhost";

/// The optimized `pulsed` that agents run, if one is named.
pub(crate) fn optimized() -> Option<String> {
    std::env::var(OPTIMIZED).ok()
}

/// An agent, its configuration and its directory. Drop kills the one and removes the other. A failed test
/// prints the configuration and the agent's output.
pub(crate) struct Agent {
    dir: TempDir,
    child: Option<Child>,
    /// The command that runs it, if any: the agent's command line is appended.
    launcher: Vec<String>,
    environment: Vec<(String, String)>,
    /// The listening socket that each start passes to it, if any.
    passed: Option<UnixListener>,
}

/// Passes its stdin as the first socket, as systemd does (sd_listen_fds(3)).
const PASS_STDIN: [&str; 4] =
    ["sh", "-c", "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", "sh"];

impl Agent {
    /// Starts one with defaults, except for its paths and its host.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further configuration lines, for example `history.size = "1MiB"`.
    pub(crate) fn with(lines: &[&str]) -> Self {
        let mut agent = Self::prepare(lines);
        agent.restart();
        agent
    }

    /// Creates its directory and its configuration, without starting it.
    pub(crate) fn prepare(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Other users need access to the socket.
        let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open_to_all).expect("the directory's owner");
        let (launcher, environment) = (Vec::new(), Vec::new());
        let agent = Self { dir, child: None, launcher, environment, passed: None };
        agent.configure(lines);
        agent
    }

    /// Rewrites the configuration.
    pub(crate) fn configure(&self, lines: &[&str]) {
        let is_given = |key: &str| lines.iter().any(|line| line.starts_with(key));
        let mut text = String::new();
        for (key, value) in [
            ("host", HOST.into()),
            ("socket.path", self.socket().display().to_string()),
            ("history.dir", self.history().display().to_string()),
        ] {
            if !is_given(key) {
                text += &format!("{key} = {value:?}\n");
            }
        }
        for line in lines {
            text += &format!("{line}\n");
        }
        fs::write(self.config(), text).expect("a writable directory");
    }

    /// Binds its socket with this mode and passes it to every later start, as systemd does.
    pub(crate) fn pass_socket(&mut self, mode: u32) {
        let listener = UnixListener::bind(self.socket()).expect("a writable directory");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(self.socket(), mode).expect("the socket's owner");
        self.passed = Some(listener);
        self.launch_with(&PASS_STDIN);
    }

    /// Later starts run this command, with the agent's command line appended.
    pub(crate) fn launch_with(&mut self, launcher: &[&str]) {
        self.launcher = launcher.iter().map(ToString::to_string).collect();
    }

    /// Sets an environment variable for later starts.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Starts it without waiting until it answers.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "already running");
        self.child = Some(self.command().spawn().expect("an executable pulsed"));
    }

    /// Starts it by this command once, whose descriptors 0 and 1 are these. The agent's output must go to descriptor 2.
    pub(crate) fn launch_with_descriptors(
        &mut self,
        launcher: &[&str],
        stdin: OwnedFd,
        stdout: OwnedFd,
    ) {
        self.launch_with(launcher);
        let mut command = self.command();
        command.stdin(stdin).stdout(stdout);
        self.child = Some(command.spawn().expect("an executable launcher"));
    }

    /// Its exit status, if it has exited.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        let exited = self.child.as_mut()?.try_wait().expect("a child process")?;
        self.child = None;
        Some(exited)
    }

    /// Starts it, also again after an exit, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.launch();
        wait_for("an agent that answers", || {
            let exited =
                self.child.as_mut().and_then(|child| child.try_wait().expect("a child process"));
            assert!(exited.is_none(), "pulsed exited at start: {exited:?}");
            let stream = UnixStream::connect(self.socket()).ok()?;
            let mut client = Client::from_stream(stream);
            // A socket that the test itself has just closed may still accept: another test's fork holds it.
            let answer = client.try_write("PING\n").then(|| client.try_line()).flatten()?;
            answer.starts_with("OK ").then_some(())
        });
    }

    fn command(&self) -> Command {
        let output = File::options().create(true).append(true).open(self.output_file());
        let output = output.expect("a writable directory");
        let program = optimized().unwrap_or_else(|| PULSED.into());
        let mut words = self.launcher.iter().map(String::as_str).chain([program.as_str()]);
        let mut command = Command::new(words.next().expect("PULSED at least"));
        command.args(words).arg("--config").arg(self.config());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let passed =
            self.passed.as_ref().map(|socket| socket.try_clone().expect("a free descriptor"));
        command.stdin(passed.map_or(Stdio::null(), |socket| OwnedFd::from(socket).into()));
        command.stdout(output.try_clone().expect("a free descriptor")).stderr(output);
        command
    }

    /// Sends SIGKILL and waits for its exit.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    /// Sends SIGTERM, as systemd does, and waits for its exit.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its exit.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("a running agent");
        let status = wait_for("the agent's exit", || child.try_wait().expect("a child process"));
        self.child = None;
        status
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("a running agent");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running agent").id()
    }

    /// A new connection to it.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::from_stream(UnixStream::connect(self.socket()).expect("the agent listens"))
    }

    /// `pulse-send` for this agent.
    pub(crate) fn send(&self, arguments: &[&str]) -> Tool {
        Tool::send().args(&["--socket", self.socket_text()]).args(arguments)
    }

    /// `pulse-tail` for this agent.
    pub(crate) fn tail(&self, arguments: &[&str]) -> Tool {
        Tool::tail().args(&["--socket", self.socket_text()]).args(arguments)
    }

    /// `pulsed` with a subcommand, for this agent's configuration.
    pub(crate) fn pulsed(&self, arguments: &[&str]) -> Tool {
        let config = self.config();
        let named = ["--config", config.to_str().expect("UTF-8")];
        // Without root there is a default socket path only if this directory is set.
        let tool = Tool::pulsed().env("XDG_RUNTIME_DIR", self.dir().to_str().expect("UTF-8"));
        tool.args(&named).args(arguments)
    }

    /// The answer to STATS.
    pub(crate) fn stats(&self) -> Value {
        let line = self.connect().request("STATS");
        serde_json::from_str(&line).expect("STATS answers JSON")
    }

    /// The directory of its socket, configuration, history and output.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("pulsed.sock")
    }

    /// The path of its socket, as an argument.
    pub(crate) fn socket_text(&self) -> &'static str {
        // Leaks a few bytes per test, which is simpler than a lifetime wherever arguments are passed.
        self.socket().to_str().expect("UTF-8").to_owned().leak()
    }

    /// The path of its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("pulsed.toml")
    }

    /// The directory of its history.
    pub(crate) fn history(&self) -> PathBuf {
        self.dir().join("history")
    }

    /// All history lines on disk, in order, without the gap that begins a new log.
    pub(crate) fn history_text(&self) -> String {
        let entries = fs::read_dir(self.history()).expect("a history directory");
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a readable entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
        files.sort();
        let text = |path: &PathBuf| match fs::read_to_string(path) {
            // Retention removed it after it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.expect("a readable UTF-8 file"),
        };
        let text: String = files.iter().map(text).collect();
        text.split_inclusive('\n').filter(|line| !begins_log(line)).collect()
    }

    fn output_file(&self) -> PathBuf {
        self.dir().join("output")
    }

    /// Everything that it has written to stdout and stderr.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.output_file()).unwrap_or_default()
    }

    /// Waits until its output contains this text.
    #[track_caller]
    pub(crate) fn wait_for_output(&self, text: &str) {
        wait_for(&format!("output {text:?}"), || self.output().contains(text).then_some(()));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if thread::panicking() {
            let config = fs::read_to_string(self.config()).unwrap_or_default();
            let command = format!("{PULSED} --config {}", self.config().display());
            eprintln!("--- {command}\n{config}--- output\n{}---", self.output());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
