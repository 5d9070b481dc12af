//! Events as Server-Sent Events or JSON lines: the sink of a source.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::frames::{self, BLOCK_SIZE, Block, Frames, Known};
use super::respond::error_object;
use crate::agent::follow::filled::{Filled, Lines};
use crate::agent::follow::pace::{Pace, Passed, Skipped};
use crate::agent::follow::source::{Broken as _, LineSource};
use crate::agent::limits::Follower;
use crate::event::{Cursor, Line, LogId, Seq};
use crate::log::lines_of;
use crate::wire;

/// How the lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Server-Sent Events, with a name if several streams share the response.
    Frames(Option<String>),
    /// JSON lines.
    Lines,
}

/// What one source yields, encoded.
pub(super) struct Events<S> {
    source: S,
    syntax: Syntax,
    pace: Option<Pace>,
    frames: Arc<Frames>,
    log: LogId,
    /// Others that follow may get the same bytes.
    shared: bool,
    /// It was read once: what it begins with is its own.
    begun: bool,
    /// It encoded lines of its own since it last yielded. One block is a turn, so that many followers that catch up do
    /// not keep the thread from others.
    encoded: bool,
    /// What is to be written first.
    first: Option<Vec<u8>>,
    /// The client knows how far it has come.
    placed: bool,
    complete: bool,
    /// It can yield no more, and the client knows why.
    broken: bool,
    _follower: Follower,
}

impl<S: LineSource> Events<S> {
    pub(super) fn new(
        source: S,
        syntax: Syntax,
        pace: Option<Pace>,
        frames: Arc<Frames>,
        follower: Follower,
    ) -> Self {
        let log = source.position().log;
        let shared = pace.is_none() && syntax == Syntax::Frames(None) && source.is_shared();
        Self {
            source,
            syntax,
            pace,
            frames,
            log,
            shared,
            begun: false,
            encoded: false,
            first: None,
            placed: false,
            complete: false,
            broken: false,
            _follower: follower,
        }
    }

    /// Counts what lies between the cursor of a follower that was away too long and the first event that it gets.
    pub(super) fn skip_to_start(&mut self, after: Seq) {
        let at = self.source.position();
        let events = at.seq.since(after);
        if events > 0 {
            let mut out = Vec::new();
            self.encode_skipped(Skipped { events, last: at.seq }, &mut out);
            self.first = Some(out);
        }
    }

    /// The next bytes. `None` once everything was yielded, which only a subscription with an end does. Dropping the
    /// future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        loop {
            if self.complete || (self.broken && self.syntax == Syntax::Lines) {
                return None;
            }
            if self.broken {
                // A client that comes again at once would find the same.
                std::future::pending::<()>().await;
            }
            if self.shared
                && self.begun
                && let Known::Block(block) = self.frames.after(self.source.position().seq)
            {
                self.source.consume_through(block.last);
                return Some(block.bytes);
            }
            if std::mem::take(&mut self.encoded) {
                tokio::task::yield_now().await;
            }
            if let Some(bytes) = self.fill().await {
                self.encoded = true;
                return Some(bytes);
            }
        }
    }

    async fn fill(&mut self) -> Option<Bytes> {
        let shared = self.shared;
        let after = self.source.position().seq;
        let follows = self.source.follows();
        let filled = match self.source.fill().await {
            Ok(filled) => filled,
            Err(broken) => {
                self.broken = true;
                let mut out = Vec::new();
                let object = error_object(broken.code(), &broken) + "\n";
                encode_object(object.as_bytes(), &self.syntax, None, &mut out);
                return Some(out.into());
            }
        };
        self.begun = true;
        match filled {
            Filled::Lines(lines) if shared => {
                let until = match self.frames.after(after) {
                    Known::Within(last) => last,
                    Known::Block(_) | Known::Nothing => Seq::MAX,
                };
                let len = lines.len();
                let Some(block) = encode_block(&lines, after, until, self.log) else {
                    // Damaged lines of an edited history file.
                    self.source.consume(len);
                    return None;
                };
                self.source.consume_through(block.last);
                self.frames.keep(&block);
                Some(block.bytes)
            }
            Filled::Lines(lines) => {
                let (len, encoded) = (lines.len(), self.syntax.clone());
                let encoded = encode_lines(&lines, &encoded, self.log, self.pace.as_mut());
                match encoded.stopped_at {
                    Some(last) => self.source.consume_through(last),
                    None => self.source.consume(len),
                }
                (!encoded.bytes.is_empty()).then(|| encoded.bytes.into())
            }
            Filled::Gap(gap) => {
                let mut line = Vec::new();
                self.source.encode_gap(gap, &mut line);
                self.source.consume_through(gap.last());
                let mut out = self.skipped();
                lines_of(&line).for_each(|line| encode(&line, &self.syntax, self.log, &mut out));
                Some(out.into())
            }
            // In JSON lines that do not follow, a cursor is the end.
            Filled::Progress(_) if self.syntax == Syntax::Lines && !follows => None,
            Filled::Progress(cursor) => Some(self.progress(&cursor).into()),
            // Also without an event, the client can resume from here.
            Filled::CaughtUp if follows && !std::mem::replace(&mut self.placed, true) => {
                let mut out = self.skipped();
                let at = self.source.position();
                out.extend(self.progress(&at));
                Some(out.into())
            }
            Filled::CaughtUp => self.wait().await,
            Filled::End => {
                self.complete = true;
                let mut out = self.skipped();
                let at = self.source.position();
                out.extend(self.progress(&at));
                Some(out.into())
            }
        }
    }

    /// Waits for something to follow. Reports what the pace skipped if nothing comes soon.
    async fn wait(&mut self) -> Option<Bytes> {
        self.source.release();
        match self.pace.as_ref().and_then(Pace::report_at) {
            None => {
                self.source.wait().await;
                None
            }
            Some(at) => tokio::select! {
                () = self.source.wait() => None,
                () = tokio::time::sleep_until(at.into()) => Some(self.skipped().into()),
            },
        }
    }

    fn progress(&self, cursor: &Cursor) -> Vec<u8> {
        let mut line = Vec::new();
        wire::encode_at(cursor, &mut line);
        self.object(&line, cursor)
    }

    fn skipped(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(skipped) = self.pace.as_mut().and_then(Pace::take_skipped) {
            self.encode_skipped(skipped, &mut out);
        }
        out
    }

    fn encode_skipped(&self, skipped: Skipped, out: &mut Vec<u8>) {
        encode_skipped(skipped, &self.syntax, self.log, out);
    }

    /// A line that is no event.
    fn object(&self, line: &[u8], at: &Cursor) -> Vec<u8> {
        let mut out = Vec::new();
        encode_object(line, &self.syntax, Some(at), &mut out);
        out
    }
}

