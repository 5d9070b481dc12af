//! The clients' decoder of answers: the result does not depend on how the stream is split, the buffer holds at most
//! one line, and `ready` agrees with `next`.
//!
//! The input is what the agent sends. A byte 0x0e repeats the byte after it 1024 times.

#![no_main]

mod chunks;

use libfuzzer_sys::fuzz_target;
use pulsed::event::LINE_MAX;
use pulsed::wire::{Answer, Answers, BadAnswer, WHY_MAX, encode_at, encode_err};

fuzz_target!(|data: &[u8]| {
    let bytes = chunks::stretched(data, 2 * LINE_MAX);
    let whole = answers([bytes.as_slice()].into_iter());
    for seed in 0..2 {
        let split = answers(chunks::chunks(&bytes, seed));
        let differs = whole.iter().zip(&split).find(|(a, b)| a != b);
        assert!(differs.is_none(), "another answer in chunks: {differs:.300?}");
        assert_eq!(whole.len(), split.len(), "another number of answers in chunks");
    }
});

/// All answers, up to the first bad one.
fn answers<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut answers, mut all) = (Answers::new(), Vec::new());
    for chunk in chunks {
        answers.push(chunk);
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
        Answer::Err { code, why } => return check_err(code, why),
        Answer::At(cursor) => {
            let mut line = Vec::new();
            encode_at(&cursor, &mut line);
            return assert_eq!(read(&line), format!("{answer:?}"));
        }
    };
    assert!(text.len() <= LINE_MAX + WHY_MAX && !text.contains('\n'));
}

/// Encoding an ERR makes its text safe to show, and changes a safe text no further.
fn check_err(code: pulsed::wire::Code, why: &str) {
    let mut line = Vec::new();
    encode_err(code, why, &mut line);
    let text = std::str::from_utf8(&line).expect("UTF-8");
    let safe = text.trim_end_matches('\n').splitn(3, ' ').nth(2).expect("a why");
    let mut again = Vec::new();
    encode_err(code, safe, &mut again);
    if safe.chars().count() <= WHY_MAX {
        assert_eq!(line, again);
    }
}

fn read(line: &[u8]) -> String {
    let mut answers = Answers::new();
    answers.push(line);
    format!("{:?}", answers.next().expect("an answer").expect("a valid answer"))
}
