//! The file that tokens are kept in: one JSON object a line. It is replaced as a whole, so that whoever
//! reads finds the old one or the new one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use serde::{Deserialize, Serialize};

use super::{GLOBS_MAX, NAME_MAX, TOKENS_MAX, Token, TokenName, hex};
use crate::event::Timestamp;
use crate::filter::Glob;
use crate::sys::files::NO_FOLLOW;

/// The longest file, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Nobody but its owner reads it: hashes are no secrets, but nobody's business either.
const MODE: u32 = 0o600;

/// Why tokens cannot be read or changed. None of them shows a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No name.
    #[error(
        "{0:?} is not a token's name: 1 to {NAME_MAX} of A-Z a-z 0-9 _ - and single dots within, such as web2"
    )]
    Name(String),
    /// Another token has it.
    #[error("there is a token {0} already: revoke it first, or choose another name")]
    Taken(TokenName),
    /// Nobody has it.
    #[error("there is no token {0}: pulsed token list shows them")]
    Unknown(TokenName),
    /// The table is full.
    #[error("there are {TOKENS_MAX} tokens already, which is the most: revoke one first")]
    TooMany,
    /// Somebody else changes them just now.
    #[error("{}: another command is changing the tokens: try again", .0.display())]
    Busy(PathBuf),
    /// The history's directory is made by the agent, not before it runs.
    #[error("there is no directory {} to keep tokens in: the agent makes its history directory when it first starts", .0.display())]
    NoDirectory(PathBuf),
    /// Anybody might have written it.
    #[error("{}: not trusted: only root or the owner of its directory may own it, and nobody else write to it", .0.display())]
    Untrusted(PathBuf),
    /// Somebody edited it.
    #[error("{}:{line}: not a token as pulsed writes it: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The system said no.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The kernel has no random numbers.
    #[error("cannot make a token: no random numbers: {0}")]
    Random(io::Error),
}

/// By what a file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
    /// Whose directory it is in: that decides whether the file is trusted.
    directory: u32,
}

impl Stamp {
    fn of(meta: &fs::Metadata, directory: u32) -> Self {
        let changed = (meta.ctime(), meta.ctime_nsec());
        Self { inode: meta.ino(), size: meta.size(), changed, directory }
    }
}

/// The stamp of the file that is there now; none if there is none.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let owner = fs::metadata(directory(path)).ok()?.uid();
    fs::symlink_metadata(path).ok().map(|meta| Stamp::of(&meta, owner))
}

/// A token, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    send: Vec<String>,
    tail: Vec<String>,
    added: String,
}

/// All tokens, and by what this state of the file is known again. No file is a file without tokens.
pub(super) fn read(path: &Path) -> Result<(Option<Stamp>, Vec<Token>), TokenError> {
    let failed = io_error("read", path);
    let opened = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, Vec::new())),
        opened => opened.map_err(&failed)?,
    };
    let meta = file.metadata().map_err(&failed)?;
    let owner = fs::metadata(directory(path)).map_err(&failed)?.uid();
    if !meta.is_file() || meta.mode() & 0o022 != 0 || (meta.uid() != 0 && meta.uid() != owner) {
        return Err(TokenError::Untrusted(path.into()));
    }
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(&failed)?;
    if text.len() as u64 > FILE_MAX {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let tokens = text.lines().enumerate().map(|(at, line)| {
        let path = path.to_owned();
        parse(line).map_err(|why| TokenError::Content { path, line: at + 1, why })
    });
    let tokens: Vec<Token> = tokens.collect::<Result<_, _>>()?;
    if tokens.len() > TOKENS_MAX {
        return Err(TokenError::TooMany);
    }
    Ok((Some(Stamp::of(&meta, owner)), tokens))
}

fn parse(line: &str) -> Result<Token, String> {
    let entry: Entry = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let globs = |list: Vec<String>| {
        if list.len() > GLOBS_MAX {
            return Err(format!("more than {GLOBS_MAX} patterns"));
        }
        let globs =
            list.iter().map(|text| Glob::new(text).map_err(|why| format!("{text:?}: {why}")));
        globs.collect::<Result<Vec<_>, _>>()
    };
    Ok(Token {
        name: TokenName::new(&entry.name).map_err(|error| error.to_string())?,
        hash: hash(&entry.sha256).ok_or("sha256 is not 64 hexadecimal digits")?,
        send: globs(entry.send)?,
        tail: globs(entry.tail)?,
        added: entry.added.parse::<Timestamp>().map_err(|error| error.to_string())?,
    })
}

fn hash(text: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    let digits = text.len() == 2 * hash.len() && text.bytes().all(|b| b.is_ascii_hexdigit());
    for (at, byte) in hash.iter_mut().enumerate().filter(|_| digits) {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    digits.then_some(hash)
}

/// Changes the tokens while nobody else does. Nothing is written when the change fails.
pub(super) fn change<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<Token>) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    let dir = directory(path);
    let held = File::open(dir).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => TokenError::NoDirectory(dir.into()),
        _ => io_error("open", dir)(cause),
    })?;
    match held.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(TokenError::Busy(path.into())),
        Err(TryLockError::Error(cause)) => return Err(io_error("lock", dir)(cause)),
    }
    let mut tokens = read(path)?.1;
    let changed = change(&mut tokens)?;
    write(path, &held, &tokens)?;
    Ok(changed)
}

/// Whoever owns the directory owns the file: root makes it for the agent's own user.
fn write(path: &Path, dir: &File, tokens: &[Token]) -> Result<(), TokenError> {
    let mut text = Vec::new();
    for token in tokens {
        let globs = |globs: &[Glob]| globs.iter().map(Glob::to_string).collect();
        let entry = Entry {
            name: token.name.to_string(),
            sha256: hex(&token.hash),
            send: globs(&token.send),
            tail: globs(&token.tail),
            added: token.added.to_string(),
        };
        let line = serde_json::to_string(&entry).map_err(io::Error::from);
        text.extend_from_slice(line.map_err(io_error("write", path))?.as_bytes());
        text.push(b'\n');
    }
    if text.len() as u64 > FILE_MAX {
        return Err(TokenError::TooMany);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let written = write_new(&new, dir, &text).and_then(|()| fs::rename(&new, path));
    written.and_then(|()| dir.sync_all()).map_err(|cause| {
        let _ = fs::remove_file(&new);
        io_error("write", path)(cause)
    })
}

fn write_new(new: &Path, dir: &File, text: &[u8]) -> io::Result<()> {
    // What an interrupted command left, or somebody else put there.
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(new)?;
    let (owner, own) = (dir.metadata()?, file.metadata()?);
    if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) && own.uid() == 0 {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.write_all(text)?;
    file.sync_all()
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> TokenError {
    let path = path.to_owned();
    move |cause| TokenError::Io { doing, path: path.clone(), cause }
}
