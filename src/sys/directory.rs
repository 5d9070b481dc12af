//! A directory that is held open, and its files. A file is opened by its name below the held directory, so that it
//! is found while another process moves the directory or puts another one in its place.
//!
//! What another user may have put into the directory does no harm: links are not followed, and a FIFO, a socket, a
//! device or a directory in a file's place is an error ([`Irregular`]) and never blocks.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::files::{self, FileId, Irregular, NewFile};

/// A directory that is held open.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    file: File,
    id: FileId,
}

/// What is known about a name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which file it is.
    pub id: FileId,
    /// Its size, in bytes.
    pub size: u64,
    /// `true` if it is a regular file.
    pub is_file: bool,
}

impl Directory {
    /// Opens a directory. A link to it is followed: where it is, is the operator's choice.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let id = FileId::new(&file.metadata()?);
        if !file.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned(), file, id })
    }

    /// The path of a file in it, for messages.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `true` if `path` still leads to this directory.
    ///
    /// # Errors
    /// Those of stat(2), unless there is no directory.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        files::leads_to(path, self.id)
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// Those of fsync(2).
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// What a name stands for. A link stands for itself.
    ///
    /// # Errors
    /// Those of fstatat(2).
    pub fn entry(&self, name: &str) -> io::Result<Entry> {
        let found = fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        Ok(Entry {
            id: FileId { device: found.st_dev, inode: found.st_ino },
            size: u64::try_from(found.st_size).unwrap_or_default(),
            is_file: kind == SFlag::S_IFREG,
        })
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of openat(2); [`Irregular`] unless it is a regular file.
    pub fn read(&self, name: &str) -> io::Result<File> {
        self.open_regular(name, OFlag::O_RDONLY)
    }

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// Those of openat(2); [`Irregular`] unless it is a regular file.
    pub fn update(&self, name: &str) -> io::Result<File> {
        self.open_regular(name, OFlag::O_RDWR)
    }

    /// Creates a file, for reading and writing.
    ///
    /// # Errors
    /// Those of openat(2); [`ErrorKind::AlreadyExists`] whatever has the name.
    pub fn create(&self, name: &str, mode: u32) -> io::Result<File> {
        self.open_as(name, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL, mode)
    }

    fn open_regular(&self, name: &str, access: OFlag) -> io::Result<File> {
        // Checked first, because opening a device may already have an effect.
        if !self.entry(name)?.is_file {
            return Err(Irregular.into());
        }
        let file = self.open_as(name, access, 0)?;
        // Checked again, because another file may have got the name meanwhile.
        if file.metadata()?.is_file() { Ok(file) } else { Err(Irregular.into()) }
    }

    fn open_as(&self, name: &str, access: OFlag, mode: u32) -> io::Result<File> {
        let safe = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        match openat(&self.file, name, access | safe, Mode::from_bits_truncate(mode)) {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::ELOOP | Errno::ENXIO | Errno::EISDIR) => Err(Irregular.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a name that is not a directory's.
    ///
    /// # Errors
    /// Those of unlinkat(2).
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Renames a file, and replaces what has the new name.
    ///
    /// # Errors
    /// Those of renameat(2).
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.file, from, &self.file, to)?)
    }

    /// The names in it, in no order.
    ///
    /// # Errors
    /// Those of readdir(3).
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Replaces a file atomically and durably, as [`files::replace`] does.
    ///
    /// # Errors
    /// What the system returned. The old file is still there then, unless only the fsync of the directory failed.
    pub fn replace(&self, name: &str, contents: &[u8], options: NewFile) -> io::Result<()> {
        let new = files::temporary_name(name.as_ref());
        let new = new.to_str().ok_or(ErrorKind::InvalidInput)?;
        // Left by an earlier process with this pid, or planted by another user.
        match self.remove(new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.create(new, options.mode)?;
        let renamed =
            files::fill(file, contents, options.owner).and_then(|()| self.rename(new, name));
        if renamed.is_err() {
            // The first error is the one to report.
            let _ = self.remove(new);
        }
        renamed.and_then(|()| self.sync())
    }
}

