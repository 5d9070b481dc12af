//! `journalctl --grep` over messages of the same kind, in a journal that systemd-journal-remote writes. Neither needs a
//! running systemd.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::needle;
use crate::load::Message;
use crate::systems::DISK;
use crate::{BenchError, Options, refused};

/// How many events the journal has: a sample, because writing it takes far longer than a history of ours.
const EVENTS: u64 = 200_000;

/// How many searches are measured.
const SEARCHES: usize = 3;

/// Where Debian's packages install what fills a journal.
const WRITER: [&str; 2] =
    ["/usr/lib/systemd/systemd-journal-remote", "/lib/systemd/systemd-journal-remote"];

/// Events a second of each search. Empty if a program is not installed.
pub(super) fn search(
    options: &Options,
    load: &[Message],
    pattern: &str,
    needles: u64,
) -> Result<Vec<f64>, BenchError> {
    let Some(writer) = WRITER.into_iter().map(Path::new).find(|path| path.exists()) else {
        return Ok(Vec::new());
    };
    let dir = tempfile::tempdir_in(DISK).map_err(refused(format!("use {DISK}")))?;
    let file = dir.path().join("sample.journal");
    let events = if options.quick { EVENTS / 4 } else { EVENTS };
    write(writer, &file, load, events, needles).map_err(refused("write a journal"))?;
    let mut speeds = Vec::new();
    for _ in 0..SEARCHES {
        let begin = Instant::now();
        let output = Command::new("journalctl")
            .args(["--quiet", "--no-pager", "--output", "cat", "--grep", pattern, "--file"])
            .arg(&file)
            .stdin(Stdio::null())
            .output();
        let seconds = begin.elapsed().as_secs_f64();
        let output = match output {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            output => output.map_err(refused("run journalctl"))?,
        };
        let found = output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64;
        if found != needles {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BenchError::Failed(format!(
                "journalctl found {found} of {needles}: {errors}"
            )));
        }
        speeds.push(events as f64 / seconds);
    }
    Ok(speeds)
}

/// Writes events in systemd's export format through systemd-journal-remote.
fn write(
    writer: &Path,
    file: &PathBuf,
    load: &[Message],
    events: u64,
    needles: u64,
) -> io::Result<()> {
    let mut program = Command::new(writer)
        .args(["--split-mode=none", "--output"])
        .arg(file)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(input) = program.stdin.take() {
        let mut input = BufWriter::new(input);
        let every = events / needles;
        for event in 0..events {
            let text = match event % every {
                0 => &needle(event / every + 1),
                _ => &load[event as usize % load.len()].text,
            };
            entry(&mut input, event, text)?;
        }
        input.flush()?;
    }
    let status = program.wait()?;
    let written = fs::metadata(file)?.len() > 0;
    if status.success() && written { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// One event, a millisecond after the one before.
fn entry(output: &mut impl Write, event: u64, text: &str) -> io::Result<()> {
    let micros = 1_790_000_000_000_000 + event * 1_000;
    write!(
        output,
        "__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={event}000\n\
         _BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=0123456789abcdef0123456789abcdef\n\
         PRIORITY=6\nSYSLOG_IDENTIFIER=shop\n_PID=812\n_UID=33\n_COMM=php-fpm8.2\nMESSAGE={text}\n\n"
    )
}
