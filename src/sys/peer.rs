//! The peer of a Unix socket (unix(7), `SO_PEERCRED`).

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{SysconfVar, sysconf};

use super::cgroup;
use crate::event::Origin;

/// The longest file below /proc/PID that is read, in bytes.
const PROC_FILE_MAX: u64 = 64 * 1024;

/// The process that connected, as the kernel recorded it at connect(2). Another process may hold the
/// descriptor now.
#[derive(Debug)]
pub struct Peer {
    /// The pid. `None` if the process is in a pid namespace that is not visible from here.
    pub pid: Option<u32>,
    /// Its effective uid.
    pub uid: u32,
    /// Its effective gid.
    pub gid: u32,
    proof: Proof,
}

/// Shows whether a pid still is that of the process that connected.
#[derive(Debug)]
enum Proof {
    /// A reference to the process itself.
    Pidfd(OwnedFd),
    /// Before Linux 6.5: the time of accept(2) in clock ticks since boot. `None` if that is unknown.
    Accepted(Option<u64>),
}

impl Peer {
    /// Reads the credentials of the peer of a connected socket. Call it right after accept(2).
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn from_socket(socket: &impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials)?;
        let proof = match getsockopt(socket, sockopt::PeerPidfd) {
            Ok(pidfd) => Proof::Pidfd(pidfd),
            Err(_) => Proof::Accepted(ticks_now()),
        };
        let pid = u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0);
        Ok(Self { pid, uid: credentials.uid(), gid: credentials.gid(), proof })
    }

    /// Returns what the kernel verifies about the peer: all but the user's name. Reads /proc.
    ///
    /// Command and unit are read by pid, which may have been reused. A pidfd rules that out. Without one,
    /// the process must have the peer's uid and must have started before accept(2). That is weaker: another
    /// process of the same user that got the pid between connect and accept passes. What fails the check is
    /// absent.
    pub fn origin(&self) -> Origin {
        let Process { comm, unit } = self.process().unwrap_or_default();
        Origin { pid: self.pid, uid: Some(self.uid), comm, unit, ..Origin::default() }
    }

    /// Reads command and unit. `None` unless the pid was still the peer's afterwards.
    fn process(&self) -> Option<Process> {
        let pid = self.pid?;
        let comm = read(pid, "comm").map(|text| text.trim_end_matches('\n').to_owned());
        let unit = read(pid, "cgroup").and_then(|text| cgroup::unit(&text).map(str::to_owned));
        let comm = comm.filter(|comm| !comm.is_empty());
        let still = match &self.proof {
            Proof::Pidfd(pidfd) => pid_of(pidfd) == Some(pid),
            Proof::Accepted(ticks) => self.is_older_than((*ticks)?, pid),
        };
        still.then_some(Process { comm, unit })
    }

    fn is_older_than(&self, accepted: u64, pid: u32) -> bool {
        let started = read(pid, "stat").and_then(|stat| started(&stat));
        let uid = read(pid, "status").and_then(|status| effective_uid(&status));
        // Equal counts pass: a tick is 10 ms, and a short-lived sender starts and connects within one. The
        // kernel assigns pids in sequence, so none is reused within a tick.
        started.is_some_and(|started| started <= accepted) && uid == Some(self.uid)
    }
}

/// What /proc says about a process.
#[derive(Default)]
struct Process {
    comm: Option<String>,
    unit: Option<String>,
}

/// Reads a file below /proc/PID. Invalid UTF-8, as a command's name may have, becomes U+FFFD.
fn read(pid: u32, name: &str) -> Option<String> {
    read_proc(&format!("/proc/{pid}/{name}"))
}

