//! Recovery of a history directory: with any files the log opens, unless its sequence numbers are near their end.
//! Readers get contiguous lines that were in the files, and the next start finds the same lines and nothing to
//! repair.
//!
//! The input is the files, each below a line that names it:
//!
//! ```text
//! === state
//! {"log":"7f3a9c21","reserved":100}
//! === synced
//! 0000000000000002 0000000000000120
//! === 2 -1
//! {"seq":2,"time":"2026-11-22T17:32:05.123456Z","host":"h","tag":"t","level":"info"}
//! ```
//!
//! A number names the segment that begins with it, at most [`SEGMENTS_MAX`] of them. `-1` omits one byte at the
//! end.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pulsed::event::{Batch, Cursor, Draft, Line, LogId, Seq, Timestamp};
use pulsed::log::{
    self, HistoryOptions, Log, OpenError, Opened, Options, Read, SyncPolicy, WINDOW_SIZE_MIN,
};
use serde::de::IgnoredAny;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const SEGMENTS_MAX: usize = 4;

fuzz_target!(|data: &[u8]| {
    let site = Site::from_input(data);
    let Ok(Opened { running, .. }) = site.open() else {
        assert!(site.huge, "it opens unless its numbers are near their end");
        return;
    };
    let log = running.log().clone();
    let newest = log.newest();
    if let Some(id) = site.id {
        assert_eq!(newest.log, id);
    }
    let mut seen = read_all(&log);
    // Edits of files that are trusted unread are not found: reads are in order, but may differ between starts.
    let exact = site.is_whole() || !site.trusts();
    if exact {
        assert_eq!(seen, site.expected(newest.seq), "exactly the valid lines");
        assert_eq!(read_back(&log), seen);
    }
    // A new event has a new sequence number.
    let last = log.append(&event()).expect("room");
    assert_eq!(last, newest.seq.next());
    assert_eq!(log.newest(), Cursor { seq: last, ..newest });
    let appended = read(&log, newest.seq);
    assert!(matches!(appended[..], [Seen::Event(_)]), "{appended:?}");
    seen.extend(appended);
    running.close().expect("closed");

    let Opened { running, repairs } = site.open().expect("opened again");
    assert_eq!(repairs, []);
    let start = last.next();
    assert_eq!(running.log().newest(), Cursor { seq: start, ..newest });
    seen.push(Seen::Missing(start, start));
    let again = read_all(running.log());
    assert!(!exact || again == seen, "{again:?} after {seen:?}");
    running.close().expect("closed");
});

/// A history directory, and what recovery should find in it.
struct Site {
    dir: PathBuf,
    /// From the state file.
    id: Option<LogId>,
    clean: bool,
    synced: bool,
    /// A file contains a number near the last sequence number.
    huge: bool,
    segments: Vec<(Seq, Vec<u8>)>,
}

impl Site {
    fn from_input(data: &[u8]) -> Self {
        static ROOT: OnceLock<TempDir> = OnceLock::new();
        let in_memory = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir =
            ROOT.get_or_init(|| in_memory().expect("a temporary directory")).path().join("history");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a temporary directory");
        let mut site = Self {
            dir,
            id: None,
            clean: false,
            synced: false,
            huge: has_huge_number(data),
            segments: Vec::new(),
        };
        for (name, bytes) in parts(data) {
            site.add(name, bytes);
        }
        site.segments.sort();
        site
    }

    fn add(&mut self, name: &str, bytes: &[u8]) {
        match name {
            "state" => {
                self.read_state(bytes);
                fs::write(self.dir.join(name), bytes).expect("written");
            }
            "synced" => {
                self.synced = true;
                fs::write(self.dir.join(name), bytes).expect("written");
            }
            number => {
                let first = number.parse().ok().and_then(Seq::new);
                // There is no number 0.
                let Some(first) = first.filter(|first| *first > Seq::ZERO) else { return };
                let known = self.segments.iter().any(|(other, _)| *other == first);
                if !known && self.segments.len() < SEGMENTS_MAX {
                    let name = format!("{:016}.jsonl", first.get());
                    fs::write(self.dir.join(name), bytes).expect("written");
                    self.segments.push((first, bytes.to_vec()));
                }
            }
        }
    }

    fn read_state(&mut self, state: &[u8]) {
        #[derive(serde::Deserialize)]
        struct State {
            log: String,
            reserved: u64,
            clean: Option<u64>,
        }
        (self.id, self.clean) = (None, false);
        let Ok(state) = serde_json::from_slice::<State>(state) else { return };
        if Seq::new(state.reserved).is_some() && state.clean.is_none_or(|n| Seq::new(n).is_some()) {
            self.id = state.log.parse().ok();
            self.clean = state.clean.is_some();
        }
    }

    fn open(&self) -> Result<Opened, OpenError> {
        let history = HistoryOptions {
            dir: self.dir.clone(),
            size: 1 << 40,
            // Nothing is too old, not even from the year 0.
            age: Duration::MAX,
            sync: SyncPolicy::Never,
        };
        let options = Options {
            host: "h".into(),
            clock: Arc::new(|| Timestamp::MAX.plus_micros(-1)),
            uptime: Arc::new(Duration::default),
            window_size: WINDOW_SIZE_MIN,
            history: Some(history),
        };
        log::open(options)
    }

    /// `true` if recovery trusts a part of the files unread.
    fn trusts(&self) -> bool {
        self.clean || self.synced
    }

    /// `true` if there is nothing to truncate.
    fn is_whole(&self) -> bool {
        let whole = |(first, bytes): &(Seq, Vec<u8>)| {
            let lines = valid_lines(*first, bytes);
            lines.len() == bytes.split_inclusive(|b| *b == b'\n').count()
        };
        self.segments.iter().all(whole)
    }

