//! MATCH: the one language in which a reader says which events it wants. The command line, the
//! protocol and the monitor all use this parser (pulse-tail(1)).
//!
//! A term is `key op value`. In one group of terms the same key twice with `=` is *or*, everything
//! else is *and*; a `+` alone between groups is *or*. `=` compares text, and `<` and `>` numbers
//! only: a field `"40"` is a text, and no number is above or below it. Where a key is absent only
//! `!=` and `!~` are true; so `user~` finds every event that has the field `user`, and `user!~`
//! every one that has not. `_unit` compares the whole name, `nginx.service`.
//!
//! Pure: no socket, no file, no clock.

mod clause;
mod error;
mod glob;
mod key;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::event::EventLine;
use clause::Group;

pub use clause::Op;
pub use error::MatchError;
pub use glob::{BadGlob, Glob};
pub use key::{FIELD_PREFIX, KEYS, KnownKey};
pub use pattern::PATTERN_SIZE_MAX;

/// The longest MATCH, in bytes: as it is given, and as it is shown.
pub const TEXT_MAX: usize = 8 * 1024;

/// The most terms of a MATCH, in all its groups.
pub const TERMS_MAX: usize = 64;

/// The most regular expressions of a MATCH; the same one again does not count.
pub const PATTERNS_MAX: usize = 8;

/// Which events a reader wants. The default is all of them.
///
/// Its text ([`fmt::Display`]) is read back by [`Match::parse`] as an equal value. Two are equal when
/// they have the same terms in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// One of them has to hold. Never empty ones; none at all is everything.
    groups: Vec<Group>,
}

impl Match {
    /// Reads a whole MATCH: terms parted by white space. Within `"…"`, also in the middle of a term,
    /// white space is text, and `\"` and `\\` stand for `"` and `\`. An empty text matches everything.
    ///
    /// # Errors
    /// What is wrong with which term, in one line for the one who wrote it.
    pub fn parse(text: &str) -> Result<Self, MatchError> {
        if text.len() > TEXT_MAX {
            return Err(MatchError::Long);
        }
        parse::words(text)
    }

    /// Reads the words of a command line. Each is one term or a `+`, whatever white space and quotes
    /// it has: the shell has split and unquoted them already. No words match everything.
    ///
    /// # Errors
    /// As [`Match::parse`].
    pub fn from_args<S: AsRef<str>>(args: &[S]) -> Result<Self, MatchError> {
        // This also bounds how many there are.
        if args.iter().map(|arg| arg.as_ref().len() + 1).sum::<usize>() > TEXT_MAX + 1 {
            return Err(MatchError::Long);
        }
        parse::args(args.iter().map(S::as_ref))
    }

    /// Both, as though the terms of `other` had been typed into every group of this one. So they have
    /// to hold in each of them, and the same key with `=` in both is still *or*: `tag=a` with `tag=b`
    /// matches both tags. Options that only write a MATCH are added this way.
    ///
    /// # Errors
    /// When the result is over a bound.
    pub fn with(&self, other: &Self) -> Result<Self, MatchError> {
        if self.is_everything() || other.is_everything() {
            let both = if self.is_everything() { other } else { self };
            return Ok(both.clone());
        }
        // Known before anything is built.
        if self.terms() * other.groups.len() + other.terms() * self.groups.len() > TERMS_MAX {
            return Err(MatchError::Terms);
        }
        let pairs = self.groups.iter().flat_map(|own| other.groups.iter().map(move |o| (own, o)));
        Self::checked(pairs.map(|(own, added)| own.with(added)).collect())
    }

    /// Whether it matches every event, because it has no terms.
    pub fn is_everything(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether the event is one of those that are wanted. Allocates nothing, but for texts with JSON
    /// escapes and for `took~`.
    pub fn matches(&self, event: &EventLine<'_>) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| group.matches(event))
    }

    fn terms(&self) -> usize {
        self.groups.iter().map(Group::terms).sum()
    }

    /// Takes groups that hold the bounds.
    fn checked(groups: Vec<Group>) -> Result<Self, MatchError> {
        let found = Self { groups };
        if found.terms() > TERMS_MAX {
            return Err(MatchError::Terms);
        }
        // Quotes may make the text longer than what was given.
        if found.to_string().len() > TEXT_MAX {
            return Err(MatchError::Long);
        }
        if found.patterns() > PATTERNS_MAX {
            return Err(MatchError::Patterns);
        }
        Ok(found)
    }

    /// How many regular expressions it holds; the same one again does not count.
    pub fn patterns(&self) -> usize {
        let mut patterns: Vec<_> = self.groups.iter().flat_map(Group::patterns).collect();
        patterns.sort_unstable();
        patterns.dedup();
        patterns.len()
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.groups.iter().enumerate() {
            let between = if at == 0 { "" } else { " + " };
            write!(f, "{between}{group}")?;
        }
        Ok(())
    }
}