/// Reads a file of proc(5). The kernel generates it for each read(2), so one read requests all of it.
fn read_proc(path: &str) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let mut start = [0; 4096];
    let len = file.read(&mut start).ok()?;
    let mut bytes = start[..len].to_vec();
    if len == start.len() {
        file.take(PROC_FILE_MAX).read_to_end(&mut bytes).ok()?;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The pid of a pidfd. `None` once the process was reaped, and not before its pid can be reused
/// (pidfd_open(2): `Pid` in fdinfo is then -1).
fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = read_proc(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// Field 22 of /proc/PID/stat: the start time in clock ticks since boot. The command before it, in
/// parentheses, may hold any characters.
fn started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The second number after `Uid:` in /proc/PID/status.
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Clock ticks since boot, as in /proc/PID/stat.
fn ticks_now() -> Option<u64> {
    let second = sysconf(SysconfVar::CLK_TCK).ok()??;
    ticks(&fs::read_to_string("/proc/uptime").ok()?, u64::try_from(second).ok()?)
}

fn ticks(uptime: &str, second: u64) -> Option<u64> {
    let (seconds, hundredths) = uptime.split_ascii_whitespace().next()?.split_once('.')?;
    let (seconds, hundredths): (u64, u64) = (seconds.parse().ok()?, hundredths.parse().ok()?);
    Some(seconds * second + hundredths * second / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Child, Command, Stdio};

    fn without_pidfd(peer: Peer) -> Peer {
        Peer { proof: Proof::Accepted(ticks_now()), ..peer }
    }

    #[test]
    fn oneself() {
        let (a, _b) = UnixStream::pair().expect("a pair");
        let peer = Peer::from_socket(&a).expect("a peer");
        assert_eq!(peer.pid, Some(std::process::id()));
        assert_eq!(peer.uid, super::super::users::current());
        let comm = fs::read_to_string("/proc/self/comm").expect("proc");
        let origin = peer.origin();
        assert_eq!(origin.comm.as_deref(), Some(comm.trim_end()));
        assert_eq!(without_pidfd(peer).origin(), origin, "both proofs hold for the living");
    }

    #[test]
    fn a_dead_peer_has_only_its_credentials() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).expect("bound");
        let mut child = connect_as_another(&path);
        let (stream, _) = listener.accept().expect("accepted");
        let peer = Peer::from_socket(&stream).expect("a peer");
        assert_eq!(peer.pid, Some(child.id()));
        assert_eq!(peer.origin().comm.as_deref(), Some("nc"));

        child.kill().expect("killed");
        child.wait().expect("reaped");
        let origin = peer.origin();
        assert_eq!((origin.pid, origin.uid), (Some(child.id()), Some(peer.uid)));
        assert_eq!((&origin.comm, &origin.unit), (&None, &None));
        assert_eq!(without_pidfd(peer).origin(), origin);
    }

    fn connect_as_another(path: &std::path::Path) -> Child {
        let mut command = Command::new("nc");
        command.arg("-U").arg(path).stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().expect("nc (netcat-openbsd) is there")
    }

    #[test]
    fn without_a_pidfd_rejects_younger_processes_and_other_users() {
        let (a, _b) = UnixStream::pair().expect("a pair");
        let peer = || Peer::from_socket(&a).expect("a peer");
        let accepted = |ticks| Peer { proof: Proof::Accepted(ticks), ..peer() }.origin().comm;
        let stat = fs::read_to_string("/proc/self/stat").expect("proc");
        let began = started(&stat).expect("field 22");
        assert!(accepted(Some(began)).is_some());
        assert_eq!(accepted(Some(began - 1)), None);
        assert_eq!(accepted(None), None);
        let other = Peer { uid: peer().uid + 1, ..without_pidfd(peer()) };
        assert_eq!(other.origin().comm, None);
    }

    #[test]
    fn parses_proc() {
        let stat = "7 (a) b) 0) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert_eq!(started(stat), Some(4711));
        assert_eq!(started(""), None);
        assert_eq!(effective_uid("Name:\tx\nUid:\t1\t33\t3\t4\nGid:\t9\t9\n"), Some(33));
        assert_eq!(ticks("12.34 5.00\n", 100), Some(1234));
        assert_eq!(ticks("12.34 5.00\n", 1024), Some(12 * 1024 + 34 * 1024 / 100));
        assert_eq!(ticks("", 100), None);
    }
}
