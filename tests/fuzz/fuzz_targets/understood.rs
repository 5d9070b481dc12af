//! A whole connection, as the agent's decoder understands it.

use pulsed::event::DRAFT_MAX;
use pulsed::wire::{Decoder, Refused, Request};

use crate::pieces::pieces;

/// What a decoder may hold when it was asked until it had no more, in bytes: the longest line that is
/// not finished.
const HELD_MAX: usize = DRAFT_MAX + 64;

/// The machine, which syslog senders name.
const HOST: &str = "web1";

/// Decodes everything in one piece, and in pieces of several sizes; it must be the same. `each` is
/// called with what the first time gives. Tells whether it was syslog.
pub(crate) fn understood(
    bytes: &[u8],
    mut each: impl FnMut(&Result<Request<'_>, Refused>),
) -> bool {
    let mut decoder = Decoder::on(HOST);
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
    assert_eq!(decoder.buffered(), 0, "all is understood at the end");
    let is_syslog = decoder.is_syslog();
    for seed in 0..2 {
        assert_same(&whole, &in_pieces(bytes, seed));
    }
    is_syslog
}

/// As the agent does it: the memory for what comes is lent, and given back when all is decoded.
fn in_pieces(bytes: &[u8], seed: u64) -> Vec<String> {
    let mut decoder = Decoder::on(HOST);
    let (mut all, mut memory) = (Vec::new(), Vec::new());
    for (at, piece) in pieces(bytes, seed).enumerate() {
        if at % 2 == 0 {
            decoder.lend(std::mem::take(&mut memory));
        }
        decoder.push(piece);
        while let Some(found) = decoder.next() {
            all.push(format!("{found:?}"));
        }
        assert!(decoder.buffered() <= HELD_MAX, "{} bytes are held", decoder.buffered());
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

fn assert_same(whole: &[String], pieces: &[String]) {
    let differs = whole.iter().zip(pieces).find(|(a, b)| a != b);
    assert!(differs.is_none(), "in pieces it is another: {differs:.300?}");
    assert_eq!(whole.len(), pieces.len(), "in pieces there are more or less");
}
