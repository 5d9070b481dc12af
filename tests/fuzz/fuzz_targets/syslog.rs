//! The agent's decoder of syslog: it refuses nothing, the result does not depend on how the stream is split, and each
//! draft becomes a line of the same content.
//!
//! The input is what a program sends. A byte 0x0e repeats the byte after it 1024 times.

#![no_main]

mod bounds;
mod chunks;
mod decoding;
mod line_of;

use libfuzzer_sys::{Corpus, fuzz_target};
use pulsed::event::DRAFT_MAX;
use pulsed::wire::{Decoder, Refused, Request};

/// U+FFFD has three bytes, and may replace one.
const GROWTH_MAX: usize = 3;

fuzz_target!(|data: &[u8]| -> Corpus {
    let bytes = chunks::stretched(data, 140_000);
    if !bytes.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit()) {
        return Corpus::Reject;
    }
    let mut decoder = Decoder::new();
    decoder.push(&bytes);
    decoder.finish();
    while let Some(found) = decoder.next() {
        check(&found);
    }
    // What ends the first message depends on how much of it is received at once. Here it is known.
    for first in ["<13>x\n<13>y\n", "<13>x\0"] {
        let bytes = [first.as_bytes(), &bytes].concat();
        assert!(decoding::decode_all(&bytes, check), "the first byte fixes the dialect");
    }
    Corpus::Keep
});

fn check(found: &Result<Request<'_>, Refused>) {
    let Ok(Request::Send(draft)) = found else { panic!("syslog decoded as {found:.300?}") };
    assert!(draft.msg.len() <= GROWTH_MAX * DRAFT_MAX);
    bounds::check(draft);
    line_of::line_of(draft);
}
