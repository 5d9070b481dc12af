//! The commands against a hostile or slow agent, and with whatever their parent process left them: descriptors,
//! signals, umask.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{Backlog, listen};

use crate::bridge::BRIDGE;
use crate::harness::{Agent, Client, Output, TIMEOUT, Tool, as_root, wait_for};
use crate::server::{Bridge, both_fail, file_with};

/// The most memory of a command, whatever it is sent, in KiB.
const MEMORY_MAX: u64 = 64 << 10;

/// Serves each connection at `socket` by this script.
fn serve(socket: &Path, script: impl Fn(BufReader<UnixStream>) + Clone + Send + 'static) {
    let listener = UnixListener::bind(socket).expect("a free path");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let script = script.clone();
            thread::spawn(move || script(BufReader::new(stream)));
        }
    });
}

/// Answers each line with `answers` in turn. The last one is repeated.
fn answer_with(socket: &Path, answers: &[&str]) {
    let answers: Vec<String> = answers.iter().map(|answer| format!("{answer}\n")).collect();
    serve(socket, move |mut lines| {
        let mut replies = answers.iter().chain(answers.last().into_iter().cycle());
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
            let is_event = std::mem::take(&mut line).starts_with("SEND");
            let Some(reply) = replies.next().filter(|_| !is_event) else { continue };
            if lines.get_mut().write_all(reply.as_bytes()).is_err() {
                break;
            }
        }
    });
}

/// Asserts that the output could not drive a terminal.
#[track_caller]
fn assert_harmless(done: &Output) {
    for text in [&done.out, &done.err] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{done:#?}");
        assert!(text.len() < 4096, "{} bytes", text.len());
    }
}

/// The command with descriptors of the test's choice.
fn command(tool: &Tool) -> Command {
    let (program, arguments) = tool.words();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Waits for the exit. Returns the exit code and what was written to stderr.
fn finish(mut child: Child) -> (Option<i32>, String) {
    let status = wait_for("its exit", || child.try_wait().expect("a child process"));
    let mut text = String::new();
    let read = child.stderr.take().expect("a pipe").read_to_string(&mut text);
    read.expect("UTF-8");
    (status.code(), text)
}

fn set_nonblocking(fd: &impl std::os::fd::AsFd) {
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe");
}

/// The same command, after this shell command in its process.
pub(crate) fn after(shell: &str, tool: &Tool) -> Tool {
    let (program, arguments) = tool.words();
    let script = format!("{shell}; exec \"$@\"");
    let tool = Tool::new("bash").args(&["-c", &script, "bash"]).arg(program);
    arguments.into_iter().fold(tool, Tool::arg)
}

#[test]
fn send_checks_what_a_hostile_agent_answers() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let long = format!("ERR 65 {}{evil}", "x".repeat(100_000));
    for (answer, code, word) in [
        (format!("OK {evil}"), 69, "not a cursor"),
        ("OK 7f3a9c21-1042 and more".into(), 69, "not a cursor"),
        (format!("ERR 65 1 refused, rest stored at {evil}"), 65, "refused"),
        (format!("ERR 77 {evil}"), 77, "\\x1b"),
        (long, 65, "refused"),
    ] {
        let agent = Agent::prepare(&[]);
        answer_with(&agent.socket(), &[&answer]);
        let done = agent.send(&["--cursor", "x"]).run();
        assert_harmless(&done);
        done.failed(code, &[word]);
        // With several events, an ERR alone is not yet the answer of SYNC.
        let done = agent.send(&["--cursor", "--timeout", "200ms"]).input("x\ny\n").run();
        assert_harmless(&done);
        assert_eq!(done.out, "", "{done:#?}");
        assert_ne!(done.code, Some(0), "{done:#?}");
        let timed = ["--cursor", "--timeout", "500ms", "--time", "--", "sh", "-c", "exit 3"];
        let done = agent.send(&timed).run();
        assert_harmless(&done);
        assert_eq!((done.code, done.out.as_str()), (Some(3), ""), "{done:#?}");
    }
}

