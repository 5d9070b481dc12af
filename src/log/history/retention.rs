//! Retention: removes the oldest segments when they exceed the configured age, or for `super::room`.

use std::io;
use std::time::Duration;

use crate::diag;
use crate::log::options::HistoryOptions;
use crate::log::retry;
use crate::log::shared::Shared;
use crate::log::state::{Moment, Segment, Segments, State, path_in};

/// The outcome of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Nothing was due.
    Nothing,
    /// Some segments.
    Some,
    /// The newest segment too, which is the one that is written.
    Newest,
    /// A file could not be removed.
    Stuck,
}

/// The time until the oldest segment exceeds the maximum age, or must be looked at again. Zero if it does.
/// `None` if there is none.
pub(crate) fn until_expired(
    state: &mut State,
    shared: &Shared,
    options: &HistoryOptions,
) -> Option<Duration> {
    state.history_mut()?.until_expired(options.age, Moment::now(shared.options()))
}

/// `true` if the oldest segment exceeds the maximum age.
pub(crate) fn is_expired(state: &mut State, shared: &Shared, options: &HistoryOptions) -> bool {
    until_expired(state, shared, options).is_some_and(|left| left.is_zero())
}

/// Removes the segments that exceed the maximum age.
pub(crate) fn remove_expired(shared: &Shared, options: &HistoryOptions) -> io::Result<Removed> {
    let mut removed = Removed::Nothing;
    while is_expired(&mut shared.lock(), shared, options) {
        match remove_oldest(shared, options, |_, _| true)? {
            Removed::Nothing => break,
            Removed::Stuck => {}
            more => removed = more,
        }
    }
    Ok(removed)
}

/// Removes the oldest segment if that is `due`. One that cannot be removed is reported and skipped for a while, so that
/// new lines are written all the same, and the total is bounded by the maximum size and what cannot be removed.
pub(crate) fn remove_oldest(
    shared: &Shared,
    options: &HistoryOptions,
    due: impl Fn(&Segments, &Segment) -> bool,
) -> io::Result<Removed> {
    let first = {
        let state = shared.lock();
        let Some(history) = state.history() else { return Ok(Removed::Nothing) };
        let oldest = history.oldest_removable().filter(|oldest| due(history.segments(), oldest));
        let Some(oldest) = oldest else { return Ok(Removed::Nothing) };
        oldest.first
    };
    let removed = shared.remove_segment(first);
    let mut state = shared.lock();
    let Some(history) = state.history_mut() else { return Ok(Removed::Nothing) };
    match removed {
        Err(cause) if retry::is_passing(&cause) => return Err(cause),
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            if history.note_stuck(first) {
                let path = path_in(&options.dir, first);
                diag::warning(format_args!(
                    "cannot remove {}: {cause}: history exceeds its bounds by this file until it is removed",
                    path.display()
                ));
            }
            return Ok(Removed::Stuck);
        }
        _ => {}
    }
    Ok(if history.note_removed(first) { Removed::Newest } else { Removed::Some })
}
