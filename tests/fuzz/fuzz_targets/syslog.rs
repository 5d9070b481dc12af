//! The agent's decoder of syslog: it refuses nothing, the result does not depend on how the stream is split, and each
//! draft becomes a line of the same content. The same holds for the input as one datagram.
//!
//! The input is what a program sends. A byte 0x0e repeats the byte after it 1024 times.

#![no_main]

mod bounds;
mod chunks;
mod decoding;
mod line_of;

use libfuzzer_sys::{Corpus, fuzz_target};
use pulsed::event::{DRAFT_MAX, Draft};
use pulsed::wire::{DatagramDecoder, Decoder, Refused, Request};

/// U+FFFD has three bytes, and may replace one.
const GROWTH_MAX: usize = 3;

fuzz_target!(|data: &[u8]| -> Corpus {
    let bytes = chunks::stretched(data, 140_000);
    check_datagram(&bytes);
    if !bytes.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit()) {
        return Corpus::Keep;
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
    check_draft(draft);
}

/// A datagram is at most one event, and does not depend on the one before it.
fn check_datagram(bytes: &[u8]) {
    let mut decoder = DatagramDecoder::for_host("web1");
    let first = decoder.decode(bytes, false).map(|draft| {
        check_draft(&draft);
        format!("{draft:?}")
    });
    let is_empty =
        !bytes.iter().any(|b| !matches!(b, b'\n' | b'\r' | b' ' | 0 | 0xef | 0xbb | 0xbf));
    assert!(is_empty || first.is_some(), "a datagram is lost");
    let again = decoder.decode(bytes, false).map(|draft| format!("{draft:?}"));
    assert_eq!(first, again, "the same datagram again");
}

fn check_draft(draft: &Draft<'_>) {
    assert!(draft.msg.len() <= GROWTH_MAX * DRAFT_MAX);
    bounds::check(draft);
    line_of::line_of(draft);
}
