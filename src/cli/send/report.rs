//! Messages on stderr.

use std::fmt;

use crate::cli;

/// The name of the command, on the command line and before its messages.
pub const NAME: &str = "pulse-send";

/// Prints one line on stderr.
pub(super) fn report(text: impl fmt::Display) {
    cli::report(NAME, text);
}
