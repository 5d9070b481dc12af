//! Segment files: the one that is written, the names of all, and what one contains.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk;
use crate::event::{Line, Seq};
use crate::log::state::{Extent, Segment};

/// The segment file that is written. All of its bytes were written by this process.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: PathBuf,
    file: Arc<File>,
    /// Its device and inode: another process may put another file under its name.
    identity: (u64, u64),
    /// The size of its whole lines, in bytes.
    size: u64,
}

impl SegmentFile {
    /// Creates the file, or truncates what a failed attempt left there.
    pub(crate) fn begin(path: PathBuf) -> io::Result<Self> {
        let mut open = OpenOptions::new();
        Self::truncated(open.append(true).create(true).mode(0o640).open(&path)?, path, 0)
    }

    /// Opens a file again to append after its first `size` bytes. Truncates what a failed write left
    /// after them. `None` if another process removed the file or shortened it.
    pub(crate) fn reopen(path: PathBuf, size: u64) -> io::Result<Option<Self>> {
        match OpenOptions::new().append(true).open(&path) {
            Ok(file) if file.metadata()?.len() < size => Ok(None),
            Ok(file) => Self::truncated(file, path, size).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn truncated(file: File, path: PathBuf, size: u64) -> io::Result<Self> {
        file.set_len(size)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { path, file: Arc::new(file), identity, size })
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

    /// Appends extents with as few system calls as possible. After an error, a part of them may be
    /// written.
    pub(crate) fn append(&mut self, extents: &[Extent]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> =
            extents.iter().map(|extent| IoSlice::new(&extent.bytes)).collect();
        let mut slices = slices.as_mut_slice();
        let mut file = self.file.as_ref();
        while !slices.is_empty() {
            match file.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.size += n as u64;
                    IoSlice::advance_slices(&mut slices, n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
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
    use super::*;
    use crate::log::state::path_in;

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
