//! Keeping the reader's place in its file while it moves.

use std::path::Path;
use std::time::{Duration, Instant};

use super::cursor_file::{self, CursorFileError};
use crate::cli;
use crate::event::Cursor;

/// The shortest time between two writes.
const KEEP_MIN: Duration = Duration::from_secs(1);

/// Writes the place to the cursor file, if there is to be one: when the reader has caught up, but not
/// more than once a second, and at the end.
pub(super) struct Keeper<'a> {
    path: Option<&'a Path>,
    kept: Option<Cursor>,
    kept_at: Option<Instant>,
    /// Whether it was told that this does not work.
    told: bool,
}

impl<'a> Keeper<'a> {
    /// For this file, which holds that cursor.
    pub(super) const fn new(path: Option<&'a Path>, kept: Option<Cursor>) -> Self {
        Self { path, kept, kept_at: None, told: false }
    }

    /// Keeps the place if it is time; otherwise tells when it is. That it does not work is told once,
    /// and is no reason to stop reading.
    pub(super) fn keep(&mut self, place: Option<Cursor>, now: Instant) -> Option<Instant> {
        let (path, place) = (self.path?, place?);
        if self.kept == Some(place) {
            return None;
        }
        let due = self.kept_at.map_or(now, |at| at + KEEP_MIN);
        if due > now {
            return Some(due);
        }
        self.kept_at = Some(now);
        match cursor_file::write(path, place) {
            Ok(()) => {
                self.kept = Some(place);
                None
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    cli::say(super::NAME, error);
                }
                Some(now + KEEP_MIN)
            }
        }
    }

    /// Keeps the last place.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn finish(&mut self, place: Option<Cursor>) -> Result<(), CursorFileError> {
        let (Some(path), Some(place)) = (self.path, place) else { return Ok(()) };
        if self.kept == Some(place) {
            return Ok(());
        }
        cursor_file::write(path, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_once_a_second_and_at_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("place");
        let cursor = |n: u64| format!("7f3a9c21-{n}").parse::<Cursor>().ok();
        let held = || cursor_file::read(&path).expect("read");
        let mut keeper = Keeper::new(Some(&path), cursor(1));
        let begin = Instant::now();
        assert_eq!(keeper.keep(None, begin), None);
        assert_eq!(keeper.keep(cursor(1), begin), None);
        assert_eq!(held(), None, "it is there already");
        assert_eq!(keeper.keep(cursor(2), begin), None);
        assert_eq!(held(), cursor(2));
        let early = begin + KEEP_MIN - Duration::from_millis(1);
        assert_eq!(keeper.keep(cursor(3), early), Some(begin + KEEP_MIN));
        assert_eq!(held(), cursor(2));
        assert_eq!(keeper.keep(cursor(3), begin + KEEP_MIN), None);
        assert_eq!(held(), cursor(3));
        keeper.finish(cursor(4)).expect("written");
        assert_eq!(held(), cursor(4));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_tried_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("no/place");
        let place = "7f3a9c21-1".parse::<Cursor>().ok();
        let mut keeper = Keeper::new(Some(&path), None);
        let begin = Instant::now();
        assert_eq!(keeper.keep(place, begin), Some(begin + KEEP_MIN));
        assert!(keeper.finish(place).is_err());
    }
}
