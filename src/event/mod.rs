//! What an event is: the draft that a sender claims, the origin that the kernel vouches for, the
//! stamp that the agent adds, and the one JSON line that all of it becomes (pulse-protocol(7)).
//!
//! Pure: no socket, no file, no clock. The time of an event is an argument.

mod cursor;
mod draft;
mod encode;
mod gap;
pub mod json;
mod level;
mod line;
mod origin;
mod tag;
mod time;
pub mod took;

pub use cursor::{Cursor, CursorError, LogId, Seq};
pub use draft::{
    BadField, Draft, FIELD_NAME_MAX, FIELDS_MAX, Field, RUN_MAX, Value, check_field_name, check_run,
};
pub use encode::{Abandoned, Batch, Stamp};
pub use gap::{Gap, Why};
pub use level::{Level, UnknownLevel};
pub use line::{EventLine, GapLine, Line};
pub use origin::Origin;
pub use tag::{BadTag, TAG_MAX, Tag};
pub use time::{BadTime, Timestamp};

/// The longest draft on the wire, in bytes, without its verb and its line end.
pub const DRAFT_MAX: usize = 64 * 1024;

/// The longest event line, in bytes, with its line end: a draft of nothing but control characters
/// grows sixfold when it becomes JSON, and the stamp and the origin come on top.
pub const LINE_MAX: usize = 400 * 1024;
