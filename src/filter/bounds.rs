//! The bounds of a MATCH.

/// The longest MATCH, in bytes, as given and as displayed.
pub const TEXT_MAX: usize = 8 * 1024;

/// The most terms of a MATCH, in all its groups.
pub const TERMS_MAX: usize = 64;

/// The most places of the regular expressions of a MATCH: classes and optional parts, counted as often as they are
/// repeated, and alternatives. They bound the time that an event takes.
pub const PLACES_MAX: usize = 64;

/// The most different regular expressions of a MATCH.
pub const PATTERNS_MAX: usize = 8;
