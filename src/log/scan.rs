//! Reading backwards, and finding a moment: for `lines`, `reverse`, `since` and `until`.

use std::fs::File;
use std::io;

use bytes::Bytes;

use super::reader::offset_of;
use super::segments::Segment;
use super::{Log, disk};
use crate::event::{Line, Seq, Timestamp};

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
    Disk(Segment, std::path::PathBuf),
    Nothing,
}

impl Log {
    /// A reader of everything before `before`, backwards.
    pub fn backward(&self, before: Seq) -> Backward {
        Backward { log: self.clone(), before, place: None }
    }

    /// The number of the first line at `time` or later; the next number if there is none.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn first_since(&self, time: Timestamp) -> io::Result<Seq> {
        let (segment, path) = {
            let state = self.shared.lock();
            let in_window = || state.window.first_since(time).unwrap_or(state.window.next());
            let Some(history) = &state.history else { return Ok(in_window()) };
            match history.segments.since(time) {
                None => return Ok(in_window()),
                Some(segment) => (segment, history.segments.path(segment.first)),
            }
        };
        let earlier = move |line: &Line<'_>| line.time() < time;
        Ok(self.search(segment, path, earlier).await?.unwrap_or(segment.last.next()))
    }

    /// The number behind the last line at `time` or earlier; the oldest number if there is none.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn end_until(&self, time: Timestamp) -> io::Result<Seq> {
        let (segment, path) = {
            let state = self.shared.lock();
            if let Some(run) = state.window.last_until(time) {
                return Ok(run.last.next());
            }
            let found = state.history.as_ref().and_then(|history| {
                let segment = history.segments.until(time)?;
                Some((segment, history.segments.path(segment.first)))
            });
            match found {
                None => return Ok(state.oldest()),
                Some(found) => found,
            }
        };
        let not_later = move |line: &Line<'_>| line.time() <= time;
        Ok(self.search(segment, path, not_later).await?.unwrap_or(segment.last.next()))
    }

    /// The first number in a segment that is not `earlier`.
    async fn search(
        &self,
        segment: Segment,
        path: std::path::PathBuf,
        earlier: impl Fn(&Line<'_>) -> bool + Send + 'static,
    ) -> io::Result<Option<Seq>> {
        self.on_disk(move || {
            let file = File::open(&path)?;
            let parse = |line: &[u8]| {
                let line = std::str::from_utf8(line).ok().and_then(Line::parse)?;
                Some(earlier(&line))
            };
            let found = disk::search(&file, segment.size, |line| parse(line).unwrap_or(true))?;
            Ok(Line::peek_first_seq(&disk::line_at(&file, found, segment.size)?))
        })
        .await
    }

    /// Reads history, in turn with other readers, on a thread that may wait for the disk.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let _turn = self.shared.turns.acquire().await;
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|e| Err(io::Error::other(e)))
    }
}

impl Backward {
    /// The lines right before those that were read last, in their order: the caller takes them from
    /// the last to the first. None when there are no more.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn read(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.behind() {
                Behind::Nothing => return Ok(None),
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
            let cut = if run.last < self.before {
                run.bytes.len()
            } else {
                offset_of(&run.bytes, self.before)
            };
            return Behind::Window(run.bytes.slice(..cut), run.first);
        }
        let Some(history) = &state.history else { return Behind::Nothing };
        match history.segments.holding_before(self.before) {
            None => Behind::Nothing,
            Some(segment) => Behind::Disk(segment, history.segments.path(segment.first)),
        }
    }
}

fn lines_before(
    path: &std::path::Path,
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
