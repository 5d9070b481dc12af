//! Writing segments again without the events of some senders. What is removed becomes a gap `retention`.
//!
//! The new file has a name of its own until the writer puts it in place of the first of the old ones: a crash
//! leaves the old files or the new one, and recovery removes what was not finished.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::{self, each_line};
use super::ledger::FILE_MODE;
use crate::event::{Gap, Line, Seq, Timestamp, Why};
use crate::log::retry;
use crate::log::sender::Sender;
use crate::log::state::{Segment, name_of};
use crate::sys::directory::Directory;

/// What is appended to the name of a segment for an unfinished file.
const UNFINISHED: &str = ".new";

/// What is to be written again.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) dir: Arc<Directory>,
    pub(crate) host: String,
    /// One segment, or two of which the first was written by an earlier job. The second follows it, also in time.
    pub(crate) inputs: Vec<Segment>,
    /// Whose events are removed.
    pub(crate) senders: Vec<Sender>,
}

/// The outcome of a job.
#[derive(Clone, Debug)]
pub(crate) struct Compacted {
    /// The new file, in place of all inputs. If it is larger than half of them, it is not finished.
    pub(crate) segment: Segment,
    /// It has an event. Otherwise all of it is one gap.
    pub(crate) has_events: bool,
}

impl Job {
    /// The name of the unfinished file.
    pub(crate) fn unfinished(&self) -> String {
        name_of(self.inputs.first().map_or(Seq::ZERO, |segment| segment.first)) + UNFINISHED
    }

    /// The size of all inputs together, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.inputs.iter().map(|segment| segment.size).sum()
    }

    /// Writes the new file and syncs it. Ends early, with an error, once `cancelled`.
    pub(crate) fn run(&self, cancelled: &AtomicBool) -> io::Result<Compacted> {
        let name = self.unfinished();
        let done = self.write(&name, cancelled);
        if done.is_err() {
            // The first error is the one to report.
            let _ = self.dir.remove(&name);
        }
        done
    }

    fn write(&self, name: &str, cancelled: &AtomicBool) -> io::Result<Compacted> {
        let [first, ..] = self.inputs[..] else { return Err(ErrorKind::InvalidInput.into()) };
        match self.dir.remove(name) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = self.dir.create(name, FILE_MODE)?;
        let mut sieve = Sieve::new(BufWriter::new(file), first.first, &self.host);
        let mut written = first.written;
        for input in &self.inputs {
            let before = sieve.events;
            self.sift(input, &mut sieve, cancelled)?;
            if self.gains_little(sieve.size) {
                let segment = Segment { size: sieve.size, ..first };
                return Ok(Compacted { segment, has_events: true });
            }
            // What is kept is not younger than the last input from which something is kept.
            if sieve.events > before {
                written = input.written;
            }
        }
        sieve.put_gap()?;
        let file = sieve.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let segment = Segment {
            first: first.first,
            last: sieve.next.previous(),
            first_time: sieve.first_time.unwrap_or(first.first_time),
            last_time: sieve.last_time,
            size: sieve.size,
            written,
            generation: first.generation + 1,
            is_kept: true,
        };
        Ok(Compacted { segment, has_events: sieve.events > 0 })
    }

    /// `true` if a new file of this size is not worth it.
    pub(crate) fn gains_little(&self, size: u64) -> bool {
        size > self.size() / 2
    }

    fn sift(
        &self,
        input: &Segment,
        sieve: &mut Sieve<'_, impl Write>,
        cancelled: &AtomicBool,
    ) -> io::Result<()> {
        let file = self.dir.read(&name_of(input.first))?;
        let mut offset = 0;
        while offset < input.size && !self.gains_little(sieve.size) {
            if cancelled.load(Ordering::Relaxed) {
                return Err(ErrorKind::Interrupted.into());
            }
            let lines = disk::lines_from(&file, offset, input.size)?.bytes;
            if lines.is_empty() {
                break;
            }
            for line in each_line(&lines) {
                sieve.take(line, input, &self.senders)?;
            }
            offset += lines.len() as u64;
        }
        sieve.end(input);
        Ok(())
    }
}

