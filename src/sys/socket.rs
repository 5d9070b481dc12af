//! The agent's Unix sockets (unix(7)). They replace a dead agent's socket, never a live one's, and accept no
//! connection or datagram before owner, group and mode are set.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown,
};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr, getsockopt, sockopt,
};
use nix::sys::stat::{Mode, fchmod};

use super::lock::{Lock, LockError, by};
use super::{datagram, paths, users};

/// The longest path of a socket, in bytes: `sun_path` with its NUL is 108.
pub const PATH_MAX: usize = 107;

/// The length of the accept queue: 4096, and at most `net.core.somaxconn`.
const BACKLOG: Backlog = Backlog::MAXCONN;

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The mode of the socket's file. Connecting requires write permission.
    pub mode: u32,
    /// Its owner. `None` leaves the agent's uid.
    pub owner: Option<u32>,
    /// Its group. `None` leaves the agent's gid.
    pub group: Option<u32>,
}

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A running agent, or another program, listens there. It keeps its socket.
    #[error(
        "cannot listen: {}: in use by a running agent{}; stop that agent first, or set another \
         {key}", path.display(), by(*pid)
    )]
    Running {
        /// The socket.
        path: PathBuf,
        /// The process that listens, if known.
        pid: Option<u32>,
        /// The key that sets the path.
        key: &'static str,
    },
    /// The file is not a socket of this kind. It is left alone.
    #[error("cannot listen: {}: exists and is not an agent's socket; remove it, or set another {key}",
        path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
        /// The key that sets the path.
        key: &'static str,
    },
    /// This user may not create files in the directory, as by default in `/run/pulsed`, where systemd creates the socket.
    #[error(
        "cannot listen: {}: this user ({user}) may not create files in {}: let systemd create the socket (systemctl \
         start pulsed.socket pulsed.service), give the directory to this user (chown {user} {}), or set another \
         {key}", path.display(), dir.display(), dir.display()
    )]
    Directory {
        /// The socket.
        path: PathBuf,
        /// Its directory.
        dir: PathBuf,
        /// The name of the user that this process runs as.
        user: String,
        /// The key that sets the path of the socket.
        key: &'static str,
    },
    /// A system call failed.
    #[error("cannot {doing}: {}: {cause}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
}

impl BindError {
    fn io(doing: &'static str, path: &Path, cause: impl Into<io::Error>) -> Self {
        Self::Io { doing, path: path.into(), cause: cause.into() }
    }
}

/// The file of a listening socket. Removed when this is dropped, unless the file was replaced.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    // Released after the file is removed, so that the next agent finds either both or neither.
    _lock: Lock,
}

impl SocketFile {
    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on `path`. The listener does not block and is closed on exec. A lock file, `path.lock`, ensures
/// that only one of two agents that start at once listens. The directory must exist, unless it is that of
/// the default socket, which is created with mode 0755.
///
/// # Errors
/// [`BindError`]
pub fn bind(
    path: &Path,
    permissions: Permissions,
) -> Result<(UnixListener, SocketFile), BindError> {
    create_default_directory(path)?;
    // Until listen(2) every connect(2) fails, so the mode that the umask left does no harm.
    let (socket, file) = bind_kind(SockType::Stream, path, permissions)?;
    socket::listen(&socket, BACKLOG).map_err(|e| BindError::io("listen", path, e))?;
    Ok((UnixListener::from(socket), file))
}

/// As [`bind`], for datagrams, each of which comes with the credentials of its sender.
///
/// # Errors
/// [`BindError`]
pub fn bind_datagram(
    path: &Path,
    permissions: Permissions,
) -> Result<(UnixDatagram, SocketFile), BindError> {
    let (socket, file) = bind_kind(SockType::Datagram, path, permissions)?;
    Ok((UnixDatagram::from(socket), file))
}

fn bind_kind(
    kind: SockType,
    path: &Path,
    permissions: Permissions,
) -> Result<(OwnedFd, SocketFile), BindError> {
    let lock = lock(kind, path)?;
    remove_dead(kind, path)?;

    let socket = new_socket(kind).map_err(|e| BindError::io("create a socket", path, e))?;
    if kind == SockType::Datagram {
        let prepared = datagram::pass_credentials(&socket);
        prepared.map_err(|e| BindError::io("receive credentials on", path, e))?;
        // Linux gives the file the mode of the socket: it accepts datagrams as soon as it is bound.
        let closed = fchmod(&socket, Mode::empty());
        closed.map_err(|e| BindError::io("change the mode", path, e))?;
    }
    let address = UnixAddr::new(path).map_err(|e| BindError::io("bind", path, e))?;
    socket::bind(socket.as_raw_fd(), &address).map_err(|e| BindError::io("bind", path, e))?;
    let meta = metadata(path)?.ok_or_else(|| BindError::io("find", path, Errno::ENOENT))?;
    let file = SocketFile { path: path.into(), device: meta.dev(), inode: meta.ino(), _lock: lock };

    if permissions.owner.is_some() || permissions.group.is_some() {
        chown(path, permissions.owner, permissions.group)
            .map_err(|e| BindError::io("change owner and group", path, e))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(permissions.mode))
        .map_err(|e| BindError::io("change the mode", path, e))?;
    Ok((socket, file))
}

fn new_socket(kind: SockType) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket::socket(AddressFamily::Unix, kind, flags, None)
}

