//! The native dialect, as the agent's decoder takes it: the same in whatever pieces it comes, never
//! holding more than a line; and what is understood, written again, is understood as the same.
//!
//! The input is what a client sends. A byte 0x0e repeats the byte behind it 1024 times.

#![no_main]

mod pieces;
mod taken_in;
mod understood;

use libfuzzer_sys::{Corpus, fuzz_target};
use pulsed::wire::{
    Answer, Answers, Decoder, REQUEST_MAX, Refused, Request, encode_err, encode_send, encode_tail,
};

fuzz_target!(|data: &[u8]| -> Corpus {
    let bytes = pieces::stretched(data, 140_000);
    // Syslog has a target of its own.
    let is_syslog = understood::understood(&bytes, check);
    if is_syslog { Corpus::Reject } else { Corpus::Keep }
});

fn check(found: &Result<Request<'_>, Refused>) {
    let mut again = Vec::new();
    match found {
        Ok(Request::Send(draft)) => {
            taken_in::taken_in(draft);
            encode_send(draft, &mut again);
        }
        Ok(Request::Tail(tail)) => encode_tail(tail, &mut again),
        Ok(_) => return,
        Err(refused) => return check_told(refused),
    }
    // JSON may take more bytes than the sender did.
    if again.len() > REQUEST_MAX {
        return;
    }
    let mut decoder = Decoder::new();
    decoder.push(&again);
    assert_eq!(decoder.next().as_ref(), Some(found));
    assert_eq!(decoder.next(), None);
}

/// The sender is told why, in one line that is safe to show, and understands it.
fn check_told(refused: &Refused) {
    let mut line = Vec::new();
    encode_err(refused.code, &refused.why, &mut line);
    let text = std::str::from_utf8(&line).expect("UTF-8").strip_suffix('\n').expect("a line");
    assert!(!text.contains(char::is_control), "{text:?}");
    let mut answers = Answers::new();
    answers.push(&line);
    match answers.next() {
        Some(Ok(Answer::Err { code, why })) => {
            assert!(code == refused.code && !why.is_empty());
        }
        other => panic!("the sender would read {other:?}"),
    }
    assert_eq!(answers.next(), None);
}
