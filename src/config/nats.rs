//! `[nats]`: forwarding to NATS JetStream.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::checks::{PATH_MAX, checked, path, size, within};
use super::error::{Fault, Problem, Wrong};
use super::tcp::tls_files;
use super::tls::{TlsFiles, TlsKeys};
use super::value::{Period, Size};

/// The most URLs of one engine.
pub const NATS_URLS_MAX: usize = 16;
/// The longest name of a stream, and the longest subject prefix, in bytes.
pub const NATS_NAME_MAX: usize = 64;
/// The smallest stream, in bytes.
pub const STREAM_MIN: u64 = 1 << 20;
/// The largest stream, in bytes.
pub const STREAM_MAX: u64 = 1024 << 40;
/// The shortest retention time of a stream.
pub const STREAM_AGE_MIN: Duration = Duration::from_secs(1);
/// The longest retention time of a stream: about ten years.
pub const STREAM_AGE_MAX: Duration = Duration::from_secs(3660 * 86_400);
/// The most replicas of a stream that JetStream allows.
pub const REPLICAS_MAX: u8 = 5;

const DEFAULT_NAME: &str = "pulse";
const DEFAULT_SIZE: u64 = 1 << 30;
const DEFAULT_AGE: Duration = Duration::from_secs(7 * 86_400);

/// The section, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// The engine's servers, `nats://HOST[:PORT]` or `tls://HOST[:PORT]`: from 1 to [`NATS_URLS_MAX`].
    pub urls: Vec<String>,
    /// How the agent authenticates.
    pub login: NatsLogin,
    /// The certificates of the authorities that sign the servers' ones. `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The certificate that the agent presents.
    pub tls: Option<TlsFiles>,
    /// The name of the stream.
    pub stream: String,
    /// What the subject of each host begins with.
    pub prefix: String,
    /// The maximum size of a stream that the agent creates, in bytes.
    pub size: u64,
    /// The maximum age of a message in it.
    pub age: Duration,
    /// How many servers of a cluster keep it.
    pub replicas: u8,
    /// Compress messages for which that pays.
    pub compress: bool,
}

impl Nats {
    /// The subject of a host: its dots become `_`, because a dot separates the parts of a subject.
    pub fn subject(&self, host: &str) -> String {
        format!("{}.{}", self.prefix, token(host))
    }

    /// Below which subjects the engine answers a host. Each has its own, so that an account needs no right to those of
    /// others.
    pub fn inbox(host: &str) -> String {
        format!("_INBOX.{}", token(host))
    }
}

/// A host as one part of a subject.
fn token(host: &str) -> String {
    host.replace('.', "_")
}

/// How the agent authenticates. Secrets are in files of their own, which are read before each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsLogin {
    /// Without a secret, or with the certificate only.
    None,
    /// A credentials file (JWT and seed), or the seed of an nkey.
    Credentials(PathBuf),
    /// A token.
    Token(PathBuf),
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The file with the password.
        password: PathBuf,
    },
}

/// `nats.url` as typed.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a URL in quotes, or a list of them")]
enum RawUrls {
    One(String),
    List(Vec<String>),
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [nats]")]
pub(super) struct RawNats {
    url: Option<Spanned<RawUrls>>,
    credentials: Option<Spanned<String>>,
    token: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
    ca: Option<Spanned<String>>,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    stream: Option<Spanned<String>>,
    prefix: Option<Spanned<String>>,
    size: Option<Spanned<Size>>,
    age: Option<Spanned<Period>>,
    replicas: Option<Spanned<u8>>,
    compress: Option<bool>,
}

impl RawNats {
    /// Checks the section. `None` if there is no URL: its values are checked too.
    pub(super) fn check(mut self) -> Result<Option<Nats>, Fault> {
        let login = self.login()?;
        let ca = self.ca.map(|typed| file("nats.ca", typed)).transpose()?;
        let tls = tls_files(TlsKeys::NATS, self.cert, self.key)?;
        let stream = name(self.stream, is_name)?;
        let prefix = name(self.prefix, |text| text.split('.').all(is_name))?;
        let size = size(self.size, DEFAULT_SIZE, STREAM_MIN, STREAM_MAX)?;
        let age = match self.age {
            None => DEFAULT_AGE,
            Some(age) => within(age, Period(STREAM_AGE_MIN), Period(STREAM_AGE_MAX))?.0,
        };
        let replicas = self.replicas.map_or(Ok(1), |typed| within(typed, 1, REPLICAS_MAX))?;
        let compress = self.compress.unwrap_or(true);
        let Some(urls) = self.url else { return Ok(None) };
        let urls = checked(urls, urls_of)?;
        Ok(Some(Nats { urls, login, ca, tls, stream, prefix, size, age, replicas, compress }))
    }

