//! The configuration: a TOML file, read and checked as a whole at the start (pulsed.toml(5)).
//!
//! Each section has a file with two types: the section as typed, and as checked. A [`Config`] is valid. Every
//! key has a default, so the file is optional.

mod access;
mod checks;
mod error;
mod history;
mod host;
mod keys;
mod machine;
mod nats;
mod raw;
mod socket;
mod syslog;
mod tcp;
mod tls;
mod value;
mod web;
mod window;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::DeTable;

use crate::access::Rules;
use error::{Fault, Wrong};
use raw::Raw;

pub use checks::PATH_MAX;
pub use error::{ConfigError, Problem};
pub use history::{
    AGE_MAX, AGE_MIN, HISTORY_MAX, HISTORY_MIN, History, SYNC_MAX, SYNC_MIN, SyncSetting,
};
pub use host::HOST_MAX;
pub use keys::KEYS;
pub use machine::{DEFAULT_MODE, Machine};
pub use nats::{
    NATS_NAME_MAX, NATS_URLS_MAX, Nats, NatsLogin, REPLICAS_MAX, STREAM_AGE_MAX, STREAM_AGE_MIN,
    STREAM_MAX, STREAM_MIN,
};
pub use socket::{SOCKET_PATH_MAX, Socket};
pub use syslog::beside;
pub use tcp::Tcp;
pub use tls::{TlsFiles, TlsKeys};
pub use web::{Url, WEB_MODE, Web, WebListen};
pub use window::{WINDOW_MAX, WINDOW_MIN, Window};

/// The longest configuration file, in bytes.
pub const FILE_MAX: u64 = 1024 * 1024;

/// A valid configuration.
///
/// ```
/// use pulsed::config::{Config, DEFAULT_MODE, Machine};
///
/// let machine = Machine {
///     host: "web1".into(),
///     file: None,
///     socket: Some("/run/pulsed/pulsed.sock".into()),
///     socket_mode: DEFAULT_MODE,
///     syslog: None,
///     state: Some("/var/lib/pulsed".into()),
///     user: |_| Ok(None),
///     group: |_| Ok(None),
/// };
/// let config = Config::parse("window.size = \"16MiB\"", &machine)?;
/// assert_eq!(config.window.size, 16 << 20);
/// let error = Config::parse("window.siez = \"16MiB\"", &machine).unwrap_err();
/// assert!(error.to_string().ends_with("unknown key; did you mean window.size?"));
/// # Ok::<(), pulsed::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of this machine in events: 1 to [`HOST_MAX`] of `[A-Za-z0-9_.-]`.
    pub host: String,
    /// The Unix socket.
    pub socket: Socket,
    /// The path of the socket for datagrams, whose mode, owner and group are those of `socket`. `None` if it is disabled.
    pub syslog: Option<PathBuf>,
    /// The history on disk. `None` if it is disabled.
    pub history: Option<History>,
    /// The window in memory.
    pub window: Window,
    /// The TCP bridge. `None` if it is disabled.
    pub tcp: Option<Tcp>,
    /// The monitor. `None` if it is disabled.
    pub web: Option<Web>,
    /// Forwarding to NATS JetStream. `None` if it is disabled.
    pub nats: Option<Nats>,
    /// The directory of what the monitor keeps: its port and its sessions. `None` if there is no default.
    pub state: Option<PathBuf>,
    /// The file of the bridge's tokens: an absolute path. `None` if there is no default.
    pub tokens: Option<PathBuf>,
    /// The rules for sending and following.
    pub access: Rules,
    /// The file that it was read from. `None` for the defaults.
    pub file: Option<PathBuf>,
    /// What is allowed and probably a mistake.
    pub warnings: Vec<Warning>,
}

/// Something that is allowed and probably a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Any local user could reconfigure the agent.
    #[error("{path}: writable by every user; run: chmod o-w {path}", path = .0.display())]
    WorldWritable(PathBuf),
    /// A certificate without an address to listen on.
    #[error("tcp.cert is set, and tcp.listen is not: TCP is disabled")]
    NoListen,
    /// This program cannot forward.
    #[error(
        "nats.url is set, and this pulsed is built without NATS: nothing is forwarded; use the Debian package, or \
         build with --features nats"
    )]
    NoNats,
}

