//! The files of a history directory besides its segments: which log it is, which numbers are reserved,
//! how far it is synced. Holds the lock that keeps other agents out.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::event::{LogId, Seq, Timestamp};
use crate::log::error::OpenError;
use crate::log::state::DiskPosition;
use crate::sys::directory::{self, Directory};
use crate::sys::files::NewFile;
use crate::sys::lock::{self, Lock, LockError, by};

/// How many numbers are reserved at a time.
pub(crate) const RESERVED_AHEAD: u64 = 1 << 24;

/// The file with the log id and the reservation.
const STATE: &str = "state";
/// The file with the synced position.
const SYNCED: &str = "synced";
/// The file that is locked while an agent uses the directory.
const LOCK: &str = "lock";

/// The mode of the directory, and of the files in it.
const DIRECTORY_MODE: u32 = 0o750;
pub(crate) const FILE_MODE: u32 = 0o640;

/// How much of the state file is read, in bytes. The agent writes less than 200.
const STATE_MAX: u64 = 64 << 10;

/// The size of [`SYNCED`]: two numbers of 16 digits, a space and a line end.
const SYNCED_LEN: usize = 34;

/// The contents of the state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerState {
    /// The id of the log.
    pub(crate) id: LogId,
    /// The first number that is not reserved.
    pub(crate) reserved: Seq,
    /// The next number, after a clean stop.
    pub(crate) clean: Option<Seq>,
    /// The trusted time when the file was written: see `state::Aging`. `None` if an older agent wrote it.
    pub(crate) trusted: Option<Timestamp>,
}

/// The state file as JSON. Keys of a newer agent are ignored.
#[derive(Serialize, Deserialize)]
struct StateFile {
    log: String,
    reserved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clean: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<String>,
}

impl StateFile {
    /// `None` if a value is out of range.
    fn check(&self) -> Option<LedgerState> {
        let clean = match self.clean {
            Some(next) => Some(Seq::new(next)?),
            None => None,
        };
        let trusted = self.trusted.as_deref().and_then(|time| time.parse().ok());
        let (id, reserved) = (self.log.parse().ok()?, Seq::new(self.reserved)?);
        Some(LedgerState { id, reserved, clean, trusted })
    }
}

/// A locked history directory.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    files: Mutex<Files>,
    /// Writes hang while this is set.
    #[cfg(test)]
    pub(crate) hangs: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Files {
    /// The directory. Held open, because fsync must not fail for want of a descriptor, and because segments are found
    /// in it wherever it is moved.
    dir: Arc<Directory>,
    /// Locked too: if only the lock file is removed, a second agent is still kept out.
    synced: File,
    lock: Lock,
    /// The state file as this process wrote it last. `None` before that.
    written: Option<LedgerState>,
}

/// What has become of the held directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in its place, and locked.
    Held,
    /// It is in its place, but its lock file was removed or replaced.
    Unlocked,
    /// Its path leads nowhere, or to another directory.
    Away,
}

