//! From a TAIL to a subscription: where it begins, where it ends, and what it selects.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::forward::Forward;
use super::reverse::Reverse;
use super::scanner::Scanner;
use super::selection::{Selection, Visible};
use super::subscription::{Direction, Subscription};
use crate::access::TagScope;
use crate::agent::limits::turn::Turn;
use crate::agent::limits::{Follower, Reading, TooMany};
use crate::event::{Cursor, Gap, Line, Seq, Why};
use crate::filter::{Match, MatchError};
use crate::log::{Backward, Log, split_last_line};
use crate::wire::{Code, Tail};

/// Why a subscription is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Match(#[from] MatchError),
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error("after: the newest is {newest}")]
    Future { newest: Cursor },
    #[error("after: this cursor is one of the stream of all hosts")]
    OfStream,
    #[error("cannot read history: {0}")]
    History(#[from] io::Error),
}

impl Refusal {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Match(_) => Code::Usage,
            Self::TooMany(_) => Code::Later,
            Self::Future { .. } | Self::OfStream => Code::Data,
            Self::History(_) => Code::NotStored,
        }
    }
}

/// Where a subscription begins.
struct Start {
    /// The last number that the follower has seen.
    seen: Seq,
    /// What its cursor cannot reach.
    gap: Option<Gap>,
}

impl Subscription {
    /// Resolves a request to a machine's own log. The patterns of its MATCH are charged to `follower`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn open(
        log: &Log,
        tail: &Tail,
        scope: &TagScope,
        follower: &mut Follower,
    ) -> Result<Self, Refusal> {
        let matching = matching(tail, follower).await?;
        Self::open_matching(log, tail, matching, scope.into(), None, follower.reading()).await
    }

    /// As [`Self::open`] with a MATCH that is parsed and charged already. `until`: the subscription waits for
    /// everything before this number, which the log gets later, and ends there.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn open_matching(
        log: &Log,
        tail: &Tail,
        matching: Match,
        visible: Visible,
        until: Option<Seq>,
        reading: Reading,
    ) -> Result<Self, Refusal> {
        let newest = log.newest();
        let Reading { position: noted, lane, scans, .. } = reading;
        let lane = lane.as_ref();
        let mut start = start(log, tail, newest)?;
        // Other hosts have other clocks: there, each event is compared.
        let searches = !log.is_numbered();
        if let Some(since) = tail.since.filter(|_| searches) {
            start.seen = start.seen.max(log.first_since(since, lane).await?.previous());
        }
        let mut end = until.unwrap_or(newest.seq.next());
        if let Some(before) = tail.before {
            // Nothing of this log is before a cursor of another one.
            end = if before.log == newest.log { end.min(before.seq) } else { log.oldest() };
        }
        if let Some(until) = tail.until.filter(|_| searches) {
            end = end.min(log.end_until(until, lane).await?);
        }
        let has_patterns = matching.patterns() > 0;
        let selection = Arc::new(Selection::new(matching, tail.since, tail.until, visible));
        let scanner = Scanner::new(scans, has_patterns);
        let backward = || log.backward(end).in_lane(lane.cloned());
        if tail.reverse {
            let reverse = Reverse::new(backward(), start.seen.next(), end, tail.lines);
            let direction = Direction::Reverse(reverse);
            return Ok(Self::new(log.clone(), selection, scanner, direction, noted));
        }
        if let Some(lines) = tail.lines {
            let last = Last { seen: start.seen, begin: end.previous(), left: lines };
            let before_last = before_last(backward(), &selection, &scanner, last).await?;
            if before_last > start.seen {
                start = Start { seen: before_last, gap: None };
            }
        }
        let reader = log.reader(start.seen).in_lane(lane.cloned());
        let forward = Forward::new(reader, start.gap, end, tail.follow, until.is_some());
        let forward = Direction::Forward(forward);
        Ok(Self::new(log.clone(), selection, scanner, forward, noted))
    }
}

fn start(log: &Log, tail: &Tail, newest: Cursor) -> Result<Start, Refusal> {
    let at = |seen| Start { seen, gap: None };
    Ok(match tail.after {
        Some(after) if after.log.is_stream() && !log.is_numbered() => {
            return Err(Refusal::OfStream);
        }
        Some(after) if after.log != newest.log => {
            // A log begins with a gap `restart`, which this one includes: a gap has at least one number.
            let before = log.oldest().max(Seq::BEFORE_FIRST.next());
            let gap = Gap { after: Seq::ZERO, before, lost: None, why: Why::Restart };
            Start { seen: before.previous(), gap: Some(gap) }
        }
        Some(after) if after.seq > newest.seq => return Err(Refusal::Future { newest }),
        Some(after) => at(after.seq),
        None if tail.follow && tail.lines.is_none() && tail.since.is_none() => at(newest.seq),
        None => at(log.oldest().previous()),
    })
}

/// The MATCH of a request, whose patterns are charged to `follower`.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn matching(tail: &Tail, follower: &mut Follower) -> Result<Match, Refusal> {
    let matching = parse(tail.matching.as_deref().unwrap_or_default(), follower).await?;
    follower.hold(matching.patterns())?;
    Ok(matching)
}

/// Parses a MATCH. Compiling regular expressions takes milliseconds: the worker's other tasks move to another
/// thread meanwhile.
async fn parse(text: &str, follower: &Follower) -> Result<Match, MatchError> {
    if !text.contains('~') {
        return Match::parse(text);
    }
    let _turn = follower.compile_turn().await;
    tokio::task::block_in_place(|| Match::parse(text))
}

/// The search for the newest wanted events.
#[derive(Clone, Copy)]
struct Last {
    /// The search ends here.
    seen: Seq,
    /// The last number before those that were found.
    begin: Seq,
    /// Events that are still to be found.
    left: u64,
}

/// The last number before the newest wanted events.
async fn before_last(
    mut backward: Backward,
    selection: &Arc<Selection>,
    scanner: &Scanner,
    mut last: Last,
) -> io::Result<Seq> {
    while last.left > 0 {
        let Some(mut block) = backward.read().await? else { return Ok(last.seen) };
        while !block.is_empty() && last.left > 0 {
            let selection = selection.clone();
            (last, block) = scanner.run(move |turn| last.scan(block, &selection, turn)).await;
        }
    }
    Ok(last.begin)
}

impl Last {
    /// Scans some lines for one turn, the last one first. Returns those that are left.
    fn scan(mut self, mut block: Bytes, selection: &Selection, mut turn: Turn) -> (Self, Bytes) {
        let mut over = false;
        while !over && self.left > 0 && !block.is_empty() {
            let line = split_last_line(&mut block);
            over = turn.note(line.len());
            if selection.ruled_out(&line).is_some_and(|seq| seq > self.seen) {
                continue;
            }
            let Some(line) = std::str::from_utf8(&line).ok().and_then(Line::parse) else {
                continue;
            };
            if line.last_seq() <= self.seen {
                (self.begin, self.left) = (self.seen, 0);
            } else if let Line::Event(event) = &line
                && selection.wants(event)
            {
                self.begin = event.seq.previous();
                self.left -= 1;
            }
        }
        (self, block)
    }
}