#[test]
fn tail_checks_what_a_hostile_agent_answers() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let long = format!("ERR 77 {}{evil}", "x".repeat(100_000));
    let cursor = "OK 7f3a9c21-1042";
    for (answers, code) in [
        (vec![format!("OK {evil}")], 69),
        (vec![evil.into()], 69),
        (vec![format!("{{{evil}}}")], 69),
        (vec![long.clone()], 77),
        (vec![cursor.into(), format!("OK {evil}")], 69),
        (vec![cursor.into(), long], 77),
        (vec![cursor.into(), format!("{{{evil}}}\n{cursor}")], 0),
    ] {
        let agent = Agent::prepare(&[]);
        answer_with(&agent.socket(), &answers.iter().map(String::as_str).collect::<Vec<_>>());
        let file = agent.dir().join("cursor");
        let path = file.to_str().expect("UTF-8");
        let done = agent.tail(&["--cursor-file", path, "--show-cursor"]).run();
        assert_harmless(&done);
        assert_eq!(done.code, Some(code), "{answers:?} {done:#?}");
        let saved = fs::read_to_string(&file).unwrap_or_default();
        assert!(saved.is_empty() || saved == "7f3a9c21-1042\n", "{saved:?}");
    }
    for link in ["file:///etc/passwd", "--help", &format!("http://{evil}"), "http://a\u{202e}b"] {
        let agent = Agent::prepare(&[]);
        answer_with(&agent.socket(), &[&format!("OK {link}")]);
        let done = agent.tail(&["--web"]).run();
        assert_harmless(&done);
        assert_eq!((done.code, done.out.as_str()), (Some(69), ""), "{done:#?}");
    }
}

#[test]
fn endless_answers_time_out() {
    let agent = Agent::prepare(&[]);
    serve(&agent.socket(), |mut stream| while stream.get_mut().write_all(b"x\n").is_ok() {});
    for input in ["", "x\ny\n"] {
        let arguments: &[&str] = if input.is_empty() { &["x"] } else { &[] };
        let done = agent.send(arguments).args(&["--timeout", "300ms"]).input(input).run();
        assert_eq!(done.code, Some(75), "{done:#?}");
    }
}

#[test]
fn refused_connections_exit_75() {
    let agent = Agent::with(&[BRIDGE]);
    let (address, token) = (agent.tcp().to_string(), agent.token("a", &["*"], &["*"]));
    let _held: Vec<Client> = (0..64).map(|_| agent.connect_tcp()).collect();
    wait_for("held connections", || (agent.stats()["connections"] == 65).then_some(()));
    let server = |tool: Tool| tool.env("PULSED_TOKEN", &token).args(&["--server", &address]);
    for n in 0..100 {
        let words = ["too many connections"];
        server(Tool::send().args(&["x"])).run().failed(75, &words);
        let done =
            if n % 2 == 0 { server(Tool::tail()) } else { server(Tool::send()).input("x\n") };
        let done = done.run();
        assert_eq!(done.code, Some(75), "{done:#?}");
        assert!(done.err.contains(words[0]), "{done:#?}");
    }
}

#[test]
fn refusal_is_read_after_a_failed_write() {
    let agent = Agent::prepare(&[]);
    // As the agent refuses. Whether the client writes before or after the close differs.
    serve(&agent.socket(), |mut stream| {
        let _ = stream.get_mut().write_all(b"ERR 75 too many connections: try again later\n");
    });
    for n in 0..200 {
        let tool = if n % 2 == 0 { agent.send(&["x"]) } else { agent.tail(&[]) };
        tool.run().failed(75, &["too many connections"]);
    }
}

#[test]
fn refused_local_connections_exit_75() {
    if !as_root("the bound on the connections of another user") {
        return;
    }
    let agent = Agent::start();
    let send = agent.dir().join("pulse-send");
    fs::copy(agent.send(&[]).words().0, &send).expect("a writable directory");
    let program = r#"
        for ($n = 0; $n < 1024; $n++) {
            $open[] = $agent = stream_socket_client("unix://" . getenv("PULSED_SOCKET"));
            fwrite($agent, "PING\n");
            fgets($agent);
        }
        for ($n = 0; $n < 200; $n++) {
            exec(getenv("SEND") . " x 2>&1", $lines, $code);
            $codes[$code] = ($codes[$code] ?? 0) + 1;
        }
        echo json_encode($codes);
    "#;
    let limited = ["-n4096", "setpriv", "--reuid=65534", "--clear-groups", "php", "-r", program];
    let tool = Tool::new("prlimit").args(&limited).env("SEND", send.to_str().expect("UTF-8"));
    assert_eq!(tool.env("PULSED_SOCKET", agent.socket_text()).ok(), "{\"75\":200}");
}

