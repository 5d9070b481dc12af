//! What an agent says, as the clients take it: the same in whatever pieces it comes, never holding
//! more than a line, and `ready` tells the truth.
//!
//! The input is what the agent sends. A byte 0x0e repeats the byte behind it 1024 times.

#![no_main]

mod pieces;

use libfuzzer_sys::fuzz_target;
use pulsed::event::LINE_MAX;
use pulsed::wire::{Answer, Answers, BadAnswer, WHY_MAX, encode_at, encode_err};

fuzz_target!(|data: &[u8]| {
    let bytes = pieces::stretched(data, 2 * LINE_MAX);
    let whole = answers([bytes.as_slice()].into_iter());
    for seed in 0..2 {
        let pieces = answers(pieces::pieces(&bytes, seed));
        let differs = whole.iter().zip(&pieces).find(|(a, b)| a != b);
        assert!(differs.is_none(), "in pieces it is another: {differs:.300?}");
        assert_eq!(whole.len(), pieces.len(), "in pieces there are more or less");
    }
});

/// All answers, up to the first bad one.
fn answers<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut answers, mut all) = (Answers::new(), Vec::new());
    for piece in pieces {
        answers.push(piece);
        loop {
            let ready = answers.ready();
            let next = answers.next();
            assert_eq!(ready, next.is_some());
            let Some(next) = next else { break };
            all.push(format!("{next:?}"));
            match next {
                Ok(answer) => check(answer),
                Err(BadAnswer::NotText | BadAnswer::TooLong) => return all,
            }
        }
    }
    all
}

fn check(answer: Answer<'_>) {
    let text = match answer {
        Answer::Ok(text) | Answer::Text(text) | Answer::Line(text) => text,
        Answer::Err { code, why } => return check_told(code, why),
        Answer::At(cursor) => {
            let mut line = Vec::new();
            encode_at(&cursor, &mut line);
            return assert_eq!(read(&line), format!("{answer:?}"));
        }
    };
    assert!(text.len() <= LINE_MAX + WHY_MAX && !text.contains('\n'));
}

/// What the agent would have written is read as the same, once it is safe to show.
fn check_told(code: pulsed::wire::Code, why: &str) {
    let mut line = Vec::new();
    encode_err(code, why, &mut line);
    let text = std::str::from_utf8(&line).expect("UTF-8");
    let told = text.trim_end_matches('\n').splitn(3, ' ').nth(2).expect("a why");
    let mut again = Vec::new();
    encode_err(code, told, &mut again);
    // What is safe stays as it is.
    if told.chars().count() <= WHY_MAX {
        assert_eq!(line, again);
    }
}

fn read(line: &[u8]) -> String {
    let mut answers = Answers::new();
    answers.push(line);
    format!("{:?}", answers.next().expect("an answer").expect("a good one"))
}
