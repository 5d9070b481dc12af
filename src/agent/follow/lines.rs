//! The line protocol's sink: writes a subscription to a connection, as JSON lines or as text for people.

use std::io::{self, IoSlice};
use std::time::Instant;

use tokio::time::timeout_at;

use super::filled::{Filled, Lines};
use super::leaving::{Left, left};
use super::pace::{Pace, Passed};
use super::subscription::Subscription;
use crate::agent::transport::connection::Connection;
use crate::event::{Cursor, Gap, Line, Seq};
use crate::render::{Format, Style};
use crate::sys::zone;
use crate::wire;

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
pub(crate) enum Ended {
    /// The subscription is complete.
    Complete,
    /// History cannot be read.
    Failed(io::Error),
    /// The follower left.
    Left(Left),
}

/// Writes everything that the subscription yields, until it is complete or the client leaves.
///
/// # Errors
/// If the client cannot be written to.
pub(crate) async fn run(
    connection: &mut Connection,
    subscription: &mut Subscription,
    format: &LineFormat,
    mut pace: Option<Pace>,
) -> io::Result<Ended> {
    let log = subscription.position();
    loop {
        let filled = match subscription.fill().await {
            Ok(filled) => filled,
            Err(cause) => return Ok(Ended::Failed(cause)),
        };
        match filled {
            Filled::Lines(lines) => {
                if let Some(pace) = &mut pace {
                    let (shown, len) = (encode_paced(&lines, pace, log), lines.len());
                    subscription.consume(len);
                    connection.write_all(&shown).await?;
                    continue;
                }
                let delivered = match format {
                    LineFormat::Json => write_lines(connection, &lines)?,
                    LineFormat::Text(style) => write_text(connection, &lines, style)?,
                };
                deliver(connection, subscription, delivered).await?;
            }
            Filled::Gap(gap) => write_gap(connection, subscription, gap, format).await?,
            Filled::Progress(cursor) => {
                if matches!(format, LineFormat::Json) {
                    let mut line = Vec::new();
                    wire::encode_at(&cursor, &mut line);
                    connection.write_all(&line).await?;
                }
            }
            Filled::CaughtUp => {
                subscription.release();
                let report_at = pace.as_ref().and_then(Pace::report_at);
                let waited = wait(connection, subscription);
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
    consumed: Consumed,
    /// The rest of a line of which a part was written. The line counts as consumed.
    rest: Vec<u8>,
    /// The client takes no more for now.
    blocked: bool,
}

enum Consumed {
    Bytes(usize),
    Through(Seq),
}

/// Writes the lines themselves, with as few system calls as possible.
fn write_lines(connection: &mut Connection, lines: &Lines<'_>) -> io::Result<Delivered> {
    let len = lines.len();
    let sent = write(connection, len, |sent| lines.slices(sent))?;
    let rest = if sent < len { lines.rest_of_line(sent).to_vec() } else { Vec::new() };
    let consumed = Consumed::Bytes(sent + rest.len());
    Ok(Delivered { consumed, rest, blocked: sent < len })
}

/// The lines that the pace shows, and counts of the others. `log` is any cursor of the log.
fn encode_paced(lines: &Lines<'_>, pace: &mut Pace, log: Cursor) -> Vec<u8> {
    let (now, mut out) = (Instant::now(), Vec::new());
    for line in lines.iter() {
        let Passed::Shown(skipped) = pace.pass(&line, now) else { continue };
        if let Some(skipped) = skipped {
            wire::encode_skipped(skipped.events, &skipped.at(log), &mut out);
        }
        out.extend_from_slice(line.text().as_bytes());
        out.push(b'\n');
    }
    out
}

/// Writes the lines as text.
fn write_text(
    connection: &mut Connection,
    lines: &Lines<'_>,
    style: &Style,
) -> io::Result<Delivered> {
    let mut text = String::new();
    let mut ends = Vec::new();
    for line in lines.iter() {
        style.line(&line, &mut text);
        ends.push((text.len(), line.last_seq()));
    }
    let sent = write(connection, text.len(), |sent| vec![IoSlice::new(&text.as_bytes()[sent..])])?;
    if sent == text.len() {
        let consumed = Consumed::Bytes(lines.len());
        return Ok(Delivered { consumed, rest: Vec::new(), blocked: false });
    }
    // The first line that is not written whole; it is finished if it was begun.
    let cut = ends.partition_point(|(end, _)| *end <= sent);
    let begin = cut.checked_sub(1).map_or(0, |before| ends[before].0);
    let (cut, end) = if sent > begin { (cut + 1, ends[cut].0) } else { (cut, begin) };
    let consumed = match cut.checked_sub(1) {
        Some(last) => Consumed::Through(ends[last].1),
        None => Consumed::Bytes(0),
    };
    Ok(Delivered { consumed, rest: text.as_bytes()[sent..end].to_vec(), blocked: true })
}

/// Writes until all `len` bytes are written or the client takes no more. Returns the number of bytes.
fn write<'a>(
    connection: &mut Connection,
    len: usize,
    slices: impl Fn(usize) -> Vec<IoSlice<'a>>,
) -> io::Result<usize> {
    let mut sent = 0;
    while sent < len {
        match connection.write_now(&slices(sent))? {
            0 => break,
            written => sent += written,
        }
    }
    Ok(sent)
}

/// Moves the subscription on. Where the client takes no more, waits for it, holding the rest of one line at most.
async fn deliver(
    connection: &mut Connection,
    subscription: &mut Subscription,
    delivered: Delivered,
) -> io::Result<()> {
    match delivered.consumed {
        Consumed::Bytes(len) => subscription.consume(len),
        Consumed::Through(seq) => subscription.consume_through(seq),
    }
    if delivered.blocked {
        subscription.release();
        connection.write_all(&delivered.rest).await?;
        connection.writable().await?;
    }
    Ok(())
}

async fn write_gap(
    connection: &mut Connection,
    subscription: &mut Subscription,
    gap: Gap,
    format: &LineFormat,
) -> io::Result<()> {
    let mut line = Vec::new();
    subscription.encode_gap(gap, &mut line);
    subscription.consume_through(gap.last());
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
    subscription: &Subscription,
) -> io::Result<Option<Left>> {
    connection.flush().await?;
    tokio::select! {
        biased;
        left = left(connection) => left.map(Some),
        () = subscription.wait() => Ok(None),
    }
}
