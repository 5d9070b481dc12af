//! Sending a client what it wants to see: forwards from a cursor, for ever or to the end, or
//! backwards. A follower that does not read costs its place and the rest of one line.

mod begin;

use std::io::{self, IoSlice};

use super::TailRequest;
use super::connection::{Connection, Input};
use super::limits::Follows;
use super::select::{Select, Staged};
use crate::access::TagScope;
use crate::event::{Cursor, Gap, Line, Seq};
use crate::log::{Chunk, Log, Read, Reader, lines_of};
use crate::render::{Format, Style};
use crate::sys::zone;
use crate::wire::{self, Request, Tail};
use begin::Refusal;

/// After so many events without a match, a follower is told how far it has come.
pub const PASSED_OVER_MAX: u64 = 65_536;

/// After so many reads, others get a turn.
const TURNS_MAX: u32 = 8;

/// How many bytes are staged before they are written.
const STAGED_SIZE: usize = 64 << 10;

/// What comes after a TAIL.
pub(crate) enum Then {
    /// The next request.
    Next,
    /// Nothing.
    Close,
}

/// Answers one TAIL.
pub(crate) async fn run(
    connection: &mut Connection,
    log: &Log,
    request: TailRequest,
    permitted: &TagScope,
    mut follows: Follows,
) -> io::Result<Then> {
    let (tail, style) = match request {
        TailRequest::Json(tail) => (tail, None),
        TailRequest::Text(matching) => {
            let matching = Some(matching);
            (Tail { matching, follow: true, ..Tail::default() }, Some(for_people()))
        }
    };
    let mut follow = match Follow::begin(log, &tail, style, permitted, &mut follows).await {
        Ok(follow) => follow,
        Err(Refusal { code, why }) => {
            let mut answer = Vec::new();
            wire::encode_err(code, &why, &mut answer);
            connection.write_all(&answer).await?;
            return Ok(Then::Next);
        }
    };
    if tail.reverse {
        follow.backwards(connection, tail.lines).await?;
    } else if let Some(then) = follow.forwards(connection).await? {
        return Ok(then);
    }
    let mut answer = Vec::new();
    wire::encode_ok(&Cursor { seq: follow.end.previous(), ..log.newest() }, &mut answer);
    connection.write_all(&answer).await?;
    Ok(Then::Next)
}

struct Follow<'a> {
    log: &'a Log,
    reader: Reader,
    select: Select,
    /// To be told first: what the client's cursor cannot reach.
    gap: Option<Gap>,
    /// Nothing from here on, unless it is a follow.
    end: Seq,
    follows: bool,
    /// How many events were passed over since it was told.
    passed_over: u64,
    staged: Staged,
    /// The rest of a line of which the client took a part.
    rest: Vec<u8>,
}

