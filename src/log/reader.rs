//! Reading forwards: one path for window and history.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::chunk::{Chunk, Place, gap_of, last_seq, offset_of};
use super::disk::each_line;
use super::segments::Segment;
use super::state::State;
use super::window::Run;
use super::{Log, disk, tell};
use crate::event::{Gap, Line, Seq, Why};

/// How much one read gives, in bytes; a longer run or line comes by itself.
const READ_SIZE: usize = 256 << 10;

/// A cursor that reads. While nobody reads, it holds neither memory of the log nor a file.
pub struct Reader {
    log: Log,
    /// The next number to read.
    next: Seq,
    /// Where that is on disk, as far as it is known.
    place: Option<Place>,
}

/// What a read gives.
pub enum Read {
    /// Whole lines. The reader stays where it is until [`Reader::advance`].
    Lines(Chunk),
    /// Events are missing here. The reader stays where it is until [`Reader::skip`].
    Gap(Gap),
    /// Everything has been read.
    End,
}

impl Read {
    fn gap(&self) -> Option<Gap> {
        match self {
            Self::Gap(gap) => Some(*gap),
            Self::Lines(chunk) => chunk.gap(),
            Self::End => None,
        }
    }
}

/// Where the next number is to be had.
enum Ahead {
    Window(Vec<Run>),
    Disk(Segment, PathBuf),
    Gap(Gap),
    End,
}

impl Reader {
    pub(crate) fn new(log: Log, next: Seq) -> Self {
        Self { log, next, place: None }
    }

    /// The last number that was read.
    pub fn seen(&self) -> Seq {
        self.next.previous()
    }

    /// Waits until there is something to read.
    pub async fn wait(&self) {
        loop {
            let appended = self.log.shared.appended.notified();
            if self.next < self.log.shared.lock().window.next() {
                return;
            }
            appended.await;
        }
    }

    /// What is there. Gaps side by side are told as one, and of a gap that this reader stands in, the
    /// rest. Nothing changes when this is given up half-way.
    pub async fn read(&mut self) -> Read {
        let first = self.read_at(self.next, self.place).await;
        let Some(whole) = first.gap() else { return first };
        let mut told = whole.rest_after(self.next.previous());
        while let Some(next) = self.read_at(told.before, None).await.gap() {
            told = told.joined_with(next.rest_after(told.last()));
        }
        // A gap line that stands for itself keeps its time.
        if told == whole { first } else { Read::Gap(told) }
    }

    /// What is there from the number `next` on.
    async fn read_at(&self, next: Seq, place: Option<Place>) -> Read {
        loop {
            let ahead = ahead(&self.log.shared.lock(), next);
            match ahead {
                Ahead::End => return Read::End,
                Ahead::Gap(gap) => return Read::Gap(gap),
                Ahead::Window(runs) => return Read::Lines(cut(runs, next)),
                Ahead::Disk(segment, path) => {
                    if let Some(read) = self.read_disk(segment, path, next, place).await {
                        return read;
                    }
                }
            }
        }
    }

    /// Reads from a segment, in turn with other readers. None if it is there no more.
    async fn read_disk(
        &self,
        segment: Segment,
        path: PathBuf,
        next: Seq,
        place: Option<Place>,
    ) -> Option<Read> {
        let for_errors = path.clone();
        match self.log.on_disk(move || read_segment(&path, segment, next, place)).await {
            Ok(read) => Some(read),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.log.shared.forget_segment(segment.first);
                None
            }
            Err(e) => {
                tell(format_args!("cannot read {}: {e}", for_errors.display()));
                Some(Read::Gap(missing(next, segment.last.next())))
            }
        }
    }

    /// Moves behind the first `len` bytes of a chunk, which must end with a line.
    pub fn advance(&mut self, chunk: &Chunk, len: usize) {
        let next = chunk.at(len).and_then(Line::peek_first_seq);
        self.next = next.unwrap_or(chunk.next);
        let moved = |place: Place| Place { offset: place.offset + len as u64, ..place };
        self.place = chunk.place.map(moved);
    }

    /// Moves to a number.
    pub fn seek(&mut self, next: Seq) {
        self.next = next;
        self.place = None;
    }

    /// Moves behind a gap.
    pub fn skip(&mut self, gap: Gap) {
        self.next = gap.before;
    }
}

