//! The TCP bridge's tokens. A token is a secret with a name and the tags that may be sent and followed with it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::file::{self, FileError, FileStamp, Record};
use super::secret::{Hash, Secret};
use crate::access::TagScope;
use crate::diag::{self, Throttle};
use crate::event::{Tag, Timestamp};
use crate::filter::Glob;
use crate::sys::single_flight::SingleFlight;

/// The most tokens of one agent.
pub const TOKENS_MAX: usize = 1024;

/// The most globs of one token for one action.
pub const GLOBS_MAX: usize = 64;

/// The longest name of a token, in bytes.
pub const NAME_MAX: usize = 64;

/// How often a connection with a token requests a look at the file. With [`LOOK_EVERY`] the most that a revocation takes
/// to be noticed.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Minimum interval between two looks at the file for connections that are authenticated.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Timeout of the look at the file for a client that authenticates.
pub const LOOK_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long clients can authenticate by the last look at a file that does not answer.
pub const SEEN_VALID_FOR: Duration = Duration::from_secs(60);

/// A look that takes this long is reported.
const HANG_MIN: Duration = Duration::from_secs(1);

/// Minimum interval between two diagnostics about a file that does not answer.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The name of a token: a tag, so that events can carry it, without `/` and `:`, so that it cannot be confused with
/// an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenName(Arc<str>);

