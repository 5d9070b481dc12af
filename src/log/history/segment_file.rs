//! Segment files: the one that is written, the names of all, and what one contains.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk;
use crate::event::{Line, Seq};
use crate::log::state::{Extent, Segment};
use crate::sys::files::write_all_at;

/// The segment file that is written. All of its bytes were written by this process.
///
/// It is written at the offset at which its lines end, and not opened with `O_APPEND`: bytes that another process
/// appends after the last check would move what follows them, and lines are found by their offsets.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: PathBuf,
    file: Arc<File>,
    /// The same file, for reading.
    reader: File,
    /// Its device and inode: another process may put another file under its name.
    identity: (u64, u64),
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
    /// Creates the file, or truncates what a failed attempt left there.
    pub(crate) fn begin(path: PathBuf) -> io::Result<Self> {
        let mut open = OpenOptions::new();
        // Truncated once it is known to be a file.
        let open = open.truncate(false);
        Self::truncated(open.write(true).create(true).mode(0o640).open(&path)?, path, 0)
    }

    /// Opens a file again to append after its first `size` bytes. Truncates what a failed write left
    /// after them. `None` if another process removed the file or shortened it.
    pub(crate) fn reopen(path: PathBuf, size: u64) -> io::Result<Option<Self>> {
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) if file.metadata()?.len() < size => Ok(None),
            Ok(file) => Self::truncated(file, path, size).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn truncated(file: File, path: PathBuf, size: u64) -> io::Result<Self> {
        file.set_len(size)?;
        let identity = identity(&file.metadata()?);
        let reader = File::open(&path)?;
        Ok(Self { path, file: Arc::new(file), reader, identity, size })
    }

    /// The open file, for the syncer.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// `true` if no other process has moved, removed or changed it.
    pub(crate) fn is_untouched(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(identity(&found) == self.identity && found.len() == self.size),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Appends extents with as few system calls as possible. What another process has appended since the last
    /// check is overwritten. After an error, a part of the extents may be written.
    pub(crate) fn append(&mut self, extents: &[Extent]) -> io::Result<Appended> {
        let mut slices: Vec<IoSlice<'_>> =
            extents.iter().map(|extent| IoSlice::new(&extent.bytes)).collect();
        let written = write_all_at(&self.file, &mut slices, self.size)?;
        if !self.ends_line()? {
            self.file.set_len(disk::last_line_end(&self.reader, self.size)?)?;
            return Ok(Appended::Shortened);
        }
        self.size += written;
        Ok(Appended::Whole)
    }

    /// `true` if a line ends where the last append began. In a file that another process has shortened since the
    /// last check, there is a hole before the new lines.
    fn ends_line(&self) -> io::Result<bool> {
        let mut last = *b"\n";
        if self.size > 0 {
            self.reader.read_exact_at(&mut last, self.size - 1)?;
        }
        Ok(last == *b"\n")
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Reads what a segment file contains from its first and its last line. `None` if it has no line, or
/// if these two are in the wrong order.
pub(crate) fn inspect(path: &Path) -> io::Result<Option<Segment>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let first = disk::line_at(&file, 0, size)?;
    let tail = disk::lines_before(&file, size)?.bytes;
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
    };
    Ok(Some(found).filter(|found| found.first <= found.last))
}

/// The first numbers of the segment files in `dir`, in order.
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
    use std::io::Write as _;

    use super::*;
    use crate::event::Timestamp;
    use crate::log::state::path_in;

    fn extent(n: u64, text: &'static str) -> Extent {
        let (first, time) = (Seq::new(n).expect("small"), Timestamp::default());
        Extent { first, last: first, time, bytes: text.into(), is_gap: false, spare: 0 }
    }

    /// A file with one line, right after a check.
    fn checked(path: &Path) -> SegmentFile {
        let mut file = SegmentFile::begin(path.to_owned()).expect("created");
        assert_eq!(file.append(&[extent(1, "line 1\n")]).expect("written"), Appended::Whole);
        assert!(file.is_untouched().expect("there"));
        file
    }

    #[test]
    fn overwrites_what_another_process_appends() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("segment");
        for (junk, left) in [("junk\n", ""), ("much more junk\n", "k\n")] {
            let mut file = checked(&path);
            let mut other = OpenOptions::new().append(true).open(&path).expect("opened");
            other.write_all(junk.as_bytes()).expect("written");
            let lines = [extent(2, "line 2\n"), extent(3, "line3\n")];
            assert_eq!(file.append(&lines).expect("written"), Appended::Whole);
            let found = fs::read_to_string(&path).expect("read");
            assert_eq!(found, format!("line 1\nline 2\nline3\n{left}"));
            assert_eq!(file.is_untouched().expect("there"), left.is_empty());
            let reopened = SegmentFile::reopen(path.clone(), file.size).expect("opened");
            assert!(reopened.expect("there").is_untouched().expect("there"));
        }
    }

    #[test]
    fn appends_nothing_to_a_shortened_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("segment");
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
        let seq = |n| Seq::new(n).expect("small");
        assert_eq!(list_dir(dir.path()).expect("read"), [seq(9), seq(10)]);
        assert_eq!(
            path_in(dir.path(), seq(9)).file_name(),
            Some("0000000000000009.jsonl".as_ref())
        );
    }
}
