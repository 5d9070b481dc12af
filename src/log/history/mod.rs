//! The threads that keep the log on disk, and their files. See [`super`] for the files and the modes.

mod asides;
mod compaction;
pub(crate) mod disk;
mod estimate;
pub(crate) mod ledger;
mod read_buffer;
pub(crate) mod recovery;
mod retention;
mod room;
pub(crate) mod segment_file;
pub(crate) mod syncer;
pub(crate) mod writer;
mod writer_state;
