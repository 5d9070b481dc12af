//! Events: the draft that a sender claims, the origin that the kernel verifies, the stamp that the
//! agent adds, and the JSON line that they become (pulse-protocol(7)). Gaps and cursors belong here
//! too.
//!
//! Pure: no socket, no file, no clock. The time of an event is an argument.

mod cursor;
mod draft;
pub mod duration;
mod encode;
mod gap;
pub mod json;
mod level;
mod line;
mod origin;
pub mod size;
pub(crate) mod swar;
mod tag;
mod text;
mod time;

pub use cursor::{Cursor, CursorError, LogId, MESSAGE_LINES_MAX, Seq};
pub use draft::{
    BadField, Draft, FIELD_NAME_MAX, FIELDS_MAX, Field, RUN_MAX, Value, check_field_name,
    check_run, numbered_field_name, repaired_field_name,
};
pub use encode::{Abandoned, Batch, Stamp};
pub use gap::{Gap, Why};
pub use level::{Level, LoggerScale, UnknownLevel};
pub use line::{EventLine, GapLine, Line};
pub use origin::Origin;
pub use tag::{BadTag, TAG_MAX, Tag};
pub use text::cut;
pub use time::{BadTime, Timestamp};

/// The longest draft on the wire, in bytes, without verb and line end.
pub const DRAFT_MAX: usize = 64 * 1024;

/// The longest event line, in bytes, with its line end. A draft of control characters grows sixfold
/// in JSON; stamp and origin come on top.
pub const LINE_MAX: usize = 400 * 1024;