fn encode(line: &Line<'_>, syntax: &Syntax, log: LogId, out: &mut Vec<u8>) {
    match syntax {
        Syntax::Frames(name) => frames::encode(line, name.as_deref(), log, out),
        Syntax::Lines => {
            out.extend_from_slice(line.text().as_bytes());
            out.push(b'\n');
        }
    }
}

fn encode_object(line: &[u8], syntax: &Syntax, at: Option<&Cursor>, out: &mut Vec<u8>) {
    match syntax {
        Syntax::Frames(name) => {
            let text = String::from_utf8_lossy(line);
            frames::encode_object(&text, name.as_deref(), at, out);
        }
        Syntax::Lines => out.extend_from_slice(line),
    }
}

fn encode_skipped(skipped: Skipped, syntax: &Syntax, log: LogId, out: &mut Vec<u8>) {
    let at = Cursor { log, seq: skipped.last };
    let line = format!("{{\"skipped\":{},\"at\":\"{at}\"}}\n", skipped.events);
    encode_object(line.as_bytes(), syntax, Some(&at), out);
}

/// Frames of the lines up to the number `until`, at least of one. `None` if no line can be read.
fn encode_block(lines: &Lines<'_>, after: Seq, until: Seq, log: LogId) -> Option<Block> {
    let (mut out, mut last) = (Vec::new(), None);
    for line in lines.iter() {
        frames::encode(&line, None, log, &mut out);
        last = Some(line.last_seq());
        if out.len() >= BLOCK_SIZE || last >= Some(until) {
            break;
        }
    }
    Some(Block { after, last: last?, bytes: out.into() })
}

/// Encoded lines.
struct Encoded {
    bytes: Vec<u8>,
    /// The last number that was encoded or skipped, unless that is everything.
    stopped_at: Option<Seq>,
}

fn encode_lines(
    lines: &Lines<'_>,
    syntax: &Syntax,
    log: LogId,
    mut pace: Option<&mut Pace>,
) -> Encoded {
    let now = Instant::now();
    let mut bytes = Vec::new();
    for line in lines.iter() {
        let last = line.last_seq();
        match pace.as_mut().map(|pace| pace.pass(&line, now)) {
            Some(Passed::Counted) => continue,
            Some(Passed::Shown(Some(skipped))) => encode_skipped(skipped, syntax, log, &mut bytes),
            Some(Passed::Shown(None)) | None => {}
        }
        encode(&line, syntax, log, &mut bytes);
        if bytes.len() >= BLOCK_SIZE {
            return Encoded { bytes, stopped_at: Some(last) };
        }
    }
    Encoded { bytes, stopped_at: None }
}
