//! Why a text is not a MATCH.

use super::bounds::{PATTERNS_MAX, PLACES_MAX, TERMS_MAX, TEXT_MAX};
use super::glob::{BadGlob, Glob};
use super::key::BadKey;
use super::quote::{Quoted, SHOWN_MAX, shown};
use crate::event::{Level, UnknownLevel};

/// Why a text is not a MATCH. The message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// Over [`TEXT_MAX`].
    #[error("the MATCH is longer than {TEXT_MAX} bytes")]
    Long,
    /// Over [`TERMS_MAX`].
    #[error("the MATCH has more than {TERMS_MAX} terms")]
    Terms,
    /// Over [`PATTERNS_MAX`].
    #[error("the MATCH has more than {PATTERNS_MAX} regular expressions: join some with |")]
    Patterns,
    /// Over [`PLACES_MAX`].
    #[error(
        "the regular expressions of the MATCH have more than {PLACES_MAX} places (classes and alternatives, \
         counted as often as they are repeated): repeat fewer times"
    )]
    Places,
    /// An unclosed quote.
    #[error("the quote that begins at {0:?} is not closed: a quote within quotes is \\\"")]
    Quote(String),
    /// A `+` next to an empty group.
    #[error("a + separates two groups of terms, and one of them is empty")]
    Plus,
    /// A word without an operator.
    #[error("{word:?} has no operator (= != ~ !~ > >= < <=): did you mean {meant}?")]
    NoOperator {
        /// The word.
        word: String,
        /// Terms that would work.
        meant: String,
    },
    /// A term without a key.
    #[error("{0:?} has no key before its operator: write key=value, such as tag=shop.*")]
    NoKey(String),
    /// An invalid key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// A value that matches no tag.
    #[error("{term:?} matches no tag: {why}; * stands for any text, ? for one character")]
    Glob {
        /// The term.
        term: String,
        /// Why.
        why: BadGlob,
    },
    /// A value that is not a level.
    #[error("{0}")]
    Level(UnknownLevel),
    /// A value that is not a duration.
    #[error(
        "{0:?}: took is compared with a duration such as 100ms or 1m30s, or a number of seconds"
    )]
    Took(String),
    /// `abandoned` compared with anything but `true`.
    #[error("{0:?}: write abandoned=true or abandoned!=true")]
    Abandoned(String),
    /// A value that is not a number, after `<` or `>`.
    #[error("{0:?}: < and > need a number; = and ~ compare text")]
    Number(String),
    /// `<` or `>` on a key whose value is text.
    #[error("{term:?}: < and > compare numbers, and {key} is text; use = != ~ or !~")]
    Order {
        /// The term.
        term: String,
        /// The key.
        key: String,
    },
    /// A regular expression that is invalid or too large.
    #[error("{term:?}: the regular expression does not work: {why}")]
    Pattern {
        /// The term.
        term: String,
        /// Why.
        why: String,
    },
}

impl MatchError {
    /// The error for a word without an operator, with suggestions.
    pub(super) fn no_operator(word: &str) -> Self {
        let mut meant = Vec::new();
        if Level::from_typed(word).is_ok() {
            meant.push(format!("level>={word}"));
        }
        if word.len() <= SHOWN_MAX && Glob::new(word).is_ok() {
            meant.push(format!("tag={word}"));
        }
        // A suggestion must work when it is copied, so it cannot be escaped.
        let plain = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
        if word.len() <= SHOWN_MAX && !word.is_empty() && word.chars().all(plain) {
            meant.push(format!("msg~{}", Quoted(&regex::escape(word))));
        } else {
            meant.push("msg~TEXT".into());
        }
        Self::NoOperator { word: shown(word), meant: meant.join(" or ") }
    }
}
