//! Retention: the oldest segments go when they are too old, or all together too large.

use std::fs;
use std::io;
use std::time::Duration;

use super::segments::{Segments, path_in};
use super::state::State;
use super::writer::Writer;
use super::{HistoryOptions, Options};

/// How long until the oldest segment is too old; zero if it is.
pub(crate) fn until_too_old(
    state: &State,
    history: &HistoryOptions,
    options: &Options,
) -> Option<Duration> {
    let oldest = *state.history.as_ref()?.segments.oldest()?;
    let dies = oldest.last_time.plus_micros(history.age_micros());
    let now = (options.clock)();
    Some(Duration::from_micros(dies.micros().saturating_sub(now.micros()).max(0) as u64))
}

impl Writer<'_> {
    /// Whether the oldest segment is too old.
    pub(crate) fn too_old(&self, state: &State) -> bool {
        let wait = until_too_old(state, self.options, &self.shared.options);
        wait.is_some_and(|wait| wait.is_zero())
    }

    /// Removes the segments that are too old.
    pub(crate) fn remove_old(&mut self) -> io::Result<()> {
        while self.too_old(&self.shared.lock()) {
            self.remove_oldest(|_| true)?;
        }
        Ok(())
    }

    /// Removes the oldest segments until `more` bytes can come; never the newest.
    pub(crate) fn remove_for(&mut self, more: u64) -> io::Result<()> {
        let size = self.options.size;
        while self.remove_oldest(|all| all.len() > 1 && all.size() + more > size)? {}
        Ok(())
    }

    /// Removes the oldest segment if that is `due`. Tells whether it was.
    fn remove_oldest(&mut self, due: impl Fn(&Segments) -> bool) -> io::Result<bool> {
        let first = {
            let state = self.shared.lock();
            let segments = state.history.as_ref().map(|history| &history.segments);
            let oldest = segments.filter(|all| due(all)).and_then(Segments::oldest);
            let Some(oldest) = oldest else { return Ok(false) };
            oldest.first
        };
        match fs::remove_file(path_in(&self.options.dir, first)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut state = self.shared.lock();
        let Some(history) = &mut state.history else { return Ok(false) };
        history.segments.forget(first);
        // What is gone needs no sync, and a file that is held open keeps its space.
        history.unsynced.retain(|(segment, _)| *segment != first);
        if history.segments.oldest().is_none() {
            self.pen.newest = None;
        }
        Ok(true)
    }
}
