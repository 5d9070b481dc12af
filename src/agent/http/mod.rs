//! The monitor: the page for administrators, and the log and its views over HTTP.
//!
//! ```text
//! server ──▶ route ──▶ visitor (Host, session or token, rights, quota) ──▶ events, feed, views, post, metrics
//!                                                                               │
//!                                      intake, subscription, views ◀────────────┘
//! ```
//!
//! [`server`] accepts connections and bounds them, [`route`] knows the paths, [`visitor`] who asks. A live response
//! ([`live`]) is a stream of frames that ends when the right or the session does. The page itself is in `page/`: static
//! files that only use what is documented in pulsed(8).

mod assets;
mod conn;
mod durations;
mod events;
mod feed;
mod frames;
pub(super) mod listen;
mod live;
mod metrics;
mod open;
mod pages;
mod post;
mod query;
mod respond;
mod route;
pub(super) mod server;
mod sign_in;
mod site;
mod snapshots;
mod tenure;
mod visitor;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ServerConfig;

use super::links::SignInLinks;
use super::transport::tls::Acceptor;
use crate::auth::sessions::Sessions;
use crate::config::Url;
use crate::diag::{self, Throttle};
use crate::event::Timestamp;
use conn::Peer;
use durations::Durations;
use frames::Frames;
use site::Site;

pub use durations::{METRIC_TAGS_MAX, METRICS_KEPT_FOR};
pub use feed::{STREAMS_MAX, parse_feed};
pub use live::HEARTBEAT;
pub use open::RESUME_MAX;
pub use post::{BODY_MAX, BODY_WAIT_MAX};
pub use query::parse_query;
pub use server::HEADER_WAIT_MAX;

/// What all connections of the monitor share.
pub(crate) struct Monitor {
    links: Arc<SignInLinks>,
    sessions: Arc<Sessions>,
    site: Site,
    frames: Arc<Frames>,
    durations: Arc<Durations>,
    /// `None` without TLS.
    tls: Option<Acceptor>,
    reports: Mutex<Throttle>,
}

/// Minimum interval between two diagnostics about refused requests.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Where the monitor is, for a new [`Monitor`].
pub(crate) struct Place<'a> {
    /// `web.url`
    pub(crate) url: Option<&'a Url>,
    /// The address that it listens on. `None` for a Unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// The name of the machine.
    pub(crate) host: &'a str,
    /// The directory for sessions.
    pub(crate) state: Option<&'a Path>,
}

impl Monitor {
    pub(crate) fn new(place: &Place<'_>, tls: Option<Acceptor>, now: Timestamp) -> Self {
        let site = Site::new(place.url, place.address, tls.is_some(), place.host);
        Self {
            links: Arc::new(SignInLinks::new(site.url().to_string())),
            sessions: Arc::new(Sessions::open(place.state, now)),
            site,
            frames: Arc::default(),
            durations: Arc::default(),
            tls,
            reports: Mutex::new(Throttle::new(REPORT_EVERY)),
        }
    }

    /// Reports what may be an attack.
    fn report(&self, peer: &Peer, why: &str) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(omitted) = reports.pass(Instant::now()) {
            diag::warning(format_args!("monitor: {peer}: {why}: refused{omitted}"));
        }
    }

    /// Its sign-in links.
    pub(crate) fn links(&self) -> &Arc<SignInLinks> {
        &self.links
    }

    /// The URL of the page.
    pub(crate) fn url(&self) -> String {
        self.site.url().to_string()
    }

    /// Uses this certificate for the next connections.
    pub(crate) fn replace_tls(&self, config: Arc<ServerConfig>) {
        if let Some(tls) = &self.tls {
            tls.replace(config);
        }
    }
}
