//! From a TAIL to a subscription: where it begins, where it ends, and what it selects.

use std::io;

use super::forward::Forward;
use super::reverse::Reverse;
use super::selection::Selection;
use super::subscription::{Direction, Subscription};
use crate::access::TagScope;
use crate::agent::limits::{Follower, TooMany};
use crate::event::{Cursor, Gap, Line, Seq, Why};
use crate::filter::{Match, MatchError};
use crate::log::{Log, lines_of};
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
    #[error("cannot read history: {0}")]
    History(#[from] io::Error),
}

impl Refusal {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Match(_) => Code::Usage,
            Self::TooMany(_) => Code::Later,
            Self::Future { .. } => Code::Data,
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
    /// Resolves a request. The patterns of its MATCH are charged to `follower`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn open(
        log: &Log,
        tail: &Tail,
        scope: &TagScope,
        follower: &mut Follower,
    ) -> Result<Self, Refusal> {
        let matching = parse(tail.matching.as_deref().unwrap_or_default(), follower).await?;
        follower.hold(matching.patterns())?;
        let newest = log.newest();
        let mut start = start(log, tail, newest)?;
        if let Some(since) = tail.since {
            start.seen = start.seen.max(log.first_since(since).await?.previous());
        }
        let mut end = newest.seq.next();
        if let Some(before) = tail.before {
            // Nothing of this log is before a cursor of another one.
            end = if before.log == newest.log { end.min(before.seq) } else { log.oldest() };
        }
        if let Some(until) = tail.until {
            end = end.min(log.end_until(until).await?);
        }
        let noted = follower.position();
        let (since, until, scope) = (tail.since, tail.until, scope.clone());
        let selection = Selection { matching, since, until, scope };
        if tail.reverse {
            let reverse = Reverse::new(log.backward(end), start.seen.next(), end, tail.lines);
            return Ok(Self::new(log.clone(), selection, Direction::Reverse(reverse), noted));
        }
        if let Some(lines) = tail.lines {
            let before_last = before_last(log, &selection, start.seen, end, lines).await?;
            if before_last > start.seen {
                start = Start { seen: before_last, gap: None };
            }
        }
        let forward = Forward::new(log.reader(start.seen), start.gap, end, tail.follow);
        Ok(Self::new(log.clone(), selection, Direction::Forward(forward), noted))
    }
}

fn start(log: &Log, tail: &Tail, newest: Cursor) -> Result<Start, Refusal> {
    let at = |seen| Start { seen, gap: None };
    Ok(match tail.after {
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

/// Parses a MATCH. Compiling regular expressions takes milliseconds: the worker's other tasks move to another
/// thread meanwhile.
async fn parse(text: &str, follower: &Follower) -> Result<Match, MatchError> {
    if !text.contains('~') {
        return Match::parse(text);
    }
    let _turn = follower.compile_turn().await;
    tokio::task::block_in_place(|| Match::parse(text))
}

/// The last number before the newest `lines` wanted events.
async fn before_last(
    log: &Log,
    selection: &Selection,
    seen: Seq,
    end: Seq,
    lines: u64,
) -> io::Result<Seq> {
    let (mut left, mut begin) = (lines, end.previous());
    let mut backward = log.backward(end);
    while left > 0 {
        let Some(bytes) = backward.read().await? else { return Ok(seen) };
        for line in lines_of(&bytes).rev() {
            if line.last_seq() <= seen {
                return Ok(seen);
            }
            if let Line::Event(event) = &line
                && selection.wants(event)
            {
                begin = event.seq.previous();
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(begin)
}
