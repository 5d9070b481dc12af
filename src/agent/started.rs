//! What a started agent tells the one who started it.

use std::net::SocketAddr;

use super::http::Monitor;
use super::http::listen::Listening;
use crate::auth::links::FIRST_LINK_VALID_FOR;
use crate::diag;
use crate::sys::users;

/// Where an agent listens besides its socket.
#[derive(Debug, Default)]
pub struct Started {
    /// The address of the TCP bridge.
    pub tcp: Option<SocketAddr>,
    /// The monitor.
    pub monitor: Option<StartedMonitor>,
}

/// The monitor of a started agent.
#[derive(Debug)]
pub struct StartedMonitor {
    /// Its URL.
    pub url: String,
    /// Its address. `None` for a Unix socket.
    pub address: Option<SocketAddr>,
    /// A one-time URL that signs in the agent's own user, if one was asked for.
    pub link: Option<String>,
}

impl StartedMonitor {
    pub(super) fn new(monitor: &Monitor, listening: &Listening, link: bool) -> Self {
        let create = || {
            let link = monitor.links().create(users::current(), FIRST_LINK_VALID_FOR);
            link.inspect_err(|cause| diag::warning(format_args!("no sign-in link: {cause}"))).ok()
        };
        let link = link.then(create).flatten();
        Self { url: monitor.url(), address: listening.address(), link }
    }
}
