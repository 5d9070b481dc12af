//! An event or a gap as text for people (pulse-tail(1)), and the only terminal escaper.
//!
//! Text from a sender never drives the terminal: control, formatting and invisible characters are
//! shown escaped, further lines of a message are indented, and the formats for people truncate long
//! texts. [`Style`] has what differs between a terminal and a pipe. The exact text is in JSON.
//!
//! [`escape()`] is in every build and needs no other crate. The rest needs the feature `agent` or
//! `tail`.
//!
//! Pure: the time zone is an argument.

mod escape;
#[cfg(any(feature = "agent", feature = "tail"))]
mod line;

pub use escape::escape;
#[cfg(any(feature = "agent", feature = "tail"))]
pub use line::{FIELD_SHOWN_MAX, Format, MESSAGE_SHOWN_MAX, Style, Took, UnknownFormat};
