//! All bytes of a connection through the agent's decoder.

use pulsed::event::DRAFT_MAX;
use pulsed::wire::{Decoder, Refused, Request};

use crate::chunks::chunks;

/// The most that a drained decoder may buffer, in bytes: the longest unfinished line.
const HELD_MAX: usize = DRAFT_MAX + 64;

/// The machine's name, which syslog senders repeat.
const HOST: &str = "web1";

/// Decodes the bytes at once and in chunks of several sizes, which must have the same result. Calls `each` for each
/// request or refusal once. `true` if the dialect is syslog.
pub(crate) fn decode_all(
    bytes: &[u8],
    mut each: impl FnMut(&Result<Request<'_>, Refused>),
) -> bool {
    let mut decoder = Decoder::for_host(HOST);
    let mut whole = Vec::new();
    decoder.push(bytes);
    let mut note = |decoder: &mut Decoder| {
        while let Some(found) = decoder.next() {
            each(&found);
            whole.push(format!("{found:?}"));
        }
    };
    note(&mut decoder);
    decoder.finish();
    note(&mut decoder);
    assert_eq!(decoder.buffered(), 0, "nothing is left at the end");
    let is_syslog = decoder.is_syslog();
    for seed in 0..2 {
        assert_same(&whole, &in_chunks(bytes, seed));
    }
    is_syslog
}

/// Decodes in chunks as the agent does: it lends the decoder a buffer, and takes it back when all is decoded.
fn in_chunks(bytes: &[u8], seed: u64) -> Vec<String> {
    let mut decoder = Decoder::for_host(HOST);
    let (mut all, mut memory) = (Vec::new(), Vec::new());
    for (at, chunk) in chunks(bytes, seed).enumerate() {
        if at % 2 == 0 {
            decoder.lend(std::mem::take(&mut memory));
        }
        decoder.push(chunk);
        while let Some(found) = decoder.next() {
            all.push(format!("{found:?}"));
        }
        assert!(decoder.buffered() <= HELD_MAX, "{} bytes buffered", decoder.buffered());
        if at % 3 == 0 {
            memory = decoder.give_back();
        }
    }
    decoder.finish();
    while let Some(found) = decoder.next() {
        all.push(format!("{found:?}"));
    }
    assert_eq!(decoder.buffered(), 0);
    all
}

fn assert_same(whole: &[String], split: &[String]) {
    let differs = whole.iter().zip(split).find(|(a, b)| a != b);
    assert!(differs.is_none(), "another request in chunks: {differs:.300?}");
    assert_eq!(whole.len(), split.len(), "another number of requests in chunks");
}
