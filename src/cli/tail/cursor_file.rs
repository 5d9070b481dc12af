//! The file that keeps the reader's place.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::event::{Cursor, CursorError};

/// The longest cursor file that is read, in bytes: a cursor and its line end are far shorter.
const SIZE_MAX: u64 = 256;

/// Why the place cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum CursorFileError {
    /// The file is there, and holds something else.
    #[error("cursor file {}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CursorError,
    },
    /// It cannot be read.
    #[error("cannot read cursor file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write cursor file {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The cursor in the file. None if there is no file, or nothing in it.
///
/// # Errors
/// When it holds something else, or cannot be read.
pub(super) fn read(path: &Path) -> Result<Option<Cursor>, CursorFileError> {
    let unread = |source| CursorFileError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, SIZE_MAX), &mut bytes).map_err(unread)?;
    let text = String::from_utf8_lossy(&bytes);
    match text.trim() {
        "" => Ok(None),
        cursor => {
            let bad = |source| CursorFileError::Content { path: path.to_owned(), source };
            cursor.parse().map(Some).map_err(bad)
        }
    }
}

/// Puts the cursor into the file. Whoever reads it meanwhile finds the old one or the new one, whole.
///
/// # Errors
/// What the system says.
pub(super) fn write(path: &Path, cursor: Cursor) -> Result<(), CursorFileError> {
    replace(path, cursor).map_err(|source| CursorFileError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, cursor: Cursor) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(name);
    // Left behind by one that was killed. Nobody's link is ever followed.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(&new)?;
    let renamed = writeln!(file, "{cursor}").and_then(|()| fs::rename(&new, path));
    if renamed.is_err() {
        // What went wrong is worth more than whether this does too.
        let _ = fs::remove_file(&new);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Cursor {
        text.parse().expect("a cursor")
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("place");
        assert_eq!(read(&path).expect("absent"), None);
        for text in ["7f3a9c21-1042", "7f3a9c21-1043"] {
            write(&path, cursor(text)).expect("written");
            assert_eq!(read(&path).expect("read"), Some(cursor(text)));
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
        fs::write(&path, "\n").expect("written");
        assert_eq!(read(&path).expect("empty"), None);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("place");
        fs::write(&path, "elsewhere").expect("written");
        let error = read(&path).expect_err("no cursor").to_string();
        assert!(error.contains("place: not a cursor"), "{error}");
        let error = read(dir.path()).expect_err("a directory");
        assert!(matches!(error, CursorFileError::Read { .. }), "{error}");
        let nowhere = dir.path().join("no/place");
        let error = write(&nowhere, cursor("7f3a9c21-1")).expect_err("nowhere").to_string();
        assert!(error.contains("no/place: No such"), "{error}");
        assert!(write(dir.path(), cursor("7f3a9c21-1")).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }
}
