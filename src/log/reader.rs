//! Reading forwards: one path for window and history.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::PathBuf;

use bytes::Bytes;

use super::segments::Segment;
use super::state::State;
use super::window::Run;
use super::{Log, disk, tell};
use crate::event::{Gap, Line, Seq, Why};

/// The most pieces that one system call writes.
const SLICES_MAX: usize = 256;

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

/// A line on disk.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The number that the segment begins with.
    segment: Seq,
    /// Where the line begins, in bytes.
    offset: u64,
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

/// Whole lines with consecutive numbers.
pub struct Chunk {
    /// The lines, in order.
    pub pieces: Vec<Bytes>,
    /// The number behind the last line.
    next: Seq,
    /// Where they are on disk.
    place: Option<Place>,
}

impl Chunk {
    /// The size of all lines, in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(Bytes::is_empty)
    }

    /// How many bytes come before the line that stands for `end`.
    pub fn len_before(&self, end: Seq) -> usize {
        if self.next <= end {
            return self.len();
        }
        let mut len = 0;
        for piece in &self.pieces {
            let before = offset_of(piece, end);
            len += before;
            if before < piece.len() {
                break;
            }
        }
        len
    }

    /// The bytes from `from` to `to`, for one system call: at most [`SLICES_MAX`] pieces.
    pub fn slices(&self, from: usize, to: usize) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(self.pieces.len().min(SLICES_MAX));
        let mut begin = 0;
        for piece in &self.pieces {
            let end = begin + piece.len();
            if end > from && begin < to {
                let within = from.max(begin) - begin..to.min(end) - begin;
                slices.push(IoSlice::new(&piece[within]));
                if slices.len() == SLICES_MAX {
                    break;
                }
            }
            begin = end;
        }
        slices
    }

    /// What is left of the line in which `offset` lies; nothing where a line begins.
    pub fn rest_of_line(&self, mut offset: usize) -> &[u8] {
        for piece in &self.pieces {
            if offset < piece.len() {
                if offset == 0 || piece[offset - 1] == b'\n' {
                    return &[];
                }
                let rest = &piece[offset..];
                return &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)];
            }
            offset -= piece.len();
        }
        &[]
    }

    /// The lines. What is not one (somebody may have edited history) is left out.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.pieces.iter().flat_map(|piece| lines_of(piece))
    }

    /// The bytes from `offset` on to the end of that piece.
    fn at(&self, mut offset: usize) -> Option<&[u8]> {
        for piece in &self.pieces {
            if offset < piece.len() {
                return Some(&piece[offset..]);
            }
            offset -= piece.len();
        }
        None
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
    /// rest.
    pub async fn read(&mut self) -> Read {
        let mut told: Option<Gap> = None;
        loop {
            let read = self.read_once().await;
            let gap = match read {
                Read::Gap(gap) => gap,
                Read::Lines(chunk) => match (first_gap(&chunk), told) {
                    (Some(gap), _) if told.is_some() || gap.first() < self.next => gap,
                    (_, None) => return Read::Lines(chunk),
                    (_, Some(gap)) => return self.back_to(gap),
                },
                Read::End => match told {
                    None => return Read::End,
                    Some(gap) => return self.back_to(gap),
                },
            };
            let rest = gap.rest_after(self.next.previous());
            self.next = gap.before;
            self.place = None;
            told = Some(told.map_or(rest, |before| before.joined_with(rest)));
        }
    }

    fn back_to(&mut self, gap: Gap) -> Read {
        self.next = gap.first();
        self.place = None;
        Read::Gap(gap)
    }

    async fn read_once(&mut self) -> Read {
        loop {
            let ahead = ahead(&self.log.shared.lock(), self.next);
            match ahead {
                Ahead::End => return Read::End,
                Ahead::Gap(gap) => return Read::Gap(gap),
                Ahead::Window(runs) => return Read::Lines(self.cut(runs)),
                Ahead::Disk(segment, path) => {
                    if let Some(read) = self.read_disk(segment, path).await {
                        return read;
                    }
                }
            }
        }
    }

    /// The part of the runs from the next number on.
    fn cut(&self, runs: Vec<Run>) -> Chunk {
        let next = runs.last().map_or(self.next, |run| run.last.next());
        let mut pieces: Vec<Bytes> = Vec::with_capacity(runs.len());
        pieces.extend(runs.into_iter().map(|run| run.bytes));
        if let Some(first) = pieces.first_mut() {
            *first = first.slice(offset_of(first, self.next)..);
        }
        Chunk { pieces, next, place: None }
    }

    /// Reads from a segment, in turn with other readers. None if it is there no more.
    async fn read_disk(&mut self, segment: Segment, path: PathBuf) -> Option<Read> {
        let (next, place) = (self.next, self.place);
        let for_errors = path.clone();
        match self.log.on_disk(move || read_segment(&path, segment, next, place)).await {
            Ok(chunk) => {
                let first = chunk.at(0).and_then(Line::peek_first_seq);
                match first {
                    // Somebody took lines out of the file.
                    Some(first) if first > next => Some(Read::Gap(lost_on_disk(next, first))),
                    Some(_) => Some(Read::Lines(chunk)),
                    None => Some(Read::Gap(lost_on_disk(next, segment.last.next()))),
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.log.shared.forget_segment(segment.first);
                None
            }
            Err(e) => {
                tell(format_args!("cannot read {}: {e}", for_errors.display()));
                Some(Read::Gap(lost_on_disk(next, segment.last.next())))
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
    match history.segments.holding(next) {
        Some(segment) if segment.first <= next => {
            Ahead::Disk(segment, history.segments.path(segment.first))
        }
        Some(segment) => {
            let oldest = history.segments.oldest().is_some_and(|o| o.first == segment.first);
            let why = if oldest { Why::Retention } else { Why::Storage };
            gap(segment.first.min(start), why)
        }
        None => gap(start, Why::Retention),
    }
}

/// The lines of a segment from the number `next` on.
fn read_segment(
    path: &std::path::Path,
    segment: Segment,
    next: Seq,
    place: Option<Place>,
) -> io::Result<Chunk> {
    let file = File::open(path)?;
    let known = place.filter(|place| place.segment == segment.first).map(|place| place.offset);
    let mut lines = match known {
        Some(offset) => disk::lines_from(&file, offset, segment.size)?,
        None => search_lines(&file, segment, next)?,
    };
    // Somebody may have edited the file: then a known place is none.
    if known.is_some() && Line::peek_first_seq(&lines.bytes) != Some(next) {
        lines = search_lines(&file, segment, next)?;
    }
    let whole = lines.bytes.strip_suffix(b"\n").unwrap_or(&lines.bytes);
    let last = &lines.bytes[memchr::memrchr(b'\n', whole).map_or(0, |at| at + 1)..];
    let end = last_seq(last).map_or(segment.last.next(), Seq::next);
    let place = Some(Place { segment: segment.first, offset: lines.offset });
    Ok(Chunk { pieces: vec![lines.bytes], next: end, place })
}

fn search_lines(file: &File, segment: Segment, next: Seq) -> io::Result<disk::Lines> {
    let earlier = |line: &[u8]| last_seq(line).is_some_and(|last| last < next);
    let offset = disk::search(file, segment.size, earlier)?;
    disk::lines_from(file, offset, segment.size)
}

/// The last number that a line stands for.
pub(crate) fn last_seq(line: &[u8]) -> Option<Seq> {
    if line.starts_with(b"{\"gap\"") {
        return std::str::from_utf8(line).ok().and_then(Line::parse).map(|line| line.last_seq());
    }
    Line::peek_first_seq(line)
}

/// The lines in some bytes. What is not one is left out.
pub fn lines_of(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Line<'_>> {
    let lines = bytes.split(|b| *b == b'\n');
    lines.filter_map(|line| Line::parse(std::str::from_utf8(line).ok()?))
}

/// Where in a run the line begins that stands for `seq`.
pub(crate) fn offset_of(bytes: &[u8], seq: Seq) -> usize {
    let mut offset = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if last_seq(line).is_some_and(|last| last >= seq) {
            return offset;
        }
        offset += line.len();
    }
    offset
}

/// The gap that a chunk begins with.
fn first_gap(chunk: &Chunk) -> Option<Gap> {
    let bytes = chunk.at(0)?;
    if !bytes.starts_with(b"{\"gap\"") {
        return None;
    }
    let line = bytes.split_inclusive(|b| *b == b'\n').next()?;
    match Line::parse(std::str::from_utf8(line).ok()?)? {
        Line::Gap(told) => Some(told.gap),
        Line::Event(_) => None,
    }
}

fn lost_on_disk(next: Seq, before: Seq) -> Gap {
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
