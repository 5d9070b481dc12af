//! The token for a TCP bridge. It is a secret: it is never displayed, and no option holds it, because every
//! user of a machine can read command lines.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The environment variable that holds the token.
pub const TOKEN_VARIABLE: &str = "PULSED_TOKEN";

/// The longest token, in bytes, including an optional line end.
pub const TOKEN_MAX: usize = 4 * 1024;

/// The number of hex digits of a token, as `pulsed token add` creates it.
const DIGITS: usize = 64;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    /// Where it comes from.
    source: TokenSource,
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `$PULSED_TOKEN`.
    Variable,
    /// This file.
    File(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => write!(f, "${TOKEN_VARIABLE}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Hides the token: debug output ends up in files that others read.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no token. Holds no part of one.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Neither the option nor the variable is set.
    #[error(
        "no token: --server needs one: name its file with --token-file, or set ${TOKEN_VARIABLE}"
    )]
    Absent,
    /// The file cannot be read.
    #[error("cannot read: --token-file: {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The argument looks like the token itself instead of its file.
    #[error(
        "no token: --token-file takes the name of a file, and this looks like the token itself, which \
         others may have seen now: have it revoked"
    )]
    Bare,
    /// The file holds something else.
    #[error("no token: --token-file: {}: {bad}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        bad: BadToken,
    },
    /// The variable holds something else.
    #[error("no token: ${TOKEN_VARIABLE}: {0}")]
    Variable(BadToken),
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It exceeds [`TOKEN_MAX`].
    #[error("it is longer than {} KiB", TOKEN_MAX / 1024)]
    TooLong,
    /// It has more than one line.
    #[error("it has more than one line")]
    Lines,
    /// It has white space or control characters, or is not UTF-8.
    #[error("it has white space or control characters in it, or is not UTF-8")]
    NotText,
}

impl Token {
    /// Reads the token from `file`, or without one from `$PULSED_TOKEN`.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn find(file: Option<&Path>) -> Result<Self, TokenError> {
        if let Some(path) = file {
            let read = File::open(path).and_then(|file| {
                let mut bytes = Vec::new();
                // One byte more shows that it is too long.
                file.take(TOKEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
                Ok(bytes)
            });
            let path = path.to_owned();
            return match read {
                Ok(bytes) => match parse(&bytes) {
                    Ok(text) => Ok(Self { text, source: TokenSource::File(path) }),
                    Err(bad) => Err(TokenError::File { path, bad }),
                },
                Err(_) if is_bare(&path) => Err(TokenError::Bare),
                Err(source) => Err(TokenError::Unreadable { path, source }),
            };
        }
        let variable = std::env::var_os(TOKEN_VARIABLE).ok_or(TokenError::Absent)?;
        let text = parse(variable.as_encoded_bytes()).map_err(TokenError::Variable)?;
        Ok(Self { text, source: TokenSource::Variable })
    }

    /// Where it comes from.
    pub(super) const fn source(&self) -> &TokenSource {
        &self.source
    }

    /// The AUTH request.
    pub(super) fn line(&self) -> String {
        format!("AUTH {}\n", self.text)
    }

    /// Removes the token from a text of the peer, which may echo it.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(&self.text, "…")
    }
}

/// Strips the line end and checks the rest.
fn parse(bytes: &[u8]) -> Result<String, BadToken> {
    if bytes.len() > TOKEN_MAX {
        return Err(BadToken::TooLong);
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(BadToken::Empty);
    }
    if line.contains(&b'\n') {
        return Err(BadToken::Lines);
    }
    let text = std::str::from_utf8(line).map_err(|_| BadToken::NotText)?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}') {
        return Err(BadToken::NotText);
    }
    Ok(text.to_owned())
}

/// `true` if the path looks like a token, which must not be displayed.
fn is_bare(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.len() == DIGITS && bytes.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Token, TokenError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("ours");
        Token::find(Some(file.path()))
    }

    #[test]
    fn reads_a_file_of_one_line() {
        for bytes in [&b"s3cret"[..], b"s3cret\n", b"s3cret\r\n"] {
            assert_eq!(read(bytes).expect("a token").line(), "AUTH s3cret\n");
        }
        for (bytes, expected) in [
            (&b""[..], BadToken::Empty),
            (b"\n", BadToken::Empty),
            (b"s3cret\n\n", BadToken::Lines),
            (b"s3cret\nother", BadToken::Lines),
            (b"s3cret other", BadToken::NotText),
            (b" s3cret", BadToken::NotText),
            (b"s3cret\t\n", BadToken::NotText),
            (b"s3cret\0", BadToken::NotText),
            ("s3cret\u{a0}".as_bytes(), BadToken::NotText),
            (b"s3cret\xff", BadToken::NotText),
            // A byte order mark, as some editors write it.
            ("\u{feff}s3cret\n".as_bytes(), BadToken::NotText),
        ] {
            let error = read(bytes).expect_err("no token");
            assert!(matches!(error, TokenError::File { bad, .. } if bad == expected), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn keeps_its_bound() {
        let longest = vec![b'x'; TOKEN_MAX];
        assert!(read(&longest).is_ok());
        assert!(read(&[&longest[1..], b"\n"].concat()).is_ok());
        for long in [[&longest[..], b"x"].concat(), [&longest[..], b"\n"].concat()] {
            let error = read(&long).expect_err("too long");
            assert!(matches!(error, TokenError::File { bad: BadToken::TooLong, .. }), "{error}");
        }
    }

    #[test]
    fn names_a_missing_file() {
        let error = Token::find(Some(Path::new("/nowhere/token"))).expect_err("nothing there");
        assert!(error.to_string().contains("--token-file: /nowhere/token: "), "{error}");
    }

    #[test]
    fn does_not_display_a_token_given_as_file() {
        let bare = "5e9a".repeat(DIGITS / 4);
        let error = Token::find(Some(Path::new(&bare))).expect_err("no file");
        assert!(
            matches!(error, TokenError::Bare) && !error.to_string().contains("5e9a"),
            "{error}"
        );
        let error = Token::find(Some(Path::new(&bare[1..]))).expect_err("no file");
        assert!(matches!(error, TokenError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn is_never_displayed() {
        let token = read(b"s3cret").expect("a token");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(token.redact("unknown word AUTH s3cret"), "unknown word AUTH …");
    }
}
