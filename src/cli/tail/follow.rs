//! Reading from the agent until there is a reason to end, over as many connections as it takes.

use std::io::Write;
use std::time::{Duration, Instant};

use super::error::TailError;
use super::keeper::Keeper;
use super::output::Output;
use super::place::Place;
use super::plan::Plan;
use crate::cli::{self, Exit};
use crate::client::{ClientError, Connection};
use crate::event::{Cursor, Line};
use crate::sys::interrupt::Interrupt;
use crate::wire::{self, Answer};

/// How long the agent may take to take us in, and to answer a PING.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long it may be silent while it reads what is there already. A follow may wait for ever.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How soon a lost connection is tried again first; then twice that, and so on.
const RETRY_MIN: Duration = Duration::from_millis(10);

/// The longest time between two tries. A connection that lasted as long was a good one.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How long a refusal may be that of an agent which has not opened its new socket to everybody yet.
const STARTING_MAX: Duration = Duration::from_secs(5);

/// Why it ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Everything that was asked for has come.
    Read,
    /// So many events as were asked for have come.
    Counted,
    /// What was waited for has come.
    Found,
    /// `--timeout` is over.
    TimedOut,
    /// A signal.
    Interrupted,
    /// Nobody reads our stdout any more.
    Unread,
}

/// One run of pulse-tail.
pub(super) struct Follow<'a, W> {
    plan: &'a Plan,
    interrupt: &'a Interrupt,
    output: Output<W>,
    place: Place,
    keeper: Keeper<'a>,
    /// When `--timeout` is over.
    deadline: Option<Instant>,
    /// Events that came.
    events: u64,
    /// Whether events are missing.
    missing: bool,
    /// Since when there is no agent, where there was one.
    lost: Option<Instant>,
}

