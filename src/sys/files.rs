//! Files that other users or a crash must not be able to spoil.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::off_t;
use nix::sys::uio::pwritev;

/// Flags for opening a file that another user may have put there: a symbolic link is an error, so
/// that it cannot redirect us to another file, and a FIFO without a peer does not block open(2).
pub const NO_FOLLOW: i32 = OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits();

/// The flag for opening a user's file where a FIFO may be: without a peer it does not block open(2).
pub const NO_BLOCK: i32 = OFlag::O_NONBLOCK.bits();

/// How [`replace`] creates the new file.
#[derive(Clone, Copy, Debug)]
pub struct NewFile {
    /// Its mode, before the umask.
    pub mode: u32,
    /// Its owner. `None` leaves the effective uid and gid of this process.
    pub owner: Option<Owner>,
}

/// Who owns a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl FileId {
    /// That of a file with this metadata.
    pub fn new(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A FIFO, a socket, a device, a link or a directory is where a regular file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a regular file: remove it, or move it away")]
pub struct Irregular;

impl From<Irregular> for io::Error {
    fn from(irregular: Irregular) -> Self {
        Self::new(ErrorKind::InvalidInput, irregular)
    }
}

/// `true` if the error is [`Irregular`].
pub fn is_irregular(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<Irregular>())
}

/// `true` if the error says nothing about the file and passes: no free descriptor or memory, or an interruption
/// (EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN). The same call works later.
pub fn is_passing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    let scarce = matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM));
    scarce || matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

/// `true` if `path` leads to the file `id`, and `false` if there is no file.
#[cfg(feature = "agent")]
pub(super) fn leads_to(path: &Path, id: FileId) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(FileId::new(&found) == id),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes all slices at `offset` with as few system calls as possible, and returns their size in bytes. The file
/// must not be open with `O_APPEND`, which Linux prefers to the offset.
///
/// # Errors
/// What the system returned. A part may be written then.
pub fn write_all_at(file: &File, mut slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<u64> {
    /// The most slices that the system takes (`IOV_MAX`).
    const SLICES_MAX: usize = 1024;
    let mut written = 0;
    // Skips empty slices, with which a write of nothing would be no error.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let at = off_t::try_from(offset + written).map_err(|_| ErrorKind::FileTooLarge)?;
        match pwritev(file, &slices[..slices.len().min(SLICES_MAX)], at) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                written += n as u64;
                IoSlice::advance_slices(&mut slices, n);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(written)
}

/// Replaces a file atomically and durably. A reader sees the old contents or the new ones, never a
/// part, also after a power cut. Once this returns, the new ones survive it.
///
/// The contents are written to `NAME.PID.new` in the same directory, which is created exclusively
/// and never through a symbolic link, fsynced, and renamed. Then the directory is fsynced. A symbolic
/// link at `path` is replaced, not followed. Several processes may replace one file at the same
/// time; threads of one process must not.
///
/// # Errors
/// What the system returned. The old file is still there then, unless only the fsync of the directory
/// failed, and no other file is left behind.
pub fn replace(path: &Path, contents: &[u8], options: NewFile) -> io::Result<()> {
    let new = temporary_path(path)?;
    // Opened first: a process that runs out of descriptors must notice before the rename.
    let dir = File::open(directory_of(path))?;
    // Left by an earlier process with this pid, or planted by another user.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = create(&new, options.mode)?;
    let renamed = fill(file, contents, options.owner).and_then(|()| fs::rename(&new, path));
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&new);
    }
    renamed.and_then(|()| dir.sync_all())
}

/// Replaces a user's file, as [`replace`] does, but keeps what the user made of it: a symbolic link is followed,
/// and owner, group and mode of an existing file stay. A new file gets the mode that the umask leaves of 666,
/// and at least that its owner can read and write it.
///
/// # Errors
/// What the system returned, also if the owner cannot be kept; [`ErrorKind::InvalidInput`] if the path leads to
/// something that is not a regular file. The old file is still there then, unless only the fsync of the
/// directory failed.
pub fn replace_in_place(path: &Path, contents: &[u8]) -> io::Result<()> {
    // The kernel follows the link too, and enforces protected_symlinks (proc(5)).
    let old = match fs::metadata(path) {
        Ok(old) if old.is_file() => Some(old),
        Ok(_) => return Err(not_regular()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let path = follow_links(path)?;
    let new = temporary_path(&path)?;
    let dir = File::open(directory_of(&path))?;
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = create(&new, if old.is_some() { 0o600 } else { 0o666 })?;
    let renamed = inherit(&file, old.as_ref())
        .and_then(|()| fill(file, contents, None))
        .and_then(|()| fs::rename(&new, &path));
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&new);
    }
    renamed.and_then(|()| dir.sync_all())
}

/// Reads the text of a file that has at most `max` bytes.
///
/// # Errors
/// Those of read(2), [`ErrorKind::FileTooLarge`], and [`ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_text(file: File, max: u64) -> io::Result<String> {
    let mut text = String::new();
    // One byte more shows that it is too long.
    let len = file.take(max + 1).read_to_string(&mut text)?;
    if len as u64 > max { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// The error for a path that leads to a directory, a device, a FIFO or a socket.
pub fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "not a regular file")
}

/// Returns the path that a chain of symbolic links leads to. Its last one may lead to no file.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    /// The most links that Linux follows.
    const LINKS_MAX: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            // An absolute target replaces the directory.
            Ok(target) => path = directory_of(&path).join(target),
            // No link, or nothing there.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Errno::ELOOP.into())
}

