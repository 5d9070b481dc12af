//! A lock on a place that only one agent at a time may use.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
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
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// ` (pid 812)`, or nothing.
pub(super) fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// A lock file that is held (flock(2)). It is free again when this is dropped or the process ends,
/// however it ends. The file stays: to remove it would let two others lock two files of one name.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, or says at once who has it. Makes the file if there is none, with mode 0600,
    /// so that no other user can lock it first; a symbolic link is not followed.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let io = |cause| LockError::Io { path: path.into(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = (&file).take(32).read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { path: path.into(), pid });
            }
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        // Only for the message above: on a full disk the lock holds all the same.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough while a child that was just forked has it open as well.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_second_names_the_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let first = Lock::take(&path).expect("free");
        let Err(LockError::Held { pid, .. }) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        Lock::take(&path).expect("free again");
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (target, link) = (dir.path().join("precious"), dir.path().join("lock"));
        std::fs::write(&target, "precious").expect("written");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        assert!(matches!(Lock::take(&link), Err(LockError::Io { .. })));
        assert_eq!(std::fs::read_to_string(&target).expect("read"), "precious");
    }
}
