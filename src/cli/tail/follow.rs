//! Reads from the agent until there is a reason to end, and reconnects.

use std::io::Write;
use std::time::{Duration, Instant};

use super::cursor_file::CursorFile;
use super::error::TailError;
use super::output::Output;
use super::plan::Plan;
use super::probe::{self, ANSWER_WAIT, SILENCE_MAX, ping};
use super::report::report;
use super::resume_position::ResumePosition;
use crate::cli::Exit;
use crate::client::{ClientError, Connection};
use crate::event::Line;
use crate::sys::interrupt::Interrupt;
use crate::wire::{self, Answer};

/// The first delay before reconnecting; each is twice the one before.
const RETRY_MIN: Duration = Duration::from_millis(10);

/// The longest delay before reconnecting. A connection that lasted as long resets the delay.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How long a permission error may be temporary: a starting agent creates its socket before it sets the
/// mode.
const STARTING_MAX: Duration = Duration::from_secs(5);

/// The longest shown part of a line that cannot be parsed, in characters.
const LINE_SHOWN_MAX: usize = 200;

/// Why it ends without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The agent sent everything that was requested.
    Read,
    /// `--count` is reached.
    Counted,
    /// An event matched `--until-match`.
    Found,
    /// `--timeout` is over.
    TimedOut,
    /// A signal came.
    Interrupted,
    /// The reader of stdout closed it.
    Unread,
}

/// One execution of pulse-tail.
pub(super) struct Follow<'a, W> {
    plan: &'a Plan,
    interrupt: &'a Interrupt,
    output: Output<W>,
    position: ResumePosition,
    cursor_file: CursorFile<'a>,
    /// The end of `--timeout`.
    deadline: Option<Instant>,
    /// Events shown.
    events: u64,
    /// Events received that are not shown, because of `-n +N`.
    skipped: u64,
    /// Whether events are missing.
    missing: bool,
    /// When the connection was lost. `None` while connected.
    lost: Option<Instant>,
}

impl<'a, W: Write> Follow<'a, W> {
    /// Prepares to run a plan and to write to `out`.
    pub(super) fn new(plan: &'a Plan, interrupt: &'a Interrupt, out: W) -> Self {
        Self {
            plan,
            interrupt,
            output: Output::new(plan, out),
            position: ResumePosition::default(),
            cursor_file: CursorFile::new(plan.cursor_file.as_deref(), plan.tail.after),
            deadline: plan.timeout.map(|timeout| Instant::now() + timeout),
            events: 0,
            skipped: 0,
            missing: false,
            lost: None,
        }
    }

    /// Runs to the end. Returns the exit status.
    ///
    /// # Errors
    /// [`TailError`]
    pub(super) fn run(mut self) -> Result<Exit, TailError> {
        if self.plan.tail.follow {
            // At the end it would be too late: the follow may never end.
            probe::hint(&self.plan.agent, &self.plan.hints);
        }
        let ended = self.read();
        let finished = match ended {
            Ok(Ending::Unread) => Ok(()),
            _ => self.finish_output(),
        };
        let saved = self.cursor_file.save(self.position.shown());
        let ending = match (ended?, finished) {
            (ending, Ok(())) => ending,
            (_, Err(error)) if error.is_broken_pipe() => Ending::Unread,
            (_, Err(error)) => return Err(error),
        };
        saved?;
        if self.events == 0 && !self.plan.tail.follow {
            probe::hint(&self.plan.agent, &self.plan.hints);
        }
        if self.missing && self.plan.field.is_some() {
            self.notice("events are missing, and perhaps values");
        }
        Ok(self.exit(ending))
    }

    /// Reads, and reconnects while following.
    fn read(&mut self) -> Result<Ending, TailError> {
        let mut delay = RETRY_MIN;
        loop {
            let begun = Instant::now();
            let error = match self.read_connection() {
                Ok(ending) => return Ok(ending),
                Err(error) => error,
            };
            if error.is_broken_pipe() {
                return Ok(Ending::Unread);
            }
            if self.interrupt.requested() {
                return Ok(Ending::Interrupted);
            }
            let lost = *self.lost.get_or_insert_with(Instant::now);
            let starting = lost.elapsed() < STARTING_MAX;
            if !self.plan.tail.follow || !self.position.connected() || !error.is_temporary(starting)
            {
                return Err(error);
            }
            if begun.elapsed() >= RETRY_MAX {
                delay = RETRY_MIN;
            }
            if let Some(ending) = self.wait_for_agent(&error, begun, delay)? {
                return Ok(ending);
            }
            delay = (delay * 2).min(RETRY_MAX);
        }
    }

    /// Waits before the next attempt. Returns the reason if there is to be none.
    fn wait_for_agent(
        &mut self,
        error: &TailError,
        begun: Instant,
        delay: Duration,
    ) -> Result<Option<Ending>, TailError> {
        self.write_out(Instant::now())?;
        if self.lost.is_some_and(|lost| lost >= begun) {
            self.notice(&format!("{error}; reconnecting"));
        }
        let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        if self.interrupt.wait(left.map_or(delay, |left| left.min(delay))) {
            return Ok(Some(Ending::Interrupted));
        }
        Ok(self.is_over(Instant::now()).then_some(Ending::TimedOut))
    }

