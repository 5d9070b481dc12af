//! What a configuration needs to know about the machine.

use std::io;
use std::path::PathBuf;

/// The default mode of the socket: every local user may connect, as to /dev/log.
pub const DEFAULT_MODE: u32 = 0o666;

/// The defaults that depend on the machine, and its users and groups.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The host name.
    pub host: String,
    /// The default configuration file.
    pub file: Option<PathBuf>,
    /// The default socket.
    pub socket: Option<PathBuf>,
    /// The default mode of the socket.
    pub socket_mode: u32,
    /// The default socket for datagrams. `None`: beside the agent's socket.
    pub syslog: Option<PathBuf>,
    /// The default directory of the history.
    pub state: Option<PathBuf>,
    /// Looks up the uid of a user.
    pub user: fn(&str) -> io::Result<Option<u32>>,
    /// Looks up the gid of a group.
    pub group: fn(&str) -> io::Result<Option<u32>>,
}