/// Creates a directory and the parents that are missing, durably: the parent of each new one is fsynced.
///
/// # Errors
/// Those of mkdir(2) and fsync(2); [`ErrorKind::AlreadyExists`] if there is something else.
pub fn create_all(path: &Path, mode: u32) -> io::Result<()> {
    let create = || DirBuilder::new().mode(mode).create(path);
    let created = match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => match path.parent() {
            Some(parent) if parent != Path::new("") => {
                create_all(parent, mode)?;
                create()
            }
            _ => Err(error),
        },
        created => created,
    };
    match created {
        // A parent that may be searched and not read cannot be fsynced. The new directory works all the same.
        Ok(()) => File::open(files::directory_of(path)).map_or(Ok(()), |parent| parent.sync_all()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    const NEW: NewFile = NewFile { mode: 0o640, owner: None };

    fn is_irregular(opened: io::Result<File>) -> bool {
        files::is_irregular(&opened.expect_err("not opened"))
    }

    #[test]
    fn opens_only_regular_files_and_never_blocks() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |name: &str| root.path().join(name);
        fs::write(at("file"), "contents").expect("written");
        symlink(at("file"), at("link")).expect("linked");
        symlink(at("nothing"), at("dangling")).expect("linked");
        fs::create_dir(at("dir")).expect("made");
        let made = std::process::Command::new("mkfifo").arg(at("fifo")).status();
        assert!(made.expect("coreutils").success());
        let _socket = UnixListener::bind(at("socket")).expect("bound");
        let dir = Directory::open(root.path()).expect("opened");
        for name in ["link", "dangling", "dir", "fifo", "socket"] {
            assert!(is_irregular(dir.read(name)), "{name}");
            assert!(is_irregular(dir.update(name)), "{name}");
            let kind = dir.create(name, 0o640).expect_err("taken").kind();
            assert_eq!(kind, ErrorKind::AlreadyExists, "{name}");
            assert!(!dir.entry(name).expect("there").is_file, "{name}");
        }
        assert_eq!(
            io::read_to_string(dir.read("file").expect("opened")).expect("read"),
            "contents"
        );
        assert!(!at("nothing").exists(), "no link was followed");
        let missing = dir.read("none").expect_err("nothing there");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(!files::is_irregular(&missing));
    }

    #[test]
    fn finds_its_files_after_it_was_moved() {
        let root = tempfile::tempdir().expect("a directory");
        let (here, away) = (root.path().join("here"), root.path().join("away"));
        create_all(&here, 0o750).expect("created");
        let dir = Directory::open(&here).expect("opened");
        dir.create("a", 0o640).expect("created").write_all(b"a").expect("written");
        assert!(dir.is_at(&here).expect("looked"));
        fs::rename(&here, &away).expect("moved");
        assert!(!dir.is_at(&here).expect("looked"));
        fs::create_dir(&here).expect("another");
        assert!(!dir.is_at(&here).expect("looked"));
        assert_eq!(io::read_to_string(dir.read("a").expect("opened")).expect("read"), "a");
        dir.rename("a", "b").expect("renamed");
        dir.replace("b", b"bb", NEW).expect("replaced");
        assert_eq!(fs::read(away.join("b")).expect("read"), b"bb");
        assert_eq!(dir.entry("b").expect("there").size, 2);
        dir.remove("b").expect("removed");
        assert_eq!(fs::read_dir(&away).expect("listed").count(), 0);
    }

    #[test]
    fn replaces_links_and_writes_through_none() {
        let root = tempfile::tempdir().expect("a directory");
        let precious = root.path().join("precious");
        fs::write(&precious, "precious").expect("written");
        let dir = Directory::open(root.path()).expect("opened");
        symlink(&precious, root.path().join("state")).expect("linked");
        let temporary = files::temporary_name("state".as_ref());
        symlink(&precious, root.path().join(temporary)).expect("linked");
        dir.replace("state", b"new", NEW).expect("replaced");
        assert_eq!(fs::read(&precious).expect("read"), b"precious");
        assert_eq!(io::read_to_string(dir.read("state").expect("a file")).expect("read"), "new");
        assert_eq!(dir.names().expect("listed").len(), 2);
    }

    #[test]
    fn creates_parents_with_their_mode() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("a/b/c");
        for _ in 0..2 {
            create_all(&path, 0o700).expect("created");
        }
        let mode = fs::metadata(root.path().join("a/b")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(root.path().join("file"), "").expect("written");
        let taken = create_all(&root.path().join("file"), 0o700).expect_err("a file is there");
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    }
}