    /// Connects, sends the request, and reads until the connection or the command ends.
    fn read_connection(&mut self) -> Result<Ending, TailError> {
        let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let wait = left.map_or(ANSWER_WAIT, |left| left.min(ANSWER_WAIT));
        let mut connection =
            Connection::open(&self.plan.agent, wait.max(Duration::from_millis(1)))?;
        self.interrupt.shuts_down(&connection).map_err(TailError::Signals)?;
        let newest = ping(&mut connection)?;
        let mut request = Vec::new();
        wire::encode_tail(&self.position.request(&self.plan.tail, newest), &mut request);
        if let Err(error) = connection.write(&request) {
            return Err(reason(&mut connection, error));
        }
        if self.lost.take().is_some() {
            self.notice("reconnected");
        }
        let mut received = Instant::now();
        let mut received_more = false;
        loop {
            if !connection.ready() {
                let now = Instant::now();
                if std::mem::take(&mut received_more) {
                    received = now;
                }
                if let Some(ending) = self.pause(&mut connection, now, received)? {
                    return Ok(ending);
                }
            }
            match connection.answer() {
                Ok(Some(answer)) => {
                    received_more = true;
                    if let Some(ending) = self.answer(answer)? {
                        return Ok(ending);
                    }
                }
                Ok(None) => return Err(connection.closed().into()),
                // The next pause checks the deadlines.
                Err(ClientError::TimedOut { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Prepares a wait for the agent: flushes, and sets the timeout to the next deadline.
    fn pause(
        &mut self,
        connection: &mut Connection,
        now: Instant,
        received: Instant,
    ) -> Result<Option<Ending>, TailError> {
        if self.interrupt.requested() {
            return Ok(Some(Ending::Interrupted));
        }
        if self.is_over(now) {
            return Ok(Some(Ending::TimedOut));
        }
        let silent = (!self.plan.tail.follow).then(|| received + SILENCE_MAX);
        if silent.is_some_and(|end| end <= now) {
            let at = connection.at().clone();
            return Err(ClientError::TimedOut { at, timeout: SILENCE_MAX }.into());
        }
        let due = self.write_out(now)?;
        let next = [due, self.deadline, silent].into_iter().flatten().min();
        // 0 would mean no timeout.
        let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
        connection.set_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        Ok(None)
    }

    /// Flushes output and cursor. Returns when to do that again even if nothing arrives.
    fn write_out(&mut self, now: Instant) -> Result<Option<Instant>, TailError> {
        let draw = self.output.pause(now).map_err(TailError::Output)?;
        self.position.show();
        let save = self.cursor_file.save_if_due(self.position.shown(), now);
        Ok(draw.into_iter().chain(save).min())
    }

    fn answer(&mut self, answer: Answer<'_>) -> Result<Option<Ending>, TailError> {
        match answer {
            Answer::Line(line) => self.line(line),
            Answer::At(cursor) => {
                self.position.pass_to(cursor);
                Ok(None)
            }
            Answer::Ok(rest) => {
                self.position.pass_to(rest.parse().map_err(|_| TailError::not_an_agent(rest))?);
                Ok(Some(Ending::Read))
            }
            Answer::Err { code, why } => Err(TailError::Refused { code, why: why.into() }),
            Answer::Text(text) => Err(TailError::not_an_agent(text)),
        }
    }

    fn line(&mut self, text: &str) -> Result<Option<Ending>, TailError> {
        let Some(line) = Line::parse(text) else {
            // Reported and counted as missing, because it may be what --until-match waits for.
            self.missing = true;
            let start: String = text.chars().take(LINE_SHOWN_MAX).collect();
            self.notice(&format!("cannot parse line: {start}"));
            if let Some(seq) = Line::peek_first_seq(text.as_bytes()) {
                self.pass(seq);
            }
            return Ok(None);
        };
        let skips = self.skipped < self.plan.skip;
        if !skips {
            self.output.line(&line).map_err(TailError::Output)?;
        }
        self.pass(line.last_seq());
        match &line {
            Line::Gap(line) => self.missing |= line.gap.lost != Some(0),
            Line::Event(_) if skips => self.skipped += 1,
            Line::Event(event) => {
                self.events += 1;
                if self.plan.until_match.as_ref().is_some_and(|wanted| wanted.matches(event)) {
                    return Ok(Some(Ending::Found));
                }
                if self.plan.count == Some(self.events) {
                    return Ok(Some(Ending::Counted));
                }
            }
        }
        Ok(None)
    }

    /// In reverse order, only the end of the answer moves the position.
    fn pass(&mut self, seq: crate::event::Seq) {
        if !self.plan.tail.reverse {
            self.position.pass(seq);
        }
    }

    /// Flushes stdout at the end.
    fn finish_output(&mut self) -> Result<(), TailError> {
        self.output.finish().map_err(TailError::Output)?;
        self.position.show();
        if let Some(cursor) = self.position.shown().filter(|_| self.plan.show_cursor) {
            self.output.note(&format!("-- cursor: {cursor}")).map_err(TailError::Output)?;
        }
        Ok(())
    }

    fn exit(&self, ending: Ending) -> Exit {
        match ending {
            Ending::Found => Exit::Done,
            _ if self.plan.until_match.is_some() && self.missing => Exit::Unknowable,
            Ending::TimedOut => Exit::TimedOut,
            _ if self.plan.until_match.is_some() => Exit::Failed,
            Ending::Read | Ending::Counted | Ending::Interrupted | Ending::Unread => Exit::Done,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|end| end <= now)
    }

    fn notice(&self, text: &str) {
        if !self.plan.quiet {
            report(text);
        }
    }
}

/// Why a write failed. An agent that closed the connection may have sent the reason.
fn reason(connection: &mut Connection, error: ClientError) -> TailError {
    if let ClientError::Closed { .. } = error
        && let Ok(Some(Answer::Err { code, why })) = connection.answer()
    {
        return TailError::Refused { code, why: why.into() };
    }
    error.into()
}
