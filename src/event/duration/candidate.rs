//! A number that may be a duration, and the cue that it needs.

use super::exact::Exact;

/// Whole seconds from here on need a cue: `404s` and `1990s` are plurals.
pub(super) const PLURAL_MIN: u64 = 100;

/// A number that may be a duration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) value: Exact,
    pub(super) needs: Needs,
    /// It may be a time of day.
    pub(super) is_stopwatch: bool,
}

/// The cue without which a candidate is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Its unit, or its number, has other meanings.
    Cue,
    /// It looks like a time of day.
    StrongCue,
}
