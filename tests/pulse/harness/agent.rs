//! A real `pulsed` in a directory of its own.

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

use super::{Client, Tool, begins_log, until};

/// The path of the program.
pub(crate) const PULSED: &str = env!("CARGO_BIN_EXE_pulsed");

/// The name of the machine in every event.
pub(crate) const HOST: &str = "testhost";

/// An agent, its configuration and its directory. Killed and removed when it is dropped; a test that
/// fails shows what it was given and what it said.
pub(crate) struct Agent {
    dir: TempDir,
    child: Option<Child>,
    /// What runs it, as a supervisor would; nothing if it is run as it is.
    launcher: Vec<String>,
    variables: Vec<(String, String)>,
    /// The socket that is handed over to it, if one is.
    held: Option<UnixListener>,
}

/// Hands what is on stdin over as the first socket, as systemd does (sd_listen_fds(3)).
const HAND_OVER: [&str; 4] =
    ["sh", "-c", "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", "sh"];

impl Agent {
    /// Starts one with everything at its default but the places.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further lines of configuration, such as `history.size = "1MiB"`.
    pub(crate) fn with(lines: &[&str]) -> Self {
        let mut agent = Self::prepare(lines);
        agent.restart();
        agent
    }

    /// Makes its directory and its configuration, and does not start it.
    pub(crate) fn prepare(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Other users of the machine are to get at the socket.
        let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open_to_all).expect("it is ours");
        let (launcher, variables) = (Vec::new(), Vec::new());
        let agent = Self { dir, child: None, launcher, variables, held: None };
        agent.configure(lines);
        agent
    }

    /// Writes the configuration anew.
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
        fs::write(self.config(), text).expect("the directory is ours");
    }

    /// Holds its socket for it, with this mode, as systemd does: each agent that is started from now on
    /// is handed it.
    pub(crate) fn hold_socket(&mut self, mode: u32) {
        let listener = UnixListener::bind(self.socket()).expect("the directory is ours");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(self.socket(), mode).expect("it is ours");
        self.held = Some(listener);
        self.launch_by(&HAND_OVER);
    }

    /// From now on it is run by this command, which is given its command line.
    pub(crate) fn launch_by(&mut self, launcher: &[&str]) {
        self.launcher = launcher.iter().map(ToString::to_string).collect();
    }

    /// A variable of the environment in which it is started from now on.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    /// Starts it and does not wait.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs");
        self.child = Some(self.command().spawn().expect("pulsed can be run"));
    }

    /// Starts it, again if it ran before, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.launch();
        until("an agent that answers", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("our child"));
            assert!(ended.is_none(), "pulsed ended at its start: {ended:?}");
            let stream = UnixStream::connect(self.socket()).ok()?;
            Client::over(stream).ask("PING").starts_with("OK ").then_some(())
        });
    }

    fn command(&self) -> Command {
        let said = File::options().create(true).append(true).open(self.said_file());
        let said = said.expect("the directory is ours");
        let mut words = self.launcher.iter().map(String::as_str).chain([PULSED]);
        let mut command = Command::new(words.next().expect("pulsed itself at least"));
        command.args(words).arg("--config").arg(self.config());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let held = self.held.as_ref().map(|held| held.try_clone().expect("a descriptor"));
        command.stdin(held.map_or(Stdio::null(), |held| OwnedFd::from(held).into()));
        command.stdout(said.try_clone().expect("a file")).stderr(said);
        command
    }

    /// Ends it as a power cut would: SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    /// Ends it as systemd does: SIGTERM, and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        let status = until("the agent's end", || child.try_wait().expect("our child"));
        self.child = None;
        status
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("it runs");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// A new connection to it.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::over(UnixStream::connect(self.socket()).expect("the agent listens"))
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
        // Who is not root has a default place for the socket only where there is such a directory.
        let tool = Tool::pulsed().env("XDG_RUNTIME_DIR", self.dir().to_str().expect("UTF-8"));
        tool.args(&named).args(arguments)
    }

    /// What STATS says.
    pub(crate) fn stats(&self) -> Value {
        let line = self.connect().ask("STATS");
        serde_json::from_str(&line).expect("STATS answers JSON")
    }

    /// Where it and everything of it is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("pulsed.sock")
    }

    /// Its socket, as an argument.
    pub(crate) fn socket_text(&self) -> &'static str {
        // A few bytes a test: simpler than a lifetime in everything that takes arguments.
        self.socket().to_str().expect("UTF-8").to_owned().leak()
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("pulsed.toml")
    }

    /// Its history.
    pub(crate) fn history(&self) -> PathBuf {
        self.dir().join("history")
    }

    /// Every line on disk, in order, without the gap with which a new log begins.
    pub(crate) fn history_text(&self) -> String {
        let entries = fs::read_dir(self.history()).expect("a history");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("read").path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
        files.sort();
        let text = |path: &PathBuf| match fs::read_to_string(path) {
            // Trimmed since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.expect("history is UTF-8"),
        };
        let text: String = files.iter().map(text).collect();
        text.split_inclusive('\n').filter(|line| !begins_log(line)).collect()
    }

    fn said_file(&self) -> PathBuf {
        self.dir().join("said")
    }

    /// Everything that it has said on stdout and stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.said_file()).unwrap_or_default()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn until_said(&self, words: &str) {
        until(&format!("the agent says {words:?}"), || self.said().contains(words).then_some(()));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if thread::panicking() {
            let config = fs::read_to_string(self.config()).unwrap_or_default();
            let command = format!("{PULSED} --config {}", self.config().display());
            eprintln!("--- {command}\n{config}--- it said\n{}---", self.said());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
