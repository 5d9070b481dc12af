//! `[syslog]`: the Unix socket for datagrams.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::checks::path;
use super::error::Fault;
use super::machine::Machine;
use super::socket::SOCKET_PATH_MAX;

/// The name of the default socket, beside the agent's.
const NAME: &str = "syslog.sock";

/// `syslog.path` as typed.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a path in quotes, or false")]
enum RawPath {
    Text(String),
    Switch(bool),
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [syslog]")]
pub(super) struct RawSyslog {
    path: Option<Spanned<RawPath>>,
}

/// The default path beside the agent's socket.
pub fn beside(socket: &Path) -> PathBuf {
    socket.with_file_name(NAME)
}

impl RawSyslog {
    /// Checks the section. `None` if the socket is disabled.
    pub(super) fn check(self, socket: &Path, machine: &Machine) -> Result<Option<PathBuf>, Fault> {
        let default = || machine.syslog.clone().unwrap_or_else(|| beside(socket));
        let Some(typed) = self.path else { return Ok(Some(default())) };
        let span = typed.span();
        match typed.into_inner() {
            RawPath::Switch(false) => Ok(None),
            RawPath::Switch(true) => Ok(Some(default())),
            RawPath::Text(text) => {
                let typed = Spanned::new(span, text);
                path("syslog.path", Some(typed), Ok(default()), SOCKET_PATH_MAX).map(Some)
            }
        }
    }
}
