//! Where a TAIL begins and ends, and what it shows.

use std::io;

use super::Follow;
use crate::access::TagScope;
use crate::agent::limits::Follows;
use crate::agent::select::{Select, Staged};
use crate::event::{Gap, Line, Seq, Why};
use crate::filter::{Match, MatchError};
use crate::log::{Log, lines_of};
use crate::render::Style;
use crate::wire::{Code, Tail};

/// Why a TAIL is not begun.
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) why: String,
}

impl<'a> Follow<'a> {
    /// Finds where to begin and where to end.
    pub(super) async fn begin(
        log: &'a Log,
        tail: &Tail,
        style: Option<Style>,
        permitted: &TagScope,
        follows: &mut Follows,
    ) -> Result<Self, Refusal> {
        let bad = |code| move |why: String| Refusal { code, why };
        let matching = parse(tail.matching.as_deref().unwrap_or_default(), follows)
            .await
            .map_err(|e| bad(Code::Usage)(e.to_string()))?;
        follows.hold(matching.patterns()).map_err(|e| bad(Code::Later)(e.to_string()))?;
        let unread = |e: io::Error| bad(Code::NotStored)(format!("cannot read history: {e}"));
        let newest = log.newest();
        let mut gap = None;
        let mut seen = match tail.after {
            Some(after) if after.log != newest.log => {
                let before = log.oldest().max(Seq::BEFORE_FIRST.next());
                gap = Some(Gap { after: Seq::ZERO, before, lost: None, why: Why::Restart });
                before.previous()
            }
            Some(after) if after.seq > newest.seq => {
                return Err(bad(Code::Data)(format!("after: the newest is {newest}")));
            }
            Some(after) => after.seq,
            None if tail.follow && tail.lines.is_none() && tail.since.is_none() => newest.seq,
            None => log.oldest().previous(),
        };
        if let Some(since) = tail.since {
            seen = seen.max(log.first_since(since).await.map_err(unread)?.previous());
        }
        let mut end = newest.seq.next();
        if let Some(until) = tail.until {
            end = end.min(log.end_until(until).await.map_err(unread)?);
        }
        let (since, until, permitted) = (tail.since, tail.until, permitted.clone());
        let select = Select { matching, since, until, style, permitted };
        if let Some(lines) = tail.lines.filter(|_| !tail.reverse) {
            let last = last_lines(log, &select, seen, end, lines).await.map_err(unread)?;
            if last > seen {
                (seen, gap) = (last, None);
            }
        }
        Ok(Self {
            log,
            reader: log.reader(seen),
            select,
            gap,
            end,
            follows: tail.follow,
            passed_over: 0,
            staged: Staged::default(),
            rest: Vec::new(),
        })
    }
}

/// Reads a MATCH. One with regular expressions takes its time, and others go on meanwhile.
async fn parse(text: &str, follows: &Follows) -> Result<Match, MatchError> {
    if !text.contains('~') {
        return Match::parse(text);
    }
    let _turn = follows.turn_to_compile().await;
    tokio::task::block_in_place(|| Match::parse(text))
}

/// The place behind which the last so many wanted events stand.
async fn last_lines(
    log: &Log,
    select: &Select,
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
                && select.wants(event)
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