impl Config {
    /// Reads the file `option`, which must exist, or else the machine's default file, which need not.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn load(option: Option<&Path>, machine: &Machine) -> Result<Self, ConfigError> {
        match Self::from_file(option, machine)? {
            Some(config) => Ok(config),
            None => Self::parse("", machine),
        }
    }

    /// As [`Self::load`]. `None` if there is no file, even if the defaults cannot be used.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn from_file(
        option: Option<&Path>,
        machine: &Machine,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(path) = option.or(machine.file.as_deref()) else { return Ok(None) };
        match Text::read(path) {
            Ok(Text { text, warning }) => {
                let config = Self::check(Some(path), &text, machine)?;
                let warnings = warning.into_iter().chain(config.warnings).collect();
                Ok(Some(Self { warnings, ..config }))
            }
            Err(cause) if option.is_none() && cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(ConfigError::Read { path: path.into(), cause }),
        }
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], [`ConfigError::NoDefault`].
    pub fn parse(text: &str, machine: &Machine) -> Result<Self, ConfigError> {
        Self::check(None, text, machine)
    }

    /// `true` if `fresh` differs only in what a reload can change: the rules and the certificate.
    pub fn differs_only_in_access(&self, fresh: &Self) -> bool {
        let kind = |tcp: &Option<Tcp>| tcp.as_ref().map(|tcp| (tcp.listen, tcp.tls.is_some()));
        let web_kind = |web: &Option<Web>| web.as_ref().map(Web::without_files);
        let (access, tcp, web) = (self.access.clone(), self.tcp.clone(), self.web.clone());
        kind(&self.tcp) == kind(&fresh.tcp)
            && web_kind(&self.web) == web_kind(&fresh.web)
            && *self == Self { access, tcp, web, ..fresh.clone() }
    }

    fn check(file: Option<&Path>, text: &str, machine: &Machine) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new(""));
        let table = DeTable::parse(text)
            .map_err(|error| keys::locate(Wrong::syntax(&error), path, text, None))?;
        let table = table.into_inner();
        let config = Self::from_table(text, &table, machine).map_err(|fault| match fault {
            Fault::Typed(wrong) => keys::locate(wrong, path, text, Some(&table)),
            Fault::Default(key, problem) => {
                ConfigError::NoDefault { key, problem: Box::new(problem) }
            }
        })?;
        Ok(Self { file: file.map(Path::to_owned), ..config })
    }

    fn from_table(text: &str, table: &DeTable<'_>, machine: &Machine) -> Result<Self, Fault> {
        keys::check(table)?;
        let deserializer = toml::Deserializer::parse(text).map_err(|e| Wrong::syntax(&e))?;
        let mut raw = Raw::deserialize(deserializer).map_err(|e| Wrong::value(&e))?;
        let host = host::check(raw.host, machine)?;
        let socket = raw.socket.check(machine)?;
        let history_dir = raw.history.dir(machine);
        let history = raw.history.check(machine)?;
        let tokens = raw.tcp.tokens(history_dir.clone())?;
        let unused = raw.tcp.is_certificate_unused().then_some(Warning::NoListen);
        let nats = raw.nats.check()?;
        let without = nats.as_ref().filter(|_| !cfg!(feature = "nats")).map(|_| Warning::NoNats);
        Ok(Self {
            host,
            syslog: raw.syslog.check(&socket.path, machine)?,
            socket,
            history,
            tcp: raw.tcp.check(tokens.is_some())?,
            web: raw.web.check(machine)?,
            nats,
            state: history_dir.filter(|dir| dir.is_absolute()),
            tokens,
            access: access::check(raw.access, machine)?,
            window: raw.window.check()?,
            file: None,
            warnings: unused.into_iter().chain(without).collect(),
        })
    }
}

/// The text of a configuration file.
struct Text {
    text: String,
    warning: Option<Warning>,
}

impl Text {
    fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        let mut text = String::new();
        file.take(FILE_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > FILE_MAX {
            let long = format!("it is longer than {} MiB", FILE_MAX >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, long));
        }
        let open_to_all = meta.is_file() && meta.mode() & 0o002 != 0;
        let warning = open_to_all.then(|| Warning::WorldWritable(path.into()));
        Ok(Self { text, warning })
    }
}

#[cfg(test)]
mod tests;
