//! What the agent and whoever started it say to each other in systemd's way: a socket that is handed
//! over (sd_listen_fds(3)), and how the agent fares (sd_notify(3)).

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};
use sd_notify::NotifyState;

use super::socket::Permissions;
use super::users;

/// A listening socket that was handed over. It stays its giver's: it is not removed at the end, and
/// who connects while no agent runs waits in its queue.
#[derive(Debug)]
pub struct Inherited {
    /// What is listened on; it does not block.
    pub listener: UnixListener,
    /// Where that is.
    pub place: Place,
}

/// The file of a socket that was handed over, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    mode: u32,
    owner: u32,
    group: u32,
}

/// Why a socket that was handed over is not used. Never is another one made instead: clients would
/// wait for ever at the one that nobody serves.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// There is more than one.
    #[error(
        "{0} sockets were handed over, and the agent serves one: leave one ListenStream= in \
         pulsed.socket (systemctl edit pulsed.socket)"
    )]
    Many(usize),
    /// It is something else.
    #[error(
        "what was handed over is not the listening Unix stream socket that the agent serves \
         ({0}): set one ListenStream=/PATH and Accept=no (systemctl edit pulsed.socket)"
    )]
    Kind(io::Error),
    /// Its file cannot be looked at.
    #[error(
        "cannot look at the socket {} that was handed over: {cause}; if it was removed: systemctl \
         restart pulsed.socket", path.display()
    )]
    Look {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// It is not as configured.
    #[error(
        "the socket {} that was handed over is not as configured: {differences}; put what is in \
         brackets under [Socket] in /etc/systemd/system/pulsed.socket.d/override.conf (systemctl \
         edit pulsed.socket) and restart pulsed.socket, or change the configuration",
        path.display()
    )]
    Differs {
        /// Where it is.
        path: PathBuf,
        /// In what.
        differences: Differences,
    },
}

/// In what a socket is not as configured: one or more.
#[derive(Debug, PartialEq, Eq)]
pub struct Differences(Vec<Difference>);

#[derive(Debug, PartialEq, Eq)]
struct Difference {
    what: &'static str,
    is: String,
    configured: String,
    /// The unit's word for it.
    directive: &'static str,
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Difference { what, is, configured, directive }) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}its {what} is {is} and not {configured} ({directive}{configured})")?;
        }
        Ok(())
    }
}

impl Inherited {
    /// The socket that was handed over, if one was. Forgets the variables that say so: call it once,
    /// before there are other threads.
    ///
    /// # Errors
    /// When what was handed over is not one listening Unix stream socket with a file.
    pub fn take() -> Result<Option<Self>, InheritError> {
        let mut handed_over = ListenFd::from_env();
        match handed_over.len() {
            0 | 1 => {}
            many => return Err(InheritError::Many(many)),
        }
        let listener = handed_over.take_unix_listener(0).map_err(InheritError::Kind)?;
        listener.map(Self::new).transpose()
    }