#[test]
fn refusal_before_tls_exits_75() {
    let ca = file_with("");
    let certificate = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", "/dev/null", "-subj", "/CN=a", "-out"])
        .arg(ca.path())
        .stderr(Stdio::null())
        .status();
    assert!(certificate.expect("openssl is installed").success());
    let bridge = Bridge::start(2, |_, peer| {
        peer.write("ERR 75 too many connections: try again later\n");
        // The first bytes of the handshake.
        peer.read_line();
    });
    let ca = ca.path().to_str().expect("UTF-8");
    both_fail(&bridge.address, &["--ca", ca], 75, &["too many connections"]);
}

#[test]
fn nonblocking_input_is_waited_for() {
    let agent = Agent::start();
    let (reader, mut writer) = io::pipe().expect("a pipe");
    set_nonblocking(&reader);
    let child = command(&agent.send(&[])).stdin(reader).spawn().expect("an executable");
    wait_for("its connection", || (agent.stats()["connections"] == 2).then_some(()));
    for count in 1..3 {
        writeln!(writer, "line {count}").expect("it reads");
        wait_for("an event", || (agent.stats()["events"] == count).then_some(()));
    }
    drop(writer);
    assert_eq!(finish(child), (Some(0), String::new()));
}

#[test]
fn nonblocking_output_is_waited_for() {
    let agent = Agent::start();
    let lines: String = (0..3000).map(|n| format!("SEND {n} {}\n", "x".repeat(100))).collect();
    agent.connect().write(lines).sync();
    let (mut reader, writer) = io::pipe().expect("a pipe");
    set_nonblocking(&writer);
    let out = writer.try_clone().expect("a free descriptor");
    let tail = agent.tail(&["-n", "all", "-o", "cat"]);
    let child = command(&tail).stdout(out).spawn().expect("an executable");
    wait_for("a full pipe", || {
        let mut polled = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
        (poll(&mut polled, PollTimeout::ZERO).expect("a pipe") == 0).then_some(())
    });
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("UTF-8");
    assert_eq!(finish(child), (Some(0), String::new()));
    assert_eq!(text.lines().filter(|line| line.ends_with('x')).count(), 3000);
}

#[test]
fn closed_descriptors_and_full_disk() {
    let agent = Agent::start();
    let closed = "exec 0<&- 1>&- 2>&-; trap '' PIPE";
    assert_eq!(after(closed, &agent.send(&["x"])).run().code, Some(0));
    assert_eq!(after(closed, &agent.send(&[])).run().code, Some(0));
    assert_eq!(after(closed, &agent.tail(&[])).run().code, Some(0));
    assert_eq!(agent.stats()["events"], 1);
    let full = "unset HOME; exec 1>/dev/full";
    after(full, &agent.send(&["--cursor", "x"])).run().failed(74, &["stdout", "No space left"]);
    after(full, &agent.tail(&[])).run().failed(74, &["stdout", "No space left"]);
}

/// A listener whose accept queue is full: further connections wait for the timeout.
fn busy_listener(agent: &Agent) -> (UnixListener, UnixStream) {
    let listener = UnixListener::bind(agent.socket()).expect("a free path");
    listen(&listener, Backlog::new(0).expect("a small backlog")).expect("a socket");
    let first = UnixStream::connect(agent.socket()).expect("a listener");
    (listener, first)
}

