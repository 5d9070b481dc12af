//! The agent's Unix socket (unix(7)): taken over from a dead agent, never from a live one, and open to
//! nobody before its owner, group and mode are set.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr, getsockopt, sockopt,
};

use super::lock::{Lock, LockError, by};
use super::paths;

/// The longest path of a socket, in bytes: `sun_path` with its NUL is 108.
pub const PATH_MAX: usize = 107;

/// How many connections may wait to be accepted: 4096. The kernel holds it to
/// `net.core.somaxconn`.
const BACKLOG: Backlog = Backlog::MAXCONN;

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The mode of the socket's file; to connect takes the right to write.
    pub mode: u32,
    /// The uid that it is given to; none leaves it with the agent's own.
    pub owner: Option<u32>,
    /// The gid that it is given to; none leaves it with the agent's own.
    pub group: Option<u32>,
}

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An agent is there, or something else that listens. It keeps its socket.
    #[error(
        "{} is in use by a running agent{}; stop that one first, or give this one another \
         socket.path", path.display(), by(*pid)
    )]
    Running {
        /// The socket.
        path: PathBuf,
        /// The process that listens, where the kernel says so.
        pid: Option<u32>,
    },
    /// A file is there that is no stream socket; it is left alone.
    #[error("{} is there and is not an agent's socket; remove it, or choose another socket.path",
        path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// The system said no.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

impl BindError {
    fn io(doing: &'static str, path: &Path, cause: impl Into<io::Error>) -> Self {
        Self::Io { doing, path: path.into(), cause: cause.into() }
    }
}

/// The socket's file, as long as the agent listens. When this is dropped the file is removed, unless
/// it is no longer the same one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    // Released after the file is gone: the next agent finds the place free or taken, nothing between.
    _lock: Lock,
}

impl SocketFile {
    /// Where it is.
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

/// Listens on `path`. The listener does not block and is closed on exec. Beside the socket lies a
/// lock file, `path.lock`, so that of two agents that start at once one refuses. The directory must
/// be there, unless it is a default place, which is then made with mode 0755.
pub fn bind(
    path: &Path,
    permissions: Permissions,
) -> Result<(UnixListener, SocketFile), BindError> {
    make_default_directory(path)?;
    let lock = lock(path)?;
    remove_dead(path)?;

    let socket = stream_socket().map_err(|e| BindError::io("make a socket for", path, e))?;
    let address = UnixAddr::new(path).map_err(|e| BindError::io("bind", path, e))?;
    socket::bind(socket.as_raw_fd(), &address).map_err(|e| BindError::io("bind", path, e))?;
    let meta = look(path)?.ok_or_else(|| BindError::io("find", path, Errno::ENOENT))?;
    let file = SocketFile { path: path.into(), device: meta.dev(), inode: meta.ino(), _lock: lock };

    // Until listen(2) every connect(2) is refused, so that nobody gets in under the mode that the
    // umask left.
    if permissions.owner.is_some() || permissions.group.is_some() {
        chown(path, permissions.owner, permissions.group)
            .map_err(|e| BindError::io("change owner and group of", path, e))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(permissions.mode))
        .map_err(|e| BindError::io("change the mode of", path, e))?;
    socket::listen(&socket, BACKLOG).map_err(|e| BindError::io("listen on", path, e))?;
    Ok((UnixListener::from(socket), file))
}

fn stream_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

fn make_default_directory(path: &Path) -> Result<(), BindError> {
    if paths::agent_socket().as_deref() != Some(path) {
        return Ok(());
    }
    let Some(parent) = path.parent() else { return Ok(()) };
    make_directory(parent).map_err(|cause| BindError::io("make the directory", parent, cause))
}

fn make_directory(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(dir) {
        // Whatever the umask: a system's socket behind a closed directory would be of no use.
        Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn lock(path: &Path) -> Result<Lock, BindError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = PathBuf::from(name);
    Lock::take(&file).map_err(|error| match error {
        // The one that listens is the better witness: it may not be the one that holds the lock.
        LockError::Held { pid, .. } => match probe(path) {
            Ok(Probe::Alive(listening)) => {
                BindError::Running { path: path.into(), pid: listening.or(pid) }
            }
            _ => BindError::Running { path: path.into(), pid },
        },
        LockError::Io { cause, .. } => BindError::io("lock", &file, cause),
    })
}

/// Makes way: removes a socket that nobody listens on.
fn remove_dead(path: &Path) -> Result<(), BindError> {
    let Some(meta) = look(path)? else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(BindError::Occupied { path: path.into() });
    }
    match probe(path) {
        Ok(Probe::Alive(pid)) => Err(BindError::Running { path: path.into(), pid }),
        Ok(Probe::Dead) => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(BindError::io("remove the dead socket", path, e))
            }
            _ => Ok(()),
        },
        // A datagram socket: another program's.
        Err(Errno::EPROTOTYPE) => Err(BindError::Occupied { path: path.into() }),
        Err(error) => Err(BindError::io("connect to the socket that is at", path, error)),
    }
}

fn look(path: &Path) -> Result<Option<Metadata>, BindError> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(BindError::io("look at", path, e)),
    }
}

enum Probe {
    /// Somebody listens; the process, where the kernel says so.
    Alive(Option<u32>),
    /// Nobody does.
    Dead,
}

fn probe(path: &Path) -> nix::Result<Probe> {
    let socket = stream_socket()?;
    match socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) => {
            let credentials = getsockopt(&socket, sockopt::PeerCredentials)?;
            Ok(Probe::Alive(u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0)))
        }
        // It listens, but so many wait already that this one would have to wait as well.
        Err(Errno::EAGAIN) => Ok(Probe::Alive(None)),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(Probe::Dead),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
