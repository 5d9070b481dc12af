//! The agent's decoder of the native dialect and of JSON lines: the result does not depend on how the stream is split,
//! the buffer holds at most one line, and a request that is encoded again decodes to the same.
//!
//! The input is what a client sends. A byte 0x0e repeats the byte after it 1024 times.

#![no_main]

mod bounds;
mod chunks;
mod decoding;
mod line_of;

use libfuzzer_sys::{Corpus, fuzz_target};
use pulsed::wire::{
    Answer, Answers, Decoder, REQUEST_MAX, Refused, Request, encode_err, encode_send, encode_tail,
};

fuzz_target!(|data: &[u8]| -> Corpus {
    let bytes = chunks::stretched(data, 140_000);
    // Syslog has a target of its own.
    let is_syslog = decoding::decode_all(&bytes, check);
    if is_syslog { Corpus::Reject } else { Corpus::Keep }
});

fn check(found: &Result<Request<'_>, Refused>) {
    let mut again = Vec::new();
    match found {
        Ok(Request::Send(draft)) => {
            line_of::line_of(draft);
            bounds::check(draft);
            // The list of repairs is the agent's: sent again, it would be a claim.
            if draft.fields.iter().any(|field| field.name == "repaired") {
                return;
            }
            encode_send(draft, &mut again);
        }
        Ok(Request::Tail(tail)) => encode_tail(tail, &mut again),
        Ok(_) => return,
        Err(refused) => return check_refusal(refused),
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

/// The ERR is one line that is safe to show, and the sender's decoder reads it.
fn check_refusal(refused: &Refused) {
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
        other => panic!("the sender reads {other:?}"),
    }
    assert_eq!(answers.next(), None);
}
