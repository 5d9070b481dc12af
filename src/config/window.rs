//! `[window]`: the events in memory.

use serde::Deserialize;
use toml::Spanned;

use super::checks::size;
use super::error::Wrong;
use super::value::Size;

/// The smallest window, in bytes.
pub const WINDOW_MIN: u64 = 1 << 20;
/// The largest window, in bytes.
pub const WINDOW_MAX: u64 = 16 << 30;

const DEFAULT_SIZE: u64 = 64 << 20;

/// The section, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The memory for the newest events, in bytes.
    pub size: u64,
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [window]")]
pub(super) struct RawWindow {
    size: Option<Spanned<Size>>,
}

impl RawWindow {
    pub(super) fn check(self) -> Result<Window, Wrong> {
        Ok(Window { size: size(self.size, DEFAULT_SIZE, WINDOW_MIN, WINDOW_MAX)? })
    }
}