/// Gives a new file the owner, group and mode of the old one.
fn inherit(file: &File, old: Option<&Metadata>) -> io::Result<()> {
    let new = file.metadata()?;
    let mode = match old {
        Some(old) => {
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(file, Some(old.uid()), Some(old.gid()))?;
            }
            old.mode()
        }
        None => new.mode() | 0o600,
    };
    file.set_permissions(Permissions::from_mode(mode & 0o7777))
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).custom_flags(NO_FOLLOW).open(path)
}

pub(super) fn fill(mut file: File, contents: &[u8], owner: Option<Owner>) -> io::Result<()> {
    if let Some(owner) = owner {
        fchown(&file, Some(owner.uid), Some(owner.gid))?;
    }
    file.write_all(contents)?;
    file.sync_all()
}

fn temporary_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok(path.with_file_name(temporary_name(name)))
}

pub(super) fn temporary_name(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    name
}

pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PRIVATE: NewFile = NewFile { mode: 0o600, owner: None };

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("listed").file_name();
        let listed = fs::read_dir(dir).expect("listed");
        listed.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn replaces_contents_mode_and_owner_and_leaves_one_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        fs::write(&path, "the old and longer contents").expect("written");
        let reader = File::open(&path).expect("opened");
        let old = reader.metadata().expect("there");
        let owner = Some(Owner { uid: old.uid(), gid: old.gid() });
        for (text, owner) in [("new", None), ("newer", owner)] {
            replace(&path, text.as_bytes(), NewFile { owner, ..PRIVATE }).expect("replaced");
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
        }
        let new = fs::metadata(&path).expect("there");
        assert_eq!(new.permissions().mode() & 0o777, 0o600);
        assert_eq!((new.uid(), new.gid()), (old.uid(), old.gid()));
        assert_eq!(io::read_to_string(reader).expect("read"), "the old and longer contents");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn creates_the_file_if_there_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        replace(&path, b"first", PRIVATE).expect("created");
        assert_eq!(fs::read(&path).expect("read"), b"first");
    }

    #[test]
    fn follows_no_symbolic_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (precious, path) = (dir.path().join("precious"), dir.path().join("file"));
        fs::write(&precious, "precious").expect("written");
        symlink(&precious, &path).expect("linked");
        symlink(&precious, dir.path().join(temporary_name("file".as_ref()))).expect("linked");
        replace(&path, b"new", PRIVATE).expect("replaced");
        assert_eq!(fs::read(&precious).expect("read"), b"precious");
        assert!(fs::symlink_metadata(&path).expect("there").is_file());
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(names(dir.path()).len(), 2);
    }

    #[test]
    fn replaces_a_users_file_where_a_link_leads() {
        let dir = tempfile::tempdir().expect("a directory");
        let (there, elsewhere) = (dir.path().join("there"), dir.path().join("elsewhere"));
        fs::create_dir(&there).expect("created");
        symlink("there/link", dir.path().join("file")).expect("linked");
        symlink(&elsewhere, there.join("link")).expect("linked");
        for text in ["first", "second"] {
            replace_in_place(&dir.path().join("file"), text.as_bytes()).expect("replaced");
            assert_eq!(fs::read_to_string(&elsewhere).expect("read"), text);
            let mode = if text == "first" {
                0o640
            } else {
                fs::metadata(&elsewhere).expect("there").mode()
            };
            assert_eq!(mode & 0o777, 0o640);
            fs::set_permissions(&elsewhere, Permissions::from_mode(mode)).expect("changed");
        }
        assert!(fs::symlink_metadata(there.join("link")).expect("there").is_symlink());
        assert_eq!((names(dir.path()).len(), names(&there).len()), (3, 1));
        symlink("loop", dir.path().join("loop")).expect("linked");
        assert!(replace_in_place(&dir.path().join("loop"), b"x").is_err());
        let place = replace_in_place(&there, b"x").map_err(|error| error.kind());
        assert_eq!(place, Err(ErrorKind::InvalidInput));
        assert_eq!(names(dir.path()).len(), 4);
    }

    #[test]
    fn cleans_up_after_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        fs::create_dir(&path).expect("a directory in its place");
        assert!(replace(&path, b"new", PRIVATE).is_err());
        assert_eq!(names(dir.path()), ["file"]);
        let nowhere = replace(&dir.path().join("no/file"), b"new", PRIVATE);
        assert_eq!(nowhere.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
        assert!(replace(Path::new("/"), b"new", PRIVATE).is_err());
    }

    #[test]
    fn passing_errors_are_not_those_of_a_file() {
        for passing in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EINTR, Errno::EAGAIN] {
            assert!(is_passing(&passing.into()), "{passing}");
        }
        for lasting in [Errno::EIO, Errno::ENOSPC, Errno::ENOENT, Errno::EACCES, Errno::EROFS] {
            assert!(!is_passing(&lasting.into()), "{lasting}");
        }
        assert!(!is_passing(&Irregular.into()) && is_irregular(&Irregular.into()));
    }

    #[test]
    fn relative_names_have_a_directory_too() {
        assert_eq!(directory_of(Path::new("file")), Path::new("."));
        assert_eq!(directory_of(Path::new("a/file")), Path::new("a"));
        assert_eq!(directory_of(Path::new("/file")), Path::new("/"));
    }
}
