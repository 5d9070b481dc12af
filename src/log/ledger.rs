//! What a history directory remembers beside its segments: which log it is, which numbers are
//! reserved, and how far it was synced. Holds the lock that keeps a second agent out.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::OpenError;
use super::segments::Segment;
use crate::event::{LogId, Seq};
use crate::sys::files::{self, NewFile};
use crate::sys::lock::{Lock, LockError};

/// How many numbers are reserved at a time.
pub(crate) const RESERVED_AHEAD: u64 = 1 << 24;

/// The file with the id and the reservation.
const STATE: &str = "state";
/// The file with the position up to which everything is synced.
const SYNCED: &str = "synced";
/// The file that is locked while an agent runs here. It holds the agent's process id.
const LOCK: &str = "lock";

/// What the state file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Which log this is.
    pub(crate) id: LogId,
    /// The first number that is not reserved.
    pub(crate) reserved: Seq,
    /// After a clean stop, the next number.
    pub(crate) clean: Option<Seq>,
}

/// The state file, as it is written. Keys of a newer agent are ignored.
#[derive(Serialize, Deserialize)]
struct StateFile {
    log: String,
    reserved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clean: Option<u64>,
}

/// How far history is synced: every byte of the segments before this one, and `offset` bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncedTo {
    /// The number that the segment begins with.
    pub(crate) segment: Seq,
    /// How many bytes of it.
    pub(crate) offset: u64,
}

impl SyncedTo {
    /// No position: everything is checked.
    pub(crate) const NOTHING: Self = Self { segment: Seq::ZERO, offset: 0 };

    /// The end of a segment.
    pub(crate) fn end_of(segment: &Segment) -> Self {
        Self { segment: segment.first, offset: segment.size }
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
    /// The directory, held open: to sync it must not fail because there are no descriptors left.
    dir: Arc<File>,
    synced: File,
    /// Released when it is dropped.
    lock: Lock,
}

impl Ledger {
    /// Creates the directory where there is none, and locks it.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let files = Mutex::new(Files::open(dir)?);
        Ok(Self { dir: dir.to_owned(), files })
    }

    /// Creates and locks the directory again if somebody took it away. Tells whether that was so; the
    /// state file is then to be written again.
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

    /// What the state file says. None where there is none, or where it is not one.
    pub(crate) fn kept(&self) -> io::Result<Option<Kept>> {
        let text = match fs::read(self.dir.join(STATE)) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let parse = |text: &[u8]| {
            let file: StateFile = serde_json::from_slice(text).ok()?;
            let clean = match file.clean {
                Some(next) => Some(Seq::new(next)?),
                None => None,
            };
            Some(Kept { id: file.log.parse().ok()?, reserved: Seq::new(file.reserved)?, clean })
        };
        Ok(parse(&text))
    }

    /// Replaces the state file, durably: after this, it survives a power cut.
    pub(crate) fn keep(&self, kept: Kept) -> io::Result<()> {
        let file = StateFile {
            log: kept.id.to_string(),
            reserved: kept.reserved.get(),
            clean: kept.clean.map(Seq::get),
        };
        let mut text = serde_json::to_vec(&file).map_err(io::Error::other)?;
        text.push(b'\n');
        files::replace(&self.dir.join(STATE), &text, NewFile { mode: 0o640, owner: None })
    }

    /// Makes the names in the directory survive a power cut.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        // Not under the lock, since it may take long.
        let dir = self.files().dir.clone();
        dir.sync_all()
    }

    /// The position up to which everything is synced; none if nobody knows.
    pub(crate) fn synced_to(&self) -> Option<SyncedTo> {
        let mut text = [0; SYNCED_LEN];
        self.files().synced.read_exact_at(&mut text, 0).ok()?;
        let (segment, offset) = std::str::from_utf8(&text).ok()?.trim_end().split_once(' ')?;
        Some(SyncedTo { segment: Seq::new(segment.parse().ok()?)?, offset: offset.parse().ok()? })
    }

    /// Notes that everything up to here is synced. Not synced itself: an older position only means
    /// that more is checked after an unclean stop.
    pub(crate) fn note_synced(&self, to: SyncedTo) -> io::Result<()> {
        let text = format!("{:016} {:016}\n", to.segment.get(), to.offset);
        self.files().synced.write_all_at(text.as_bytes(), 0)
    }
}

impl Files {
    fn open(dir: &Path) -> Result<Self, OpenError> {
        let fail = |doing, path: &Path| {
            let path = path.to_owned();
            move |cause| OpenError::Io { doing, path, cause }
        };
        create_dir(dir).map_err(fail("create the history directory", dir))?;
        let lock_path = dir.join(LOCK);
        let lock = Lock::take(&lock_path).map_err(|error| match error {
            LockError::Held { pid, .. } => OpenError::Taken { dir: dir.to_owned(), pid },
            LockError::Io { path, cause } => OpenError::Io { doing: "lock", path, cause },
        })?;
        let synced_path = dir.join(SYNCED);
        let synced = open(&synced_path).map_err(fail("open", &synced_path))?;
        let dir = Arc::new(File::open(dir).map_err(fail("open", dir))?);
        Ok(Self { dir, synced, lock })
    }
}

/// Two numbers of 16 digits, a space and a line end.
const SYNCED_LEN: usize = 34;

fn create_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o750).create(dir)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_unknown_keys_of_the_state_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(dir.path()).expect("opened");
        let text = r#"{"log":"0000000a","reserved":99,"clean":7,"format":2,"more":{"x":[]}}"#;
        fs::write(dir.path().join(STATE), text).expect("written");
        let seq = |n| Seq::new(n).expect("small");
        let expected = Kept { id: LogId::new(0xa), reserved: seq(99), clean: Some(seq(7)) };
        assert_eq!(ledger.kept().expect("read"), Some(expected));
    }

    #[test]
    fn keeps_what_it_is_told_and_keeps_others_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("a/b");
        let ledger = Ledger::open(&place).expect("opened");
        assert_eq!(ledger.kept().expect("read"), None);
        let seq = |n| Seq::new(n).expect("small");
        for clean in [None, Some(seq(7))] {
            let kept = Kept { id: LogId::new(0xa), reserved: seq(99), clean };
            ledger.keep(kept).expect("kept");
            assert_eq!(ledger.kept().expect("read"), Some(kept));
        }
        assert_eq!(ledger.synced_to(), None);
        for offset in [u64::MAX / 10_000, 0] {
            let to = SyncedTo { segment: Seq::MAX, offset };
            ledger.note_synced(to).expect("noted");
            assert_eq!(ledger.synced_to(), Some(to));
        }
        let Err(OpenError::Taken { pid, .. }) = Ledger::open(&place) else { panic!("not locked") };
        assert_eq!(pid, Some(std::process::id()));
        drop(ledger);
        fs::write(place.join(STATE), "{\"log\":1}").expect("written");
        let again = Ledger::open(&place).expect("unlocked");
        assert_eq!(again.kept().expect("read"), None);
    }
}
