//! A file of secrets' hashes: one JSON object a line. It is replaced as a whole, so that a reader sees the old
//! contents or the new ones. Only the agent's user and root can have written it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::files::{self, NO_FOLLOW, NewFile, Owner};
use crate::sys::users;

/// The largest file, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// The mode of the file: only its owner needs to read hashes.
const MODE: u32 = 0o600;

/// One line of the file.
pub trait Record: Sized {
    /// The line as it is written.
    type Line: Serialize + DeserializeOwned;

    /// What a record is called in errors.
    const NAME: &'static str;

    /// The most records in one file.
    const MAX: usize;

    /// Checks a line.
    ///
    /// # Errors
    /// What is wrong with it.
    fn from_line(line: Self::Line) -> Result<Self, String>;

    /// The line of this record.
    fn to_line(&self) -> Self::Line;
}

/// Why a file of secrets cannot be read or changed. No message contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Another process is changing it.
    #[error("{}: another command is changing the {what}s: try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// [`Record::NAME`].
        what: &'static str,
    },
    /// The directory does not exist.
    #[error("there is no directory {} for the {what}s: the agent creates its history directory when it first starts", dir.display())]
    NoDirectory {
        /// The directory.
        dir: PathBuf,
        /// [`Record::NAME`].
        what: &'static str,
    },
    /// Another user could have written it.
    #[error("{}: not trusted: it must be owned by root or the owner of its directory, and writable by no one else", .0.display())]
    Untrusted(PathBuf),
    /// A line is not a record.
    #[error("{}:{line}: not a {what} as pulsed writes it: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// [`Record::NAME`].
        what: &'static str,
        /// The error.
        why: String,
    },
    /// [`Record::MAX`] is exceeded.
    #[error("{}: more than {max} {what}s: revoke one first", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// [`Record::NAME`].
        what: &'static str,
        /// [`Record::MAX`].
        max: usize,
    },
    /// A system call failed.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// Identifies one version of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
    /// The owner of the directory, on whom trust depends.
    directory_owner: u32,
}

impl FileStamp {
    fn new(meta: &fs::Metadata, directory_owner: u32) -> Self {
        let changed = (meta.ctime(), meta.ctime_nsec());
        Self { inode: meta.ino(), size: meta.size(), changed, directory_owner }
    }
}

/// The version of the file that is there now. `None` if there is none.
pub(super) fn stamp(path: &Path) -> Option<FileStamp> {
    let owner = fs::metadata(directory(path)).ok()?.uid();
    fs::symlink_metadata(path).ok().map(|meta| FileStamp::new(&meta, owner))
}

/// The records of a file, and which version of it they are from.
pub(super) struct Contents<T> {
    /// `None` if there is no file, which has no records.
    pub(super) stamp: Option<FileStamp>,
    pub(super) records: Vec<T>,
}

/// Reads the file.
pub(super) fn read<T: Record>(path: &Path) -> Result<Contents<T>, FileError> {
    let failed = io_error("read", path);
    let opened = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Contents { stamp: None, records: Vec::new() });
        }
        opened => opened.map_err(&failed)?,
    };
    let meta = file.metadata().map_err(&failed)?;
    let owner = fs::metadata(directory(path)).map_err(&failed)?.uid();
    if !meta.is_file() || meta.mode() & 0o022 != 0 || (meta.uid() != 0 && meta.uid() != owner) {
        return Err(FileError::Untrusted(path.into()));
    }
    let text = files::read_text(file, FILE_MAX).map_err(&failed)?;
    let parsed = text.lines().enumerate().map(|(at, line)| {
        let path = path.to_owned();
        parse(line).map_err(|why| FileError::Content { path, line: at + 1, what: T::NAME, why })
    });
    let records: Vec<T> = parsed.collect::<Result<_, _>>()?;
    if records.len() > T::MAX {
        return Err(too_many::<T>(path));
    }
    Ok(Contents { stamp: Some(FileStamp::new(&meta, owner)), records })
}

fn parse<T: Record>(line: &str) -> Result<T, String> {
    T::from_line(serde_json::from_str(line).map_err(|error| error.to_string())?)
}

/// Changes the records under a lock on the directory. Nothing is written if the change fails.
pub(super) fn change<T: Record, R, E: From<FileError>>(
    path: &Path,
    change: impl FnOnce(&mut Vec<T>) -> Result<R, E>,
) -> Result<R, E> {
    let dir = directory(path);
    let lock = File::open(dir).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => FileError::NoDirectory { dir: dir.into(), what: T::NAME },
        _ => io_error("open", dir)(cause),
    })?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(FileError::Busy { path: path.into(), what: T::NAME }.into());
        }
        Err(TryLockError::Error(cause)) => return Err(io_error("lock", dir)(cause).into()),
    }
    let mut records = read(path)?.records;
    let changed = change(&mut records)?;
    write(path, &lock, &records)?;
    Ok(changed)
}

/// Replaces all records, of which the caller is the only writer: without the lock, which would make a concurrent change
/// of another file in the directory fail.
pub(super) fn replace<T: Record>(path: &Path, records: &[T]) -> Result<(), FileError> {
    let dir = directory(path);
    write(path, &File::open(dir).map_err(io_error("open", dir))?, records)
}

/// The owner of the directory owns the file: root changes it for the agent's user.
fn write<T: Record>(path: &Path, dir: &File, records: &[T]) -> Result<(), FileError> {
    let mut text = Vec::new();
    for record in records {
        let line = serde_json::to_string(&record.to_line()).map_err(io::Error::from);
        text.extend_from_slice(line.map_err(io_error("write", path))?.as_bytes());
        text.push(b'\n');
    }
    if records.len() > T::MAX || text.len() as u64 > FILE_MAX {
        return Err(too_many::<T>(path));
    }
    let meta = dir.metadata().map_err(io_error("write", path))?;
    let of_directory = Owner { uid: meta.uid(), gid: meta.gid() };
    let owner = (users::current() == 0).then_some(of_directory);
    files::replace(path, &text, NewFile { mode: MODE, owner }).map_err(io_error("write", path))
}

fn too_many<T: Record>(path: &Path) -> FileError {
    FileError::TooMany { path: path.into(), what: T::NAME, max: T::MAX }
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |cause| FileError::Io { doing, path: path.clone(), cause }
}
