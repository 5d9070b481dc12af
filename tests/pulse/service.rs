//! What a service manager sees: the socket that it hands over, what it is told, the units.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pulsed::config::DEFAULT_MODE;
use pulsed::sys::paths::{SYSTEM_SOCKET, SYSTEM_STATE};

use crate::harness::{Agent, Client, PATIENCE, PULSED, Tool, as_root, parse};

/// The units and what goes with them.
const CONTRIB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib");

/// The highest exposure that is allowed, in tenths.
const EXPOSURE_MAX: &str = "17";

/// Whether this program is there. Says loudly what is not tested if it is not.
fn there_is(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("\n*** NOT TESTED, because there is no {program}: apt-get install systemd ***\n");
    }
    there
}

#[test]
fn activated_by_systemd_it_serves_and_tells_who_it_was() {
    if !there_is("systemd-socket-activate") {
        return;
    }
    let mut agent = Agent::prepare(&[]);
    let socket = agent.socket_text();
    agent.launch_by(&["systemd-socket-activate", "--listen", socket]);
    agent.restart();
    // It leaves its sockets to one user, whatever the umask.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).expect("it is ours");
    agent.send(&["by hand"]).ok();
    let line = agent.tail(&["-n1", "-o", "json"]).ok();
    let origin = parse(line.trim_end()).event()["origin"].clone();
    assert_eq!(origin["comm"], "pulse-send");
    assert_eq!(origin["uid"], nix::unistd::geteuid().as_raw());
    if as_root("another user at an activated agent") {
        let say = format!("printf 'SEND hello\\nSYNC\\n' | nc -NU {socket}");
        let as_nobody = ["--reuid=65534", "--clear-groups", "sh", "-c", say.as_str()];
        Tool::new("setpriv").args(&as_nobody).ok();
        let lines = agent.connect().tail("{\"match\":\"_uid=65534 _comm=nc\"}");
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    assert!(agent.stop().success());
    assert!(agent.socket().exists(), "it is not the agent's to remove");
}

#[test]
fn a_socket_that_is_handed_over_is_served_by_one_agent_after_the_other() {
    let mut agent = Agent::prepare(&[]);
    agent.hold_socket(0o640);
    let inode = fs::metadata(agent.socket()).expect("there").ino();
    for round in 1..=2 {
        // Nobody runs, and nobody is refused.
        let early = UnixStream::connect(agent.socket()).expect("the socket is held");
        agent.restart();
        Client::over(early).say("SEND early\n").sync();
        assert!(agent.stop().success());
        let meta = fs::metadata(agent.socket()).expect("it is not the agent's to remove");
        assert_eq!((meta.ino(), meta.mode() & 0o777), (inode, 0o640));
        let events = agent.history_text().lines().filter(|line| line.contains("early")).count();
        assert_eq!(events, round);
    }
    // What is configured and true is taken.
    agent.configure(&["socket.mode = \"0640\"", &format!("socket.owner = {}", own_uid())]);
    agent.restart();
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn one_that_is_not_as_configured_is_refused_with_what_to_write_where() {
    let elsewhere = "socket.path = \"/nowhere/pulsed.sock\"";
    for (line, fixes) in [
        ("socket.mode = \"0600\"", ["0666", "SocketMode=0600"]),
        ("socket.owner = 4000000000", ["owner", "SocketUser=4000000000"]),
        ("socket.group = 4000000000", ["group", "SocketGroup=4000000000"]),
        (elsewhere, ["ListenStream= ", "ListenStream=/nowhere/pulsed.sock"]),
    ] {
        let mut agent = Agent::prepare(&[line]);
        agent.hold_socket(0o666);
        agent.launch();
        // 78 is not tried again by the unit: somebody must change something first.
        assert_eq!(agent.wait().code(), Some(78), "{}", agent.said());
        let said = agent.said();
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in fixes.into_iter().chain(["pulsed.socket.d", "systemctl edit pulsed.socket"]) {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!agent.history().exists(), "nothing was begun");
    }
}

#[test]
fn two_sockets_or_something_else_are_refused() {
    for (handed_over, words) in [
        ("exec 3<&0 4<&0; export LISTEN_FDS=2", "2 sockets"),
        ("exec 3</dev/null; export LISTEN_FDS=1", "not the listening Unix stream socket"),
    ] {
        let mut agent = Agent::prepare(&[]);
        let script = format!("{handed_over} LISTEN_PID=$$; exec \"$@\"");
        agent.launch_by(&["sh", "-c", &script, "sh"]);
        agent.launch();
        assert_eq!(agent.wait().code(), Some(78), "{}", agent.said());
        assert!(agent.said().contains(words), "{}", agent.said());
    }
    // What was meant for another process is none of ours.
    let mut agent = Agent::prepare(&[]);
    agent.env("LISTEN_PID", "1");
    agent.env("LISTEN_FDS", "1");
    agent.restart();
}

/// A service manager's ear.
struct Ear(UnixDatagram);

impl Ear {
    fn of(agent: &mut Agent) -> Self {
        let path = agent.dir().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the directory is ours");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        agent.env("NOTIFY_SOCKET", path.to_str().expect("UTF-8"));
        Self(socket)
    }

    /// The next message, as its lines.
    #[track_caller]
    fn hear(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("a message");
        let text = String::from_utf8(bytes[..length].to_vec()).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// The next message that is no sign of life.
    #[track_caller]
    fn hear_news(&self) -> Vec<String> {
        std::iter::repeat_with(|| self.hear())
            .find(|said| said[0] != "WATCHDOG=1")
            .expect("endless")
    }
}

#[test]
fn the_manager_is_told_when_it_serves_reads_again_and_ends() {
    let mut agent = Agent::prepare(&[]);
    let ear = Ear::of(&mut agent);
    agent.launch();
    let ready = ear.hear();
    // Not a moment later: who was told may connect.
    agent.connect().say("SEND hello\n").sync();
    assert_eq!(ready[0], "READY=1");
    let status = format!("STATUS=listening on {}", agent.socket().display());
    assert!(ready[1].starts_with(&status), "{ready:?}");

    let mut before = 0;
    for (lines, words) in [(vec![], "read again"), (vec!["nonsense"], "not taken")] {
        agent.configure(&lines);
        agent.signal(Signal::SIGHUP);
        let reloading = ear.hear();
        assert_eq!(reloading[0], "RELOADING=1");
        let since = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
        let since: u64 = since.parse().expect("a number");
        assert!(since > before);
        before = since;
        let ready = ear.hear();
        assert_eq!(ready[0], "READY=1");
        assert!(ready[1].contains(": 1 events"), "{ready:?}");
        agent.until_said(words);
    }
    agent.signal(Signal::SIGTERM);
    assert_eq!(ear.hear()[0], "STOPPING=1", "and no sign of life that nobody asked for");
    assert!(agent.wait().success());
}

#[test]
fn the_manager_is_given_signs_of_life() {
    const PATIENCE_OF_MANAGER: Duration = Duration::from_millis(100);
    const SIGNS: u32 = 9;
    let mut agent = Agent::prepare(&[]);
    let ear = Ear::of(&mut agent);
    agent.env("WATCHDOG_USEC", &PATIENCE_OF_MANAGER.as_micros().to_string());
    let start = Instant::now();
    agent.restart();
    assert_eq!(ear.hear()[0], "READY=1");
    for _ in 0..SIGNS {
        let sign = ear.hear();
        assert_eq!(sign[0], "WATCHDOG=1");
        assert!(sign[1].starts_with("STATUS=listening on "), "{sign:?}");
    }
    // The first comes at once, the others at half of the time.
    assert!(start.elapsed() >= PATIENCE_OF_MANAGER / 2 * (SIGNS - 1));
    agent.signal(Signal::SIGTERM);
    assert_eq!(ear.hear_news()[0], "STOPPING=1");
    assert!(agent.wait().success());
}

#[test]
fn without_a_manager_it_runs_and_says_so() {
    let mut agent = Agent::prepare(&[]);
    agent.env("NOTIFY_SOCKET", "/nowhere/notify");
    agent.restart();
    agent.until_said("cannot reach the service manager");
}

/// The units as they are shipped, in a directory where the program is there.
fn units() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["pulsed.service", "pulsed.socket"] {
        let text = unit(name).replace("/usr/bin/pulsed", PULSED);
        fs::write(dir.path().join(name), text).expect("the directory is ours");
    }
    dir
}

fn unit(name: &str) -> String {
    fs::read_to_string(format!("{CONTRIB}/systemd/{name}")).expect("it is shipped")
}

/// The value of a key that stands once in a unit.
#[track_caller]
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("{key}: missing"));
    assert_eq!(values.next(), None, "{key}: more than one");
    value
}

