//! Groups of clauses: what a MATCH is made of.

use std::cmp::Ordering;
use std::fmt;

use super::glob::Glob;
use super::key::{Found, Key, KeyName};
use super::pattern::{PATTERN_TEXT_MAX, Pattern};
use super::quote::Quoted;
use crate::event::{EventLine, Level};

/// The operator of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `!=`
    IsNot,
    /// `!~`
    Unlike,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `=`
    Is,
    /// `~`
    Like,
    /// `>`
    More,
    /// `<`
    Less,
}

impl Op {
    /// All operators, the longer ones first.
    pub const ALL: [Self; 8] = [
        Self::IsNot,
        Self::Unlike,
        Self::AtLeast,
        Self::AtMost,
        Self::Is,
        Self::Like,
        Self::More,
        Self::Less,
    ];

    /// The operator in a MATCH.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::IsNot => "!=",
            Self::Unlike => "!~",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Is => "=",
            Self::Like => "~",
            Self::More => ">",
            Self::Less => "<",
        }
    }

    /// Splits a term at the first operator.
    pub(super) fn split(term: &str) -> Option<(&str, Self, &str)> {
        let (key, rest) = term.split_at(term.find(['=', '!', '~', '<', '>'])?);
        Self::ALL.into_iter().find_map(|op| Some((key, op, rest.strip_prefix(op.symbol())?)))
    }

    /// `true` for the operators that hold where the key is absent.
    const fn is_negative(self) -> bool {
        matches!(self, Self::IsNot | Self::Unlike)
    }

    /// `true` for the operators that compare numbers or levels.
    pub(super) const fn is_order(self) -> bool {
        matches!(self, Self::AtLeast | Self::AtMost | Self::More | Self::Less)
    }

    /// `true` if a value that compares so with the operand is accepted. The negative operators
    /// accept what their positive ones do; [`Clause::holds`] inverts the result.
    pub(super) const fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::AtLeast => order.is_ge(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::Less => order.is_lt(),
            Self::Is | Self::IsNot | Self::Like | Self::Unlike => order.is_eq(),
        }
    }
}

/// The right side of a term.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Glob(Glob),
    Text(Box<str>),
    Level(Level),
    /// A number (seconds for `took`), and its text in the MATCH.
    Number(f64, Box<str>),
    Pattern(Pattern),
}

impl Operand {
    fn accepts(&self, op: Op, found: Found<'_>) -> bool {
        match (self, found) {
            (Self::Glob(glob), found) => glob.matches(&found.text()),
            (Self::Text(text), found) => found.is(text),
            // The worst level is the smallest, and the greatest in a MATCH.
            (Self::Level(level), Found::Level(found)) => op.accepts(level.cmp(&found)),
            (Self::Level(_), _) => false,
            (Self::Number(number, _), found) => {
                found.number().and_then(|n| n.partial_cmp(number)).is_some_and(|o| op.accepts(o))
            }
            (Self::Pattern(pattern), found) => pattern.matches(&found.beginning(PATTERN_TEXT_MAX)),
        }
    }
}

/// One term, or all terms of one key with `=`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause {
    pub(super) key: Key,
    pub(super) op: Op,
    /// At least one. More than one only with `=`.
    pub(super) operands: Vec<Operand>,
}

impl Clause {
    fn holds(&self, event: &EventLine<'_>) -> bool {
        let negative = self.op.is_negative();
        let Some(found) = self.key.find(event) else { return negative };
        negative != self.operands.iter().any(|operand| operand.accepts(self.op, found))
    }
}

/// A conjunction of clauses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group(Vec<Clause>);

impl Group {
    /// The keys without which an event does not match. Not `abandoned`, which most events lack.
    pub(super) fn needed_keys(&self) -> impl Iterator<Item = KeyName> {
        let needed = |clause: &&Clause| clause.key != Key::Abandoned && !clause.op.is_negative();
        self.0.iter().filter(needed).map(|clause| KeyName::new(clause.key.clone()))
    }

    /// Adds a clause. With `=`, its operands join the clause of the same key.
    pub(super) fn add(&mut self, clause: Clause) {
        let same = |c: &&mut Clause| c.op == Op::Is && clause.op == Op::Is && c.key == clause.key;
        match self.0.iter_mut().find(same) {
            Some(same) => same.operands.extend(clause.operands),
            None => self.0.push(clause),
        }
    }

    /// The clauses of both groups.
    pub(super) fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        other.0.iter().cloned().for_each(|clause| both.add(clause));
        both
    }

    pub(super) fn clauses(&self) -> &[Clause] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches(&self, event: &EventLine<'_>) -> bool {
        self.0.iter().all(|clause| clause.holds(event))
    }

    pub(super) fn terms(&self) -> usize {
        self.0.iter().map(|clause| clause.operands.len()).sum()
    }

    /// The places of its regular expressions, each as often as it occurs.
    pub(super) fn places(&self) -> usize {
        let operands = self.0.iter().flat_map(|clause| &clause.operands);
        let places = operands.map(|operand| match operand {
            Operand::Pattern(pattern) => pattern.places(),
            _ => 0,
        });
        places.sum()
    }

    /// The sources of its regular expressions.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|clause| &clause.operands).filter_map(|operand| match operand {
            Operand::Pattern(pattern) => Some(pattern.source()),
            _ => None,
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for Clause { key, op, operands } in &self.0 {
            for operand in operands {
                write!(f, "{between}{key}{}{operand}", op.symbol())?;
                between = " ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(glob) => glob.fmt(f),
            Self::Level(level) => level.fmt(f),
            Self::Text(text) | Self::Number(_, text) => Quoted(text).fmt(f),
            Self::Pattern(pattern) => Quoted(pattern.source()).fmt(f),
        }
    }
}
