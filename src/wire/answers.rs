//! The clients' side: bytes to answers.

use super::lines::{Buffer, NextLine};
use super::{Code, WHY_MAX};
use crate::event::{Cursor, LINE_MAX};

/// The longest answer, in bytes, without its line end.
const ANSWER_MAX: usize = LINE_MAX + WHY_MAX;

/// What the agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// `OK …`: what follows the word.
    Ok(&'a str),
    /// `ERR <code> <why>`.
    Err {
        /// Its kind.
        code: Code,
        /// What was wrong.
        why: &'a str,
    },
    /// An event line or a gap line, without its line end; any other JSON object too.
    Line(&'a str),
    /// How far a follow has come without a match.
    At(Cursor),
    /// Anything else: text for people.
    Text(&'a str),
}

/// What no agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Longer than any line.
    #[error("the agent's answer is longer than any line may be")]
    TooLong,
    /// Not text.
    #[error("the agent's answer is not valid UTF-8")]
    NotText,
}

/// Turns what the agent sends into answers, line by line.
#[derive(Debug, Default)]
pub struct Answers {
    buffer: Buffer,
}

impl Answers {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    /// Whether [`Self::next`] has something to give. For loops that read more until it has: what it
    /// gives borrows from here, and so cannot be held while more is read.
    pub fn ready(&mut self) -> bool {
        let Buffer { bytes, at } = &mut self.buffer;
        at.next_line(bytes, ANSWER_MAX) != NextLine::Unfinished
    }

    /// The next answer. None when more bytes are needed. After an error nothing that follows makes
    /// sense.
    #[expect(clippy::should_implement_trait, reason = "what it gives borrows from the decoder")]
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
        Some(Answer::Err { code: Code::of_number(number.parse().ok()?)?, why })
    });
    err.unwrap_or(Answer::Text(line))
}
