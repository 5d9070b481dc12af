//! Why a text is no MATCH.

use super::clause::Quoted;
use super::{BadGlob, FIELD_PREFIX, Glob, KEYS, PATTERNS_MAX, TERMS_MAX, TEXT_MAX};
use crate::event::{BadField, Level, UnknownLevel};

/// The most characters that an error repeats of one thing that was typed.
const SHOWN_MAX: usize = 80;

/// Why a text is no MATCH: one line, for the one who wrote it.
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
    /// A quote that nothing closes.
    #[error("the quote that begins at {0:?} is not closed: a quote within quotes is \\\"")]
    Quote(String),
    /// A `+` with nothing on one of its sides.
    #[error("a + stands between two groups of terms, and here one of them is empty")]
    Plus,
    /// A word that is no term.
    #[error("{word:?} has no operator (= != ~ !~ > >= < <=): did you mean {meant}?")]
    NoOperator {
        /// The word.
        word: String,
        /// What would have worked.
        meant: String,
    },
    /// A term that begins with its operator.
    #[error("{0:?} has no key before its operator: write key=value, such as tag=shop.*")]
    NoKey(String),
    /// A key that begins with `_`, and is none of the origin's.
    #[error("unknown key {0:?}: what begins with _ is one of {list}", list = origin_keys())]
    Key(String),
    /// A key that is no field's name either.
    #[error("a key that is none of {list} is a field: {0}", list = plain_keys())]
    Field(BadField),
    /// A value that no tag can match.
    #[error("{term:?} matches no tag: {why}; * stands for any text, ? for one character")]
    Glob {
        /// The term.
        term: String,
        /// What is wrong.
        why: BadGlob,
    },
    /// No level.
    #[error("{0}")]
    Level(UnknownLevel),
    /// No duration.
    #[error(
        "{0:?}: took is compared with a duration such as 100ms or 1.5s, or a number of seconds"
    )]
    Took(String),
    /// `abandoned` compared with anything but `true`.
    #[error("{0:?}: write abandoned=true or abandoned!=true")]
    Abandoned(String),
    /// `<` or `>` with what is no number.
    #[error("{0:?}: < and > compare numbers, and what follows is none; = and ~ compare text")]
    Number(String),
    /// `<` or `>` on a text.
    #[error("{term:?}: < and > compare numbers, and {key} is a text; use = != ~ or !~")]
    Order {
        /// The term.
        term: String,
        /// Its key.
        key: String,
    },
    /// No regular expression, or a large one.
    #[error("{term:?}: the regular expression does not work: {why}")]
    Pattern {
        /// The term.
        term: String,
        /// What is wrong with it.
        why: String,
    },
}

impl MatchError {
    /// For a word without an operator: what its writer may have wanted.
    pub(super) fn no_operator(word: &str) -> Self {
        let mut meant = Vec::new();
        if Level::from_typed(word).is_ok() {
            meant.push(format!("level>={word}"));
        }
        if word.len() <= SHOWN_MAX && Glob::new(word).is_ok() {
            meant.push(format!("tag={word}"));
        }
        // A suggestion is something to copy, so it cannot be shown escaped.
        let plain = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
        if word.len() <= SHOWN_MAX && !word.is_empty() && word.chars().all(plain) {
            meant.push(format!("msg~{}", Quoted(&regex::escape(word))));
        } else {
            meant.push("msg~TEXT".into());
        }
        Self::NoOperator { word: shown(word), meant: meant.join(" or ") }
    }
}

/// The beginning of what was typed: an answer has one line, not 8 KiB.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

fn origin_keys() -> String {
    let names = KEYS.iter().map(|known| known.name).filter(|name| name.starts_with('_'));
    names.collect::<Vec<_>>().join(" ")
}

fn plain_keys() -> String {
    let names = KEYS.iter().map(|known| known.name).filter(|name| !name.starts_with('_'));
    format!("{} {FIELD_PREFIX}NAME", names.collect::<Vec<_>>().join(" "))
}