    /// What readers should get if recovery trusts nothing unread: of each segment the lines before the first
    /// invalid one, nothing of a segment that repeats numbers, and gaps up to the newest number.
    fn expected(&self, newest: Seq) -> Vec<Seen> {
        let mut all = Vec::new();
        let mut next = None;
        for (first, bytes) in &self.segments {
            let lines = valid_lines(*first, bytes);
            if lines.is_empty() || next.is_some_and(|next| *first < next) {
                continue;
            }
            for (seen, first, last) in lines {
                let missing = next.unwrap_or(first);
                if missing < first {
                    note(&mut all, Seen::Missing(missing, first.previous()));
                }
                note(&mut all, seen);
                next = Some(last.next());
            }
        }
        // After a clean stop, an empty history was trimmed: it has only the gap of the start.
        let first = if self.clean { newest } else { Seq::BEFORE_FIRST };
        note(&mut all, Seen::Missing(next.unwrap_or(first), newest));
        all
    }
}

/// The parts of the input, each with its name.
fn parts(data: &[u8]) -> Vec<(&str, &[u8])> {
    const MARK: &[u8] = b"=== ";
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some(named) = rest.strip_prefix(MARK) {
        let head = named.iter().position(|b| *b == b'\n').unwrap_or(named.len());
        let body = &named[(head + 1).min(named.len())..];
        let next = (0..body.len())
            .find(|at| body[*at..].starts_with(MARK) && (*at == 0 || body[at - 1] == b'\n'));
        let (bytes, after) = body.split_at(next.unwrap_or(body.len()));
        rest = after;
        let Ok(head) = std::str::from_utf8(&named[..head]) else { continue };
        let (name, less) = head.split_once(" -").unwrap_or((head, "0"));
        let less = less.parse().unwrap_or(0).min(bytes.len());
        parts.push((name, &bytes[..bytes.len() - less]));
    }
    parts
}

fn valid_lines(first: Seq, bytes: &[u8]) -> Vec<(Seen, Seq, Seq)> {
    let (mut valid, mut next, mut time) = (Vec::new(), first, Timestamp::MIN);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\n").and_then(|text| std::str::from_utf8(text).ok());
        let json = text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        let Some(line) = json.and_then(Line::parse) else { break };
        if line.first_seq() != next || line.time() < time {
            break;
        }
        (next, time) = (line.last_seq().next(), line.time());
        valid.extend(json.map(|text| seen_in(text.as_bytes())));
    }
    valid
}

fn has_huge_number(data: &[u8]) -> bool {
    let mut numbers = data.split(|b| !b.is_ascii_digit());
    let close = |number: u64| number > Seq::MAX.get() - (1 << 26);
    numbers.any(|digits| std::str::from_utf8(digits).is_ok_and(|d| d.parse().is_ok_and(close)))
}

fn event() -> Batch {
    let mut batch = Batch::default();
    batch.push(&Draft { msg: "again".into(), ..Draft::default() }, "t", b"");
    batch
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("a runtime"))
}

/// What a reader gets.
#[derive(Debug, PartialEq)]
enum Seen {
    Event(String),
    /// These sequence numbers are missing. Adjacent gaps are merged.
    Missing(Seq, Seq),
}

fn note(all: &mut Vec<Seen>, seen: Seen) {
    match (all.last_mut(), seen) {
        (Some(Seen::Missing(_, last)), Seen::Missing(first, end)) if first == last.next() => {
            *last = end;
        }
        (_, seen) => all.push(seen),
    }
}

/// The content of a line, and the sequence numbers that it covers.
fn seen_in(line: &[u8]) -> (Seen, Seq, Seq) {
    let text = String::from_utf8_lossy(line).into_owned();
    if let Some(Line::Gap(line)) = Line::parse(&text) {
        let (first, last) = (line.gap.first(), line.gap.last());
        return (Seen::Missing(first, last), first, last);
    }
    let seq = Line::peek_first_seq(line).expect("a numbered line");
    (Seen::Event(text), seq, seq)
}

fn lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// All lines.
fn read_all(log: &Log) -> Vec<Seen> {
    read(log, log.oldest().previous())
}

/// All lines after a sequence number. They must be contiguous.
fn read(log: &Log, seen: Seq) -> Vec<Seen> {
    let mut reader = log.reader(seen);
    let mut all = Vec::new();
    loop {
        let mut expected = reader.seen().next();
        match runtime().block_on(reader.read()) {
            Read::End => return all,
            Read::Gap(gap) => {
                assert!(gap.first() == expected && gap.last() >= expected, "{gap:?}");
                note(&mut all, Seen::Missing(gap.first(), gap.last()));
                reader.skip(gap);
            }
            Read::Lines(chunk) => {
                assert!(!chunk.is_empty());
                for line in chunk.pieces.iter().flat_map(|piece| lines(piece)) {
                    let (seen, first, last) = seen_in(line);
                    assert!(first == expected && last >= first, "{seen:?}, expected {expected}");
                    note(&mut all, seen);
                    expected = last.next();
                }
                reader.advance(&chunk, chunk.len());
                assert_eq!(reader.seen().next(), expected);
            }
        }
    }
}

/// All lines, read backward from the newest.
fn read_back(log: &Log) -> Vec<Seen> {
    let mut backward = log.backward(log.newest().seq.next());
    let mut found: Vec<(Seen, Seq, Seq)> = Vec::new();
    while let Some(bytes) = runtime().block_on(backward.read()).expect("read") {
        found.extend(lines(&bytes).rev().map(seen_in));
    }
    let mut all = Vec::new();
    for (seen, ..) in found.into_iter().rev() {
        note(&mut all, seen);
    }
    all
}
