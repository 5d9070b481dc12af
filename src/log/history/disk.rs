//! Reading one segment file: whole lines forwards and backwards, and binary search. All functions work
//! on an open file and know nothing of the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::read_buffer::{CHUNK_SIZE, ReadBuffer};
use crate::event::LINE_MAX;

/// How much of a line is read first, in bytes: enough for most lines.
const PEEK_SIZE: usize = 1024;

/// Consecutive whole lines of a file.
pub(crate) struct Lines {
    /// The offset of the first line, in bytes.
    pub(crate) offset: u64,
    /// The lines. Empty at the end of the file.
    pub(crate) bytes: Bytes,
}

/// Reads lines from `offset` on, which must be the beginning of a line. Reads nothing from `end` on.
pub(crate) fn lines_from(file: &File, offset: u64, end: u64) -> io::Result<Lines> {
    let mut bytes = read(file, offset, end, CHUNK_SIZE)?;
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
    bytes.truncate(whole);
    Ok(Lines { offset, bytes: bytes.into() })
}

/// Reads the lines before `end`, which must be the end of a line.
pub(crate) fn lines_before(file: &File, end: u64) -> io::Result<Lines> {
    let from = end.saturating_sub(CHUNK_SIZE as u64);
    let bytes = Bytes::from(read(file, from, end, CHUNK_SIZE)?);
    if from == 0 {
        return Ok(Lines { offset: 0, bytes });
    }
    // The chunk begins within a line, which is left to the next read.
    let cut = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
    Ok(Lines { offset: from + cut as u64, bytes: bytes.slice(cut..) })
}

/// The offset of the first line that is not `earlier`, found by binary search. `end` if all lines are.
/// All earlier lines must come before all others. Takes about 20 short reads.
pub(crate) fn partition_point(
    file: &File,
    end: u64,
    earlier: impl Fn(&[u8]) -> bool,
) -> io::Result<u64> {
    // Lines that begin before `low` are earlier. Lines that begin at or after `high` are not.
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = line_start(file, middle, high)?;
        if begin >= high {
            high = middle;
            continue;
        }
        let line = line_at(file, begin, end)?;
        // No line: the file was shortened.
        if !line.is_empty() && earlier(&line) {
            low = begin + line.len() as u64;
        } else {
            high = begin;
        }
    }
    Ok(low)
}

/// Reads the line at `offset`, with its line end.
pub(crate) fn line_at(file: &File, offset: u64, end: u64) -> io::Result<ReadBuffer> {
    for size in [PEEK_SIZE, LINE_MAX] {
        let mut bytes = read(file, offset, end, size)?;
        if let Some(at) = memchr::memchr(b'\n', &bytes) {
            bytes.truncate(at + 1);
            return Ok(bytes);
        }
    }
    // Not written by an agent. The rest of the file counts as one line, so that every search ends.
    read(file, offset, end, (end - offset) as usize)
}

/// The offset of the first line that begins at or after `from`. `end` if none does.
fn line_start(file: &File, from: u64, end: u64) -> io::Result<u64> {
    let mut at = from.saturating_sub(1);
    if from == 0 {
        return Ok(0);
    }
    while at < end {
        let bytes = read(file, at, end, PEEK_SIZE)?;
        if let Some(found) = memchr::memchr(b'\n', &bytes) {
            return Ok(at + found as u64 + 1);
        }
        if bytes.is_empty() {
            break;
        }
        at += bytes.len() as u64;
    }
    Ok(end)
}

/// The offset of the end of the last line that ends at or before `end`. 0 if none does.
pub(crate) fn last_line_end(file: &File, mut end: u64) -> io::Result<u64> {
    while end > 0 {
        let from = end.saturating_sub(CHUNK_SIZE as u64);
        let bytes = read(file, from, end, CHUNK_SIZE)?;
        if let Some(at) = memchr::memrchr(b'\n', &bytes) {
            return Ok(from + at as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// Iterates over lines, with their line ends.
pub(crate) fn each_line(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(len);
        rest = after;
        (len > 0).then_some(line)
    })
}

/// Reads up to `size` bytes from `offset` on, but nothing from `end` on. Fewer if the file is shorter.
fn read(file: &File, offset: u64, end: u64, size: usize) -> io::Result<ReadBuffer> {
    let wanted = end.saturating_sub(offset).min(size as u64) as usize;
    ReadBuffer::filled(wanted, |bytes| {
        let mut filled = 0;
        while filled < wanted {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(lines: &[String]) -> (File, u64) {
        let mut file = tempfile::tempfile().expect("a file");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes()).expect("written");
        (file, text.len() as u64)
    }

    fn numbered() -> Vec<String> {
        (0..3000).map(|n| format!("{n:05} {}", "x".repeat(n * 7 % 1300))).collect()
    }

    #[test]
    fn binary_search_finds_every_line() {
        let lines = numbered();
        let (file, end) = file(&lines);
        let mut offset = 0;
        for (n, line) in lines.iter().enumerate() {
            let found = partition_point(&file, end, |l| l[..5] < *format!("{n:05}").as_bytes());
            assert_eq!(found.expect("read"), offset);
            offset += line.len() as u64 + 1;
        }
        assert_eq!(partition_point(&file, end, |_| true).expect("read"), end);
        assert_eq!(partition_point(&file, 0, |_| true).expect("read"), 0);
    }

    #[test]
    fn forward_and_backward_reads_agree() {
        let lines = numbered();
        let (file, end) = file(&lines);
        let whole: Vec<u8> = lines.iter().flat_map(|l| format!("{l}\n").into_bytes()).collect();
        let (mut forwards, mut at) = (Vec::new(), 0);
        while at < end {
            let read = lines_from(&file, at, end).expect("read");
            forwards.extend_from_slice(&read.bytes);
            at += read.bytes.len() as u64;
        }
        assert!(forwards == whole);
        let (mut backwards, mut at) = (Vec::new(), end);
        while at > 0 {
            let read = lines_before(&file, at).expect("read");
            assert_eq!(read.offset + read.bytes.len() as u64, at);
            backwards.splice(0..0, read.bytes.iter().copied());
            at = read.offset;
        }
        assert!(backwards == whole);
    }

    #[test]
    fn reads_the_longest_line_and_shortened_files() {
        let lines = ["a".into(), "y".repeat(LINE_MAX - 1), "b".into()];
        let (file, end) = file(&lines);
        assert_eq!(lines_from(&file, 2, end).expect("read").bytes.len() as u64, end - 2);
        assert_eq!(lines_before(&file, end).expect("read").offset, 0);
        assert_eq!(line_at(&file, 2, end).expect("read").len(), LINE_MAX);
        assert_eq!(partition_point(&file, end, |l| l[0] != b'b').expect("read"), end - 2);
        for (before, found) in
            [(end, end), (end - 1, end - 2), (end - 3, 2), (2, 2), (1, 0), (0, 0)]
        {
            assert_eq!(last_line_end(&file, before).expect("read"), found, "{before}");
        }
        file.set_len(end + 3 * CHUNK_SIZE as u64).expect("a hole");
        let hole = end + 3 * CHUNK_SIZE as u64;
        assert_eq!(last_line_end(&file, hole).expect("read"), end);
        file.set_len(3).expect("shortened");
        assert_eq!(&lines_from(&file, 0, end).expect("read").bytes[..], b"a\n");
        file.set_len(0).expect("shortened");
        assert_eq!(partition_point(&file, end, |_| true).expect("read"), 0);
    }
}
