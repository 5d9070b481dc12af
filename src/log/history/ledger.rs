//! The files of a history directory besides its segments: which log it is, which numbers are reserved,
//! how far it is synced. Holds the lock that keeps other agents out.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::event::{LogId, Seq, Timestamp};
use crate::log::error::OpenError;
use crate::log::state::DiskPosition;
use crate::sys::files::{self, NewFile};
use crate::sys::lock::{Lock, LockError};

/// How many numbers are reserved at a time.
pub(crate) const RESERVED_AHEAD: u64 = 1 << 24;

/// The file with the log id and the reservation.
const STATE: &str = "state";
/// The file with the synced position.
const SYNCED: &str = "synced";
/// The file that is locked while an agent uses the directory.
const LOCK: &str = "lock";

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
}

#[derive(Debug)]
struct Files {
    /// The directory. Held open, because fsync must not fail for want of a descriptor.
    dir: Arc<File>,
    synced: File,
    lock: Lock,
}

impl Ledger {
    /// Locks the directory, which is created if there is none.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let files = Mutex::new(Files::open(dir)?);
        Ok(Self { dir: dir.to_owned(), files })
    }

    /// Creates and locks the directory again if another process removed or replaced it. `true` if so:
    /// the state file must be written again then.
    pub(crate) fn restore(&self) -> io::Result<bool> {
        if self.files().lock.is_at(&self.dir.join(LOCK))? {
            return Ok(false);
        }
        let files = Files::open(&self.dir).map_err(io::Error::other)?;
        *self.files() = files;
        Ok(true)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the state file. `None` if there is none, or if it is damaged.
    pub(crate) fn read_state(&self) -> io::Result<Option<LedgerState>> {
        match fs::read(self.dir.join(STATE)) {
            Ok(text) => {
                let file: Option<StateFile> = serde_json::from_slice(&text).ok();
                Ok(file.and_then(|file| file.check()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
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
        files::replace(&self.dir.join(STATE), &text, NewFile { mode: 0o640, owner: None })
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        // Not under the lock, because it may take long.
        let dir = self.files().dir.clone();
        dir.sync_all()
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
        let mut builder = fs::DirBuilder::new();
        let created = builder.recursive(true).mode(0o750).create(dir);
        created.map_err(fail("create the history directory", dir))?;
        let lock = Lock::take(&dir.join(LOCK)).map_err(|error| match error {
            LockError::Held { pid, .. } => OpenError::Taken { dir: dir.to_owned(), pid },
            LockError::Io { path, cause } => OpenError::Io { doing: "lock", path, cause },
        })?;
        let path = dir.join(SYNCED);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o640);
        let synced = opened.open(&path).map_err(fail("open", &path))?;
        let dir = Arc::new(File::open(dir).map_err(fail("open", dir))?);
        Ok(Self { dir, synced, lock })
    }
}

#[cfg(test)]
mod tests {
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
}
