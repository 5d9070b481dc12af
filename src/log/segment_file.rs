//! The segment file that is written to.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use super::window::Run;

/// A segment file of which every byte was written here.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: PathBuf,
    file: Arc<File>,
    /// Its device and its inode: under the same name there may be another one some day.
    identity: (u64, u64),
    /// How much of it is whole lines, in bytes.
    size: u64,
}

impl SegmentFile {
    /// Begins a file. What a failed try left under that name goes.
    pub(crate) fn begin(path: PathBuf) -> io::Result<Self> {
        let mut open = OpenOptions::new();
        Self::with(open.append(true).create(true).mode(0o640).open(&path)?, path, 0)
    }

    /// Goes on with a file of which the first `size` bytes are good: what a failed write left behind
    /// them goes. None if somebody took the file away, or a part of it.
    pub(crate) fn reopen(path: PathBuf, size: u64) -> io::Result<Option<Self>> {
        match OpenOptions::new().append(true).open(&path) {
            Ok(file) if file.metadata()?.len() < size => Ok(None),
            Ok(file) => Self::with(file, path, size).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn with(file: File, path: PathBuf, size: u64) -> io::Result<Self> {
        file.set_len(size)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { path, file: Arc::new(file), identity, size })
    }

    /// For the syncer.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Whether it is still under its name, and as it was left: people move, remove and edit files.
    pub(crate) fn is_untouched(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(identity(&found) == self.identity && found.len() == self.size),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Writes runs behind what is there. After an error, a part of them may be.
    pub(crate) fn append(&mut self, runs: &[Run]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> =
            runs.iter().map(|run| IoSlice::new(&run.bytes)).collect();
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