    fn new(listener: UnixListener) -> Result<Self, InheritError> {
        let other = |why| InheritError::Kind(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !getsockopt(&listener, sockopt::AcceptConn).map_err(|e| InheritError::Kind(e.into()))? {
            return Err(other("it does not listen"));
        }
        let address = listener.local_addr().map_err(InheritError::Kind)?;
        let path = address.as_pathname().ok_or_else(|| other("it has no file"))?;
        let place = Place::look(path)
            .map_err(|cause| InheritError::Look { path: path.to_owned(), cause })?;
        listener.set_nonblocking(true).map_err(InheritError::Kind)?;
        Ok(Self { listener, place })
    }
}

impl Place {
    fn look(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        let (mode, owner, group) = (meta.mode() & 0o7777, meta.uid(), meta.gid());
        Ok(Self { path: path.into(), mode, owner, group })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its mode.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Holds it against what is configured.
    ///
    /// # Errors
    /// When they differ: then the error says what to write where.
    pub fn check(&self, path: &Path, permissions: Permissions) -> Result<(), InheritError> {
        let differences = self.differences(path, permissions);
        if differences.is_empty() {
            return Ok(());
        }
        let differences = Differences(differences);
        Err(InheritError::Differs { path: self.path.clone(), differences })
    }

    fn differences(&self, path: &Path, permissions: Permissions) -> Vec<Difference> {
        let Permissions { mode, owner, group } = permissions;
        let mut all = Vec::new();
        let mut note = |what, directive, is, configured| {
            all.push(Difference { what, is, configured, directive });
        };
        if !same_file(&self.path, path) {
            let shown = |path: &Path| path.display().to_string();
            // The empty one takes the unit's own away.
            note("path", "ListenStream= ListenStream=", shown(&self.path), shown(path));
        }
        if self.mode != mode {
            let shown = |mode| format!("{mode:04o}");
            note("mode", "SocketMode=", shown(self.mode), shown(mode));
        }
        if let Some(owner) = owner.filter(|owner| *owner != self.owner) {
            let shown = |uid| named(uid, users::user_name(uid));
            note("owner", "SocketUser=", shown(self.owner), shown(owner));
        }
        if let Some(group) = group.filter(|group| *group != self.group) {
            let shown = |gid| named(gid, users::group_name(gid));
            note("group", "SocketGroup=", shown(self.group), shown(group));
        }
        all
    }
}

/// Whether both paths lead to one file, as /run and /var/run do.
fn same_file(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    one == other || file(one).is_some_and(|one| Some(one) == file(other))
}

fn named(id: u32, name: io::Result<Option<String>>) -> String {
    name.ok().flatten().unwrap_or_else(|| id.to_string())
}

/// The service manager that started the agent and wants to know how it fares.
///
/// The socket is kept: an agent that is out of descriptors must not be taken for one that hangs.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

/// What the manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// The agent serves: at its start, and when it has read its configuration again.
    Ready(&'a str),
    /// It reads its configuration again.
    Reloading,
    /// It works as it should.
    Alive(&'a str),
    /// It ends what it began.
    Stopping(&'a str),
}

impl Manager {
    /// The manager that `$NOTIFY_SOCKET` names, if one does.
    ///
    /// # Errors
    /// When it cannot be reached, or not in a way that is known here.
    pub fn from_env() -> io::Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET").map(|name| Self::at(&name)).transpose()
    }

    fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "not a Unix socket")),
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that hangs must not make the agent hang.
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address)?;
        Ok(Self { socket, address })
    }

    /// How long the manager waits for a sign of life before it takes the agent for hung; none if it
    /// does not want any (sd_watchdog_enabled(3)).
    pub fn patience(&self) -> Option<Duration> {
        sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    }

    /// Tells it.
    ///
    /// # Errors
    /// When it is gone, or does not listen fast enough.
    pub fn tell(&self, news: News<'_>) -> io::Result<()> {
        let text = news.text()?;
        // The other end is a new one once the manager has been started anew.
        let told = self.socket.send(text.as_bytes()).or_else(|_| {
            self.socket.connect_addr(&self.address)?;
            self.socket.send(text.as_bytes())
        });
        told.map(drop)
    }
}

