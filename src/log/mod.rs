//! The log: the ordered sequence of events that an agent holds. The newest part is in memory (the
//! window), the rest on disk (history), and readers see one sequence.
//!
//! # Files
//! The history directory has mode 0750 and contains:
//!
//! | file | content |
//! |---|---|
//! | `0000000000001042.jsonl` | a segment: the lines from number 1042 on, exactly as readers get them. Numbers are consecutive (a gap line stands for a range), and times never decrease |
//! | `state` | `{"log":"7f3a9c21","reserved":16778258}`: the id, and the first number that is not reserved. After a clean stop also `"clean":1043`, the next number. `"trusted"` is the trusted time at that moment. Replaced atomically. Unknown keys are ignored |
//! | `synced` | `SEGMENT OFFSET`, 16 digits each: the position up to which everything is fsynced. Overwritten in place. An older position is valid too. Locked as `lock` is |
//! | `lock` | locked while an agent uses the directory. Contains its process id |
//! | `*.jsonl.new` | a segment that is being written again. Removed at the start |
//! | `*.jsonl.aside`, `*.jsonl.aside.2` | a segment that repeated the numbers of an earlier one, or what had a segment's name and was no file. Never overwritten |
//!
//! The directory is held open, and its files are opened below it (`sys::directory`): without following links, and
//! never a FIFO or a device. While another process moves the directory away, readers therefore still find all of it.
//! The writer looks for it again for half a second, and then creates it anew. It looks before each write whether the
//! directory and its lock are still in place.
//!
//! # Modes of history
//! *Writing*: lines are written soon after they are appended. *Live-only*: the disk returned an error,
//! or did not complete a write within [`STALL_MAX`] while senders waited. Readers still get every line,
//! the writer retries, and the next write that succeeds ends the mode. *Closed*: the agent stops.
//! `state::History` is the state machine.
//!
//! # Writing
//! [`Log::append`] stamps and encodes a batch into the window under one short lock, and wakes the
//! readers and the writer thread. The writer gathers lines that no sender waits for ([`GATHER_TIME`],
//! [`GATHER_LINES`]), takes up to 1 MiB of them and writes them with one system call. A line begins a new segment if the newest is full, spans more than a sixteenth of the maximum
//! age, has a later time, or was changed by another process. The syncer thread fsyncs the files, then
//! the directory, and then notes the position. A sender with a small batch that waits and finds the writer asleep
//! writes it itself ([`Log::write_here`]), because a wake-up takes longer than the write. If the window
//! is full of lines that are not written, senders wait.
//!
//! Numbers are reserved durably before they are used: 2^24 at each start, and again when half of them
//! are used. If a reservation runs out in live-only mode, the log gets a new id.
//!
//! # Reading
//! A reader is a number. Each read gets the window's extents without a copy, or up to 512 KiB of one
//! segment, which at most [`HISTORY_READERS`] readers do at a time on threads of lower priority. What is missing
//! is a gap: `retention` before the oldest line, else `storage`. The index of gaps makes its `lost`
//! exact for the numbers of this process.
//!
//! # Deleting
//! The window evicts its oldest extents when it is full: in the mode *writing* only those that are
//! written. Retention deletes whole segments, the oldest first: if the last line exceeds the maximum
//! age, or if all segments together exceed the maximum size, except the newest one. Files that were set aside count
//! too and go first. A file that cannot be removed is skipped for a minute at a time. Segments from which one sender
//! would push out others are written again without its events instead, see `history::room`: their numbers become a gap
//! `retention`. Age is measured by the uptime and by a trusted time, see `state::aging`, not by the time of day, which
//! may be wrong.
//!
//! # Lines that come with numbers
//! [`open_numbered`] opens a log for a part of a stream of many hosts: see [`Numbered`]. Its numbers have holes that
//! are no loss. Its gap lines belong to different hosts and are never joined.
//!
//! # Errors
//! A passing error (no free descriptor, no memory, an interruption) is repeated, by readers and the writer alike: see
//! `retry`. Any other error of a read is a gap `storage`, and one of a write begins the mode *live-only*.
//!
//! # Starting
//! Recovery checks the segments from the synced position on and truncates what is damaged. Then each
//! start appends a gap `restart`. After a clean stop its `lost` is 0. After an unclean one it covers
//! all reserved numbers, because some of them may have been seen. A new log begins with the gap at
//! number 1, and its first event is number 2.
//!
//! # What survives
//! | | kill -9 | power cut |
//! |---|---|---|
//! | appended | no | no |
//! | stored ([`Durability::Stored`]) | yes | if it is older than [`SyncPolicy::Within`] |
//! | synced ([`Durability::Synced`]) | yes | yes |

mod error;
mod handle;
mod history;
mod lane;
mod numbered;
mod options;
mod read;
mod retry;
mod running;
mod sender;
mod shared;
mod state;
mod wait;
mod worker;

#[cfg(test)]
mod tests;

pub use error::{Full, NotStored, OpenError};
pub use handle::{Appended, Log};
pub use history::recovery::{Checked, Repair};
pub use lane::Lane;
pub use numbered::Numbered;
pub use options::{
    Clock, Durability, HistoryOptions, Options, STALL_MAX, SYNC_WAIT_MAX, SyncPolicy, Uptime,
};
pub use read::backward::Backward;
pub(crate) use read::chunk::line_at;
pub use read::chunk::{Chunk, PlacedLine, UnparsedLine, lines_of, split_last_line};
pub use read::forward::{Read, Reader};
pub use running::{Opened, Running, open, open_numbered, open_reporting};
pub use sender::Sender;
pub use shared::HISTORY_READERS;
pub use state::{Counters, GATHER_LINES, GATHER_TIME, HOLD_MIN, SHARE_TIME, WINDOW_SIZE_MIN};
pub use worker::{CLOSE_STALL_MAX, CLOSE_WAIT_MAX};
