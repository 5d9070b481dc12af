//! The cases with a log in memory: append, deliver, and the whole way in.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use pulsed::event::{Batch, Seq, Timestamp};
use pulsed::log::{self, Options, Read, Running, WINDOW_SIZE_MIN};
use pulsed::wire::Decoder;

use crate::messages::{Kind, MESSAGES};
use crate::pure::{drafts, origin};

/// A log without history. Its window is small, so that extents are evicted and blocks used again, as in an agent that
/// runs for some time.
fn open() -> Running {
    let options = Options {
        host: "web1".into(),
        clock: Arc::new(|| Timestamp::from_micros(1_795_368_725_123_456)),
        uptime: Arc::new(Duration::default),
        window_size: WINDOW_SIZE_MIN,
        history: None,
    };
    log::open(options).expect("a log in memory").running
}

fn batch(kind: Kind) -> Batch {
    let (mut batch, origin) = (Batch::default(), origin());
    drafts(&mut Decoder::for_host("web1"), &kind.lines(), |draft| {
        batch.push(draft, "www-data", &origin);
    });
    batch
}

/// Encoded bodies to lines of the window.
pub(crate) fn append(kind: Kind, rounds: usize) {
    let (running, batch) = (open(), batch(kind));
    for _ in 0..rounds {
        append_to(&running, &batch);
    }
}

fn append_to(running: &Running, batch: &Batch) {
    black_box(running.log().append(batch).expect("a window without history is never full"));
}

/// Lines of the window to slices for a follower, where each line was appended alone.
pub(crate) fn deliver(kind: Kind, rounds: usize) {
    let (running, origin) = (open(), origin());
    let mut single = Batch::default();
    drafts(&mut Decoder::for_host("web1"), &kind.lines(), |draft| {
        single.clear();
        single.push(draft, "www-data", &origin);
        append_to(&running, &single);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..rounds {
        let mut reader = running.log().reader(Seq::BEFORE_FIRST.previous());
        reader.seek(running.log().oldest());
        let mut lines = 0;
        runtime.block_on(async {
            while let Read::Lines(chunk) = reader.read().await {
                let len = chunk.len();
                let mut sent = 0;
                while sent < len {
                    let slices = black_box(chunk.slices(sent, len));
                    sent += slices.iter().map(|slice| slice.len()).sum::<usize>();
                    lines += slices.len();
                }
                reader.advance(&chunk, len);
            }
        });
        assert!(lines >= MESSAGES, "each line is a piece of its own: {lines}");
    }
}

/// Bytes to lines of the window: decode, find, encode and append, as for one read of a connection.
pub(crate) fn carry(kind: Kind, rounds: usize) {
    let (running, lines, origin) = (open(), kind.lines(), origin());
    let (mut decoder, mut batch) = (Decoder::for_host("web1"), Batch::default());
    for _ in 0..rounds {
        batch.clear();
        drafts(&mut decoder, &lines, |draft| batch.push(draft, "www-data", &origin));
        append_to(&running, &batch);
    }
}
