//! The client's decoder: bytes to answers.

use super::lines::{Buffer, NextLine};
use super::{Code, WHY_MAX};
use crate::event::{Cursor, LINE_MAX};

/// The longest answer, in bytes, without its line end.
const ANSWER_MAX: usize = LINE_MAX + WHY_MAX;

/// An answer of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// `OK …`: the text after the word.
    Ok(&'a str),
    /// `ERR <code> <why>`.
    Err {
        /// The kind of error.
        code: Code,
        /// The cause, at most [`WHY_MAX`] characters of it.
        why: &'a str,
    },
    /// An event line, a gap line or another JSON object, without its line end.
    Line(&'a str),
    /// `{"at":…}`: how far a follow has read without a match.
    At(Cursor),
    /// Anything else: text for people.
    Text(&'a str),
}

/// Bytes that are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Longer than the longest answer.
    #[error("bad answer: longer than {ANSWER_MAX} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("bad answer: not valid UTF-8")]
    NotText,
}

/// Decodes the agent's bytes into answers, one a line.
///
/// ```
/// use pulsed::wire::{Answer, Answers};
///
/// let mut answers = Answers::new();
/// answers.push(b"OK 7f3a9c21-1042\nERR");
/// assert_eq!(answers.next(), Some(Ok(Answer::Ok("7f3a9c21-1042"))));
/// assert_eq!(answers.next(), None);
/// ```
#[derive(Debug, Default)]
pub struct Answers {
    buffer: Buffer,
}

impl Answers {
    /// A decoder for the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    /// `true` if [`Self::next`] returns an answer or an error. Loops that read until then need it,
    /// because an answer borrows from the decoder.
    pub fn ready(&mut self) -> bool {
        let Buffer { bytes, at } = &mut self.buffer;
        at.next_line(bytes, ANSWER_MAX) != NextLine::Unfinished
    }

    /// Decodes the next answer. `None` if more bytes are needed. After an error the rest of the stream
    /// is meaningless.
    #[expect(clippy::should_implement_trait, reason = "an answer borrows from the decoder")]
    pub fn next(&mut self) -> Option<Result<Answer<'_>, BadAnswer>> {
        let Buffer { bytes, at } = &mut self.buffer;
        let rest = at.rest(bytes);
        let len = match at.next_line(bytes, ANSWER_MAX) {
            NextLine::Whole(len) if len <= ANSWER_MAX => len,
            NextLine::Whole(_) | NextLine::TooLong => return Some(Err(BadAnswer::TooLong)),
            NextLine::Unfinished => return None,
        };
        at.consume(len + 1);
        let line = std::str::from_utf8(&rest[..len]).map_err(|_| BadAnswer::NotText);
        Some(line.map(answer))
    }
}

fn answer(line: &str) -> Answer<'_> {
    if line.starts_with("{\"at\":") {
        let inside = line.strip_prefix("{\"at\":\"").and_then(|rest| rest.strip_suffix("\"}"));
        return inside.and_then(|text| text.parse().ok()).map_or(Answer::Line(line), Answer::At);
    }
    if line.starts_with('{') {
        return Answer::Line(line);
    }
    if let Some(rest) = line.strip_prefix("OK") {
        return rest.strip_prefix(' ').map_or(Answer::Text(line), Answer::Ok);
    }
    let err = line.strip_prefix("ERR ").and_then(|rest| {
        let (number, why) = rest.split_once(' ')?;
        let end = why.char_indices().nth(WHY_MAX).map_or(why.len(), |(at, _)| at);
        let why = &why[..end];
        Some(Answer::Err { code: Code::from_number(number.parse().ok()?)?, why })
    });
    err.unwrap_or(Answer::Text(line))
}
