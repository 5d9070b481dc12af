//! The token that a TCP bridge asks for. It is a secret: it is never shown, and there is no option that
//! takes it, since every user of a machine sees command lines.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The environment variable that holds the token.
pub const TOKEN_VARIABLE: &str = "PULSED_TOKEN";

/// The longest token, in bytes, with the line end that may follow it.
pub const TOKEN_MAX: usize = 4 * 1024;

/// The digits of a token, as `pulsed token add` makes them.
const DIGITS: usize = 64;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    /// Where it was.
    source: TokenSource,
}

/// Where a token was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In `$PULSED_TOKEN`.
    Variable,
    /// In this file.
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

/// Not its text: what is shown for debugging ends in files that others read.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no token. Nothing of one is in it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nobody gives one.
    #[error("no token: --server needs one: name its file with --token-file, or set $PULSED_TOKEN")]
    Absent,
    /// The file is not there, or not ours to read.
    #[error("cannot read: --token-file: {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The token itself in the place of its file.
    #[error(
        "no token: --token-file takes the name of a file, and this looks like the token itself, which \
         others may have seen now: have it revoked"
    )]
    Bare,
    /// What the file holds is none.
    #[error("no token: --token-file: {}: {bad}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        bad: BadToken,
    },
    /// What the variable holds is none.
    #[error("no token: $PULSED_TOKEN: {0}")]
    Variable(BadToken),
}

/// What no token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// More than [`TOKEN_MAX`].
    #[error("it is longer than 4 KiB")]
    TooLong,
    /// More than one.
    #[error("it has more than one line")]
    Lines,
    /// White space, control characters or bytes that are no text.
    #[error("it has white space or control characters in it, or is no UTF-8")]
    NotText,
}

impl Token {
    /// The token in `file`; without one, that of `$PULSED_TOKEN`.
    ///
    /// # Errors
    /// [`TokenError`]: there is none, or what is there is none.
    pub fn find(file: Option<&Path>) -> Result<Self, TokenError> {
        if let Some(path) = file {
            let read = File::open(path).and_then(|file| {
                let mut bytes = Vec::new();
                // One more than may be there shows that it is too long.
                file.take(TOKEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
                Ok(bytes)
            });
            let path = path.to_owned();
            return match read {
                Ok(bytes) => match text(&bytes) {
                    Ok(text) => Ok(Self { text, source: TokenSource::File(path) }),
                    Err(bad) => Err(TokenError::File { path, bad }),
                },
                Err(_) if is_bare(&path) => Err(TokenError::Bare),
                Err(source) => Err(TokenError::Unreadable { path, source }),
            };
        }
        let variable = std::env::var_os(TOKEN_VARIABLE).ok_or(TokenError::Absent)?;
        let text = text(variable.as_encoded_bytes()).map_err(TokenError::Variable)?;
        Ok(Self { text, source: TokenSource::Variable })
    }

    /// Where it was.
    pub(super) const fn source(&self) -> &TokenSource {
        &self.source
    }

    /// The line that shows it to the agent.
    pub(super) fn line(&self) -> String {
        format!("AUTH {}\n", self.text)
    }

    /// A text that somebody else wrote, without the token: what answers may send back what it was told.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        text.replace(&self.text, "…")
    }
}

/// What is left of `bytes` without the line end behind it, if that can be a token.
fn text(bytes: &[u8]) -> Result<String, BadToken> {
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

/// Whether somebody gave the token itself where its file was asked for: it must not be shown then.
fn is_bare(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.len() == DIGITS && bytes.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(bytes: &[u8]) -> Result<Token, TokenError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("ours");
        Token::find(Some(file.path()))
    }

    #[test]
    fn a_file_holds_one_line() {
        for bytes in [&b"s3cret"[..], b"s3cret\n", b"s3cret\r\n"] {
            assert_eq!(of_file(bytes).expect("a token").line(), "AUTH s3cret\n");
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
            let error = of_file(bytes).expect_err("no token");
            assert!(matches!(error, TokenError::File { bad, .. } if bad == expected), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn the_bound_holds_from_both_sides() {
        let longest = vec![b'x'; TOKEN_MAX];
        assert!(of_file(&longest).is_ok());
        assert!(of_file(&[&longest[1..], b"\n"].concat()).is_ok());
        for long in [[&longest[..], b"x"].concat(), [&longest[..], b"\n"].concat()] {
            let error = of_file(&long).expect_err("too long");
            assert!(matches!(error, TokenError::File { bad: BadToken::TooLong, .. }), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Token::find(Some(Path::new("/nowhere/token"))).expect_err("nothing there");
        assert!(error.to_string().contains("--token-file: /nowhere/token: "), "{error}");
    }

    #[test]
    fn a_token_in_the_place_of_its_file_is_not_shown() {
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
    fn it_is_shown_nowhere() {
        let token = of_file(b"s3cret").expect("a token");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(token.hidden_in("unknown word AUTH s3cret"), "unknown word AUTH …");
    }
}
