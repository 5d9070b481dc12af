//! `[web]`: the monitor.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::checks::{account, checked, path};
use super::error::{Fault, Problem, Wrong};
use super::machine::Machine;
use super::socket::SOCKET_PATH_MAX;
use super::tcp::tls_files;
use super::tls::{TlsFiles, TlsKeys};
use super::value::{Account, Mode};

/// The default mode of a Unix socket for a proxy, which the proxy's group may be given.
pub const WEB_MODE: u32 = 0o660;

/// The scheme of a Unix socket in `web.listen`.
const UNIX: &str = "unix:";

/// The section, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Where it listens.
    pub listen: WebListen,
    /// Its certificate. `None` means no TLS.
    pub tls: Option<TlsFiles>,
    /// Where browsers find it. `None` derives it from the address.
    pub url: Option<Url>,
}

/// Where the monitor listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebListen {
    /// On an inherited socket, or else on a free loopback port that is kept for the next start.
    Default,
    /// On this address: a loopback one unless [`Web::tls`] is set.
    Tcp(SocketAddr),
    /// On a Unix socket, for a proxy.
    Unix {
        /// The path of the socket: absolute, at most [`SOCKET_PATH_MAX`] bytes.
        path: PathBuf,
        /// The mode of its file.
        mode: u32,
        /// The uid of its owner. `None` leaves the agent's.
        owner: Option<u32>,
        /// The gid of its group. `None` leaves the agent's.
        group: Option<u32>,
    },
}

impl Web {
    /// The section without the names of its files, which a reload may change.
    pub(super) fn without_files(&self) -> (WebListen, bool, Option<Url>) {
        (self.listen.clone(), self.tls.is_some(), self.url.clone())
    }
}

/// The URL of the monitor: `http` or `https`, a host with or without a port, and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `true` for `https`.
    pub secure: bool,
    /// The host in lower case, and the port unless it is the scheme's own.
    pub authority: String,
    /// The path: begins and ends with `/`.
    pub path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// The text is not the URL of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUrl;

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        if text.contains(['?', '#', '@']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BadUrl);
        }
        let uri: Uri = text.parse().map_err(|_| BadUrl)?;
        let (secure, port) = match uri.scheme_str() {
            Some("https") => (true, ":443"),
            Some("http") => (false, ":80"),
            _ => return Err(BadUrl),
        };
        let authority = uri.authority().ok_or(BadUrl)?.as_str().to_ascii_lowercase();
        let authority = authority.strip_suffix(port).unwrap_or(&authority).to_owned();
        if authority.is_empty() || authority.starts_with(':') {
            return Err(BadUrl);
        }
        let path = format!("{}/", uri.path().trim_end_matches('/'));
        Ok(Self { secure, authority, path })
    }
}

/// `web.listen` as typed.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an address in quotes, \"unix:/PATH\", or false")]
enum RawListen {
    Text(String),
    Switch(bool),
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [web]")]
pub(super) struct RawWeb {
    listen: Option<Spanned<RawListen>>,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    mode: Option<Spanned<Mode>>,
    owner: Option<Spanned<Account>>,
    group: Option<Spanned<Account>>,
}

impl RawWeb {
    /// Checks the section. `None` if the monitor is disabled: its values are checked too.
    pub(super) fn check(mut self, machine: &Machine) -> Result<Option<Web>, Fault> {
        let tls = tls_files(TlsKeys::WEB, self.cert.take(), self.key.take())?;
        let url = self
            .url
            .take()
            .map(|typed| checked(typed, |text| text.parse().map_err(|BadUrl| Problem::Url(text))));
        let url = url.transpose()?;
        let listen = match self.listen.take() {
            None => Some(WebListen::Default),
            Some(listen) => self.listen(listen, tls.as_ref(), url.is_some(), machine)?,
        };
        self.refuse_socket_keys()?;
        Ok(listen.map(|listen| Web { listen, tls, url }))
    }

    fn listen(
        &mut self,
        listen: Spanned<RawListen>,
        tls: Option<&TlsFiles>,
        has_url: bool,
        machine: &Machine,
    ) -> Result<Option<WebListen>, Fault> {
        let span = listen.span();
        let wrong = |problem| Fault::from(Wrong { span: span.clone(), problem });
        let text = match listen.into_inner() {
            RawListen::Switch(false) => return Ok(None),
            RawListen::Switch(true) => return Ok(Some(WebListen::Default)),
            RawListen::Text(text) => text,
        };
        if let Some(file) = text.strip_prefix(UNIX) {
            if tls.is_some() {
                return Err(wrong(Problem::UnixTls));
            }
            if !has_url {
                return Err(wrong(Problem::NoUrl));
            }
            let typed = Spanned::new(span, file.to_owned());
            return Ok(Some(WebListen::Unix {
                path: path("web.listen", Some(typed), Err(Problem::NoRuntimeDir), SOCKET_PATH_MAX)?,
                mode: self.mode.take().map_or(WEB_MODE, |mode| mode.into_inner().0),
                owner: account(self.owner.take(), "user", machine.user)?,
                group: account(self.group.take(), "group", machine.group)?,
            }));
        }
        let address: SocketAddr = text.parse().map_err(|_| wrong(Problem::WebListen(text)))?;
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(wrong(Problem::NoTls { address, keys: TlsKeys::WEB }));
        }
        Ok(Some(WebListen::Tcp(address)))
    }

    /// What is left of these keys has no socket to be for.
    fn refuse_socket_keys(&self) -> Result<(), Fault> {
        let spans = [
            self.mode.as_ref().map(Spanned::span),
            self.owner.as_ref().map(Spanned::span),
            self.group.as_ref().map(Spanned::span),
        ];
        match spans.into_iter().flatten().next() {
            Some(span) => Err(Wrong { span, problem: Problem::NotUnix }.into()),
            None => Ok(()),
        }
    }
}
