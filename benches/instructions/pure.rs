//! The cases without a log: decode, find, encode, filter.

use std::hint::black_box;

use pulsed::event::{Batch, Draft, Line, Origin, Seq, Stamp, Timestamp, duration};
use pulsed::filter::Match;
use pulsed::wire::{Decoder, Request};

use crate::messages::{Kind, MESSAGES};

/// What the agent knows about most senders.
pub(crate) fn origin() -> Vec<u8> {
    let origin = Origin {
        pid: Some(812),
        uid: Some(33),
        user: Some("www-data".into()),
        comm: Some("php-fpm8.2".into()),
        unit: Some("php8.2-fpm.service".into()),
        ..Origin::default()
    };
    let mut encoded = Vec::new();
    origin.encode(&mut encoded);
    encoded
}

/// The bytes that a connection receives at once. A copy of more is one instruction of the processor, which valgrind
/// counts as many.
const RECEIVED: usize = 1500;

/// Calls `each` with the drafts of the lines.
pub(crate) fn drafts(decoder: &mut Decoder, lines: &str, mut each: impl FnMut(&Draft<'_>)) {
    let mut count = 0;
    for received in lines.as_bytes().chunks(RECEIVED) {
        decoder.push(received);
        while let Some(Ok(Request::Send(draft))) = decoder.next() {
            each(&draft);
            count += 1;
        }
    }
    assert_eq!(count, MESSAGES, "each line is an event");
}

/// Bytes to drafts.
pub(crate) fn decode(kind: Kind, rounds: usize) {
    let (lines, mut decoder) = (kind.lines(), Decoder::for_host("web1"));
    for _ in 0..rounds {
        drafts(&mut decoder, &lines, |draft| {
            black_box(draft);
        });
    }
}

/// The search for a duration.
pub(crate) fn find(kind: Kind, rounds: usize) {
    let texts = kind.texts();
    for _ in 0..rounds {
        for text in &texts {
            black_box(duration::find(black_box(text)));
        }
    }
}

/// Drafts to encoded bodies.
pub(crate) fn encode(kind: Kind, rounds: usize) {
    let (mut owned, origin) = (Vec::new(), origin());
    drafts(&mut Decoder::for_host("web1"), &kind.lines(), |draft| {
        owned.push(draft.clone().into_owned());
    });
    let mut batch = Batch::default();
    for _ in 0..rounds {
        batch.clear();
        for draft in &owned {
            batch.push(black_box(draft), "www-data", &origin);
        }
        black_box(batch.size());
    }
}

/// A line is parsed and tested by a MATCH.
pub(crate) fn filter(text: &str, rounds: usize) {
    let matching = Match::parse(text).expect("a MATCH");
    let (mut batch, origin) = (Batch::default(), origin());
    drafts(&mut Decoder::new(), &Kind::Object.lines(), |draft| batch.push(draft, "x", &origin));
    let stamp = Stamp::new(Timestamp::from_micros(1_795_368_725_123_456), "web1");
    let lines: Vec<String> = batch.bodies().map(|body| line(&stamp, body)).collect();
    for _ in 0..rounds {
        for line in &lines {
            let Some(Line::Event(event)) = Line::parse(black_box(line)) else { panic!("{line}") };
            black_box(matching.matches(&event));
        }
    }
}

fn line(stamp: &Stamp, body: &[u8]) -> String {
    let mut line = Vec::new();
    stamp.line(Seq::ZERO.next(), body, |part| line.extend_from_slice(part));
    String::from_utf8(line).expect("UTF-8")
}
