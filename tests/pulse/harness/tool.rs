//! The commands, with their output captured.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::agent::PULSED;
use super::{TIMEOUT, wait_for};

const PULSE_SEND: &str = env!("CARGO_BIN_EXE_pulse-send");
const PULSE_TAIL: &str = env!("CARGO_BIN_EXE_pulse-tail");

/// How many of the last lines of output a failed test prints.
const LINES_SHOWN: usize = 20;

/// A builder of a command line.
pub(crate) struct Tool {
    command: Command,
    input: Option<Vec<u8>>,
}

/// The result of a command that has exited.
#[derive(Debug)]
pub(crate) struct Output {
    #[expect(dead_code, reason = "printed by a failed test")]
    line: String,
    /// Its exit code. `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) out: String,
    /// What it wrote to stderr.
    pub(crate) err: String,
}

/// A running command. Drop kills it.
pub(crate) struct Running {
    line: String,
    child: Child,
    lines: Receiver<String>,
    out: Vec<String>,
    err: Option<JoinHandle<String>>,
}

impl Tool {
    pub(crate) fn new(program: &str) -> Self {
        let mut command = Command::new(program);
        // The caller's environment must not change what is tested.
        for variable in
            ["PULSED_SOCKET", "PULSED_TAG", "PULSED_TOKEN", "NO_COLOR", "XDG_RUNTIME_DIR"]
        {
            command.env_remove(variable);
        }
        command.env("TZ", "UTC");
        Self { command, input: None }
    }

    pub(crate) fn send() -> Self {
        Self::new(PULSE_SEND)
    }

    pub(crate) fn tail() -> Self {
        Self::new(PULSE_TAIL)
    }

    /// The path of `pulse-tail`, for a shell script.
    pub(crate) fn tail_path() -> &'static str {
        PULSE_TAIL
    }

    pub(crate) fn pulsed() -> Self {
        Self::new(PULSED)
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds an argument that need not be UTF-8.
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets what it reads from stdin: nothing by default.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// The program and its arguments.
    pub(crate) fn words(&self) -> (OsString, Vec<OsString>) {
        let arguments = self.command.get_args().map(OsString::from).collect();
        (self.command.get_program().into(), arguments)
    }

    /// Runs it and waits for its exit.
    #[track_caller]
    pub(crate) fn run(mut self) -> Output {
        let input = self.input.take().unwrap_or_default();
        let mut running = self.start();
        let mut stdin = running.child.stdin.take().expect("a pipe");
        // A command may exit without reading its input.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let done = running.wait();
        writer.join().expect("the writer does not panic");
        done
    }

    /// Runs it. It must exit with 0 and write nothing to stderr. Returns what it wrote to stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        let done = self.run();
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:#?}");
        done.out
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = format!("{:?}", self.command);
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("cannot run {line}: {e}"));
        let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take());
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut bytes = Vec::new();
            while out.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
                let line = String::from_utf8_lossy(&std::mem::take(&mut bytes)).into_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut err = err.expect("a pipe");
        let err = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = err.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Running { line, child, lines, out: Vec::new(), err: Some(err) }
    }
}

impl Running {
    /// The next line that it writes to stdout, without its line end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(TIMEOUT) {
            Ok(line) => {
                self.out.push(line.clone());
                line.strip_suffix('\n').unwrap_or(&line).to_owned()
            }
            Err(RecvTimeoutError::Timeout) => panic!("{}: no output within {TIMEOUT:?}", self.line),
            Err(RecvTimeoutError::Disconnected) => {
                let done = self.wait();
                panic!("exited before another line: {done:#?}")
            }
        }
    }

    /// Writes to its stdin.
    pub(crate) fn write_stdin(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(text.as_bytes()).expect("the command reads");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("a running child");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its stdin and waits for its exit.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Output {
        drop(self.child.stdin.take());
        let line = self.line.clone();
        let status: ExitStatus = wait_for(&format!("the exit of {line}"), || {
            self.child.try_wait().expect("a child process")
        });
        self.out.extend(self.lines.iter());
        let err = self.err.take().map(|err| err.join().expect("the reader does not panic"));
        Output { line, code: status.code(), out: self.out.concat(), err: err.unwrap_or_default() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            let output: Vec<String> = self.out.drain(..).chain(self.lines.try_iter()).collect();
            let last = output.len().saturating_sub(LINES_SHOWN);
            eprintln!("--- {}\n{}---", self.line, output[last..].concat());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// Asserts that it exited with this code and wrote one line to stderr that contains all these words.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.err.lines().count(), 1, "one line on stderr: {self:#?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?}: {self:#?}");
        }
    }

    /// The lines that it wrote to stdout.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }
}
