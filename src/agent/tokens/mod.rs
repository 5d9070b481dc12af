//! The TCP bridge's tokens. A token is 32 random bytes, which whoever has it keeps; the agent keeps only
//! their hash, a name, and the tags that may be sent and followed with it.
//!
//! They are few and known by heart to nobody, so that one round of SHA-256 is enough: there is nothing
//! to guess.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tokio::task::block_in_place;

use crate::access::TagScope;
use crate::diag;
use crate::event::{Tag, Timestamp};
use crate::filter::Glob;
use crate::sys::random;

pub use file::TokenError;

/// The most tokens of one agent.
pub const TOKENS_MAX: usize = 1024;

/// The most globs of one token for one action.
pub const GLOBS_MAX: usize = 64;

/// The longest name of a token, in bytes.
pub const NAME_MAX: usize = 64;

/// How old what is known of the file may be while tokens of it are in use.
pub(crate) const KNOWN_FOR: Duration = Duration::from_millis(500);

/// What a token is called: a tag, so that events can bear it, and without `/` and `:`, so that it is easily
/// told from an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenName(Arc<str>);

impl TokenName {
    /// Takes a name.
    ///
    /// # Errors
    /// [`TokenError::Name`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let fits = text.len() <= NAME_MAX && !text.contains(['/', ':']) && Tag::new(text).is_ok();
        if fits { Ok(Self(text.into())) } else { Err(TokenError::Name(text.to_owned())) }
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

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is called.
    pub name: TokenName,
    /// The SHA-256 of its text.
    hash: [u8; SHA256_OUTPUT_LEN],
    /// The tags that may be sent with it.
    pub send: Vec<Glob>,
    /// The tags that may be followed with it.
    pub tail: Vec<Glob>,
    /// When it was made.
    pub added: Timestamp,
}

impl Token {
    /// A new one, and its text, which is nowhere else.
    fn make(
        name: TokenName,
        send: Vec<Glob>,
        tail: Vec<Glob>,
        added: Timestamp,
    ) -> Result<(Self, String), TokenError> {
        let secret = random::bytes::<32>().map_err(TokenError::Random)?;
        let text = hex(&secret);
        Ok((Self { name, hash: hash_of(&text), send, tail, added }, text))
    }

    /// The tags that may be sent with it.
    pub(crate) fn may_send(&self) -> TagScope {
        TagScope::of_globs(&self.send)
    }

    /// The tags that may be followed with it.
    pub(crate) fn may_tail(&self) -> TagScope {
        TagScope::of_globs(&self.tail)
    }
}

/// Makes a token and keeps it in the file at `path`, which is made if there is none. Gives the text that
/// AUTH wants; it is shown to nobody ever again.
///
/// # Errors
/// A name that is taken, a bound, or what the system says.
pub fn add(
    path: &Path,
    name: TokenName,
    send: Vec<Glob>,
    tail: Vec<Glob>,
    now: Timestamp,
) -> Result<String, TokenError> {
    file::change(path, |tokens| {
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken(name));
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        let (token, text) = Token::make(name, send, tail, now)?;
        tokens.push(token);
        Ok(text)
    })
}

/// The tokens in the file at `path`, in the order in which they were made; none if there is no file.
///
/// # Errors
/// What the system says, or what is wrong in the file.
pub fn list(path: &Path) -> Result<Vec<Token>, TokenError> {
    Ok(file::read(path)?.1)
}

/// Takes a token back. Who uses it is cut off within a second.
///
/// # Errors
/// A name that nobody has, or what the system says.
pub fn revoke(path: &Path, name: &TokenName) -> Result<(), TokenError> {
    file::change(path, |tokens| {
        let before = tokens.len();
        tokens.retain(|token| token.name != *name);
        if tokens.len() == before { Err(TokenError::Unknown(name.clone())) } else { Ok(()) }
    })
}

/// The tokens of a running agent: read again whenever the file has changed.
pub(crate) struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    stamp: Option<file::Stamp>,
    tokens: Vec<Arc<Token>>,
    looked: Option<Instant>,
    /// The last thing that was wrong, so that it is told once.
    wrong: Option<String>,
}

impl Tokens {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::default() }
    }

    /// The token with this text. Takes as long whether there is one or not, as far as the comparison goes.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Token>> {
        let hash = hash_of(text);
        let known = self.known(Duration::ZERO);
        let mut found = None;
        for token in &known.tokens {
            if verify_slices_are_equal(&token.hash, &hash).is_ok() {
                found = Some(token.clone());
            }
        }
        found
    }

    /// The same token as it is now, looked for at most every [`KNOWN_FOR`]; none once it is revoked, also
    /// where another one has its name.
    pub(crate) fn again(&self, token: &Token) -> Option<Arc<Token>> {
        // Every connection with a token asks twice a second: another thread takes over only where the file is
        // looked at.
        let fresh = Some(self.lock()).filter(|known| known.is_fresh(KNOWN_FOR));
        let known = fresh.unwrap_or_else(|| block_in_place(|| self.known(KNOWN_FOR)));
        known.tokens.iter().find(|now| now.name == token.name && now.hash == token.hash).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file says, looked at if what is known is older than this. A file that cannot be trusted or
    /// read has no tokens.
    fn known(&self, no_older_than: Duration) -> MutexGuard<'_, Known> {
        let mut known = self.lock();
        if known.is_fresh(no_older_than) {
            return known;
        }
        known.looked = Some(Instant::now());
        let stamp = file::stamp(&self.path);
        if known.stamp.is_some() && known.stamp == stamp {
            return known;
        }
        let (tokens, wrong) = match file::read(&self.path) {
            Ok((stamp, tokens)) => {
                known.stamp = stamp;
                (tokens, None)
            }
            Err(error) => {
                // What is wrong stays so until the file is another one.
                known.stamp = stamp;
                (Vec::new(), Some(error.to_string()))
            }
        };
        if let Some(wrong) = wrong.as_ref().filter(|wrong| known.wrong.as_ref() != Some(wrong)) {
            diag::error(format_args!("{wrong}: until then nobody comes in by TCP"));
        }
        known.tokens = tokens.into_iter().map(Arc::new).collect();
        known.wrong = wrong;
        known
    }
}

impl Known {
    fn is_fresh(&self, no_older_than: Duration) -> bool {
        self.looked.is_some_and(|looked| looked.elapsed() < no_older_than)
    }
}

fn hash_of(text: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
