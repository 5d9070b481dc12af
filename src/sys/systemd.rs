//! systemd's interfaces: socket activation (sd_listen_fds(3)) and service state (sd_notify(3)).

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
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
use super::{datagram, users};

/// Listening sockets from socket activation. They belong to the service manager: they are not removed at the
/// end, and clients that connect while no agent runs wait in their queues.
#[derive(Debug)]
pub struct Inherited {
    /// The agent's listener; it does not block.
    pub listener: UnixListener,
    /// Its file.
    pub file: InheritedFile,
    /// The monitor's listener.
    pub web: Option<TcpListener>,
    /// The socket for datagrams; it has a path.
    pub syslog: Option<UnixDatagram>,
}

/// The file of an inherited socket, as it was at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritedFile {
    path: PathBuf,
    mode: u32,
    owner: u32,
    group: u32,
}

/// Why an inherited socket is not used. The agent does not create another one instead: clients would
/// wait forever on the inherited one.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// There are more than one of each kind.
    #[error(
        "cannot use the inherited sockets: {0} sockets, and the agent serves one Unix socket, one for \
         datagrams, and one TCP socket for the monitor: leave one ListenStream= and one ListenDatagram= in \
         pulsed.socket, and one ListenStream= in pulsed-web.socket (systemctl edit pulsed.socket)"
    )]
    Many(usize),
    /// It is not a listening Unix stream socket with a path.
    #[error(
        "cannot use the inherited socket: not a listening Unix stream socket: {0}: set one \
         ListenStream=/PATH and Accept=no (systemctl edit pulsed.socket)"
    )]
    Kind(io::Error),
    /// Its file cannot be read.
    #[error(
        "cannot stat the inherited socket: {}: {cause}; if it was removed: systemctl restart \
         pulsed.socket", path.display()
    )]
    Stat {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
    /// It differs from the configuration.
    #[error(
        "the inherited socket differs from the configuration: {}: {differences}; put what is in \
         brackets under [Socket] in /etc/systemd/system/pulsed.socket.d/override.conf (systemctl \
         edit pulsed.socket) and restart pulsed.socket, or change the configuration",
        path.display()
    )]
    Differs {
        /// Its path.
        path: PathBuf,
        /// How it differs.
        differences: Differences,
    },
}

/// How a socket differs from the configuration, at least once.
#[derive(Debug, PartialEq, Eq)]
pub struct Differences(Vec<Difference>);

#[derive(Debug, PartialEq, Eq)]
struct Difference {
    what: &'static str,
    is: String,
    configured: String,
    /// The option in the socket unit.
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
    /// Takes the inherited sockets, if there are any, and unsets `$LISTEN_FDS` and `$LISTEN_PID`. Call it
    /// once, before there are other threads.
    ///
    /// # Errors
    /// [`InheritError`] unless there is one listening Unix stream socket with a file, and at most one TCP socket and
    /// one Unix datagram socket.
    pub fn take() -> Result<Option<Self>, InheritError> {
        let mut inherited = ListenFd::from_env();
        let count = inherited.len();
        // Their order is that of the units' names. A socket of another kind is given back.
        let web = (0..count).find_map(|at| inherited.take_tcp_listener(at).ok().flatten());
        let syslog = (0..count).find_map(|at| inherited.take_unix_datagram(at).ok().flatten());
        if count > 1 + usize::from(web.is_some()) + usize::from(syslog.is_some()) {
            return Err(InheritError::Many(count));
        }
        let mut unix = (0..count).map(|at| inherited.take_unix_listener(at));
        let unix = unix.find(|taken| !matches!(taken, Ok(None))).unwrap_or(Ok(None));
        let unix = unix.map_err(InheritError::Kind)?;
        if unix.is_none() && web.is_some() {
            let why = io::Error::new(io::ErrorKind::InvalidInput, "it is a TCP socket");
            return Err(InheritError::Kind(why));
        }
        if unix.is_none() && syslog.is_some() {
            let why = io::Error::new(io::ErrorKind::InvalidInput, "it is a datagram socket");
            return Err(InheritError::Kind(why));
        }
        let all = unix.map(|listener| Self::new(listener, web)).transpose()?;
        Self::with_syslog(all, syslog)
    }