/// The key that sets the path of a socket of this kind.
fn key(kind: SockType) -> &'static str {
    if kind == SockType::Datagram { "syslog.path" } else { "socket.path" }
}

fn create_default_directory(path: &Path) -> Result<(), BindError> {
    if paths::agent_socket().as_deref() != Some(path) {
        return Ok(());
    }
    let Some(parent) = path.parent() else { return Ok(()) };
    create_directory(parent).map_err(|cause| BindError::io("create the directory", parent, cause))
}

fn create_directory(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(dir) {
        // Regardless of the umask: other users must reach the system's socket.
        Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn lock(kind: SockType, path: &Path) -> Result<Lock, BindError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = PathBuf::from(name);
    Lock::take(&file).map_err(|error| match error {
        // The process that listens may not be the one that holds the lock, and is the one to name.
        LockError::Held { pid, .. } => {
            let pid = match probe(kind, path) {
                Ok(Probe::Alive(listening)) => listening.or(pid),
                _ => pid,
            };
            BindError::Running { path: path.into(), pid, key: key(kind) }
        }
        LockError::Io { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
            let uid = users::current();
            let name = users::user_name(uid).ok().flatten();
            let dir = path.parent().unwrap_or(path).into();
            let user = name.unwrap_or_else(|| uid.to_string());
            BindError::Directory { path: path.into(), dir, user, key: key(kind) }
        }
        LockError::Io { cause, .. } => BindError::io("lock", &file, cause),
    })
}

/// Removes a socket without a listener.
fn remove_dead(kind: SockType, path: &Path) -> Result<(), BindError> {
    let Some(meta) = metadata(path)? else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(BindError::Occupied { path: path.into(), key: key(kind) });
    }
    match probe(kind, path) {
        Ok(Probe::Alive(pid)) => Err(BindError::Running { path: path.into(), pid, key: key(kind) }),
        Ok(Probe::Dead) => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(BindError::io("remove the dead socket", path, e))
            }
            _ => Ok(()),
        },
        // A socket of the other kind: another program's.
        Err(Errno::EPROTOTYPE) => Err(BindError::Occupied { path: path.into(), key: key(kind) }),
        // A datagram socket that is connected to another one.
        Err(Errno::EPERM) if kind == SockType::Datagram => {
            Err(BindError::Running { path: path.into(), pid: None, key: key(kind) })
        }
        Err(error) => Err(BindError::io("connect to the existing socket", path, error)),
    }
}

fn metadata(path: &Path) -> Result<Option<Metadata>, BindError> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(BindError::io("stat", path, e)),
    }
}

enum Probe {
    /// A process listens. Holds its pid, if known.
    Alive(Option<u32>),
    /// No process listens.
    Dead,
}

fn probe(kind: SockType, path: &Path) -> nix::Result<Probe> {
    let socket = new_socket(kind)?;
    match socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) => {
            let credentials = getsockopt(&socket, sockopt::PeerCredentials)?;
            Ok(Probe::Alive(u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0)))
        }
        // The accept queue is full, so a process listens.
        Err(Errno::EAGAIN) => Ok(Probe::Alive(None)),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(Probe::Dead),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
