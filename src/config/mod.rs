//! The configuration: a TOML file, read and checked whole before anything else happens
//! (pulsed.toml(5)).
//!
//! Two stages: `raw` is what was typed, [`Config`] is what it means on this machine. What exists as a
//! [`Config`] is good. Every key has a default, so that no file at all is good too.

mod access;
mod check;
mod error;
mod raw;
mod tcp;
mod value;

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::access::Rules;
pub use check::{
    AGE_MAX, AGE_MIN, DEFAULT_MODE, HISTORY_MAX, HISTORY_MIN, HOST_MAX, PATH_MAX, SOCKET_PATH_MAX,
    SYNC_MAX, SYNC_MIN, WINDOW_MAX, WINDOW_MIN,
};
pub use error::{ConfigError, Problem};
pub use raw::KEYS;

/// The longest configuration file, in bytes.
pub const FILE_MAX: u64 = 1024 * 1024;

/// A configuration that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How events name this machine: 1 to 253 of `[A-Za-z0-9_.-]`.
    pub host: String,
    /// The Unix socket.
    pub socket: Socket,
    /// The history on disk; none if it is off.
    pub history: Option<History>,
    /// The window in memory.
    pub window: Window,
    /// The TCP bridge; none if it is off.
    pub tcp: Option<Tcp>,
    /// Where the bridge's tokens are kept: absolute. None on a machine where there is no place for
    /// them.
    pub tokens: Option<PathBuf>,
    /// Who may do what.
    pub access: Rules,
    /// The file that it was read from; none if the defaults stand for themselves.
    pub file: Option<PathBuf>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Warning>,
}

/// `[socket]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where the agent listens: absolute, at most 107 bytes.
    pub path: PathBuf,
    /// The mode of the socket's file, 0 to 0777. To connect takes the right to write.
    pub mode: u32,
    /// The uid that owns it; none leaves it with the agent's own.
    pub owner: Option<u32>,
    /// The gid of its group; none leaves it with the agent's own.
    pub group: Option<u32>,
}

/// `[history]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The directory of the segments: absolute.
    pub dir: PathBuf,
    /// How much of it is kept, in bytes.
    pub size: u64,
    /// How long it is kept.
    pub age: Duration,
    /// When what is written is made safe against a power cut.
    pub sync: SyncSetting,
}

/// `history.sync`: what a power cut may cost, against what the disk must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncSetting {
    /// Nothing that was acknowledged: fsync(2) before every OK.
    Always,
    /// At most what came within this time.
    Within(Duration),
    /// Whatever the kernel has not written yet.
    Never,
}

/// `[window]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How much memory holds the newest events, in bytes.
    pub size: u64,
}

/// `[tcp]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Where it listens. Loopback, unless there is [`Tcp::tls`].
    pub listen: SocketAddr,
    /// With what it proves who it is; without, it speaks to this machine only.
    pub tls: Option<TlsFiles>,
}

/// `tcp.cert` and `tcp.key`: PEM files, absolute. That they are there and belong together shows only when
/// they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Something that is allowed but hardly meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Any local user could reconfigure the agent.
    #[error("every user may write to {path}; run: chmod o-w {path}", path = .0.display())]
    WorldWritable(PathBuf),
    /// A certificate for nobody.
    #[error("tcp.cert is set, and tcp.listen is not: nothing comes in by TCP")]
    NoListen,
}

/// What the configuration must be told about the machine: the defaults that depend on it, and who is
/// who.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Where the configuration lies if nobody says where.
    pub file: Option<PathBuf>,
    /// Where the agent listens if nobody says where.
    pub socket: Option<PathBuf>,
    /// The mode of its socket if nobody says which.
    pub socket_mode: u32,
    /// Where the history lies if nobody says where.
    pub state: Option<PathBuf>,
    /// The uid of a user's name.
    pub user: fn(&str) -> io::Result<Option<u32>>,
    /// The gid of a group's name.
    pub group: fn(&str) -> io::Result<Option<u32>>,
}

impl Config {
    /// Reads the file that `--config` names, which must be there, or else the machine's default one,
    /// which need not be.
    pub fn load(option: Option<&Path>, machine: &Machine) -> Result<Self, ConfigError> {
        match Self::from_file(option, machine)? {
            Some(config) => Ok(config),
            None => check::check(None, "", machine),
        }
    }

    /// The same; none where there is no file, whether or not the defaults would do.
    pub fn from_file(
        option: Option<&Path>,
        machine: &Machine,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(path) = option.or(machine.file.as_deref()) else { return Ok(None) };
        match read(path) {
            Ok((text, warnings)) => {
                let config = check::check(Some(path), &text, machine)?;
                let warnings = warnings.into_iter().chain(config.warnings).collect();
                Ok(Some(Self { warnings, ..config }))
            }
            Err(cause) if option.is_none() && cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(ConfigError::Read { path: path.into(), cause }),
        }
    }

    /// Whether a fresh configuration differs in nothing that takes effect only at a start: not in more than
    /// who may do what, and the certificate.
    pub fn differs_only_in_access(&self, fresh: &Self) -> bool {
        let kind = |tcp: &Option<Tcp>| tcp.as_ref().map(|tcp| (tcp.listen, tcp.tls.is_some()));
        let (access, tcp) = (self.access.clone(), self.tcp.clone());
        kind(&self.tcp) == kind(&fresh.tcp) && *self == Self { access, tcp, ..fresh.clone() }
    }
}

fn read(path: &Path) -> io::Result<(String, Vec<Warning>)> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 1 MiB"));
    }
    let open_to_all = meta.is_file() && meta.mode() & 0o002 != 0;
    let warning = open_to_all.then(|| Warning::WorldWritable(path.into()));
    Ok((text, warning.into_iter().collect()))
}

#[cfg(test)]
mod tests;
