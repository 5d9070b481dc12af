//! Segment files: the one that is written, the names of all, and what one contains.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::disk;
use super::ledger::FILE_MODE;
use crate::event::{Line, Seq};
use crate::log::state::{Extent, Segment, name_of};
use crate::sys::directory::Directory;
use crate::sys::files::{FileId, is_irregular, write_all_at};

/// The segment file that is written. All of its bytes were written by this process.
///
/// It is written at the offset at which its lines end, and not opened with `O_APPEND`: bytes that another process
/// appends after the last check would move what follows them, and lines are found by their offsets.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    dir: Arc<Directory>,
    name: String,
    file: Arc<File>,
    /// Another process may put another file under its name.
    id: FileId,
    /// The size of its whole lines, in bytes.
    size: u64,
}

/// What an append found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The lines follow those before them.
    Whole,
    /// Another process has shortened the file, so that the lines before are lost. Nothing is appended.
    Shortened,
}

impl SegmentFile {
    /// Creates the file. What a failed attempt left there is removed first.
    ///
    /// # Errors
    /// What the system returned: [`ErrorKind::AlreadyExists`] if something else than a file has the name.
    pub(crate) fn begin(dir: Arc<Directory>, first: Seq) -> io::Result<Self> {
        let name = name_of(first);
        let file = match dir.create(&name, FILE_MODE) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists && dir.entry(&name)?.is_file => {
                dir.remove(&name)?;
                dir.create(&name, FILE_MODE)
            }
            created => created,
        };
        Self::truncated(dir, name, file?, 0)
    }

    /// Opens a file again to append after its first `size` bytes. Truncates what a failed write left
    /// after them. `None` if another process removed, replaced or shortened it.
    pub(crate) fn reopen(dir: Arc<Directory>, first: Seq, size: u64) -> io::Result<Option<Self>> {
        let name = name_of(first);
        match dir.update(&name) {
            Ok(file) if file.metadata()?.len() < size => Ok(None),
            Ok(file) => Self::truncated(dir, name, file, size).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound || is_irregular(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn truncated(dir: Arc<Directory>, name: String, file: File, size: u64) -> io::Result<Self> {
        file.set_len(size)?;
        let id = FileId::new(&file.metadata()?);
        Ok(Self { dir, name, file: Arc::new(file), id, size })
    }

    /// The open file, for the syncer.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// `true` if no other process has moved, removed or changed it.
    pub(crate) fn is_untouched(&self) -> io::Result<bool> {
        match self.dir.entry(&self.name) {
            Ok(found) => Ok(found.id == self.id && found.size == self.size),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Appends extents with as few system calls as possible. What another process has appended since the last
    /// check is overwritten. After an error, a part of the extents may be written: see [`SegmentFile::undo`].
    pub(crate) fn append(&mut self, extents: &[Extent]) -> io::Result<Appended> {
        let mut slices: Vec<IoSlice<'_>> =
            extents.iter().map(|extent| IoSlice::new(&extent.bytes)).collect();
        let written = write_all_at(&self.file, &mut slices, self.size)?;
        if !self.ends_line()? {
            self.file.set_len(disk::last_line_end(&self.file, self.size)?)?;
            return Ok(Appended::Shortened);
        }
        self.size += written;
        Ok(Appended::Whole)
    }

    /// Removes what an append has written before it failed.
    pub(crate) fn undo(&self) -> io::Result<()> {
        self.file.set_len(self.size)
    }

    /// `true` if a line ends where the last append began. In a file that another process has shortened since the
    /// last check, there is a hole before the new lines.
    fn ends_line(&self) -> io::Result<bool> {
        let mut last = *b"\n";
        if self.size > 0 {
            self.file.read_exact_at(&mut last, self.size - 1)?;
        }
        Ok(last == *b"\n")
    }
}

/// Reads what a segment file contains from its first and its last line. `None` if it has no line, or
/// if these two are in the wrong order.
pub(crate) fn inspect(file: &File) -> io::Result<Option<Segment>> {
    let size = file.metadata()?.len();
    let first = disk::line_at(file, 0, size)?;
    let tail = disk::lines_before(file, size)?.bytes;
    let inner = tail.strip_suffix(b"\n").unwrap_or(&tail);
    let last = &tail[memchr::memrchr(b'\n', inner).map_or(0, |at| at + 1)..];
    let parse = |bytes| std::str::from_utf8(bytes).ok().and_then(Line::parse);
    let (Some(first), Some(last)) = (parse(&first), parse(last)) else { return Ok(None) };
    let found = Segment {
        first: first.first_seq(),
        last: last.last_seq(),
        first_time: first.time(),
        last_time: last.time(),
        size,
        written: None,
        generation: 0,
        is_kept: false,
    };
    Ok(Some(found).filter(|found| found.first <= found.last))
}

/// The first numbers of the segment files in `dir`, in order. Not all need to be files.
pub(crate) fn list_dir(dir: &Path) -> io::Result<Vec<Seq>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        if let Some(digits) = number.filter(|digits| digits.len() == 16) {
            found.extend(digits.parse().ok().and_then(Seq::new));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::*;
    use crate::event::Timestamp;
    use crate::log::state::path_in;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    fn extent(n: u64, text: &'static str) -> Extent {
        let (first, time) = (Seq::new(n).expect("small"), Timestamp::default());
        Extent { first, last: first, time, bytes: text.into(), is_gap: false, spare: 0 }
    }

    /// A file with one line, right after a check.
    fn checked(path: &Path) -> SegmentFile {
        let dir = Directory::open(path.parent().expect("a directory")).expect("opened");
        let mut file = SegmentFile::begin(Arc::new(dir), seq(1)).expect("created");
        assert_eq!(file.append(&[extent(1, "line 1\n")]).expect("written"), Appended::Whole);
        assert!(file.is_untouched().expect("there"));
        file
    }

    #[test]
    fn overwrites_what_another_process_appends() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = path_in(dir.path(), seq(1));
        for (junk, left) in [("junk\n", ""), ("much more junk\n", "k\n")] {
            let mut file = checked(&path);
            let mut other = OpenOptions::new().append(true).open(&path).expect("opened");
            other.write_all(junk.as_bytes()).expect("written");
            let lines = [extent(2, "line 2\n"), extent(3, "line3\n")];
            assert_eq!(file.append(&lines).expect("written"), Appended::Whole);
            let found = fs::read_to_string(&path).expect("read");
            assert_eq!(found, format!("line 1\nline 2\nline3\n{left}"));
            assert_eq!(file.is_untouched().expect("there"), left.is_empty());
            let reopened =
                SegmentFile::reopen(file.dir.clone(), seq(1), file.size).expect("opened");
            assert!(reopened.expect("there").is_untouched().expect("there"));
        }
    }

    #[test]
    fn appends_nothing_to_a_shortened_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = path_in(dir.path(), seq(1));
        for (to, left) in
            [(0, ""), (3, ""), (7, "line 1\n"), (9, "line 1\n"), (14, "line 1\nline 2\n")]
        {
            let mut file = checked(&path);
            assert_eq!(file.append(&[extent(2, "line 2\n")]).expect("written"), Appended::Whole);
            let other = OpenOptions::new().write(true).open(&path).expect("opened");
            other.set_len(to).expect("shortened");
            let appended = file.append(&[extent(3, "line 3\n")]).expect("written");
            let whole = if to == 14 { "line 3\n" } else { "" };
            assert_eq!(appended == Appended::Whole, to == 14);
            assert_eq!(fs::read_to_string(&path).expect("read"), format!("{left}{whole}"), "{to}");
        }
    }

    #[test]
    fn lists_segments_in_order_and_ignores_other_files() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in
            ["state", "x.jsonl", "0000000000000010.jsonl", "0000000000000009.jsonl", "9.jsonl"]
        {
            fs::write(dir.path().join(name), "").expect("written");
        }
        assert_eq!(list_dir(dir.path()).expect("read"), [seq(9), seq(10)]);
        assert_eq!(
            path_in(dir.path(), seq(9)).file_name(),
            Some("0000000000000009.jsonl".as_ref())
        );
    }
}