/// The new file, line by line. Every number of the inputs is in a line of it.
struct Sieve<'a, W> {
    out: W,
    host: &'a str,
    /// The number after the last line, or after the gap.
    next: Seq,
    /// A gap that is not written yet, because more may join it, and the time of its end.
    gap: Option<(Gap, Timestamp)>,
    first_time: Option<Timestamp>,
    last_time: Timestamp,
    /// Written bytes.
    size: u64,
    /// Written events.
    events: u64,
}

impl<'a, W: Write> Sieve<'a, W> {
    fn new(out: W, first: Seq, host: &'a str) -> Self {
        let (first_time, last_time) = (None, Timestamp::MIN);
        Self { out, host, next: first, gap: None, first_time, last_time, size: 0, events: 0 }
    }

    /// Takes a line of `input`. A line that is damaged or out of order is left out, and becomes a gap with the
    /// next one, as for readers.
    fn take(&mut self, line: &[u8], input: &Segment, senders: &[Sender]) -> io::Result<()> {
        let text = std::str::from_utf8(line).ok().filter(|line| line.ends_with('\n'));
        let Some(parsed) = text.and_then(Line::parse) else { return Ok(()) };
        let (first, last, time) = (parsed.first_seq(), parsed.last_seq(), parsed.time());
        if first < self.next || input.last < last || time < self.latest() {
            return Ok(());
        }
        self.miss_until(first, time);
        match parsed {
            Line::Gap(line) => self.note_gap(line.gap, time),
            Line::Event(event) => {
                if Sender::of_event(&event).is_some_and(|sender| senders.contains(&sender)) {
                    let (after, before) = (first.previous(), first.next());
                    self.note_gap(Gap { after, before, lost: Some(1), why: Why::Retention }, time);
                } else {
                    self.put_gap()?;
                    self.put(line, time)?;
                    self.events += 1;
                    self.next = first.next();
                }
            }
        }
        Ok(())
    }

    /// The end of `input`: what is missing there is a gap.
    fn end(&mut self, input: &Segment) {
        self.miss_until(input.last.next(), self.latest().max(input.last_time));
    }

    /// The numbers before `first` should be there and are not.
    fn miss_until(&mut self, first: Seq, time: Timestamp) {
        if self.next < first {
            let after = self.next.previous();
            self.note_gap(Gap { after, before: first, lost: None, why: Why::Storage }, time);
        }
    }

    fn note_gap(&mut self, gap: Gap, time: Timestamp) {
        let joined = self.gap.map_or(gap, |(before, _)| before.joined_with(gap));
        self.gap = Some((joined, time));
        self.next = gap.before;
    }

    fn latest(&self) -> Timestamp {
        self.gap.map_or(self.last_time, |(_, time)| time)
    }

    fn put_gap(&mut self) -> io::Result<()> {
        let Some((gap, time)) = self.gap.take() else { return Ok(()) };
        let mut line = Vec::new();
        gap.encode(time, self.host, &mut line);
        self.put(&line, time)
    }

    fn put(&mut self, line: &[u8], time: Timestamp) -> io::Result<()> {
        self.first_time.get_or_insert(time);
        self.last_time = time;
        self.size += line.len() as u64;
        self.out.write_all(line)
    }
}

/// Removes what a crash left unfinished in `dir`. Returns the paths of what cannot be removed, with the causes: nothing
/// reads it.
pub(crate) fn remove_unfinished(dir: &Directory) -> io::Result<Vec<(PathBuf, String)>> {
    let mut left = Vec::new();
    for name in dir.names()? {
        let Some(name) = name.to_str().filter(|name| is_unfinished(name)) else { continue };
        match dir.remove(name) {
            Err(cause) if retry::is_passing(&cause) => return Err(cause),
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                left.push((dir.path_of(name), cause.to_string()));
            }
            _ => {}
        }
    }
    Ok(left)
}

fn is_unfinished(name: &str) -> bool {
    let digits = name.strip_suffix(UNFINISHED).and_then(|name| name.strip_suffix(".jsonl"));
    digits.is_some_and(|n| n.len() == 16 && n.bytes().all(|b| b.is_ascii_digit()))
}
