//! The interface to a service manager: passed sockets, notifications, and the units.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pulsed::agent::{CONNECTIONS_MAX, DESCRIPTORS_OF_CONNECTION, DESCRIPTORS_RESERVED, DRAIN_MAX};
use pulsed::config::DEFAULT_MODE;
use pulsed::log::CLOSE_WAIT_MAX;
use pulsed::sys::paths::{SYSTEM_SOCKET, SYSTEM_STATE};

use crate::harness::{Agent, Client, PULSED, TIMEOUT, Tool, as_root, parse, report, wait_for};

/// The units and their configuration.
const CONTRIB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib");

/// The highest allowed exposure level of `systemd-analyze security`, in tenths.
const EXPOSURE_MAX: &str = "17";

/// `true` if this program is installed. Otherwise reports what is not tested.
fn is_installed(program: &str) -> bool {
    let installed = Command::new(program).arg("--version").output().is_ok();
    if !installed {
        report(&format!("\n*** NOT TESTED, because {program} is missing: install systemd ***\n"));
    }
    installed
}

#[test]
fn activated_agent_identifies_senders() {
    if !is_installed("systemd-socket-activate") {
        return;
    }
    let mut agent = Agent::prepare(&[]);
    let socket = agent.socket_text();
    agent.launch_with(&["systemd-socket-activate", "--listen", socket]);
    agent.restart();
    // systemd-socket-activate gives its sockets to one user, whatever the umask.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).expect("the socket's owner");
    agent.send(&["by hand"]).ok();
    let line = agent.tail(&["-n1", "-o", "json"]).ok();
    let origin = parse(line.trim_end()).event()["origin"].clone();
    assert_eq!(origin["comm"], "pulse-send");
    assert_eq!(origin["uid"], nix::unistd::geteuid().as_raw());
    if as_root("another user of an activated agent") {
        let script = format!("printf 'SEND hello\\nSYNC\\n' | nc -NU {socket}");
        let as_other = ["--reuid=65534", "--clear-groups", "sh", "-c", script.as_str()];
        Tool::new("setpriv").args(&as_other).ok();
        let lines = agent.connect().tail("{\"match\":\"_uid=65534 _comm=nc\"}");
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    assert!(agent.stop().success());
    assert!(agent.socket().exists(), "systemd owns the socket");
}

#[test]
fn passed_socket_outlives_agents() {
    let mut agent = Agent::prepare(&[]);
    agent.pass_socket(0o640);
    let inode = fs::metadata(agent.socket()).expect("a socket file").ino();
    for round in 1..=2 {
        // No agent runs, and the connection is not refused.
        let early = UnixStream::connect(agent.socket()).expect("a listening socket");
        agent.restart();
        Client::from_stream(early).write("SEND early\n").sync();
        assert!(agent.stop().success());
        let meta = fs::metadata(agent.socket()).expect("systemd owns the socket");
        assert_eq!((meta.ino(), meta.mode() & 0o777), (inode, 0o640));
        let events = agent.history_text().lines().filter(|line| line.contains("early")).count();
        assert_eq!(events, round);
    }
    // A configured mode and owner that match are accepted.
    agent.configure(&["socket.mode = \"0640\"", &format!("socket.owner = {}", own_uid())]);
    agent.restart();
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn rejects_mismatched_passed_socket() {
    let other_path = "socket.path = \"/nowhere/pulsed.sock\"";
    for (line, fixes) in [
        ("socket.mode = \"0600\"", ["0666", "SocketMode=0600"]),
        ("socket.owner = 4000000000", ["owner", "SocketUser=4000000000"]),
        ("socket.group = 4000000000", ["group", "SocketGroup=4000000000"]),
        (other_path, ["ListenStream= ", "ListenStream=/nowhere/pulsed.sock"]),
    ] {
        let mut agent = Agent::prepare(&[line]);
        agent.pass_socket(0o666);
        agent.launch();
        // The unit does not restart after 78: the operator must change something first.
        assert_eq!(agent.wait().code(), Some(78), "{}", agent.output());
        let output = agent.output();
        assert_eq!(output.lines().count(), 1, "{output}");
        for word in fixes.into_iter().chain(["pulsed.socket.d", "systemctl edit pulsed.socket"]) {
            assert!(output.contains(word), "{word}: {output}");
        }
        assert!(!agent.history().exists(), "no history was created");
    }
}

#[test]
fn rejects_unusable_passed_sockets() {
    for (passed, words) in [
        ("exec 3<&0 4<&0; export LISTEN_FDS=2", "2 sockets"),
        ("exec 3</dev/null; export LISTEN_FDS=1", "not a listening Unix stream socket"),
    ] {
        let mut agent = Agent::prepare(&[]);
        let script = format!("{passed} LISTEN_PID=$$; exec \"$@\"");
        agent.launch_with(&["sh", "-c", &script, "sh"]);
        agent.launch();
        assert_eq!(agent.wait().code(), Some(78), "{}", agent.output());
        assert!(agent.output().contains(words), "{}", agent.output());
    }
    // Sockets for another process are ignored.
    let mut agent = Agent::prepare(&[]);
    agent.env("LISTEN_PID", "1");
    agent.env("LISTEN_FDS", "1");
    agent.restart();
}

/// Passes its stdin and its descriptor 1 as sockets 3 and 4, as systemd does (sd_listen_fds(3)).
const PASS_TWO: &str =
    "exec 3<&0 4<&1 </dev/null >&2; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";

/// Starts an agent with two passed sockets. Returns its exit status, or `None` if it runs.
fn start_with_sockets(agent: &mut Agent, sockets: [OwnedFd; 2]) -> Option<i32> {
    let [first, second] = sockets;
    agent.launch_with_descriptors(&["sh", "-c", PASS_TWO, "sh"], first, second);
    wait_for("an agent that runs or exits", || {
        let output = agent.output();
        if let Some(status) = agent.exited() {
            return Some(Some(status.code().expect("no signal")));
        }
        output.contains("listening on ").then_some(None)
    })
}

#[test]
fn monitor_uses_the_passed_tcp_socket_in_either_order() {
    for web_first in [false, true] {
        let mut agent = Agent::prepare(&[]);
        let unix = UnixListener::bind(agent.socket()).expect("a writable directory");
        let web = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", web.local_addr().expect("bound"));
        let mut sockets: [OwnedFd; 2] = [unix.into(), web.into()];
        if web_first {
            sockets.reverse();
        }
        assert_eq!(start_with_sockets(&mut agent, sockets), None);
        let output = agent.output();
        assert!(output.contains(&format!(", monitor at {url}, ")), "{output}");
        let link = agent.connect().request("LINK");
        assert!(link.starts_with(&format!("OK {url}login?link=")), "{link}");
        let health = Tool::new("curl").args(&["-sS", &format!("{url}healthz")]).ok();
        assert_eq!(health, "ok\n");
        assert!(!agent.history().join("web-port").exists(), "the port is systemd's");
    }
}

#[test]
fn service_without_tcp_socket_has_no_monitor() {
    let mut agent = Agent::prepare(&[]);
    agent.pass_socket(0o666);
    agent.restart();
    assert!(!agent.output().contains("monitor at"), "{}", agent.output());
    let refused = agent.connect().request("LINK");
    assert!(refused.starts_with("ERR 69 ") && refused.contains("pulsed-web.socket"), "{refused}");
}

#[test]
fn rejects_tcp_socket_that_differs_from_the_configuration() {
    let unix = |name: &str| format!("web.listen = \"unix:/nowhere/{name}\"");
    for (lines, words) in [
        (vec!["web.listen = false".to_owned()], "web.listen is false, and "),
        (vec!["web.listen = \"127.0.0.1:1\"".to_owned()], "web.listen is 127.0.0.1:1, and "),
        (vec![unix("w"), "web.url = \"http://w\"".to_owned()], "web.listen is /nowhere/w, and "),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut agent = Agent::prepare(&lines);
        let unix = UnixListener::bind(agent.socket()).expect("a writable directory");
        let web = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = web.local_addr().expect("bound").to_string();
        assert_eq!(start_with_sockets(&mut agent, [unix.into(), web.into()]), Some(78));
        let output = agent.output();
        for words in [words, &address, "systemctl edit pulsed-web.socket"] {
            assert!(output.contains(words), "{words}: {output}");
        }
        assert!(!agent.history().exists(), "no history was created");
    }
    // The same address is accepted.
    let web = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let same = format!("web.listen = \"{}\"", web.local_addr().expect("bound"));
    let mut agent = Agent::prepare(&[&same]);
    let unix = UnixListener::bind(agent.socket()).expect("a writable directory");
    assert_eq!(start_with_sockets(&mut agent, [unix.into(), web.into()]), None);
}

#[test]
fn rejects_two_passed_sockets_of_one_kind() {
    let tcp = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut agent = Agent::prepare(&[]);
    assert_eq!(start_with_sockets(&mut agent, [tcp().into(), tcp().into()]), Some(78));
    let unix = |name| UnixListener::bind(agent.dir().join(name)).expect("a writable directory");
    let two = [unix("one").into(), unix("two").into()];
    let mut agent = Agent::prepare(&[]);
    assert_eq!(start_with_sockets(&mut agent, two), Some(78));
    let output = agent.output();
    assert!(output.contains("2 sockets") && output.contains("pulsed-web.socket"), "{output}");
}

/// The receiving end of a service manager's notification socket.
struct NotifySocket(UnixDatagram);

impl NotifySocket {
    fn for_agent(agent: &mut Agent) -> Self {
        let path = agent.dir().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a writable directory");
        socket.set_read_timeout(Some(TIMEOUT)).expect("the timeout is not zero");
        agent.env("NOTIFY_SOCKET", path.to_str().expect("UTF-8"));
        Self(socket)
    }

    /// The next message, as its lines.
    #[track_caller]
    fn receive(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("a message");
        let text = String::from_utf8(bytes[..length].to_vec()).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// The next message that is not a watchdog keepalive.
    #[track_caller]
    fn receive_other(&self) -> Vec<String> {
        std::iter::repeat_with(|| self.receive())
            .find(|message| message[0] != "WATCHDOG=1")
            .expect("an endless iterator")
    }
}

#[test]
fn notifies_ready_reload_and_stop() {
    let mut agent = Agent::prepare(&[]);
    let manager = NotifySocket::for_agent(&mut agent);
    agent.launch();
    let ready = manager.receive();
    // A client may connect as soon as READY=1 is received.
    agent.connect().write("SEND hello\n").sync();
    assert_eq!(ready[0], "READY=1");
    let status = format!("STATUS=listening on {}", agent.socket().display());
    assert!(ready[1].starts_with(&status), "{ready:?}");

    let mut before = 0;
    for (lines, words) in [(vec![], "reloaded"), (vec!["nonsense"], "configuration rejected")] {
        agent.configure(&lines);
        agent.signal(Signal::SIGHUP);
        let reloading = manager.receive();
        assert_eq!(reloading[0], "RELOADING=1");
        let since = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
        let since: u64 = since.parse().expect("a number");
        assert!(since > before);
        before = since;
        let ready = manager.receive();
        assert_eq!(ready[0], "READY=1");
        assert!(ready[1].contains(": 1 events"), "{ready:?}");
        agent.wait_for_output(words);
    }
    agent.signal(Signal::SIGTERM);
    assert_eq!(manager.receive()[0], "STOPPING=1", "no keepalive without a watchdog");
    assert!(agent.wait().success());
}

#[test]
fn sends_watchdog_keepalives() {
    const WATCHDOG: Duration = Duration::from_millis(100);
    const KEEPALIVES: u32 = 9;
    let mut agent = Agent::prepare(&[]);
    let manager = NotifySocket::for_agent(&mut agent);
    agent.env("WATCHDOG_USEC", &WATCHDOG.as_micros().to_string());
    let start = Instant::now();
    agent.restart();
    assert_eq!(manager.receive()[0], "READY=1");
    for _ in 0..KEEPALIVES {
        let keepalive = manager.receive();
        assert_eq!(keepalive[0], "WATCHDOG=1");
        assert!(keepalive[1].starts_with("STATUS=listening on "), "{keepalive:?}");
    }
    // The first comes at once, the others at half the watchdog interval.
    assert!(start.elapsed() >= WATCHDOG / 2 * (KEEPALIVES - 1));
    agent.signal(Signal::SIGTERM);
    assert_eq!(manager.receive_other()[0], "STOPPING=1");
    assert!(agent.wait().success());
}

#[test]
fn runs_without_service_manager() {
    let mut agent = Agent::prepare(&[]);
    agent.env("NOTIFY_SOCKET", "/nowhere/notify");
    agent.restart();
    agent.wait_for_output("cannot reach the service manager");
}

/// The shipped units in a temporary directory, with the path of the built program.
fn units() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["pulsed.service", "pulsed.socket", "pulsed-web.socket"] {
        let text = unit(name).replace("/usr/bin/pulsed", PULSED);
        fs::write(dir.path().join(name), text).expect("a writable directory");
    }
    dir
}

fn unit(name: &str) -> String {
    fs::read_to_string(format!("{CONTRIB}/systemd/{name}")).expect("a shipped file")
}

/// The value of a key that occurs once in a unit.
#[track_caller]
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("{key}: missing"));
    assert_eq!(values.next(), None, "{key}: more than one");
    value
}

