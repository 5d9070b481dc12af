//! The TCP bridge's tokens. A token is a secret with a name and the tags that may be sent and followed with it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::block_in_place;

use super::file::{self, FileError, FileStamp, Record};
use super::secret::{Hash, Secret};
use crate::access::TagScope;
use crate::diag;
use crate::event::{Tag, Timestamp};
use crate::filter::Glob;

/// The most tokens of one agent.
pub const TOKENS_MAX: usize = 1024;

/// The most globs of one token for one action.
pub const GLOBS_MAX: usize = 64;

/// The longest name of a token, in bytes.
pub const NAME_MAX: usize = 64;

/// Minimum interval between two looks at the file while tokens are in use: the most that a revocation takes to be
/// noticed.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(500);

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

/// The tokens of a running agent. The file is read again whenever it changed.
pub(crate) struct Tokens {
    path: PathBuf,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    stamp: Option<FileStamp>,
    tokens: Vec<Arc<Token>>,
    checked: Option<Instant>,
    /// The last error, so that each is reported once.
    error: Option<String>,
}

impl Tokens {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, cache: Mutex::default() }
    }

    /// The token with this text. `None` if there is none. The time this takes does not depend on the text.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Token>> {
        let hash = Hash::from_text(text);
        let cache = self.checked(Duration::ZERO);
        cache.tokens.iter().fold(
            None,
            |found, token| {
                if token.hash == hash { Some(token.clone()) } else { found }
            },
        )
    }

    /// The same token as it is now, at most [`CHECK_EVERY`] old. `None` once it is revoked, also where another
    /// token has its name.
    pub(crate) fn again(&self, token: &Token) -> Option<Arc<Token>> {
        // Each connection with a token asks twice a second: only a look at the file moves the worker's other tasks
        // to another thread.
        let fresh = Some(self.lock()).filter(|cache| cache.is_fresh(CHECK_EVERY));
        let cache = fresh.unwrap_or_else(|| block_in_place(|| self.checked(CHECK_EVERY)));
        cache.tokens.iter().find(|now| now.name == token.name && now.hash == token.hash).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file's contents, checked if the last check is `max_age` ago. A file that is not trusted or not readable
    /// has no tokens.
    fn checked(&self, max_age: Duration) -> MutexGuard<'_, Cache> {
        let mut cache = self.lock();
        if cache.is_fresh(max_age) {
            return cache;
        }
        cache.checked = Some(Instant::now());
        let stamp = file::stamp(&self.path);
        if cache.stamp.is_some() && cache.stamp == stamp {
            return cache;
        }
        let (tokens, error) = match file::read::<Token>(&self.path) {
            Ok(contents) => {
                cache.stamp = contents.stamp;
                (contents.records, None)
            }
            Err(error) => {
                // The same file would fail again.
                cache.stamp = stamp;
                (Vec::new(), Some(error.to_string()))
            }
        };
        if let Some(error) = error.as_ref().filter(|error| cache.error.as_ref() != Some(error)) {
            diag::error(format_args!(
                "{error}: no client can authenticate over TCP until this is fixed"
            ));
        }
        cache.tokens = tokens.into_iter().map(Arc::new).collect();
        cache.error = error;
        cache
    }
}

impl Cache {
    fn is_fresh(&self, max_age: Duration) -> bool {
        self.checked.is_some_and(|checked| checked.elapsed() < max_age)
    }
}

#[cfg(test)]
mod tests;
