//! The search for a moment, for `since` and `until`.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::event::{Line, Seq, Timestamp};
use crate::log::history::disk;
use crate::log::lane::Lane;
use crate::log::shared::Shared;
use crate::log::state::Segment;

/// The number of the first line at `time` or later. The next number if there is none.
pub(crate) async fn first_since(
    shared: &Shared,
    time: Timestamp,
    lane: Option<&Lane>,
) -> io::Result<Seq> {
    loop {
        let (segment, path) = {
            let state = shared.lock();
            let segments = state.history().map(|history| history.segments());
            match segments.and_then(|segments| Some((segments.since(time)?, segments))) {
                None => {
                    let next = state.window().next();
                    return Ok(state.window().first_since(time).unwrap_or(next));
                }
                Some((segment, segments)) => (segment, segments.path(segment.first)),
            }
        };
        if let Some(found) = search(shared, lane, segment, path, move |at| at < time).await? {
            return Ok(found);
        }
    }
}

/// The number after the last line at `time` or earlier. The oldest number if there is none.
pub(crate) async fn end_until(
    shared: &Shared,
    time: Timestamp,
    lane: Option<&Lane>,
) -> io::Result<Seq> {
    loop {
        let (segment, path) = {
            let state = shared.lock();
            if let Some(extent) = state.window().last_until(time) {
                return Ok(extent.last.next());
            }
            let segments = state.history().map(|history| history.segments());
            match segments.and_then(|segments| Some((segments.until(time)?, segments))) {
                None => return Ok(state.oldest()),
                Some((segment, segments)) => (segment, segments.path(segment.first)),
            }
        };
        if let Some(found) = search(shared, lane, segment, path, move |at| at <= time).await? {
            return Ok(found);
        }
    }
}

/// The first number in a segment whose time is not `earlier`, or the number after the segment. `None`
/// if its file is gone.
async fn search(
    shared: &Shared,
    lane: Option<&Lane>,
    segment: Segment,
    path: PathBuf,
    earlier: impl Fn(Timestamp) -> bool + Send + 'static,
) -> io::Result<Option<Seq>> {
    let found = shared.read_history(lane, move || {
        let file = File::open(&path)?;
        // A damaged line counts as earlier: the search continues after it.
        let is_earlier = |line: &[u8]| {
            let line = std::str::from_utf8(line).ok().and_then(Line::parse);
            line.is_none_or(|line| earlier(line.time()))
        };
        let offset = disk::partition_point(&file, segment.size, is_earlier)?;
        Ok(Line::peek_first_seq(&disk::line_at(&file, offset, segment.size)?))
    });
    match found.await {
        Ok(found) => Ok(Some(found.unwrap_or(segment.last.next()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            shared.forget_segment(segment.first);
            Ok(None)
        }
        Err(e) => Err(e),
    }
}
