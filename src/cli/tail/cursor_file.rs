//! The file that stores the cursor between two runs.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::report::report;
use crate::event::{Cursor, CursorError};
use crate::sys::files;

/// The longest cursor file that is read, in bytes. A cursor and its line end are far shorter.
const SIZE_MAX: u64 = 256;

/// The shortest time between two writes.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Why the cursor cannot be read or saved.
#[derive(Debug, thiserror::Error)]
pub(super) enum CursorFileError {
    /// The file holds something else.
    #[error("bad cursor file: {}: {}: remove it to start without a cursor", path.display(), match source {
        Some(source) => source.to_string(),
        None => "it is empty".to_owned(),
    })]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with the cursor. `None` if the file is empty.
        source: Option<CursorError>,
    },
    /// It is a directory, a device, a FIFO or a socket.
    #[error("bad cursor file: {}: not a regular file", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read cursor file: {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write cursor file: {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Reads the cursor. `None` if the file does not exist, because this is the first run. An empty file is an
/// error: it may be what a crash or a full disk left, and all events would be shown again.
///
/// # Errors
/// [`CursorFileError::Content`], [`CursorFileError::Kind`], [`CursorFileError::Read`].
pub(super) fn read(path: &Path) -> Result<Option<Cursor>, CursorFileError> {
    let unreadable = |source| CursorFileError::Read { path: path.to_owned(), source };
    // Looked at first: to open a device or a FIFO may have an effect.
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(CursorFileError::Kind { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let mut options = File::options();
    let file = options.read(true).custom_flags(files::NO_BLOCK).open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let bad = |source| CursorFileError::Content { path: path.to_owned(), source };
    if bytes.len() as u64 > SIZE_MAX {
        return Err(bad(Some(CursorError)));
    }
    match String::from_utf8_lossy(&bytes).trim() {
        "" => Err(bad(None)),
        cursor => cursor.parse().map(Some).map_err(|source| bad(Some(source))),
    }
}

/// Saves the cursor while it moves, if there is a file for it: when the follower has caught up, at most
/// once a second, and at the end.
pub(super) struct CursorFile<'a> {
    path: Option<&'a Path>,
    saved: Option<Cursor>,
    saved_at: Option<Instant>,
    /// Whether a failure was reported.
    reported: bool,
}

impl<'a> CursorFile<'a> {
    /// For this file, which holds `saved`.
    pub(super) const fn new(path: Option<&'a Path>, saved: Option<Cursor>) -> Self {
        Self { path, saved, saved_at: None, reported: false }
    }

    /// Saves the cursor if that is due, otherwise returns when it is. Only the first failure is reported,
    /// and reading continues.
    pub(super) fn save_if_due(&mut self, cursor: Option<Cursor>, now: Instant) -> Option<Instant> {
        let (path, cursor) = (self.path?, cursor?);
        if self.saved == Some(cursor) {
            return None;
        }
        let due = self.saved_at.map_or(now, |at| at + SAVE_INTERVAL);
        if due > now {
            return Some(due);
        }
        self.saved_at = Some(now);
        match write(path, cursor) {
            Ok(()) => {
                self.saved = Some(cursor);
                None
            }
            Err(error) => {
                if !std::mem::replace(&mut self.reported, true) {
                    report(error);
                }
                Some(now + SAVE_INTERVAL)
            }
        }
    }

    /// Saves the last cursor.
    ///
    /// # Errors
    /// [`CursorFileError::Write`]
    pub(super) fn save(&mut self, cursor: Option<Cursor>) -> Result<(), CursorFileError> {
        let (Some(path), Some(cursor)) = (self.path, cursor) else { return Ok(()) };
        if self.saved == Some(cursor) {
            return Ok(());
        }
        write(path, cursor)
    }
}

fn write(path: &Path, cursor: Cursor) -> Result<(), CursorFileError> {
    files::replace_in_place(path, format!("{cursor}\n").as_bytes())
        .map_err(|source| CursorFileError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(n: u64) -> Option<Cursor> {
        format!("7f3a9c21-{n}").parse().ok()
    }

    #[test]
    fn reads_what_was_written_and_leaves_one_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cursor");
        assert_eq!(read(&path).expect("absent"), None);
        for n in [1042, 1043] {
            write(&path, cursor(n).expect("one")).expect("written");
            assert_eq!(read(&path).expect("read"), cursor(n));
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cursor");
        fs::write(&path, "elsewhere").expect("written");
        let error = read(&path).expect_err("not a cursor").to_string();
        assert!(error.contains("cursor: not a cursor"), "{error}");
        for empty in ["", "\n"] {
            fs::write(&path, empty).expect("written");
            let error = read(&path).expect_err("empty").to_string();
            assert!(error.ends_with("it is empty: remove it to start without a cursor"), "{error}");
        }
        let longest = format!("{:<1$}", "7f3a9c21-1042", SIZE_MAX as usize);
        fs::write(&path, &longest).expect("written");
        assert_eq!(read(&path).expect("the longest"), cursor(1042));
        fs::write(&path, format!("{longest} ")).expect("written");
        assert!(matches!(read(&path), Err(CursorFileError::Content { .. })));
        fs::remove_file(&path).expect("removed");
        for place in [dir.path(), Path::new("/dev/null")] {
            let error = read(place).expect_err("no file");
            assert!(matches!(error, CursorFileError::Kind { .. }), "{error}");
        }
        let (nowhere, cursor) = (dir.path().join("no/cursor"), cursor(1).expect("one"));
        let error = write(&nowhere, cursor).expect_err("no directory").to_string();
        assert!(error.contains("no/cursor: No such"), "{error}");
        assert!(write(dir.path(), cursor).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn saves_once_a_second_and_at_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cursor");
        let held = || read(&path).expect("read");
        let mut file = CursorFile::new(Some(&path), cursor(1));
        let begin = Instant::now();
        assert_eq!(file.save_if_due(None, begin), None);
        assert_eq!(file.save_if_due(cursor(1), begin), None);
        assert_eq!(held(), None, "it is saved already");
        assert_eq!(file.save_if_due(cursor(2), begin), None);
        assert_eq!(held(), cursor(2));
        let early = begin + SAVE_INTERVAL - Duration::from_millis(1);
        assert_eq!(file.save_if_due(cursor(3), early), Some(begin + SAVE_INTERVAL));
        assert_eq!(held(), cursor(2));
        assert_eq!(file.save_if_due(cursor(3), begin + SAVE_INTERVAL), None);
        assert_eq!(held(), cursor(3));
        file.save(cursor(4)).expect("written");
        assert_eq!(held(), cursor(4));
    }

    #[test]
    fn retries_a_failed_write() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("no/cursor");
        let mut file = CursorFile::new(Some(&path), None);
        let begin = Instant::now();
        assert_eq!(file.save_if_due(cursor(1), begin), Some(begin + SAVE_INTERVAL));
        assert!(file.save(cursor(1)).is_err());
    }
}