#[test]
fn timed_command_waits_one_timeout_at_its_end() {
    let agent = Agent::prepare(&[]);
    let _busy = busy_listener(&agent);
    let begun = Instant::now();
    agent
        .send(&["--timeout", "3s", "--time", "--", "sh", "-c", "exit 4"])
        .run()
        .failed(4, &["events may be lost", "3s"]);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn signal_after_the_end_of_a_command_ends_the_wait() {
    let agent = Agent::prepare(&[]);
    let _busy = busy_listener(&agent);
    let command = ["--timeout", "3600s", "--time", "--", "sh", "-c", "echo done; exit 5"];
    let mut sender = agent.send(&command).start();
    assert_eq!(sender.line(), "done");
    let pid = sender.pid();
    wait_for("its exit", || {
        // A signal that arrives before the end is forwarded to the command, which may then end by it.
        let ended = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.is_empty();
        if ended {
            sender.signal(Signal::SIGTERM);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.contains(") Z ").then_some(())
    });
    assert_eq!(sender.wait().code, Some(5));
}

#[test]
fn timed_command_has_default_signals_and_its_status_counts() {
    let agent = Agent::start();
    let script = "grep SigIgn /proc/$$/status; exit 3";
    let timed = agent.send(&["--time", "--", "sh", "-c", script]);
    let done = after("trap '' CHLD PIPE", &timed).run();
    assert_eq!((done.code, done.err.as_str()), (Some(3), ""), "{done:#?}");
    let ignored = done.out.split_whitespace().last().expect("a mask");
    let ignored = u64::from_str_radix(ignored, 16).expect("a hexadecimal mask");
    for signal in [Signal::SIGCHLD, Signal::SIGPIPE] {
        assert_eq!(ignored & 1 << (signal as u32 - 1), 0, "{signal}: {ignored:x}");
    }
    // Children of its own that it inherited do not delay it.
    let begun = Instant::now();
    let done = after("trap '' CHLD; sleep 60 <&- >&- 2>&- & :", &timed).run();
    assert_eq!(done.code, Some(3), "{done:#?}");
    assert!(begun.elapsed() < TIMEOUT);
}

#[test]
fn timed_command_may_change_its_user() {
    if !as_root("a command that changes its user") {
        return;
    }
    let agent = Agent::start();
    let setpriv = Tool::new("sh").args(&["-c", "command -v setpriv"]).ok();
    let setuid = agent.dir().join("setuid");
    // By another process: a file that this one has open for writing cannot be executed.
    Tool::new("cp").args(&[setpriv.trim_end()]).arg(&setuid).ok();
    fs::set_permissions(&setuid, fs::Permissions::from_mode(0o4755)).expect("its owner");
    let script = "echo $(id -ru); read x; exit 7";
    let words = ["--reuid=0", "--clear-groups", "sh", "-c", script];
    let timed = agent.send(&["--time", "--"]).arg(&setuid).args(&words);
    let mut sender = timed.with_user(65534, &agent).start();
    assert_eq!(sender.line(), "0");
    // pulse-send forwards signals before it sends the begin.
    wait_for("the begin", || (agent.stats()["events"] == 1).then_some(()));
    sender.signal(Signal::SIGTERM);
    sender.write_stdin("go\n");
    let done = sender.wait();
    assert_eq!(done.code, Some(7), "{done:#?}");
    assert!(done.err.is_empty() || done.err.contains("cannot forward SIGTERM"), "{done:#?}");
}

/// The most resident memory that a process had, in KiB.
fn memory_of(pid: u32) -> u64 {
    let mut status = String::new();
    let mut file = File::open(format!("/proc/{pid}/status")).expect("a running process");
    file.read_to_string(&mut status).expect("UTF-8");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux has it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn summary_of_hostile_events_takes_bounded_memory() {
    let agent = Agent::start();
    let file = agent.dir().join("cursor");
    let path = file.to_str().expect("UTF-8");
    let mut tail = agent.tail(&["-f", "--stats", "--cursor-file", path]).start();
    wait_for("a follower", || (agent.stats()["followers"] == 1).then_some(()));
    let mut client = agent.connect();
    // Twice the bound, if messages were kept.
    let count = 2 * MEMORY_MAX / 60;
    for n in 0..count {
        let (letter, long) = (char::from(b'a' + (n % 26) as u8), "y".repeat(110));
        let msg = format!("{n:x} {}", letter.to_string().repeat(60_000));
        client.write(format!(
            "SEND {{\"tag\":\"t{n}.{long}\",\"msg\":\"{msg}\",\"level\":\"err\",\"run\":\"r{n}\",\
             \"fields\":{{\"user\":\"u{n}{long}\",\"page\":\"/{n}{long}\",\"req\":\"q{n}{long}\"}}}}\n"
        ));
        if n % 64 == 0 {
            client.sync();
        }
    }
    client.write("SEND the end\n").sync();
    let sent = agent.stats()["events"].as_u64().expect("a count");
    assert!(sent > count, "{sent}");
    let newest = agent.connect().newest();
    wait_for("the follower has read", || {
        (fs::read_to_string(&file).ok()?.trim_end() == newest).then_some(())
    });
    let memory = memory_of(tail.pid());
    assert!(memory < MEMORY_MAX, "{memory} KiB");
    tail.signal(Signal::SIGTERM);
    let done = tail.wait();
    assert!(done.out.contains(&format!("{sent} events")), "{done:#?}");
}
