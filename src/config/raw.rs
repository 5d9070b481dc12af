//! The configuration as it was typed.

use serde::Deserialize;
use toml::Spanned;

use super::value::{Account, Mode, Period, Size, SyncWord};

/// Every key, with its section in front.
pub const KEYS: [&str; 18] = [
    "host",
    "socket.path",
    "socket.mode",
    "socket.owner",
    "socket.group",
    "history.enabled",
    "history.dir",
    "history.size",
    "history.age",
    "history.sync",
    "window.size",
    "tcp.listen",
    "tcp.cert",
    "tcp.key",
    "tcp.tokens",
    "access.tag",
    "access.send",
    "access.tail",
];

/// The section that may be there more than once: `[[access]]`.
pub(super) const LIST: &str = "access";

/// The file. That unknown keys are refused here too holds [`KEYS`] and these structs together.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) host: Option<Spanned<String>>,
    pub(super) socket: RawSocket,
    pub(super) history: RawHistory,
    pub(super) window: RawWindow,
    pub(super) tcp: RawTcp,
    pub(super) access: Option<Vec<Spanned<RawRule>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [socket]")]
pub(super) struct RawSocket {
    pub(super) path: Option<Spanned<String>>,
    pub(super) mode: Option<Mode>,
    pub(super) owner: Option<Spanned<Account>>,
    pub(super) group: Option<Spanned<Account>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [history]")]
pub(super) struct RawHistory {
    pub(super) enabled: Option<bool>,
    pub(super) dir: Option<Spanned<String>>,
    pub(super) size: Option<Spanned<Size>>,
    pub(super) age: Option<Spanned<Period>>,
    pub(super) sync: Option<Spanned<SyncWord>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [window]")]
pub(super) struct RawWindow {
    pub(super) size: Option<Spanned<Size>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [tcp]")]
pub(super) struct RawTcp {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) cert: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) tokens: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [[access]]")]
pub(super) struct RawRule {
    pub(super) tag: Option<Spanned<String>>,
    pub(super) send: Vec<Spanned<String>>,
    pub(super) tail: Vec<Spanned<String>>,
}
