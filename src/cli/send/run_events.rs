//! The begin and the end of a command, sent by a thread of their own: neither the start of the command nor
//! its exit status waits for the agent longer than it may.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::delivery::Delivery;
use super::error::SendError;
use super::report::report;
use super::timed_run::{End, Plan};
use crate::event::Cursor;

/// Why the wait for the agent ends.
pub(super) enum Done {
    /// Everything was sent, or could not be.
    Sent(Result<Option<Cursor>, SendError>),
    /// A signal came after the end of the command.
    Interrupted,
}

/// Sends the begin of a command, and keeps it written on an open connection until the end: a connection that
/// closes before the end means that we were killed.
pub(super) struct RunEvents {
    plan: Arc<Plan>,
    /// Closing it ends the wait for the end of the command.
    running: PipeWriter,
    end: Sender<End>,
    done: Receiver<Done>,
}

impl RunEvents {
    /// Starts the thread. It sends its outcome as `sent`, and `done` receives it.
    ///
    /// # Errors
    /// Those of pipe(2) and pthread_create(3).
    pub(super) fn start(
        plan: Arc<Plan>,
        sent: Sender<Done>,
        done: Receiver<Done>,
    ) -> io::Result<Self> {
        let (ended, running) = io::pipe()?;
        let (end, receiver) = channel();
        let theirs = Arc::clone(&plan);
        thread::Builder::new().name("delivery".into()).spawn(move || {
            if let Some(outcome) = deliver(&theirs, &ended, &receiver) {
                // The process may be about to end.
                let _ = sent.send(Done::Sent(outcome));
            }
        })?;
        Ok(Self { plan, running, end, done })
    }

    /// Sends the end. Waits at most the timeout of the options, whatever the agent does: if that is over, the
    /// thread ends with the process. Trouble is one warning.
    pub(super) fn finish(self, end: End) {
        let Self { plan, running, end: sender, done } = self;
        let options = &plan.options;
        // Without its receiver the thread has panicked, and said so.
        let _ = sender.send(end);
        drop(running);
        let outcome = match done.recv_timeout(options.timeout) {
            Ok(Done::Sent(outcome)) => outcome.and_then(|cursor| options.print(cursor)),
            Ok(Done::Interrupted) => return,
            Err(RecvTimeoutError::Timeout) => Err(SendError::NoAnswer(options.timeout)),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Err(warning) = outcome {
            report(warning);
        }
    }
}

/// `None` if there was no end.
fn deliver(
    plan: &Plan,
    ended: &PipeReader,
    end: &Receiver<End>,
) -> Option<Result<Option<Cursor>, SendError>> {
    let mut message = plan.begin();
    let mut delivery = Delivery::unconnected(&plan.options);
    delivery.push(&message);
    if let Err(error) = delivery.keep_written(ended.as_fd()) {
        report(format_args!("cannot watch the connection: {error}"));
    }
    end.recv().ok()?.describe(&mut message.draft, plan.sets_level());
    delivery.push(&message);
    delivery.flush(Duration::ZERO);
    Some(delivery.outcome())
}
