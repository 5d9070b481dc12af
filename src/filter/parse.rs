//! From text to groups of clauses.

use super::bounds::{PATTERNS_MAX, TERMS_MAX};
use super::clause::{Clause, Group, Op, Operand};
use super::error::MatchError;
use super::glob::Glob;
use super::key::{Key, number};
use super::pattern::Pattern;
use super::quote::shown;
use crate::event::{Level, duration};

/// Parses a MATCH that is one text.
pub(super) fn text(text: &str) -> Result<Vec<Group>, MatchError> {
    let mut builder = Builder::default();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = split_word(rest)?;
        // A + in quotes separates nothing.
        if rest[..rest.len() - after.len()] == *"+" {
            builder.plus()?;
        } else {
            builder.term(&word)?;
        }
        rest = after.trim_ascii_start();
    }
    builder.finish()
}

/// Parses a MATCH that is split into words.
pub(super) fn args<'a>(args: impl Iterator<Item = &'a str>) -> Result<Vec<Group>, MatchError> {
    let mut builder = Builder::default();
    for arg in args {
        if arg == "+" {
            builder.plus()?;
        } else {
            builder.term(arg)?;
        }
    }
    builder.finish()
}

/// Splits off the first word, without its quotes. The text does not begin with white space.
fn split_word(text: &str) -> Result<(String, &str), MatchError> {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => quote = if quote.is_none() { Some(at) } else { None },
            '\\' if quote.is_some() => {
                let escaped = chars.next_if(|(_, next)| matches!(next, '"' | '\\'));
                word.push(escaped.map_or(c, |(_, next)| next));
            }
            _ if c.is_ascii_whitespace() && quote.is_none() => return Ok((word, &text[at..])),
            _ => word.push(c),
        }
    }
    match quote {
        Some(at) => Err(MatchError::Quote(shown(&text[at..]))),
        None => Ok((word, "")),
    }
}

#[derive(Default)]
struct Builder {
    groups: Vec<Group>,
    /// The group that terms are added to.
    open: Group,
    terms: usize,
    /// The different regular expressions. Terms share them.
    patterns: Vec<Pattern>,
}

impl Builder {
    fn plus(&mut self) -> Result<(), MatchError> {
        if self.open.is_empty() {
            return Err(MatchError::Plus);
        }
        self.groups.push(std::mem::take(&mut self.open));
        Ok(())
    }

    fn term(&mut self, term: &str) -> Result<(), MatchError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(MatchError::Terms);
        }
        let (key, op, value) = Op::split(term).ok_or_else(|| MatchError::no_operator(term))?;
        if key.is_empty() {
            return Err(MatchError::NoKey(shown(term)));
        }
        let key = Key::parse(key)?;
        let operand = match op {
            Op::Like | Op::Unlike => Operand::Pattern(self.pattern(term, value)?),
            _ => operand(&key, op, term, value)?,
        };
        self.open.add(Clause { key, op, operands: vec![operand] });
        Ok(())
    }

    fn pattern(&mut self, term: &str, source: &str) -> Result<Pattern, MatchError> {
        if let Some(same) = self.patterns.iter().find(|pattern| pattern.source() == source) {
            return Ok(same.clone());
        }
        if self.patterns.len() == PATTERNS_MAX {
            return Err(MatchError::Patterns);
        }
        let pattern = Pattern::new(source)
            .map_err(|why| MatchError::Pattern { term: shown(term), why: shown(&why) })?;
        self.patterns.push(pattern.clone());
        Ok(pattern)
    }

    fn finish(mut self) -> Result<Vec<Group>, MatchError> {
        if !self.groups.is_empty() || !self.open.is_empty() {
            self.plus()?;
        }
        Ok(self.groups)
    }
}

/// Parses the operand of a term without a regular expression.
fn operand(key: &Key, op: Op, term: &str, value: &str) -> Result<Operand, MatchError> {
    match key {
        Key::Level => {
            let level = Level::from_typed(value).map_err(|mut unknown| {
                unknown.0 = shown(value);
                MatchError::Level(unknown)
            })?;
            Ok(Operand::Level(level))
        }
        Key::Took => {
            let seconds = duration::parse(value).ok_or_else(|| MatchError::Took(shown(term)))?;
            Ok(Operand::Number(seconds, value.into()))
        }
        Key::Tag if !op.is_order() => {
            let glob = Glob::new(value);
            glob.map(Operand::Glob).map_err(|why| MatchError::Glob { term: shown(term), why })
        }
        Key::Abandoned if !op.is_order() && value != "true" => {
            Err(MatchError::Abandoned(shown(term)))
        }
        _ if !op.is_order() => Ok(Operand::Text(value.into())),
        _ if key.may_be_number() => {
            let number = number(value).ok_or_else(|| MatchError::Number(shown(term)))?;
            Ok(Operand::Number(number, value.into()))
        }
        _ => Err(MatchError::Order { term: shown(term), key: key.to_string() }),
    }
}
