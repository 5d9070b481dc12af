//! Retention: removes the oldest segments when they exceed the configured age, or for `super::room`.

use std::fs;
use std::io;
use std::time::Duration;

use crate::log::options::HistoryOptions;
use crate::log::shared::Shared;
use crate::log::state::{Moment, Segments, State, path_in};

/// The outcome of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Nothing was due.
    Nothing,
    /// Some segments.
    Some,
    /// All segments, also the one that is written.
    All,
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
        match remove_oldest(shared, options, |_| true)? {
            Removed::Nothing => break,
            more => removed = more,
        }
    }
    Ok(removed)
}

/// Removes the oldest segment if that is `due`.
pub(crate) fn remove_oldest(
    shared: &Shared,
    options: &HistoryOptions,
    due: impl Fn(&Segments) -> bool,
) -> io::Result<Removed> {
    let first = {
        let state = shared.lock();
        let segments = state.history().map(|history| history.segments());
        let oldest = segments.filter(|all| due(all)).and_then(Segments::oldest);
        let Some(oldest) = oldest else { return Ok(Removed::Nothing) };
        oldest.first
    };
    match fs::remove_file(path_in(&options.dir, first)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut state = shared.lock();
    let Some(history) = state.history_mut() else { return Ok(Removed::Nothing) };
    Ok(if history.note_removed(first) { Removed::All } else { Removed::Some })
}
