//! Who is at the other end of a Unix socket (unix(7), SO_PEERCRED).

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{SysconfVar, sysconf};

use super::unit;
use super::users::Names;
use crate::event::Origin;

/// The longest file below /proc/PID that is read, in bytes.
const PROC_FILE_MAX: u64 = 64 * 1024;

/// Who connected, as the kernel noted it at connect(2). It says nothing about who holds the
/// descriptor now.
#[derive(Debug)]
pub struct Peer {
    /// The process; none where it lives in a pid namespace that is not visible from here.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    proof: Proof,
}

/// What will tell whether a pid still means the process that connected.
#[derive(Debug)]
enum Proof {
    /// A reference to the process itself.
    Pidfd(OwnedFd),
    /// Before Linux 6.5 there is none. Then: when the connection was accepted, in clock ticks since
    /// the machine started, or none where even that is unknown.
    Accepted(Option<u64>),
}

impl Peer {
    /// Asks the kernel who is at the other end of a connected socket. Call it right after accept(2).
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials)?;
        let proof = match getsockopt(socket, sockopt::PeerPidfd) {
            Ok(pidfd) => Proof::Pidfd(pidfd),
            Err(_) => Proof::Accepted(ticks_now()),
        };
        let pid = u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0);
        Ok(Self { pid, uid: credentials.uid(), gid: credentials.gid(), proof })
    }

    /// What can be vouched for about it. Reads /proc and may ask a directory service for the user's
    /// name: never on a thread that serves live traffic, and with a time limit around it.
    ///
    /// Command and unit are read by pid, which another process may have by then. With a pidfd it is
    /// certain that none has. Without, the process must have the peer's user and must have started
    /// before the connection was accepted. That is weaker: it can be fooled by another process of
    /// the same user that got the pid in between connect and accept. What fails the test is absent.
    pub fn origin(&self, names: &Names) -> Origin {
        let (comm, unit) = self.process().unwrap_or_default();
        let user = names.get(self.uid);
        Origin { pid: self.pid, uid: Some(self.uid), user, comm, unit, ..Origin::default() }
    }

    /// The command and the unit, if they were still the peer's own after they had been read.
    fn process(&self) -> Option<(Option<String>, Option<String>)> {
        let pid = self.pid?;
        let comm = read(pid, "comm").map(|text| text.trim_end_matches('\n').to_owned());
        let unit = read(pid, "cgroup").and_then(|text| unit::of_cgroup(&text).map(str::to_owned));
        let comm = comm.filter(|comm| !comm.is_empty());
        let still = match &self.proof {
            Proof::Pidfd(pidfd) => pid_of(pidfd) == Some(pid),
            Proof::Accepted(ticks) => self.is_older_than((*ticks)?, pid),
        };
        still.then_some((comm, unit))
    }

    fn is_older_than(&self, accepted: u64, pid: u32) -> bool {
        let started = read(pid, "stat").and_then(|stat| started(&stat));
        let uid = read(pid, "status").and_then(|status| effective_uid(&status));
        // A tick is 10 ms, and a short-lived sender starts and connects within one. The kernel gives
        // out pids in turn, so that none comes back as soon as that.
        started.is_some_and(|started| started <= accepted) && uid == Some(self.uid)
    }
}

/// A file below /proc/PID. A command's name may be any bytes: what is not UTF-8 becomes U+FFFD.
fn read(pid: u32, name: &str) -> Option<String> {
    read_proc(&format!("/proc/{pid}/{name}"))
}

/// A file of proc(5). It is short, and its kernel side makes it anew for each read: so one read is
/// asked for all of it.
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

/// The pid that a pidfd stands for. As long as there is one, the process has not been reaped and its
/// pid cannot mean another (pidfd_open(2): `Pid` in fdinfo is -1 from then on).
fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = read_proc(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// Field 22 of /proc/PID/stat: when it started, in clock ticks since the machine did. The command in
/// front, in brackets, may hold anything.
fn started(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The second number behind `Uid:` in /proc/PID/status.
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Clock ticks since the machine started, counted as /proc/PID/stat counts them.
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
        let names = Names::default();
        let peer = Peer::of(&a).expect("a peer");
        assert_eq!(peer.pid, Some(std::process::id()));
        assert_eq!(peer.uid, super::super::users::current());
        let comm = fs::read_to_string("/proc/self/comm").expect("proc");
        let origin = peer.origin(&names);
        assert_eq!(origin.comm.as_deref(), Some(comm.trim_end()));
        assert_eq!(origin.user, names.get(peer.uid));
        assert_eq!(without_pidfd(peer).origin(&names), origin, "both proofs hold for the living");
    }

    #[test]
    fn of_the_dead_only_the_kernels_word_remains() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).expect("bound");
        let mut child = connect_as_another(&path);
        let (stream, _) = listener.accept().expect("accepted");
        let peer = Peer::of(&stream).expect("a peer");
        assert_eq!(peer.pid, Some(child.id()));
        let names = Names::default();
        assert_eq!(peer.origin(&names).comm.as_deref(), Some("nc"));

        child.kill().expect("killed");
        child.wait().expect("reaped");
        let origin = peer.origin(&names);
        assert_eq!((origin.pid, origin.uid), (Some(child.id()), Some(peer.uid)));
        assert_eq!((&origin.comm, &origin.unit), (&None, &None));
        assert_eq!(without_pidfd(peer).origin(&names), origin);
    }

    fn connect_as_another(path: &std::path::Path) -> Child {
        let mut command = Command::new("nc");
        command.arg("-U").arg(path).stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().expect("nc (netcat-openbsd) is there")
    }

    #[test]
    fn without_a_pidfd_a_younger_process_or_another_users_is_not_believed() {
        let (a, _b) = UnixStream::pair().expect("a pair");
        let names = Names::default();
        let peer = || Peer::of(&a).expect("a peer");
        let accepted = |ticks| Peer { proof: Proof::Accepted(ticks), ..peer() }.origin(&names).comm;
        let stat = fs::read_to_string("/proc/self/stat").expect("proc");
        let began = started(&stat).expect("field 22");
        assert!(accepted(Some(began)).is_some());
        assert_eq!(accepted(Some(began - 1)), None);
        assert_eq!(accepted(None), None);
        let other = Peer { uid: peer().uid + 1, ..without_pidfd(peer()) };
        assert_eq!(other.origin(&names).comm, None);
    }

    #[test]
    fn fields_of_proc() {
        let stat = "7 (a) b) 0) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert_eq!(started(stat), Some(4711));
        assert_eq!(started(""), None);
        assert_eq!(effective_uid("Name:\tx\nUid:\t1\t33\t3\t4\nGid:\t9\t9\n"), Some(33));
        assert_eq!(ticks("12.34 5.00\n", 100), Some(1234));
        assert_eq!(ticks("12.34 5.00\n", 1024), Some(12 * 1024 + 34 * 1024 / 100));
        assert_eq!(ticks("", 100), None);
    }
}