impl TokenName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TokenError::Name`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let valid = text.len() <= NAME_MAX && !text.contains(['/', ':']) && Tag::new(text).is_ok();
        if valid { Ok(Self(text.into())) } else { Err(TokenError::Name(text.to_owned())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a name.
    #[error(
        "{0:?} is not a token's name: 1 to {NAME_MAX} of A-Z a-z 0-9 _ - and single dots within, such as web2"
    )]
    Name(String),
    /// The name is in use.
    #[error("there is a token {0} already: revoke it first, or choose another name")]
    Taken(TokenName),
    /// No token has this name.
    #[error("there is no token {0}: see pulsed token list")]
    Unknown(TokenName),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The kernel has no random numbers.
    #[error("cannot create a token: no random numbers: {0}")]
    Random(io::Error),
}

/// What is stored of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: TokenName,
    hash: Hash,
    /// The tags that may be sent with it.
    pub send: Vec<Glob>,
    /// The tags that may be followed with it.
    pub tail: Vec<Glob>,
    /// When it was created.
    pub added: Timestamp,
}

/// A token's line in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLine {
    name: String,
    sha256: String,
    send: Vec<String>,
    tail: Vec<String>,
    added: String,
}

impl Record for Token {
    type Line = TokenLine;

    const NAME: &'static str = "token";

    const MAX: usize = TOKENS_MAX;

    fn from_line(line: TokenLine) -> Result<Self, String> {
        Ok(Self {
            name: TokenName::new(&line.name).map_err(|error| error.to_string())?,
            hash: Hash::from_hex(&line.sha256).ok_or("sha256 is not 64 hexadecimal digits")?,
            send: parse_globs(&line.send)?,
            tail: parse_globs(&line.tail)?,
            added: line.added.parse::<Timestamp>().map_err(|error| error.to_string())?,
        })
    }

    fn to_line(&self) -> TokenLine {
        let globs = |globs: &[Glob]| globs.iter().map(Glob::to_string).collect();
        TokenLine {
            name: self.name.to_string(),
            sha256: self.hash.to_hex(),
            send: globs(&self.send),
            tail: globs(&self.tail),
            added: self.added.to_string(),
        }
    }
}

fn parse_globs(list: &[String]) -> Result<Vec<Glob>, String> {
    if list.len() > GLOBS_MAX {
        return Err(format!("more than {GLOBS_MAX} patterns"));
    }
    list.iter().map(|text| Glob::new(text).map_err(|why| format!("{text:?}: {why}"))).collect()
}

impl Token {
    /// The tags that may be sent with it.
    pub(crate) fn may_send(&self) -> TagScope {
        TagScope::from_globs(&self.send)
    }

    /// The tags that may be followed with it.
    pub(crate) fn may_tail(&self) -> TagScope {
        TagScope::from_globs(&self.tail)
    }
}

/// Creates a token in the file at `path`, and the file where there is none. Returns the secret, which is not stored.
///
/// # Errors
/// [`TokenError`] if the name is taken, a bound is reached, or the file cannot be changed.
pub fn add(
    path: &Path,
    name: TokenName,
    send: Vec<Glob>,
    tail: Vec<Glob>,
    now: Timestamp,
) -> Result<String, TokenError> {
    file::change(path, |tokens: &mut Vec<Token>| {
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken(name));
        }
        let secret = Secret::random().map_err(TokenError::Random)?;
        let hash = Hash::from_text(secret.text());
        tokens.push(Token { name, hash, send, tail, added: now });
        Ok(secret.into_text())
    })
}

/// The tokens in the file at `path`, in order of creation. No file is no tokens.
///
/// # Errors
/// [`FileError`].
pub fn list(path: &Path) -> Result<Vec<Token>, TokenError> {
    Ok(file::read(path)?.records)
}

/// Revokes a token. Its clients are disconnected within a second.
///
/// # Errors
/// [`TokenError`] if there is no such token, or the file cannot be changed.
pub fn revoke(path: &Path, name: &TokenName) -> Result<(), TokenError> {
    file::change(path, |tokens: &mut Vec<Token>| {
        let before = tokens.len();
        tokens.retain(|token| token.name != *name);
        if tokens.len() == before { Err(TokenError::Unknown(name.clone())) } else { Ok(()) }
    })
}

/// The file with the tokens did not answer, so that it is unknown whether a text is a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file with the tokens did not answer in time: try again later")]
pub(crate) struct TokensUnavailable;

/// The tokens of a running agent. One blocking thread at a time looks at the file, and reads it again if it has changed.
/// Everybody else uses what the last look has found, so that a file that hangs stops no client that is connected.
pub(crate) struct Tokens {
    path: PathBuf,
    look: SingleFlight,
    seen: watch::Receiver<Seen>,
    reports: Mutex<Throttle>,
}

/// What a look has found.
#[derive(Default)]
struct Seen {
    tokens: Vec<Arc<Token>>,
    /// When the last look began that has ended.
    at: Option<Instant>,
}

impl Seen {
    fn is_younger_than(&self, age: Duration) -> bool {
        self.at.is_some_and(|at| at.elapsed() < age)
    }
}

impl Tokens {
    /// Does not look at the file yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        let (publish, seen) = watch::channel(Seen::default());
        let looker = Mutex::new(Looker { path: path.clone(), stamp: None, error: None });
        let look = SingleFlight::new(move || {
            looker.lock().unwrap_or_else(PoisonError::into_inner).look(&publish);
        });
        Self { path, look, seen, reports: Mutex::new(Throttle::new(REPORT_EVERY)) }
    }

    /// The token with this text, by a look at the file that began after the call. If that does not end within
    /// [`LOOK_WAIT_MAX`], by the last one for [`SEEN_VALID_FOR`]. `None` if there is none. The time this takes does not
    /// depend on the text.
    ///
    /// # Errors
    /// [`TokensUnavailable`] without such a look. A text that the last look did not find may have been added since.
    pub(crate) async fn find(&self, text: &str) -> Result<Option<Arc<Token>>, TokensUnavailable> {
        let hash = Hash::from_text(text);
        let fresh = self.look.run(LOOK_WAIT_MAX).await;
        self.report_hang();
        let seen = self.seen.borrow();
        let found = seen.tokens.iter().fold(None, |found, token| {
            if token.hash == hash { Some(token.clone()) } else { found }
        });
        match found {
            found if fresh => Ok(found),
            Some(token) if seen.is_younger_than(SEEN_VALID_FOR) => Ok(Some(token)),
            _ => Err(TokensUnavailable),
        }
    }

    /// The same token by the last look at the file. Requests another look unless that is recent, and does not wait for
    /// it. `None` once it is revoked, also where another token has its name.
    pub(crate) fn again(&self, token: &Token) -> Option<Arc<Token>> {
        let seen = self.seen.borrow();
        if !seen.is_younger_than(LOOK_EVERY) {
            self.look.request();
            self.report_hang();
        }
        seen.tokens.iter().find(|now| now.name == token.name && now.hash == token.hash).cloned()
    }

    /// Sees each change of the tokens.
    pub(crate) fn changed(&self) -> watch::Receiver<impl Send + Sync + use<>> {
        self.seen.clone()
    }

    fn report_hang(&self) {
        let Some(hang) = self.look.stuck_for().filter(|hang| *hang >= HANG_MIN) else { return };
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(omitted) = reports.pass(Instant::now()) {
            diag::warning(format_args!(
                "{}: no answer for {} s: clients with a token stay connected, others cannot authenticate{omitted}",
                self.path.display(),
                hang.as_secs()
            ));
        }
    }
}

/// Looks at the file.
struct Looker {
    path: PathBuf,
    /// The version of the file that was read last.
    stamp: Option<FileStamp>,
    /// The last error, so that each is reported once.
    error: Option<String>,
}

impl Looker {
    /// Reads the file if it has changed, and publishes its tokens. A file that is not trusted or not readable has no
    /// tokens.
    fn look(&mut self, publish: &watch::Sender<Seen>) {
        let began = Some(Instant::now());
        let stamp = file::stamp(&self.path);
        if self.stamp.is_some() && self.stamp == stamp {
            publish.send_if_modified(|seen| {
                seen.at = began;
                false
            });
            return;
        }
        let (tokens, error) = match file::read::<Token>(&self.path) {
            Ok(contents) => {
                self.stamp = contents.stamp;
                (contents.records, None)
            }
            Err(error) => {
                // The same file would fail again.
                self.stamp = stamp;
                (Vec::new(), Some(error.to_string()))
            }
        };
        if let Some(error) = error.as_ref().filter(|error| self.error.as_ref() != Some(error)) {
            diag::error(format_args!(
                "{error}: no client can authenticate over TCP until this is fixed"
            ));
        }
        self.error = error;
        publish
            .send_replace(Seen { tokens: tokens.into_iter().map(Arc::new).collect(), at: began });
    }
}

#[cfg(test)]
mod tests;