#[test]
fn the_units_are_sound_and_exposed_little() {
    if !there_is("systemd-analyze") {
        return;
    }
    let dir = units();
    let path = |name| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (service, socket) = (path("pulsed.service"), path("pulsed.socket"));
    // The man pages are not installed yet.
    let verified = Tool::new("systemd-analyze").args(&["verify", "--man=no", &service, &socket]);
    let verified = verified.run();
    assert_eq!((verified.code, verified.err.as_str()), (Some(0), ""), "{verified:?}");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let exposed = ["security", "--offline=true", &threshold, "--no-pager", &service];
    let exposed = Tool::new("systemd-analyze").args(&exposed).run();
    assert_eq!(exposed.code, Some(0), "{exposed:?}");
}

#[test]
fn the_units_and_the_program_mean_the_same_places() {
    let (service, socket) = (unit("pulsed.service"), unit("pulsed.socket"));
    assert_eq!(value(&socket, "ListenStream"), SYSTEM_SOCKET);
    assert_eq!(value(&socket, "SocketMode"), format!("{DEFAULT_MODE:04o}"));
    assert_eq!(format!("/var/lib/{}", value(&service, "StateDirectory")), SYSTEM_STATE);

    let tmpfiles = fs::read_to_string(format!("{CONTRIB}/tmpfiles/pulsed.conf")).expect("shipped");
    let (mode, user) = (value(&service, "StateDirectoryMode"), value(&service, "User"));
    assert!(tmpfiles.contains(&format!("d {SYSTEM_STATE} {mode} {user} ")), "{tmpfiles}");
    let mode = value(&socket, "DirectoryMode");
    assert!(tmpfiles.contains(&format!("d /run/pulsed {mode} root root ")), "{tmpfiles}");
    let sysusers = fs::read_to_string(format!("{CONTRIB}/sysusers/pulsed.conf")).expect("shipped");
    assert!(sysusers.contains(&format!("u {user} ")), "{sysusers}");
    // With these it could not tell whose events they are.
    for key in ["PrivateUsers", "ProtectProc", "ProcSubset"] {
        assert!(!service.lines().any(|line| line.starts_with(&format!("{key}="))), "{key}");
    }
}
