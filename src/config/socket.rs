//! `[socket]`: the Unix socket.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::checks::{account, path};
use super::error::{Fault, Problem};
use super::machine::Machine;
use super::value::{Account, Mode};

/// The longest path of a socket, in bytes (unix(7): 108 with its NUL).
pub const SOCKET_PATH_MAX: usize = 107;

/// The section, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The path of the socket: absolute, at most [`SOCKET_PATH_MAX`] bytes.
    pub path: PathBuf,
    /// The mode of the socket's file, 0 to 0777. Connecting requires write permission.
    pub mode: u32,
    /// The uid of its owner. `None` leaves the agent's.
    pub owner: Option<u32>,
    /// The gid of its group. `None` leaves the agent's.
    pub group: Option<u32>,
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [socket]")]
pub(super) struct RawSocket {
    path: Option<Spanned<String>>,
    mode: Option<Mode>,
    owner: Option<Spanned<Account>>,
    group: Option<Spanned<Account>>,
}

impl RawSocket {
    pub(super) fn check(self, machine: &Machine) -> Result<Socket, Fault> {
        let default = machine.socket.clone().ok_or(Problem::NoRuntimeDir);
        Ok(Socket {
            path: path("socket.path", self.path, default, SOCKET_PATH_MAX)?,
            mode: self.mode.map_or(machine.socket_mode, |Mode(mode)| mode),
            owner: account(self.owner, "user", machine.user)?,
            group: account(self.group, "group", machine.group)?,
        })
    }
}
