//! When the writer thread writes: at once if a sender waits for it, else many lines at a time.

use std::time::Duration;

use crate::event::Seq;

/// How long the writer thread gathers lines that no sender waits for.
pub const GATHER_TIME: Duration = Duration::from_millis(5);

/// How many lines it gathers at most.
pub const GATHER_LINES: u64 = 1000;

/// What the writer thread does.
#[derive(Debug)]
pub(crate) struct Gathering {
    doing: Doing,
    /// The last number that a sender waits for.
    wanted: Seq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It writes, or will look for more before it sleeps.
    Writing,
    /// It sleeps until [`GATHER_TIME`] is over.
    Gathering,
    /// It sleeps: nothing is left to write.
    Asleep,
}

impl Gathering {
    /// The thread is about to start, and everything up to `stored` is written.
    pub(crate) fn new(stored: Seq) -> Self {
        Self { doing: Doing::Writing, wanted: stored }
    }

    /// The thread is about to sleep, with nothing to write.
    pub(crate) fn sleep(&mut self) {
        self.doing = Doing::Asleep;
    }

    /// The thread is about to write.
    pub(crate) fn write(&mut self) {
        self.doing = Doing::Writing;
    }

    /// The thread is about to gather lines, of which so many are there. `false` if it must write now.
    pub(crate) fn begin(&mut self, stored: Seq, lines: u64) -> bool {
        let begins = self.wanted <= stored && lines < GATHER_LINES;
        self.doing = if begins { Doing::Gathering } else { Doing::Writing };
        begins
    }

    /// `true` until the thread must write.
    pub(crate) fn is_gathering(&self) -> bool {
        self.doing == Doing::Gathering
    }

    /// `true` if the thread sleeps: another one may write meanwhile.
    pub(crate) fn is_asleep(&self) -> bool {
        self.doing != Doing::Writing
    }

    /// Lines were appended, so that so many are not written. `true` if the thread must be notified.
    pub(crate) fn note_appended(&mut self, lines: u64) -> bool {
        match self.doing {
            Doing::Gathering if lines < GATHER_LINES => false,
            _ => self.wake(),
        }
    }

    /// A sender waits for everything up to `last`. `true` if the thread must be notified.
    pub(crate) fn want(&mut self, last: Seq) -> bool {
        self.wanted = self.wanted.max(last);
        self.wake()
    }

    fn wake(&mut self) -> bool {
        std::mem::replace(&mut self.doing, Doing::Writing) != Doing::Writing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    #[test]
    fn gathers_what_no_sender_waits_for() {
        let mut thread = Gathering::new(seq(10));
        thread.sleep();
        assert!(thread.is_asleep());
        assert!(thread.note_appended(1), "wakes to gather");
        assert!(!thread.note_appended(2), "is awake");
        assert!(thread.begin(seq(10), 2));
        assert!(!thread.note_appended(GATHER_LINES - 1));
        assert!(thread.is_gathering() && thread.is_asleep());
        assert!(thread.note_appended(GATHER_LINES));
        assert!(!thread.is_gathering() && !thread.is_asleep());
        assert!(!thread.begin(seq(10), GATHER_LINES), "there is enough");
    }

    #[test]
    fn writes_at_once_what_a_sender_waits_for() {
        let mut thread = Gathering::new(seq(10));
        assert!(thread.begin(seq(10), 2));
        assert!(thread.want(seq(12)));
        assert!(!thread.is_gathering());
        assert!(!thread.begin(seq(10), 2));
        assert!(!thread.begin(seq(11), 1));
        assert!(thread.begin(seq(12), 1), "nothing is waited for any more");
        assert!(thread.want(seq(3)), "it may have looked before");
    }
}
