//! The configuration as typed.

use serde::Deserialize;
use toml::Spanned;

use super::access::RawRule;
use super::history::RawHistory;
use super::nats::RawNats;
use super::socket::RawSocket;
use super::syslog::RawSyslog;
use super::tcp::RawTcp;
use super::web::RawWeb;
use super::window::RawWindow;

/// The file. It denies unknown keys as [`super::KEYS`] does, so a key that is missing in either is an error.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) host: Option<Spanned<String>>,
    pub(super) socket: RawSocket,
    pub(super) syslog: RawSyslog,
    pub(super) history: RawHistory,
    pub(super) window: RawWindow,
    pub(super) tcp: RawTcp,
    pub(super) web: RawWeb,
    pub(super) nats: RawNats,
    pub(super) access: Option<Vec<Spanned<RawRule>>>,
}
