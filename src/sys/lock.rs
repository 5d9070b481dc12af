//! A lock file: keeps a place for one agent at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::files::{FileId, Irregular, NO_FOLLOW, leads_to};

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{} is locked by a running agent{}", path.display(), by(*pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as it wrote there itself right after it had taken it.
        pid: Option<u32>,
    },
    /// The lock file could not be opened or locked.
    #[error("cannot lock {}: {cause}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system returned.
        #[source]
        cause: io::Error,
    },
}

/// ` (pid 812)` for a message, or nothing if the holder is not known.
pub fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// A held lock file (flock(2)). It is released when this is dropped or when the process ends, also by
/// kill -9. The file stays: if it were removed, two processes could lock two files of one name.
#[derive(Debug)]
pub struct Lock {
    file: File,
    id: FileId,
}

impl Lock {
    /// Takes the lock without waiting. Creates the file if there is none, with mode 0600, so that no
    /// other user can lock it first. A symbolic link is not followed, and nothing but a regular file is opened.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process, or another [`Lock`] of this one, holds it.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let io = |cause| LockError::Io { path: path.into(), cause };
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io(Irregular.into()));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_FOLLOW)
            .open(path)
            .map_err(io)?;
        let found = file.metadata().map_err(io)?;
        if !found.is_file() {
            return Err(io(Irregular.into()));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.into(), pid: read_pid(&file) });
            }
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        // Only for the message of `Held`: on a full disk the lock holds all the same.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file, id: FileId::new(&found) })
    }

    /// `true` if the locked file still has this name; `false` if it was removed, moved or replaced.
    ///
    /// # Errors
    /// What stat(2) returned, unless there is no file.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        leads_to(path, self.id)
    }
}

/// The process that took the lock file last, as it wrote there itself. `None` if there is no such file.
pub fn holder(path: &Path) -> Option<u32> {
    let file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path).ok()?;
    read_pid(&file)
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough while a child that was just forked has the file open too.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_is_refused_and_learns_the_pid() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let first = Lock::take(&path).expect("free");
        let Err(LockError::Held { pid, .. }) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        Lock::take(&path).expect("free again");
    }

    #[test]
    fn follows_no_symbolic_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (target, link) = (dir.path().join("precious"), dir.path().join("lock"));
        fs::write(&target, "precious").expect("written");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        assert!(matches!(Lock::take(&link), Err(LockError::Io { .. })));
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }

    #[test]
    fn refuses_what_is_no_file_and_does_not_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("coreutils").success());
        let Err(LockError::Io { cause, .. }) = Lock::take(&path) else { panic!("taken") };
        assert!(cause.to_string().contains("not a regular file"), "{cause}");
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a directory");
        assert!(matches!(Lock::take(&path), Err(LockError::Io { .. })));
    }

    #[test]
    fn knows_whether_its_file_was_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let lock = Lock::take(&path).expect("free");
        assert!(lock.is_at(&path).expect("looked"));
        fs::rename(&path, dir.path().join("moved")).expect("moved");
        assert!(!lock.is_at(&path).expect("looked"));
        fs::write(&path, "").expect("another file");
        assert!(!lock.is_at(&path).expect("looked"));
        assert!(lock.is_at(&dir.path().join("moved")).expect("looked"));
        assert!(lock.is_at(&path.join("below")).is_err());
    }
}