impl<'a, W: Write> Follow<'a, W> {
    /// Follows as planned, and writes to `out`.
    pub(super) fn new(plan: &'a Plan, interrupt: &'a Interrupt, out: W) -> Self {
        Self {
            plan,
            interrupt,
            output: Output::new(plan, out),
            place: Place::default(),
            keeper: Keeper::new(plan.cursor_file.as_deref(), plan.tail.after),
            deadline: plan.timeout.map(|timeout| Instant::now() + timeout),
            events: 0,
            missing: false,
            lost: None,
        }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// What ends it before.
    pub(super) fn run(mut self) -> Result<Exit, TailError> {
        let ended = self.read();
        let told = match ended {
            Ok(Ending::Unread) => Ok(()),
            _ => self.tell_end(),
        };
        let kept = self.keeper.finish(self.place.shown());
        let ending = match (ended?, told) {
            (ending, Ok(())) => ending,
            (_, Err(error)) if error.is_broken_pipe() => Ending::Unread,
            (_, Err(error)) => return Err(error),
        };
        kept?;
        Ok(self.exit(ending))
    }

    /// Goes on over lost connections, where it may.
    fn read(&mut self) -> Result<Ending, TailError> {
        let mut delay = RETRY_MIN;
        loop {
            let begun = Instant::now();
            let error = match self.attend() {
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
            if !self.plan.tail.follow || !self.place.connected() || !error.may_pass(starting) {
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

    /// Lets some time pass before the next try.
    fn wait_for_agent(
        &mut self,
        error: &TailError,
        begun: Instant,
        delay: Duration,
    ) -> Result<Option<Ending>, TailError> {
        self.write_out(Instant::now())?;
        if self.lost.is_some_and(|lost| lost >= begun) {
            self.notice(&format!("{error}; waiting for it to come back"));
        }
        let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        if self.interrupt.wait(left.map_or(delay, |left| left.min(delay))) {
            return Ok(Some(Ending::Interrupted));
        }
        Ok(self.is_over(Instant::now()).then_some(Ending::TimedOut))
    }

    /// Reads over one connection.
    fn attend(&mut self) -> Result<Ending, TailError> {
        let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let wait = left.map_or(ANSWER_WAIT, |left| left.min(ANSWER_WAIT));
        let mut connection =
            Connection::open(&self.plan.agent, wait.max(Duration::from_millis(1)))?;
        self.interrupt.wakes(&connection).map_err(TailError::Signals)?;
        let newest = ping(&mut connection)?;
        let mut request = Vec::new();
        wire::encode_tail(&self.place.request(&self.plan.tail, newest), &mut request);
        connection.write(&request)?;
        if self.lost.take().is_some() {
            self.notice("the agent is back");
        }
        let mut heard = Instant::now();
        let mut heard_more = false;
        loop {
            if !connection.ready() {
                let now = Instant::now();
                if std::mem::take(&mut heard_more) {
                    heard = now;
                }
                if let Some(ending) = self.pause(&mut connection, now, heard)? {
                    return Ok(ending);
                }
            }
            match connection.answer() {
                Ok(Some(answer)) => {
                    heard_more = true;
                    if let Some(ending) = self.take(answer)? {
                        return Ok(ending);
                    }
                }
                Ok(None) => return Err(connection.closed().into()),
                // The pause before the next one sees what time it is.
                Err(ClientError::TimedOut { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Before a wait for the agent: writes what there is, and bounds the wait by what is due next.
    fn pause(
        &mut self,
        connection: &mut Connection,
        now: Instant,
        heard: Instant,
    ) -> Result<Option<Ending>, TailError> {
        if self.interrupt.requested() {
            return Ok(Some(Ending::Interrupted));
        }
        if self.is_over(now) {
            return Ok(Some(Ending::TimedOut));
        }
        let silent = (!self.plan.tail.follow).then(|| heard + SILENCE_MAX);
        if silent.is_some_and(|end| end <= now) {
            let at = connection.at().clone();
            return Err(ClientError::TimedOut { at, timeout: SILENCE_MAX }.into());
        }
        let due = self.write_out(now)?;
        let next = [due, self.deadline, silent].into_iter().flatten().min();
        // Zero would mean for ever.
        let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
        connection.set_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        Ok(None)
    }

    /// Writes what there is. Tells when something is to be written though nothing came.
    fn write_out(&mut self, now: Instant) -> Result<Option<Instant>, TailError> {
        let draw = self.output.pause(now).map_err(TailError::Output)?;
        self.place.show();
        let keep = self.keeper.keep(self.place.shown(), now);
        Ok(draw.into_iter().chain(keep).min())
    }

    fn take(&mut self, answer: Answer<'_>) -> Result<Option<Ending>, TailError> {
        match answer {
            Answer::Line(line) => self.line(line),
            Answer::At(cursor) => {
                self.place.pass_to(cursor);
                Ok(None)
            }
            Answer::Ok(rest) => {
                self.place.pass_to(rest.parse().map_err(|_| TailError::not_an_agent(rest))?);
                Ok(Some(Ending::Read))
            }
            Answer::Err { code, why } => Err(TailError::Refused { code, why: why.into() }),
            Answer::Text(text) => Err(TailError::not_an_agent(text)),
        }
    }

    fn line(&mut self, text: &str) -> Result<Option<Ending>, TailError> {
        let Some(line) = Line::parse(text) else {
            // Perhaps a newer agent's. It is told, since what is not shown may be what was looked for.
            self.missing = true;
            let begin: String = text.chars().take(200).collect();
            self.notice(&format!("a line that cannot be read: {begin}"));
            if let Some(seq) = Line::peek_first_seq(text.as_bytes()) {
                self.pass(seq);
            }
            return Ok(None);
        };
        self.output.line(&line).map_err(TailError::Output)?;
        self.pass(line.last_seq());
        match &line {
            Line::Gap(told) => self.missing |= told.gap.lost != Some(0),
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

    /// Backwards, only the end tells how far everything is known.
    fn pass(&mut self, seq: crate::event::Seq) {
        if !self.plan.tail.reverse {
            self.place.pass(seq);
        }
    }

    /// The last words on stdout.
    fn tell_end(&mut self) -> Result<(), TailError> {
        self.output.finish().map_err(TailError::Output)?;
        self.place.show();
        if let Some(cursor) = self.place.shown().filter(|_| self.plan.show_cursor) {
            self.output.say(&format!("-- cursor: {cursor}")).map_err(TailError::Output)?;
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
            cli::say(super::NAME, text);
        }
    }
}

/// The newest cursor of the agent's log.
fn ping(connection: &mut Connection) -> Result<Cursor, TailError> {
    // An agent that takes nobody in may have said why before it closed.
    let written = connection.write(b"PING\n");
    match connection.answer()? {
        Some(Answer::Ok(rest)) => rest.parse().map_err(|_| TailError::not_an_agent(rest)),
        Some(Answer::Err { code, why }) => Err(TailError::Refused { code, why: why.into() }),
        Some(Answer::Text(text) | Answer::Line(text)) => Err(TailError::not_an_agent(text)),
        Some(Answer::At(cursor)) => Err(TailError::not_an_agent(&cursor.to_string())),
        None => Err(written.err().unwrap_or_else(|| connection.closed()).into()),
    }
}