    fn login(&mut self) -> Result<NatsLogin, Fault> {
        let (credentials, token) = (self.credentials.take(), self.token.take());
        let (user, password) = (self.user.take(), self.password.take());
        let spans = [&credentials, &token, &user].map(|typed| typed.as_ref().map(Spanned::span));
        if let Some(second) = spans.into_iter().flatten().nth(1) {
            return Err(Wrong { span: second, problem: Problem::NatsLogins }.into());
        }
        match (user, password) {
            (Some(user), Some(password)) => {
                let password = file("nats.password", password)?;
                let user = checked(user, |text| match text.is_empty() {
                    true => Err(Problem::NatsUser),
                    false => Ok(text),
                })?;
                return Ok(NatsLogin::Password { user, password });
            }
            (None, None) => {}
            (Some(half), None) | (None, Some(half)) => {
                return Err(Wrong { span: half.span(), problem: Problem::NatsUser }.into());
            }
        }
        Ok(match (credentials, token) {
            (Some(typed), _) => NatsLogin::Credentials(file("nats.credentials", typed)?),
            (None, Some(typed)) => NatsLogin::Token(file("nats.token", typed)?),
            (None, None) => NatsLogin::None,
        })
    }
}

fn file(key: &'static str, typed: Spanned<String>) -> Result<PathBuf, Fault> {
    path(key, Some(typed), Err(Problem::NoHome), PATH_MAX)
}

/// A part of a subject between dots, without what means something to NATS.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

fn name(typed: Option<Spanned<String>>, is_valid: impl Fn(&str) -> bool) -> Result<String, Wrong> {
    let Some(typed) = typed else { return Ok(DEFAULT_NAME.into()) };
    checked(typed, |text| {
        let valid = text.len() <= NATS_NAME_MAX && is_valid(&text);
        if valid { Ok(text) } else { Err(Problem::NatsName { text, max: NATS_NAME_MAX }) }
    })
}

fn urls_of(typed: RawUrls) -> Result<Vec<String>, Problem> {
    let urls = match typed {
        RawUrls::One(url) => vec![url],
        RawUrls::List(urls) => urls,
    };
    if urls.len() > NATS_URLS_MAX {
        return Err(Problem::TooMany { what: "URLs", max: NATS_URLS_MAX });
    }
    if urls.is_empty() {
        return Err(Problem::NatsUrl(String::new()));
    }
    urls.into_iter().map(check_url).collect()
}

fn check_url(text: String) -> Result<String, Problem> {
    let Some((is_tls, host)) = parse_url(&text) else { return Err(Problem::NatsUrl(text)) };
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_loopback = address.map_or(host == "localhost", |address| address.is_loopback());
    if is_tls || is_loopback { Ok(text) } else { Err(Problem::NatsPlain(text)) }
}

/// Whether a URL asks for TLS, and its host.
fn parse_url(text: &str) -> Option<(bool, String)> {
    if text.contains(['?', '#', '@']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let is_tls = match uri.scheme_str()? {
        "nats" => false,
        "tls" => true,
        _ => return None,
    };
    let host = uri.host().filter(|host| !host.is_empty())?;
    (uri.path() == "/" || uri.path().is_empty()).then(|| (is_tls, host.to_ascii_lowercase()))
}
