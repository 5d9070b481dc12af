//! Reading backwards, and finding a moment: for `lines`, `reverse`, `since` and `until`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::chunk::offset_of;
use super::segments::Segment;
use super::{Log, disk};
use crate::event::{Gap, Line, Seq, Timestamp, Why};

/// Reads from a number back to the oldest.
pub struct Backward {
    log: Log,
    /// Everything from here on was read.
    before: Seq,
    /// Where that is on disk: the segment, and how many bytes of it lie before.
    place: Option<(Seq, u64)>,
}

/// Where the lines before a number are.
enum Behind {
    Window(Bytes, Seq),
    Disk(Segment, PathBuf),
    Hole(Gap),
    Nothing,
}

impl Log {
    /// A reader of everything before `before`, backwards.
    pub fn backward(&self, before: Seq) -> Backward {
        let end = self.shared.lock().window.next();
        Backward { log: self.clone(), before: before.min(end), place: None }
    }

    /// The number of the first line at `time` or later; the next number if there is none.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn first_since(&self, time: Timestamp) -> io::Result<Seq> {
        loop {
            let (segment, path) = {
                let state = self.shared.lock();
                let segments = state.history.as_ref().map(|history| &history.segments);
                match segments.and_then(|segments| Some((segments.since(time)?, segments))) {
                    None => {
                        let next = state.window.next();
                        return Ok(state.window.first_since(time).unwrap_or(next));
                    }
                    Some((segment, segments)) => (segment, segments.path(segment.first)),
                }
            };
            if let Some(found) = self.search(segment, path, move |at| at < time).await? {
                return Ok(found);
            }
        }
    }

    /// The number behind the last line at `time` or earlier; the oldest number if there is none.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn end_until(&self, time: Timestamp) -> io::Result<Seq> {
        loop {
            let (segment, path) = {
                let state = self.shared.lock();
                if let Some(run) = state.window.last_until(time) {
                    return Ok(run.last.next());
                }
                let segments = state.history.as_ref().map(|history| &history.segments);
                match segments.and_then(|segments| Some((segments.until(time)?, segments))) {
                    None => return Ok(state.oldest()),
                    Some((segment, segments)) => (segment, segments.path(segment.first)),
                }
            };
            if let Some(found) = self.search(segment, path, move |at| at <= time).await? {
                return Ok(found);
            }
        }
    }

    /// The first number in a segment whose time is not `earlier`, or the one behind the segment. None
    /// if its file is there no more.
    async fn search(
        &self,
        segment: Segment,
        path: PathBuf,
        earlier: impl Fn(Timestamp) -> bool + Send + 'static,
    ) -> io::Result<Option<Seq>> {
        let found = self.on_disk(move || {
            let file = File::open(&path)?;
            // What is no line any more says nothing: the search goes on behind it.
            let passes = |line: &[u8]| {
                let line = std::str::from_utf8(line).ok().and_then(Line::parse);
                line.is_none_or(|line| earlier(line.time()))
            };
            let offset = disk::search(&file, segment.size, passes)?;
            Ok(Line::peek_first_seq(&disk::line_at(&file, offset, segment.size)?))
        });
        match found.await {
            Ok(found) => Ok(Some(found.unwrap_or(segment.last.next()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.shared.forget_segment(segment.first);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Reads history, in turn with other readers, on a thread that may wait for the disk.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = self.shared.turns.clone().acquire_owned().await;
        let read = move || {
            // Nobody may wait for the answer any more: the turn lasts as long as the reading.
            let _turn = turn;
            read()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| Err(io::Error::other(e)))
    }
}

impl Backward {
    /// The lines right before those that were read last, in their order: the caller takes them from
    /// the last to the first. What is missing between them is a gap line. None when there are no
    /// more.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn read(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.behind() {
                Behind::Nothing => return Ok(None),
                Behind::Hole(gap) => {
                    let mut line = Vec::new();
                    gap.encode(self.log.now(), self.log.host(), &mut line);
                    self.before = gap.first();
                    return Ok(Some(line.into()));
                }
                Behind::Window(bytes, first) => {
                    self.before = first;
                    return Ok(Some(bytes));
                }
                Behind::Disk(segment, path) => {
                    let (before, place) = (self.before, self.place);
                    let read = move || lines_before(&path, segment, before, place);
                    match self.log.on_disk(read).await {
                        Ok((bytes, offset)) => {
                            self.place = Some((segment.first, offset));
                            self.before =
                                Line::peek_first_seq(&bytes).unwrap_or(segment.first).min(before);
                            if !bytes.is_empty() {
                                return Ok(Some(bytes));
                            }
                            self.before = self.before.min(segment.first);
                        }
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {
                            self.log.shared.forget_segment(segment.first);
                        }
                        Err(e) => return Err(e),
                    }
                }
            }
        }
    }

    /// Moves to before a number.
    pub fn seek(&mut self, before: Seq) {
        self.before = before;
        self.place = None;
    }

    fn behind(&self) -> Behind {
        let state = self.log.shared.lock();
        if let Some(run) = state.window.run_before(self.before) {
            let whole = run.last < self.before || run.is_gap;
            let end = if whole { run.bytes.len() } else { offset_of(&run.bytes, self.before) };
            return Behind::Window(run.bytes.slice(..end), run.first);
        }
        let Some(history) = &state.history else { return Behind::Nothing };
        match history.segments.holding_before(self.before) {
            None => Behind::Nothing,
            Some(segment) if segment.last.next() < self.before => {
                let (after, before) = (segment.last, self.before);
                let lost = state.known.events_between(after, before);
                Behind::Hole(Gap { after, before, lost, why: Why::Storage })
            }
            Some(segment) => Behind::Disk(segment, history.segments.path(segment.first)),
        }
    }
}

fn lines_before(
    path: &Path,
    segment: Segment,
    before: Seq,
    place: Option<(Seq, u64)>,
) -> io::Result<(Bytes, u64)> {
    let file = File::open(path)?;
    let end = match place {
        Some((first, offset)) if first == segment.first => offset,
        _ if segment.last < before => segment.size,
        _ => disk::search(&file, segment.size, |line| {
            Line::peek_first_seq(line).is_some_and(|first| first < before)
        })?,
    };
    let lines = disk::lines_before(&file, end)?;
    Ok((lines.bytes, lines.offset))
}
