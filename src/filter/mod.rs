//! MATCH: the query language of command line, protocol and monitor (pulse-tail(1)).
//!
//! A term is `key op value`. In a group of terms the same key twice with `=` is *or*, everything
//! else is *and*; a `+` alone between groups is *or*. `=` compares text. `<` and `>` compare
//! numbers, also those given as text (`-F status=503`), and are false for other text, such as `5%`.
//! `took` is compared with a duration (`took>1m30s`). Where a key is absent only `!=` and `!~` are
//! true: `user~` finds every event with the field `user`, `user!~` every other event. `_unit`
//! compares the whole name, `nginx.service`.
//!
//! Pure: no socket, no file, no clock.

mod bounds;
mod clause;
mod error;
mod glob;
mod key;
mod needles;
mod parse;
mod pattern;
mod quote;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::event::EventLine;
use clause::Group;

pub use bounds::{PATTERNS_MAX, PLACES_MAX, TERMS_MAX, TEXT_MAX};
pub use clause::Op;
pub use error::MatchError;
pub use glob::{BadGlob, Glob};
pub use key::{BadKey, FIELD_PREFIX, KEYS, KeyName, KnownKey, journal_key};
pub use needles::Needles;
pub use pattern::{PATTERN_SIZE_MAX, PATTERN_TEXT_MAX};

/// A parsed MATCH. The default matches every event.
///
/// [`Match::parse`] parses its text ([`fmt::Display`]) to an equal value. Two are equal if they
/// have the same terms in the same order.
///
/// ```
/// use pulsed::event::Line;
/// use pulsed::filter::Match;
///
/// let slow = Match::parse("tag=shop.* took>100ms + level>=err").expect("valid");
/// let line = concat!(
///     r#"{"seq":1042,"time":"2026-11-22T17:32:05.123456Z","host":"web1","tag":"shop.query","#,
///     r#""level":"info","msg":"query took 140ms","took":0.14}"#,
/// );
/// let Some(Line::Event(event)) = Line::parse(line) else { panic!("an event") };
/// assert!(slow.matches(&event));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// A disjunction of groups that are not empty. Without groups it matches everything.
    groups: Vec<Group>,
}

impl Match {
    /// Parses a MATCH that is one text: terms separated by white space. Within `"…"`, also in the
    /// middle of a term, white space is text, and `\"` and `\\` stand for `"` and `\`. An empty
    /// text matches everything.
    ///
    /// # Errors
    /// The first invalid term, or the bound that was exceeded.
    pub fn parse(text: &str) -> Result<Self, MatchError> {
        if text.len() > TEXT_MAX {
            return Err(MatchError::Long);
        }
        Self::checked(parse::text(text)?)
    }

    /// Parses the words of a command line. Each is a term or a `+`. White space and quotes in it
    /// are text, because the shell has already split and unquoted the words. No words match
    /// everything.
    ///
    /// # Errors
    /// As [`Match::parse`].
    pub fn from_args<S: AsRef<str>>(args: &[S]) -> Result<Self, MatchError> {
        // This also bounds the number of words.
        if args.iter().map(|arg| arg.as_ref().len() + 1).sum::<usize>() > TEXT_MAX + 1 {
            return Err(MatchError::Long);
        }
        Self::checked(parse::args(args.iter().map(S::as_ref))?)
    }

    /// Combines both, as if the terms of `other` were in every group of this one: they must hold in
    /// each group, and the same key with `=` in both is still *or*, so that `tag=a` with `tag=b`
    /// matches both tags. Options that write a MATCH are added this way.
    ///
    /// # Errors
    /// If the result exceeds a bound.
    pub fn with(&self, other: &Self) -> Result<Self, MatchError> {
        if self.is_everything() || other.is_everything() {
            let both = if self.is_everything() { other } else { self };
            return Ok(both.clone());
        }
        // Checked before the product is built.
        if self.terms() * other.groups.len() + other.terms() * self.groups.len() > TERMS_MAX {
            return Err(MatchError::Terms);
        }
        let pairs = self.groups.iter().flat_map(|own| other.groups.iter().map(move |o| (own, o)));
        Self::checked(pairs.map(|(own, added)| own.with(added)).collect())
    }

    /// `true` if it has no terms, so that it matches every event.
    pub fn is_everything(&self) -> bool {
        self.groups.is_empty()
    }

    /// `true` if the event matches. Allocates only for texts with JSON escapes and for `took~`.
    pub fn matches(&self, event: &EventLine<'_>) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| group.matches(event))
    }

    /// The keys that an event must have to match: those of the terms that are false where the key is
    /// absent, except `abandoned`. Each once.
    pub fn needed_keys(&self) -> Vec<KeyName> {
        let mut names: Vec<KeyName> = Vec::new();
        for name in self.groups.iter().flat_map(Group::needed_keys) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn terms(&self) -> usize {
        self.groups.iter().map(Group::terms).sum()
    }

    /// Checks the bounds.
    fn checked(groups: Vec<Group>) -> Result<Self, MatchError> {
        let checked = Self { groups };
        if checked.terms() > TERMS_MAX {
            return Err(MatchError::Terms);
        }
        // Quotes can make the displayed text longer than the given one.
        if checked.to_string().len() > TEXT_MAX {
            return Err(MatchError::Long);
        }
        if checked.patterns() > PATTERNS_MAX {
            return Err(MatchError::Patterns);
        }
        if checked.groups.iter().map(Group::places).sum::<usize>() > PLACES_MAX {
            return Err(MatchError::Places);
        }
        Ok(checked)
    }

    /// The number of different regular expressions.
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
