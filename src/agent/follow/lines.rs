//! The line protocol's sink: writes what a source yields to a connection, as JSON lines or as text for people.

use std::io::{self, IoSlice};
use std::time::Instant;

use tokio::time::timeout_at;

use super::filled::{Filled, Lines};
use super::leaving::{Left, left};
use super::pace::{Pace, Passed};
use super::source::LineSource;
use crate::agent::transport::connection::Connection;
use crate::event::{Cursor, Gap, Line, Seq};
use crate::log::PlacedLine;
use crate::render::{Format, Style};
use crate::sys::zone;
use crate::wire;

/// The longest rest of a line that a follower holds while its client takes no more, in bytes.
pub const REST_MAX: usize = 2 << 10;

/// How a follower gets its lines.
pub(crate) enum LineFormat {
    /// The lines themselves.
    Json,
    /// Readable text.
    Text(Style),
}

impl LineFormat {
    /// Readable text at this machine's time.
    pub(crate) fn text() -> Self {
        Self::Text(Style { tz: zone::local(), ..Style::new(Format::Short) })
    }
}

/// How following ended.
#[derive(Debug)]
pub(crate) enum Ended<B> {
    /// The source is complete.
    Complete,
    /// The source can yield no more.
    Broken(B),
    /// The follower left.
    Left(Left),
}

/// Writes everything that the source yields, until it is complete or the client leaves.
///
/// # Errors
/// If the client cannot be written to.
pub(crate) async fn run<S: LineSource>(
    connection: &mut Connection,
    source: &mut S,
    format: &LineFormat,
    mut pace: Option<Pace>,
) -> io::Result<Ended<S::Broken>> {
    let log = source.position();
    let mut begun = None;
    loop {
        let filled = match source.is_opening() {
            false => source.fill().await,
            true => tokio::select! {
                biased;
                left = left(connection) => return left.map(Ended::Left),
                filled = source.fill() => filled,
            },
        };
        let filled = match filled {
            Ok(filled) => filled,
            Err(broken) => return Ok(Ended::Broken(broken)),
        };
        match filled {
            Filled::Lines(lines) => {
                let delivered = match (format, &mut pace, begun) {
                    (_, Some(pace), None) => write_paced(connection, &lines, pace, log)?,
                    (LineFormat::Json, pace, begun) => {
                        let lines = if pace.is_some() { lines.first() } else { lines };
                        write_lines(connection, &lines, begun)?
                    }
                    (LineFormat::Text(style), _, begun) => {
                        write_text(connection, &lines, style, begun)?
                    }
                };
                let Some(delivered) = delivered else { return Ok(Ended::Left(Left::Cut)) };
                begun = delivered.begun;
                deliver(connection, source, delivered).await?;
            }
            Filled::Gap(_) | Filled::CaughtUp | Filled::End if begun.is_some() => {
                return Ok(Ended::Left(Left::Cut));
            }
            Filled::Gap(gap) => write_gap(connection, source, gap, format).await?,
            Filled::Progress(cursor) => {
                if matches!(format, LineFormat::Json) && begun.is_none() {
                    let mut line = Vec::new();
                    wire::encode_at(&cursor, &mut line);
                    connection.write_all(&line).await?;
                }
            }
            Filled::CaughtUp => {
                source.release();
                let report_at = pace.as_ref().and_then(Pace::report_at);
                let waited = wait(connection, source);
                let left = match report_at {
                    None => waited.await?,
                    // What was not shown is reported soon, also if nothing more comes.
                    Some(at) => timeout_at(at.into(), waited).await.unwrap_or(Ok(None))?,
                };
                if let Some(left) = left {
                    return Ok(Ended::Left(left));
                }
                if let Some(skipped) = pace.as_mut().and_then(|pace| pace.take_due(Instant::now()))
                {
                    let mut line = Vec::new();
                    wire::encode_skipped(skipped.events, &skipped.at(log), &mut line);
                    connection.write_all(&line).await?;
                }
            }
            Filled::End => return Ok(Ended::Complete),
        }
    }
}

/// What of some lines was written without waiting.
struct Delivered {
    /// The size of the lines that count as consumed, in bytes.
    consumed: usize,
    /// The short rest of the last one of them.
    rest: Vec<u8>,
    /// The next line, if a part of it was written.
    begun: Option<Begun>,
    /// The client takes no more for now.
    blocked: bool,
}

/// A line of which a part was written and the rest is long. While the client takes no more, its follower holds only
/// this, and reads the line from the log again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begun {
    seq: Seq,
    /// The size of the whole line as it is written, in bytes.
    len: usize,
    /// How many of them were written.
    sent: usize,
}

impl Delivered {
    /// Everything up to `consumed` was written.
    fn whole(consumed: usize) -> Self {
        Self { consumed, rest: Vec::new(), begun: None, blocked: false }
    }

    /// The client took no more after `sent` bytes of `line`, which is written for what lies between the offsets
    /// `begin` and `end` of the lines. A line without a number, which is a short one, is never read again.
    fn within(line: &[u8], sent: usize, seq: Option<Seq>, begin: usize, end: usize) -> Self {
        let blocked = |consumed| Self { blocked: true, ..Self::whole(consumed) };
        match seq {
            _ if sent == 0 => blocked(begin),
            Some(seq) if line.len() - sent > REST_MAX => {
                Self { begun: Some(Begun { seq, len: line.len(), sent }), ..blocked(begin) }
            }
            _ => Self { rest: line[sent..].to_vec(), ..blocked(end) },
        }
    }
}