impl Ledger {
    /// Locks the directory, which is created if there is none.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let files = Mutex::new(Files::open(dir)?);
        Ok(Self {
            dir: dir.to_owned(),
            files,
            #[cfg(test)]
            hangs: Default::default(),
        })
    }

    /// Looks whether the held directory is in its place and locked. One system call if it is.
    pub(crate) fn standing(&self) -> io::Result<Standing> {
        let files = self.files();
        let no_directory = |error: io::Error| match error.kind() {
            ErrorKind::NotADirectory => Ok(false),
            _ => Err(error),
        };
        if files.lock.is_at(&self.dir.join(LOCK)).or_else(no_directory)? {
            return Ok(Standing::Held);
        }
        let in_place = files.dir.is_at(&self.dir).or_else(no_directory)?;
        Ok(if in_place { Standing::Unlocked } else { Standing::Away })
    }

    /// Creates and takes the lock file again, which another process removed.
    ///
    /// # Errors
    /// If another agent has taken it, or has used the directory meanwhile: it has given out numbers that this one
    /// would give out again.
    pub(crate) fn relock(&self) -> io::Result<()> {
        let lock = Lock::take(&self.dir.join(LOCK)).map_err(|error| match error {
            LockError::Held { pid, .. } => used_by_another(pid),
            LockError::Io { cause, .. } => cause,
        })?;
        let found = self.read_state()?;
        let mut files = self.files();
        if found != files.written {
            return Err(used_by_another(None));
        }
        files.lock = lock;
        Ok(())
    }

    /// Creates and locks the directory again, which another process removed or replaced. The state file must be
    /// written again then.
    pub(crate) fn recreate(&self) -> io::Result<()> {
        let files = Files::open(&self.dir).map_err(|error| match error {
            OpenError::Io { cause, .. } => cause,
            OpenError::Taken { pid, .. } => used_by_another(pid),
            other @ OpenError::UsedUp { .. } => io::Error::other(other),
        })?;
        *self.files() = files;
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as a disk that hangs does.
    #[cfg(test)]
    pub(crate) fn wait_while_it_hangs(&self) {
        while self.hangs.load(std::sync::atomic::Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// The path of the directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The held directory.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.files().dir.clone()
    }

    /// Reads the state file. `None` if there is none, or if it is damaged.
    pub(crate) fn read_state(&self) -> io::Result<Option<LedgerState>> {
        let mut text = Vec::new();
        match self.directory().read(STATE) {
            Ok(file) => file.take(STATE_MAX).read_to_end(&mut text)?,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let file: Option<StateFile> = serde_json::from_slice(&text).ok();
        Ok(file.and_then(|file| file.check()))
    }

    /// Replaces the state file durably.
    pub(crate) fn write_state(&self, state: LedgerState) -> io::Result<()> {
        let file = StateFile {
            log: state.id.to_string(),
            reserved: state.reserved.get(),
            clean: state.clean.map(Seq::get),
            trusted: state.trusted.map(|time| time.to_string()),
        };
        let mut text = serde_json::to_vec(&file).map_err(io::Error::other)?;
        text.push(b'\n');
        self.directory().replace(STATE, &text, NewFile { mode: FILE_MODE, owner: None })?;
        self.files().written = Some(state);
        Ok(())
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        // Not under the lock, because it may take long.
        self.directory().sync()
    }

    /// The position up to which everything is synced. `None` if it is not known.
    pub(crate) fn read_synced(&self) -> Option<DiskPosition> {
        let mut text = [0; SYNCED_LEN];
        self.files().synced.read_exact_at(&mut text, 0).ok()?;
        let (segment, offset) = std::str::from_utf8(&text).ok()?.trim_end().split_once(' ')?;
        let segment = Seq::new(segment.parse().ok()?)?;
        Some(DiskPosition { segment, offset: offset.parse().ok()?, generation: 0 })
    }

    /// Notes the position up to which everything is synced. This is not synced itself: with an older
    /// position, recovery only checks more.
    pub(crate) fn write_synced(&self, position: DiskPosition) -> io::Result<()> {
        let text = format!("{:016} {:016}\n", position.segment.get(), position.offset);
        self.files().synced.write_all_at(text.as_bytes(), 0)
    }
}

impl Files {
    fn open(dir: &Path) -> Result<Self, OpenError> {
        let fail = |doing, path: &Path| {
            let path = path.to_owned();
            move |cause| OpenError::Io { doing, path, cause }
        };
        let created = directory::create_all(dir, DIRECTORY_MODE);
        created.map_err(fail("create the history directory", dir))?;
        let taken = |pid| OpenError::Taken { dir: dir.to_owned(), pid };
        let held = Directory::open(dir).map_err(fail("open", dir))?;
        let opened = match held.update(SYNCED) {
            Err(e) if e.kind() == ErrorKind::NotFound => held.create(SYNCED, FILE_MODE),
            opened => opened,
        };
        let synced = opened.map_err(fail("open", &dir.join(SYNCED)))?;
        // Before the lock file, which a refused attempt must not take even for a moment: the agent that runs may be
        // about to create it again. On a file system without locks, the lock file fails.
        if let Err(TryLockError::WouldBlock) = synced.try_lock() {
            return Err(taken(lock::holder(&dir.join(LOCK))));
        }
        let lock = Lock::take(&dir.join(LOCK)).map_err(|error| match error {
            LockError::Held { pid, .. } => taken(pid),
            LockError::Io { path, cause } => OpenError::Io { doing: "lock", path, cause },
        })?;
        Ok(Self { dir: Arc::new(held), synced, lock, written: None })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Closing is not enough while a child that was just forked has the file open too.
        let _ = self.synced.unlock();
    }
}

fn used_by_another(pid: Option<u32>) -> io::Error {
    io::Error::other(format!(
        "another agent{} has used the directory after its lock file was removed: restart this agent",
        by(pid)
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn keeps_its_files_and_locks_the_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("a/b");
        let ledger = Ledger::open(&dir).expect("opened");
        assert_eq!(ledger.read_state().expect("read"), None);
        for clean in [None, Some(seq(7))] {
            let trusted = clean.map(|_| Timestamp::from_micros(1));
            let state = LedgerState { id: LogId::new(0xa), reserved: seq(99), clean, trusted };
            ledger.write_state(state).expect("written");
            assert_eq!(ledger.read_state().expect("read"), Some(state));
        }
        assert_eq!(ledger.read_synced(), None);
        for offset in [u64::MAX / 10_000, 0] {
            let position = DiskPosition { segment: Seq::MAX, offset, generation: 0 };
            ledger.write_synced(position).expect("written");
            assert_eq!(ledger.read_synced(), Some(position));
        }
        let Err(OpenError::Taken { pid, .. }) = Ledger::open(&dir) else { panic!("not locked") };
        assert_eq!(pid, Some(std::process::id()));
        drop(ledger);
        fs::write(dir.join(STATE), "{\"log\":1}").expect("written");
        let again = Ledger::open(&dir).expect("unlocked");
        assert_eq!(again.read_state().expect("read"), None);
    }

    #[test]
    fn ignores_unknown_keys_of_the_state_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(dir.path()).expect("opened");
        let text = r#"{"log":"0000000a","reserved":99,"clean":7,"format":2,"more":{"x":[]}}"#;
        fs::write(dir.path().join(STATE), text).expect("written");
        let (id, clean) = (LogId::new(0xa), Some(seq(7)));
        let state = LedgerState { id, reserved: seq(99), clean, trusted: None };
        assert_eq!(ledger.read_state().expect("read"), Some(state));
    }

    #[test]
    fn keeps_a_second_agent_out_without_the_lock_file() {
        let root = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(root.path()).expect("opened");
        let (id, trusted) = (LogId::new(0xa), Some(Timestamp::from_micros(1)));
        let state = LedgerState { id, reserved: seq(99), clean: None, trusted };
        ledger.write_state(state).expect("written");
        fs::remove_file(root.path().join(LOCK)).expect("removed");
        assert!(matches!(Ledger::open(root.path()), Err(OpenError::Taken { .. })));
        assert_eq!(ledger.standing().expect("looked"), Standing::Unlocked);
        ledger.relock().expect("free");
        assert_eq!(ledger.standing().expect("looked"), Standing::Held);
        // Without both files, a second agent gets in. The first does not return after it.
        for name in [LOCK, SYNCED] {
            fs::remove_file(root.path().join(name)).expect("removed");
        }
        let second = Ledger::open(root.path()).expect("nothing keeps it out");
        assert_eq!(ledger.standing().expect("looked"), Standing::Unlocked);
        assert!(ledger.relock().is_err(), "the second holds the lock");
        second.write_state(LedgerState { reserved: seq(199), ..state }).expect("written");
        drop(second);
        let error = ledger.relock().expect_err("numbers were given out");
        assert!(error.to_string().contains("another agent"), "{error}");
    }

    #[test]
    fn refused_attempts_do_not_disturb_the_holder() {
        let root = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(root.path()).expect("opened");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(matches!(Ledger::open(root.path()), Err(OpenError::Taken { .. })));
                }
            });
            for _ in 0..1000 {
                fs::remove_file(root.path().join(LOCK)).expect("removed");
                if let Err(error) = ledger.relock() {
                    done.store(true, Ordering::Relaxed);
                    panic!("{error}");
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn notices_a_directory_that_is_away() {
        let root = tempfile::tempdir().expect("a directory");
        let (here, away) = (root.path().join("here"), root.path().join("away"));
        let ledger = Ledger::open(&here).expect("opened");
        fs::rename(&here, &away).expect("moved");
        assert_eq!(ledger.standing().expect("looked"), Standing::Away);
        fs::write(&here, "").expect("a file");
        assert_eq!(ledger.standing().expect("looked"), Standing::Away);
        assert!(ledger.recreate().is_err(), "a file is in its place");
        fs::remove_file(&here).expect("removed");
        fs::rename(&away, &here).expect("moved back");
        assert_eq!(ledger.standing().expect("looked"), Standing::Held);
        fs::remove_dir_all(&here).expect("removed");
        assert_eq!(ledger.standing().expect("looked"), Standing::Away);
        ledger.recreate().expect("created");
        assert_eq!(ledger.standing().expect("looked"), Standing::Held);
    }

    #[test]
    fn names_a_file_that_is_no_regular_one() {
        for name in [LOCK, SYNCED, STATE] {
            let root = tempfile::tempdir().expect("a directory");
            let made = std::process::Command::new("mkfifo").arg(root.path().join(name)).status();
            assert!(made.expect("coreutils").success());
            let error = match Ledger::open(root.path()) {
                Ok(ledger) => ledger.read_state().expect_err("a FIFO").to_string(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains("not a regular file"), "{name}: {error}");
        }
    }
}
