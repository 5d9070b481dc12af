//! The search for a moment, for `since` and `until`.

use std::io;
use std::sync::Arc;

use crate::event::{Line, Seq, Timestamp};
use crate::log::history::disk;
use crate::log::lane::Lane;
use crate::log::shared::Shared;
use crate::log::state::Segment;

/// The number of the first line at `time` or later. The next number if there is none.
pub(crate) async fn first_since(
    shared: &Arc<Shared>,
    time: Timestamp,
    lane: Option<&Lane>,
) -> io::Result<Seq> {
    loop {
        let segment = {
            let state = shared.lock();
            let segments = state.history().map(|history| history.segments());
            match segments.and_then(|segments| segments.since(time)) {
                None => {
                    let next = state.window().next();
                    return Ok(state.window().first_since(time).unwrap_or(next));
                }
                Some(segment) => segment,
            }
        };
        if let Some(found) = search(shared, lane, segment, move |at| at < time).await? {
            return Ok(found);
        }
    }
}

/// The number after the last line at `time` or earlier. The oldest number if there is none.
pub(crate) async fn end_until(
    shared: &Arc<Shared>,
    time: Timestamp,
    lane: Option<&Lane>,
) -> io::Result<Seq> {
    loop {
        let segment = {
            let state = shared.lock();
            if let Some(extent) = state.window().last_until(time) {
                return Ok(extent.last.next());
            }
            let segments = state.history().map(|history| history.segments());
            match segments.and_then(|segments| segments.until(time)) {
                None => return Ok(state.oldest()),
                Some(segment) => segment,
            }
        };
        if let Some(found) = search(shared, lane, segment, move |at| at <= time).await? {
            return Ok(found);
        }
    }
}

/// The first number in a segment whose time is not `earlier`, or the number after the segment. `None`
/// if its file is gone or was written again.
async fn search(
    shared: &Arc<Shared>,
    lane: Option<&Lane>,
    segment: Segment,
    earlier: impl Fn(Timestamp) -> bool + Send + 'static,
) -> io::Result<Option<Seq>> {
    let opener = shared.clone();
    let found = shared.read_history(lane, move || {
        let Some(file) = opener.open_segment(&segment)? else { return Ok(None) };
        // A damaged line counts as earlier: the search continues after it.
        let is_earlier = |line: &[u8]| {
            let line = std::str::from_utf8(line).ok().and_then(Line::parse);
            line.is_none_or(|line| earlier(line.time()))
        };
        let offset = disk::partition_point(&file, segment.size, is_earlier)?;
        let found = Line::peek_first_seq(&disk::line_at(&file, offset, segment.size)?);
        Ok(Some(found.unwrap_or(segment.last.next())))
    });
    match found.await {
        Ok(found) => Ok(found),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            shared.forget_segment(segment.first);
            Ok(None)
        }
        Err(e) => Err(e),
    }
}