impl News<'_> {
    fn text(self) -> io::Result<String> {
        let states = match self {
            Self::Ready(status) => vec![NotifyState::Ready, NotifyState::Status(status)],
            // systemd 253 and later tell by the time which reload this is.
            Self::Reloading => vec![NotifyState::Reloading, NotifyState::monotonic_usec_now()?],
            Self::Alive(status) => vec![NotifyState::Watchdog, NotifyState::Status(status)],
            Self::Stopping(status) => vec![NotifyState::Stopping, NotifyState::Status(status)],
        };
        Ok(states.iter().map(|state| format!("{state}\n")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn handed_over() -> (tempfile::TempDir, PathBuf, Inherited) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pulsed.sock");
        let listener = UnixListener::bind(&path).expect("bound");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("ours");
        let inherited = Inherited::new(listener).expect("it listens and has a file");
        (dir, path, inherited)
    }

    #[test]
    fn what_is_as_configured_is_taken() {
        let (dir, path, Inherited { listener, place }) = handed_over();
        let nobody = listener.accept().expect_err("nobody is there, and it does not wait");
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
        assert_eq!((place.path(), place.mode()), (path.as_path(), 0o660));
        let mut as_it_is = Permissions { mode: 0o660, owner: None, group: None };
        place.check(&path, as_it_is).expect("owner and group are not configured");
        (as_it_is.owner, as_it_is.group) = (Some(place.owner), Some(place.group));
        place.check(&path, as_it_is).expect("the same");

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("linked");
        place.check(&link.join("pulsed.sock"), as_it_is).expect("the same by another name");
    }

    #[test]
    fn what_differs_is_named_with_what_fixes_it() {
        let (dir, path, Inherited { place, .. }) = handed_over();
        let same = Permissions { mode: 0o660, owner: None, group: None };
        let other = dir.path().join("other");
        let (owner, group) = (Some(place.owner ^ 1), Some(4_000_000_000));
        let listen = format!("(ListenStream= ListenStream={})", other.display());
        for (path, permissions, fixes) in [
            (&other, same, vec![listen.as_str()]),
            (&path, Permissions { mode: 0o666, ..same }, vec!["0660", "(SocketMode=0666)"]),
            (&path, Permissions { owner, ..same }, vec!["(SocketUser="]),
            (&path, Permissions { group, ..same }, vec!["(SocketGroup=4000000000)"]),
            (
                &other,
                Permissions { mode: 0o600, owner, group },
                vec!["ListenStream=", "SocketMode=0600", "SocketUser=", "SocketGroup="],
            ),
        ] {
            let error = place.check(path, permissions).expect_err("it differs").to_string();
            for word in fixes.into_iter().chain(["systemctl edit pulsed.socket"]) {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
    }

    #[test]
    fn what_nobody_can_connect_to_is_refused() {
        let (_dir, path, _inherited) = handed_over();
        let refused = |listener| Inherited::new(listener).expect_err("refused").to_string();
        let (connected, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let no_listener = UnixListener::from(std::os::fd::OwnedFd::from(connected));
        assert!(refused(no_listener).contains("does not listen"));

        let name = format!("pulsed-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).expect("a name");
        let no_file = UnixListener::bind_addr(&address).expect("bound");
        assert!(refused(no_file).contains("no file"));

        let gone = path.with_extension("gone");
        let listener = UnixListener::bind(&gone).expect("bound");
        fs::remove_file(&gone).expect("ours");
        let error = refused(listener);
        assert!(error.contains("gone") && error.contains("restart pulsed.socket"), "{error}");
    }

    #[test]
    fn the_manager_is_told_even_when_it_was_started_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        assert!(Manager::at(path.as_os_str()).is_err(), "nobody is there");
        assert!(Manager::at(OsStr::new("vsock:2:1")).is_err(), "not known here");
        let heard = |socket: &UnixDatagram| {
            let mut bytes = [0; 512];
            let length = socket.recv(&mut bytes).expect("something");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        let first = UnixDatagram::bind(&path).expect("bound");
        let manager = Manager::at(path.as_os_str()).expect("it is there");
        manager.tell(News::Ready("fine")).expect("told");
        assert_eq!(heard(&first), "READY=1\nSTATUS=fine\n");

        drop(first);
        assert!(manager.tell(News::Reloading).is_err(), "nobody is there");
        fs::remove_file(&path).expect("ours");
        let second = UnixDatagram::bind(&path).expect("bound");
        manager.tell(News::Alive("fine")).expect("told");
        assert_eq!(heard(&second), "WATCHDOG=1\nSTATUS=fine\n");
        manager.tell(News::Stopping("bye")).expect("told");
        assert_eq!(heard(&second), "STOPPING=1\nSTATUS=bye\n");
    }
}