    fn new(listener: UnixListener, web: Option<TcpListener>) -> Result<Self, InheritError> {
        let other = |why| InheritError::Kind(io::Error::new(io::ErrorKind::InvalidInput, why));
        let listens = |socket: &dyn AsFd| {
            let listens = getsockopt(&socket.as_fd(), sockopt::AcceptConn);
            listens.map_err(|error| InheritError::Kind(error.into()))
        };
        if !listens(&listener)? {
            return Err(other("it does not listen"));
        }
        if let Some(web) = &web
            && !listens(web)?
        {
            return Err(other("the TCP socket beside it does not listen"));
        }
        let address = listener.local_addr().map_err(InheritError::Kind)?;
        let path = address.as_pathname().ok_or_else(|| other("it has no file"))?;
        let file = InheritedFile::stat(path)
            .map_err(|cause| InheritError::Stat { path: path.to_owned(), cause })?;
        listener.set_nonblocking(true).map_err(InheritError::Kind)?;
        Ok(Self { listener, file, web, syslog: None })
    }

    fn with_syslog(
        all: Option<Self>,
        syslog: Option<UnixDatagram>,
    ) -> Result<Option<Self>, InheritError> {
        if let Some(socket) = &syslog {
            path_of(socket).ok_or_else(|| {
                let why = "the datagram socket beside it has no file";
                InheritError::Kind(io::Error::new(io::ErrorKind::InvalidInput, why))
            })?;
            socket.set_nonblocking(true).map_err(InheritError::Kind)?;
            // The unit sets it too, so that messages in the queue have them.
            datagram::pass_credentials(socket).map_err(InheritError::Kind)?;
        }
        Ok(all.map(|all| Self { syslog, ..all }))
    }
}