/// Where `next` is to be had.
fn ahead(state: &State, next: Seq) -> Ahead {
    let (start, end) = (state.window.start(), state.window.next());
    if next >= end {
        return Ahead::End;
    }
    if next >= start {
        let mut runs = Vec::new();
        state.window.runs_from(next, READ_SIZE, &mut runs);
        return Ahead::Window(runs);
    }
    let gap = |before: Seq, why| {
        let after = next.previous();
        let lost = state.known.events_between(after, before);
        Ahead::Gap(Gap { after, before, lost, why })
    };
    let Some(history) = &state.history else { return gap(start, Why::Retention) };
    if next > history.stored {
        return gap(start, Why::Storage);
    }
    let segments = &history.segments;
    match segments.holding(next) {
        Some(segment) if segment.first <= next => {
            Ahead::Disk(segment, segments.path(segment.first))
        }
        // What is missing before the oldest was trimmed; elsewhere a file was taken away.
        Some(segment) => {
            let oldest = segments.oldest().is_some_and(|oldest| oldest.first == segment.first);
            let why = if oldest { Why::Retention } else { Why::Storage };
            gap(segment.first.min(start), why)
        }
        None => gap(start, if segments.oldest().is_none() { Why::Retention } else { Why::Storage }),
    }
}

/// The part of the runs from the number `next` on.
fn cut(runs: Vec<Run>, next: Seq) -> Chunk {
    let end = runs.last().map_or(next, |run| run.last.next());
    let mut pieces: Vec<Bytes> = Vec::with_capacity(runs.len());
    pieces.extend(runs.into_iter().map(|run| run.bytes));
    if let Some(first) = pieces.first_mut() {
        *first = first.slice(offset_of(first, next)..);
    }
    Chunk { pieces, next: end, place: None }
}

/// The lines of a segment from the number `next` on, which the segment should hold.
fn read_segment(
    path: &Path,
    segment: Segment,
    next: Seq,
    place: Option<Place>,
) -> io::Result<Read> {
    let file = File::open(path)?;
    let known = place.filter(|place| place.segment == segment.first);
    let mut lines = match known {
        Some(place) => disk::lines_from(&file, place.offset, segment.size)?,
        None => search(&file, segment, next)?,
    };
    // Somebody may have edited the file: then a known place is none.
    if known.is_some() && sound(&lines.bytes, next, segment.last).0 == 0 {
        lines = search(&file, segment, next)?;
    }
    while !lines.bytes.is_empty() {
        let (len, end) = sound(&lines.bytes, next, segment.last);
        if len > 0 {
            let place = Some(Place { segment: segment.first, offset: lines.offset });
            return Ok(Read::Lines(Chunk {
                pieces: vec![lines.bytes.slice(..len)],
                next: end,
                place,
            }));
        }
        // Somebody took lines out of the file, or spoiled them: on with the first good one.
        let mut at = 0;
        for line in each_line(&lines.bytes) {
            match Line::peek_first_seq(line) {
                Some(first) if first == next && at > 0 => break,
                Some(first) if next < first && first <= segment.last => {
                    return Ok(Read::Gap(missing(next, first)));
                }
                _ => at += line.len(),
            }
        }
        let offset = lines.offset + at as u64;
        lines = disk::lines_from(&file, offset, segment.size)?;
    }
    Ok(Read::Gap(missing(next, segment.last.next())))
}

fn search(file: &File, segment: Segment, next: Seq) -> io::Result<disk::Lines> {
    let earlier = |line: &[u8]| last_seq(line).is_some_and(|last| last < next);
    let offset = disk::search(file, segment.size, earlier)?;
    disk::lines_from(file, offset, segment.size)
}

/// How much at the beginning is what a reader may be given: events with consecutive numbers from `next`
/// on, or one gap with `next` in it; nothing behind `last`. Gives its size in bytes, and the number
/// behind it.
fn sound(bytes: &[u8], next: Seq, last: Seq) -> (usize, Seq) {
    if let Some(gap) = gap_of(bytes) {
        let len = each_line(bytes).next().map_or(0, <[u8]>::len);
        let good = gap.first() <= next && next <= gap.last() && gap.last() <= last;
        return if good { (len, gap.before) } else { (0, next) };
    }
    let (mut len, mut expected) = (0, next);
    for line in each_line(bytes) {
        if expected > last
            || !line.starts_with(b"{\"seq\"")
            || Line::peek_first_seq(line) != Some(expected)
        {
            break;
        }
        len += line.len();
        expected = expected.next();
    }
    (len, expected)
}

/// What should be on disk and is not.
fn missing(next: Seq, before: Seq) -> Gap {
    Gap { after: next.previous(), before: before.max(next.next()), lost: None, why: Why::Storage }
}

impl super::Shared {
    /// A segment's file is gone.
    pub(crate) fn forget_segment(&self, first: Seq) {
        if let Some(history) = &mut self.lock().history {
            history.segments.forget(first);
        }
    }
}
