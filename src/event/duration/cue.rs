//! What the words before a number say.

/// How many words before a number a limit reaches.
pub(super) const LIMIT_REACH: usize = 3;

/// How many words before a number a cue reaches.
pub(super) const CUE_REACH: usize = 2;

/// What the words say about a number that may be a measured duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) cue: Cue,
    /// *total* stands beside it.
    pub(super) is_total: bool,
    /// A word such as *at* stands directly before it.
    pub(super) is_clock: bool,
}

/// How sure the words are that a measured duration follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cue {
    #[default]
    None,
    Weak,
    Strong,
}

/// `true` if *total* stands before a space at the end.
pub(super) fn ends_with_total(bytes: &[u8]) -> bool {
    let Some(before) = bytes.strip_suffix(b" ") else { return false };
    let from = before.len().saturating_sub(b"total".len());
    before[from..].eq_ignore_ascii_case(b"total")
}