#[test]
fn units_are_valid_and_sandboxed() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let dir = units();
    let path = |name| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (service, socket) = (path("pulsed.service"), path("pulsed.socket"));
    let web = path("pulsed-web.socket");
    // The man pages are not installed yet.
    let verify = ["verify", "--man=no", &service, &socket, &web];
    let verified = Tool::new("systemd-analyze").args(&verify);
    let verified = verified.run();
    assert_eq!((verified.code, verified.err.as_str()), (Some(0), ""), "{verified:?}");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let exposed = ["security", "--offline=true", &threshold, "--no-pager", &service];
    let exposed = Tool::new("systemd-analyze").args(&exposed).run();
    assert_eq!(exposed.code, Some(0), "{exposed:?}");
}

#[test]
fn units_match_program_paths() {
    let (service, socket) = (unit("pulsed.service"), unit("pulsed.socket"));
    assert_eq!(value(&socket, "ListenStream"), SYSTEM_SOCKET);
    let datagrams = pulsed::config::beside(std::path::Path::new(SYSTEM_SOCKET));
    assert_eq!(value(&socket, "ListenDatagram"), datagrams.to_str().expect("UTF-8"));
    assert_eq!(value(&socket, "PassCredentials"), "yes");
    assert_eq!(value(&socket, "SocketMode"), format!("{DEFAULT_MODE:04o}"));
    assert_eq!(format!("/var/lib/{}", value(&service, "StateDirectory")), SYSTEM_STATE);

    let web = unit("pulsed-web.socket");
    let listen = format!("listen = \"{}\"", value(&web, "ListenStream"));
    let example = fs::read_to_string(format!("{CONTRIB}/pulsed.toml")).expect("a shipped file");
    let (_, example) = example.split_once("\n[web]\n").expect("a section");
    assert!(example.contains(&listen), "{listen}: {example}");
    assert_eq!(value(&web, "Service"), "pulsed.service");
    // Enabled, it passes its socket whatever starts the service. Disabled, it does not start.
    assert_eq!(value(&web, "WantedBy"), "sockets.target pulsed.service");
    assert_eq!(value(&service, "Also"), "pulsed.socket pulsed-web.socket");
    assert_eq!(value(&service, "Requires"), "pulsed.socket");
    // A stop ends by itself, and all connections have descriptors.
    let stop_max = value(&service, "TimeoutStopSec").trim_end_matches('s').parse::<u64>();
    let takes = DRAIN_MAX + CLOSE_WAIT_MAX;
    assert!(stop_max.expect("seconds") >= takes.as_secs() + 20, "{takes:?}");
    let open_files = value(&service, "LimitNOFILE").parse::<u64>().expect("a number");
    let needed = CONNECTIONS_MAX as u64 * DESCRIPTORS_OF_CONNECTION + DESCRIPTORS_RESERVED;
    assert!(open_files >= needed, "{needed}");
    // The agent asks for the users of loopback connections.
    assert!(value(&service, "RestrictAddressFamilies").contains("AF_NETLINK"));

    let tmpfiles =
        fs::read_to_string(format!("{CONTRIB}/tmpfiles/pulsed.conf")).expect("a shipped file");
    let (mode, user) = (value(&service, "StateDirectoryMode"), value(&service, "User"));
    assert!(tmpfiles.contains(&format!("d {SYSTEM_STATE} {mode} {user} ")), "{tmpfiles}");
    let mode = value(&socket, "DirectoryMode");
    assert!(tmpfiles.contains(&format!("d /run/pulsed {mode} root root ")), "{tmpfiles}");
    let sysusers =
        fs::read_to_string(format!("{CONTRIB}/sysusers/pulsed.conf")).expect("a shipped file");
    assert!(sysusers.contains(&format!("u {user} ")), "{sysusers}");
    // With these the agent could not determine the origin of events.
    for key in ["PrivateUsers", "ProtectProc", "ProcSubset"] {
        assert!(!service.lines().any(|line| line.starts_with(&format!("{key}="))), "{key}");
    }
}