impl<'a> Follow<'a> {
    /// Sends what is there and, when following, what comes. Some when the connection shall not go on
    /// as it was.
    async fn forwards(&mut self, connection: &mut Connection) -> io::Result<Option<Then>> {
        if let Some(gap) = self.gap.take() {
            self.send_gap(connection, gap).await?;
        }
        let live = self.end;
        let mut turns = 0;
        loop {
            if !self.follows && self.reader.seen().next() >= self.end {
                return Ok(None);
            }
            if self.select.since.is_some() && self.reader.seen().next() >= live {
                // What comes now comes now.
                self.select.since = None;
            }
            match self.reader.read().await {
                Read::Lines(chunk) => {
                    let taken = self.push(connection, &chunk)?;
                    drop(chunk);
                    self.send_rest(connection, taken).await?;
                }
                Read::Gap(gap) => self.send_gap(connection, gap).await?,
                Read::End if !self.follows => return Ok(None),
                Read::End => {
                    self.staged.release();
                    if let Some(then) = self.wait(connection).await? {
                        return Ok(Some(then));
                    }
                }
            }
            // A reader that is far behind shares its thread with the others.
            turns += 1;
            if turns % TURNS_MAX == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits for something to read. While following, a client can only say QUIT.
    async fn wait(&mut self, connection: &mut Connection) -> io::Result<Option<Then>> {
        connection.flush().await?;
        if connection.stopping() || says_quit(connection) {
            return Ok(Some(Then::Close));
        }
        if connection.ended() {
            // A client that sends no more may still read. That it goes away later shows at the next
            // write.
            if connection.hung_up().await {
                return Ok(Some(Then::Close));
            }
            return Ok(tokio::select! {
                () = self.reader.wait() => None,
                () = connection.gone_or_stopped() => Some(Then::Close),
            });
        }
        let input = tokio::select! {
            () = self.reader.wait() => return Ok(None),
            input = connection.read() => input?,
        };
        let gone = input == Input::End && connection.hung_up().await;
        Ok((says_quit(connection) || gone).then_some(Then::Close))
    }

    /// Sends as much of a chunk as the client takes at once, and moves the reader behind that.
    fn push(&mut self, connection: &mut Connection, chunk: &Chunk) -> io::Result<Taken> {
        let end = if self.follows { Seq::MAX } else { self.end };
        if self.select.takes_all() {
            self.push_as_it_is(connection, chunk, end)
        } else {
            self.push_selected(connection, chunk, end)
        }
    }

    /// The whole chunk, with as few system calls as may be.
    fn push_as_it_is(
        &mut self,
        connection: &mut Connection,
        chunk: &Chunk,
        end: Seq,
    ) -> io::Result<Taken> {
        let len = chunk.len_before(end);
        let (mut sent, mut taken) = (0, Taken::All);
        while sent < len && taken == Taken::All {
            let written = connection.write_now(&chunk.slices(sent, len))?;
            sent += written;
            if written == 0 {
                taken = Taken::Part;
            }
        }
        self.rest.clear();
        self.rest.extend_from_slice(chunk.rest_of_line(sent));
        self.reader.advance(chunk, sent + self.rest.len());
        Ok(taken)
    }

    /// What is wanted of a chunk.
    fn push_selected(
        &mut self,
        connection: &mut Connection,
        chunk: &Chunk,
        end: Seq,
    ) -> io::Result<Taken> {
        for line in chunk.lines() {
            if line.first_seq() >= end {
                break;
            }
            if self.staged.stage(&line, &self.select) {
                self.passed_over = 0;
            } else {
                self.pass_over(line.last_seq());
            }
            if self.staged.bytes().len() >= STAGED_SIZE
                && let Some(last) = self.flush(connection)?
            {
                self.reader.seek(last.next());
                return Ok(Taken::Part);
            }
        }
        if let Some(last) = self.flush(connection)? {
            self.reader.seek(last.next());
            return Ok(Taken::Part);
        }
        self.reader.advance(chunk, chunk.len());
        Ok(Taken::All)
    }

    /// Counts an event that the client does not see; and tells it now and then how far it has come.
    fn pass_over(&mut self, seq: Seq) {
        self.passed_over += 1;
        if self.passed_over >= PASSED_OVER_MAX && self.select.style.is_none() {
            self.passed_over = 0;
            self.staged.stage_at(&Cursor { seq, ..self.log.newest() });
        }
    }

    /// Writes what is staged. Some if the client took only a part: the last number that it has when it
    /// gets the rest of the line too.
    fn flush(&mut self, connection: &mut Connection) -> io::Result<Option<Seq>> {
        let mut sent = 0;
        while sent < self.staged.bytes().len() {
            let written = connection.write_now(&[IoSlice::new(&self.staged.bytes()[sent..])])?;
            sent += written;
            if written == 0 {
                let Some((rest, last)) = self.staged.taken(sent) else { return Ok(None) };
                self.rest = rest;
                return Ok(Some(last));
            }
        }
        self.staged.clear();
        Ok(None)
    }

    /// Waits for a client that did not take everything, holding nothing but the rest of one line.
    async fn send_rest(&mut self, connection: &mut Connection, taken: Taken) -> io::Result<()> {
        if taken == Taken::Part {
            self.staged.release();
            connection.write_all(&std::mem::take(&mut self.rest)).await?;
            connection.writable().await?;
        }
        Ok(())
    }

    async fn send_gap(&mut self, connection: &mut Connection, mut gap: Gap) -> io::Result<()> {
        self.reader.skip(gap);
        if !self.follows && gap.before > self.end && gap.after < self.end {
            gap.before = self.end;
        }
        let mut line = Vec::new();
        self.select.gap(gap).encode(self.log.now(), self.log.host(), &mut line);
        if let Some(style) = &self.select.style
            && let Some(parsed) = std::str::from_utf8(&line).ok().and_then(Line::parse)
        {
            let mut text = String::new();
            style.line(&parsed, &mut text);
            line = text.into_bytes();
        }
        connection.write_all(&line).await
    }

    /// Sends what is there, the newest first, at most so many lines.
    async fn backwards(
        &mut self,
        connection: &mut Connection,
        lines: Option<u64>,
    ) -> io::Result<()> {
        let oldest = self.reader.seen().next();
        let mut left = lines.unwrap_or(u64::MAX);
        let mut backward = self.log.backward(self.end);
        while left > 0
            && let Some(bytes) = backward.read().await?
        {
            let mut blocked_at = None;
            let mut done = false;
            for line in lines_of(&bytes).rev() {
                if line.last_seq() < oldest || left == 0 {
                    done = true;
                    break;
                }
                let event = matches!(line, Line::Event(_));
                if self.staged.stage(&line, &self.select) && event {
                    left -= 1;
                }
                if self.staged.bytes().len() >= STAGED_SIZE {
                    blocked_at = self.flush(connection)?;
                    if blocked_at.is_some() {
                        break;
                    }
                }
            }
            if blocked_at.is_none() {
                blocked_at = self.flush(connection)?;
            }
            drop(bytes);
            if let Some(last) = blocked_at {
                backward.seek(last);
                self.send_rest(connection, Taken::Part).await?;
            }
            if done && blocked_at.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Whether a QUIT has come; nothing else that has come is understood.
fn says_quit(connection: &mut Connection) -> bool {
    loop {
        match connection.decoder.next() {
            None => return false,
            Some(Ok(Request::Quit)) => return true,
            Some(_) => {}
        }
    }
}

/// Whether a client took everything at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    All,
    Part,
}

/// How people see a TAIL of theirs: short, at this machine's time.
fn for_people() -> Style {
    Style { tz: zone::local(), ..Style::new(Format::Short) }
}