/// Writes the lines themselves, with as few system calls as possible. `None` if the first one should be the line that
/// was begun, and is not.
fn write_lines(
    connection: &mut Connection,
    lines: &Lines<'_>,
    begun: Option<Begun>,
) -> io::Result<Option<Delivered>> {
    if let Some(begun) = begun {
        let (_, first) = lines.line_at(0);
        if Line::peek_first_seq(first) != Some(begun.seq) || first.len() != begun.len {
            return Ok(None);
        }
    }
    let len = lines.len();
    let sent = write(connection, begun.map_or(0, |begun| begun.sent), len, |at| lines.slices(at))?;
    if sent == len {
        return Ok(Some(Delivered::whole(len)));
    }
    let (begin, line) = lines.line_at(sent);
    let (seq, end) = (Line::peek_first_seq(line), begin + line.len());
    Ok(Some(Delivered::within(line, sent - begin, seq, begin, end)))
}

/// Writes the lines that the pace shows, and counts of the others. A long line is not written, but begun. `log` is any
/// cursor of the log.
fn write_paced(
    connection: &mut Connection,
    lines: &Lines<'_>,
    pace: &mut Pace,
    log: Cursor,
) -> io::Result<Option<Delivered>> {
    let (now, mut out) = (Instant::now(), Vec::new());
    let mut delivered = Delivered::whole(0);
    for PlacedLine { line, end } in lines.placed() {
        if let Passed::Shown(skipped) = pace.pass(&line, now) {
            if let Some(skipped) = skipped {
                wire::encode_skipped(skipped.events, &skipped.at(log), &mut out);
            }
            let text = line.text().as_bytes();
            if text.len() > REST_MAX {
                let (seq, len) = (line.first_seq(), text.len() + 1);
                delivered.begun = Some(Begun { seq, len, sent: 0 });
                break;
            }
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        delivered.consumed = end;
        if out.len() >= REST_MAX {
            let sent = write(connection, 0, out.len(), |at| vec![IoSlice::new(&out[at..])])?;
            out.drain(..sent);
            if !out.is_empty() {
                return Ok(Some(Delivered { rest: out, blocked: true, ..delivered }));
            }
        }
    }
    if delivered.begun.is_none() {
        // With damaged lines after the last one.
        delivered.consumed = lines.len();
    }
    let sent = write(connection, 0, out.len(), |at| vec![IoSlice::new(&out[at..])])?;
    out.drain(..sent);
    Ok(Some(Delivered { blocked: !out.is_empty(), rest: out, ..delivered }))
}

/// Writes the lines as text. `None` if the first one should be the line that was begun, and is not.
fn write_text(
    connection: &mut Connection,
    lines: &Lines<'_>,
    style: &Style,
    begun: Option<Begun>,
) -> io::Result<Option<Delivered>> {
    let (mut text, mut placed) = (String::new(), Vec::new());
    for PlacedLine { line, end } in lines.placed() {
        style.line(&line, &mut text);
        placed.push((text.len(), end, line.first_seq()));
    }
    let begun_at = match (begun, placed.first()) {
        (None, _) => 0,
        (Some(begun), Some((len, _, seq))) if (begun.len, begun.seq) == (*len, *seq) => begun.sent,
        (Some(_), _) => return Ok(None),
    };
    let bytes = text.as_bytes();
    let sent = write(connection, begun_at, bytes.len(), |at| vec![IoSlice::new(&bytes[at..])])?;
    // The first line that is not written whole.
    let cut = placed.partition_point(|(text_end, ..)| *text_end <= sent);
    let Some((text_end, end, seq)) = placed.get(cut).copied() else {
        return Ok(Some(Delivered::whole(lines.len())));
    };
    let (text_begin, begin) =
        cut.checked_sub(1).map_or((0, 0), |before| (placed[before].0, placed[before].1));
    let line = &bytes[text_begin..text_end];
    Ok(Some(Delivered::within(line, sent - text_begin, Some(seq), begin, end)))
}

/// Writes from the offset `sent` on until all `len` bytes are written or the client takes no more. Returns the offset.
fn write<'a>(
    connection: &mut Connection,
    mut sent: usize,
    len: usize,
    slices: impl Fn(usize) -> Vec<IoSlice<'a>>,
) -> io::Result<usize> {
    while sent < len {
        match connection.write_now(&slices(sent))? {
            0 => break,
            written => sent += written,
        }
    }
    Ok(sent)
}

/// Moves the source on. Where the client takes no more, waits for it, holding a short rest of one line at most.
async fn deliver(
    connection: &mut Connection,
    source: &mut impl LineSource,
    delivered: Delivered,
) -> io::Result<()> {
    source.consume(delivered.consumed);
    if delivered.blocked {
        source.release();
        connection.write_all(&delivered.rest).await?;
        connection.writable().await?;
    }
    Ok(())
}

async fn write_gap(
    connection: &mut Connection,
    source: &mut impl LineSource,
    gap: Gap,
    format: &LineFormat,
) -> io::Result<()> {
    let mut line = Vec::new();
    source.encode_gap(gap, &mut line);
    source.consume_through(gap.last());
    if let LineFormat::Text(style) = format
        && let Some(parsed) = std::str::from_utf8(&line).ok().and_then(Line::parse)
    {
        let mut text = String::new();
        style.line(&parsed, &mut text);
        line = text.into_bytes();
    }
    connection.write_all(&line).await
}

/// Waits for something to follow. `Some` if following ends.
async fn wait(
    connection: &mut Connection,
    source: &mut impl LineSource,
) -> io::Result<Option<Left>> {
    connection.flush().await?;
    tokio::select! {
        biased;
        left = left(connection) => left.map(Some),
        () = source.wait() => Ok(None),
    }
}