impl InheritedFile {
    fn stat(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        let (mode, owner, group) = (meta.mode() & 0o7777, meta.uid(), meta.gid());
        Ok(Self { path: path.into(), mode, owner, group })
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its mode.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Compares it with the configured path and permissions.
    ///
    /// # Errors
    /// [`InheritError::Differs`], with the options to set.
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
            // The empty assignment resets the list.
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

/// The path of a socket. `None` if it has none.
pub fn path_of(socket: &UnixDatagram) -> Option<PathBuf> {
    socket.local_addr().ok()?.as_pathname().map(Path::to_owned)
}

/// `true` if both paths lead to one file, as /run and /var/run do.
pub fn same_file(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    one == other || file(one).is_some_and(|one| Some(one) == file(other))
}

fn named(id: u32, name: io::Result<Option<String>>) -> String {
    name.ok().flatten().unwrap_or_else(|| id.to_string())
}

/// The notification socket of the service manager that started the agent.
///
/// The socket is kept open, so that an agent without free descriptors can still reset the watchdog.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

/// A state of the service, with a status text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// Starting, and alive: the start may take at least this much longer.
    Starting(&'a str, Duration),
    /// Ready to serve: after the start and after each reload.
    Ready(&'a str),
    /// Reloading the configuration.
    Reloading,
    /// Alive: resets the watchdog.
    Alive(&'a str),
    /// Draining.
    Stopping(&'a str),
}

impl Manager {
    /// Connects to `$NOTIFY_SOCKET`. `None` if it is not set.
    ///
    /// # Errors
    /// Those of connect(2); [`io::ErrorKind::Unsupported`] unless it is a Unix socket.
    pub fn from_env() -> io::Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET").map(|name| Self::connect(&name)).transpose()
    }

    fn connect(name: &OsStr) -> io::Result<Self> {
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

    /// The timeout of the watchdog. `None` if it is not enabled (sd_watchdog_enabled(3)).
    pub fn watchdog_timeout(&self) -> Option<Duration> {
        sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero())
    }

    /// Sends a state.
    ///
    /// # Errors
    /// Those of send(2), without blocking.
    pub fn notify(&self, state: State<'_>) -> io::Result<()> {
        let text = state.text()?;
        // A restarted manager has a new socket at the same address.
        let sent = self.socket.send(text.as_bytes()).or_else(|_| {
            self.socket.connect_addr(&self.address)?;
            self.socket.send(text.as_bytes())
        });
        sent.map(drop)
    }
}

impl State<'_> {
    fn text(self) -> io::Result<String> {
        let states = match self {
            Self::Starting(status, longer) => {
                let micros = u32::try_from(longer.as_micros()).unwrap_or(u32::MAX);
                vec![NotifyState::ExtendTimeoutUsec(micros), NotifyState::Status(status)]
            }
            Self::Ready(status) => vec![NotifyState::Ready, NotifyState::Status(status)],
            // systemd 253 and later identify the reload by its time.
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

    fn inherited() -> (tempfile::TempDir, PathBuf, Inherited) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pulsed.sock");
        let listener = UnixListener::bind(&path).expect("bound");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("ours");
        let inherited = Inherited::new(listener, None).expect("it listens and has a file");
        (dir, path, inherited)
    }

    #[test]
    fn accepts_a_socket_as_configured() {
        let (dir, path, Inherited { listener, file, .. }) = inherited();
        let error = listener.accept().expect_err("it does not block");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!((file.path(), file.mode()), (path.as_path(), 0o660));
        let mut as_it_is = Permissions { mode: 0o660, owner: None, group: None };
        file.check(&path, as_it_is).expect("owner and group are not configured");
        (as_it_is.owner, as_it_is.group) = (Some(file.owner), Some(file.group));
        file.check(&path, as_it_is).expect("the same");

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("linked");
        file.check(&link.join("pulsed.sock"), as_it_is).expect("the same by another name");
    }

    #[test]
    fn names_differences_and_their_options() {
        let (dir, path, Inherited { file, .. }) = inherited();
        let same = Permissions { mode: 0o660, owner: None, group: None };
        let other = dir.path().join("other");
        let (owner, group) = (Some(file.owner ^ 1), Some(4_000_000_000));
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
            let error = file.check(path, permissions).expect_err("it differs").to_string();
            for word in fixes.into_iter().chain(["systemctl edit pulsed.socket"]) {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
    }

    #[test]
    fn refuses_other_sockets() {
        let (_dir, path, _inherited) = inherited();
        let refused = |listener| Inherited::new(listener, None).expect_err("refused").to_string();
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
    fn takes_a_tcp_socket_for_the_monitor_if_it_listens() {
        let dir = tempfile::tempdir().expect("a directory");
        let unix = |name| UnixListener::bind(dir.path().join(name)).expect("bound");
        let web = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = web.local_addr().expect("bound");
        let inherited = Inherited::new(unix("one"), Some(web)).expect("both listen");
        assert_eq!(inherited.web.and_then(|web| web.local_addr().ok()), Some(address));

        let web = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let connected = std::net::TcpStream::connect(web.local_addr().expect("bound"));
        let no_listener = std::os::fd::OwnedFd::from(connected.expect("it listens")).into();
        let error = Inherited::new(unix("other"), Some(no_listener)).expect_err("refused");
        assert!(error.to_string().contains("TCP socket beside it does not listen"), "{error}");
    }

    #[test]
    fn notifies_a_restarted_manager() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        assert!(Manager::connect(path.as_os_str()).is_err(), "no manager");
        assert!(Manager::connect(OsStr::new("vsock:2:1")).is_err(), "not a Unix socket");
        let heard = |socket: &UnixDatagram| {
            let mut bytes = [0; 512];
            let length = socket.recv(&mut bytes).expect("something");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        let first = UnixDatagram::bind(&path).expect("bound");
        let manager = Manager::connect(path.as_os_str()).expect("it is there");
        manager.notify(State::Ready("fine")).expect("sent");
        assert_eq!(heard(&first), "READY=1\nSTATUS=fine\n");

        drop(first);
        assert!(manager.notify(State::Reloading).is_err(), "no manager");
        fs::remove_file(&path).expect("ours");
        let second = UnixDatagram::bind(&path).expect("bound");
        manager.notify(State::Alive("fine")).expect("sent");
        assert_eq!(heard(&second), "WATCHDOG=1\nSTATUS=fine\n");
        manager.notify(State::Starting("soon", Duration::from_secs(2))).expect("sent");
        assert_eq!(heard(&second), "EXTEND_TIMEOUT_USEC=2000000\nSTATUS=soon\n");
        manager.notify(State::Stopping("bye")).expect("sent");
        assert_eq!(heard(&second), "STOPPING=1\nSTATUS=bye\n");
    }
}
