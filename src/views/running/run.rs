//! One run and its row in a snapshot.

use serde::Serialize;

use crate::event::{RUN_MAX, TAG_MAX, Timestamp, cut};
use crate::views::facts::{Facts, Subject};
use crate::views::text::{self, ALLOCATION, MSG_MAX, NAME_MAX, PAGE_MAX, Texts};

/// The time for which an abandoned run is shown, in seconds.
pub const ABANDONED_SECONDS: i64 = 60;

/// The time for which an unknown run is shown, in seconds.
pub const UNKNOWN_SECONDS: i64 = 3600;

const SECOND: i64 = 1_000_000;

/// An open run: from the event that begins it, or from a caller that tracks it ([`Views::seed`]).
///
/// [`Views::seed`]: crate::views::Views::seed
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun<'a> {
    /// The machine.
    pub host: &'a str,
    /// The connection that began it. Without one the run is unknown.
    pub conn: Option<u64>,
    /// The name of the run.
    pub run: &'a str,
    /// The verified sender that began it.
    pub subject: Subject<'a>,
    /// The tag of its begin.
    pub tag: &'a str,
    /// Its newest message.
    pub msg: &'a str,
    /// The claimed user.
    pub user: Option<&'a str>,
    /// The page.
    pub page: Option<&'a str>,
    /// The request.
    pub req: Option<&'a str>,
    /// The time of its begin.
    pub begun: Timestamp,
}

impl<'a> OpenRun<'a> {
    /// The run that an event begins. `run` is its name.
    pub(super) fn begun_by(facts: &'a Facts<'_>, run: &'a str) -> Self {
        Self {
            host: &facts.host,
            conn: facts.conn,
            run,
            subject: facts.subject.clone(),
            tag: facts.tag,
            msg: &facts.msg,
            user: facts.user.as_deref(),
            page: facts.page.as_deref(),
            req: facts.req.as_deref(),
            begun: facts.event.time,
        }
    }
}

/// A tracked run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    texts: Texts<7>,
    pub(super) subject: Subject<'static>,
    pub(super) conn: Option<u64>,
    pub(super) begun: Timestamp,
    pub(super) state: State,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Running,
    /// Its connection closed before its end came.
    Abandoned {
        at: Timestamp,
        /// The time from its begin to its abandonment, in seconds.
        took: f64,
    },
    /// Its end may have been lost.
    Unknown {
        since: Timestamp,
    },
}

impl Run {
    pub(super) fn new(open: &OpenRun<'_>, state: State) -> Self {
        let texts = [
            cut(open.host, NAME_MAX),
            cut(open.run, 4 * RUN_MAX),
            cut(open.tag, TAG_MAX),
            cut(open.msg, MSG_MAX),
            cut(open.user.unwrap_or_default(), NAME_MAX),
            cut(open.page.unwrap_or_default(), PAGE_MAX),
            cut(open.req.unwrap_or_default(), NAME_MAX),
        ];
        Self {
            texts: Texts::new(texts),
            subject: open.subject.clone().into_owned(),
            conn: open.conn,
            begun: open.begun,
            state,
        }
    }

    pub(super) fn host(&self) -> &str {
        self.texts.get(0)
    }

    pub(super) fn name(&self) -> &str {
        self.texts.get(1)
    }

    pub(super) fn tag(&self) -> &str {
        self.texts.get(2)
    }

    /// Updates the message, and the user, page and request that the event has. Keeps the old texts if the
    /// new ones need more than `room` bytes.
    pub(super) fn progress(&mut self, open: &OpenRun<'_>, room: usize) {
        let newer = |index: usize, text: Option<&str>, max: usize| {
            text.map_or(self.texts.get(index), |text| cut(text, max)).to_owned()
        };
        let user = newer(4, open.user, NAME_MAX);
        let page = newer(5, open.page, PAGE_MAX);
        let req = newer(6, open.req, NAME_MAX);
        let msg = cut(open.msg, MSG_MAX);
        let texts = Texts::new([self.host(), self.name(), self.tag(), msg, &user, &page, &req]);
        let before = std::mem::replace(&mut self.texts, texts);
        if self.size() > room {
            self.texts = before;
        }
    }

    /// `true` if it has expired.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let (since, seconds) = match self.state {
            State::Running => return false,
            State::Abandoned { at, .. } => (at, ABANDONED_SECONDS),
            State::Unknown { since } => (since, UNKNOWN_SECONDS),
        };
        let elapsed = (now.micros() - since.micros()) / SECOND;
        // A clock that stepped back must not keep it for longer.
        elapsed >= seconds || elapsed <= -UNKNOWN_SECONDS
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.state, State::Abandoned { .. })
    }

    /// The time at which it became unknown or abandoned.
    pub(super) fn detached_at(&self) -> Timestamp {
        match self.state {
            State::Running => self.begun,
            State::Abandoned { at, .. } => at,
            State::Unknown { since } => since,
        }
    }

    /// Bytes in memory, with its key.
    pub(super) fn size(&self) -> usize {
        /// Numbers and lengths in the key, and the list of runs with this key.
        const KEY: usize = 2 * ALLOCATION + 80;
        let key = self.host().len() + self.name().len() + self.subject.size() + KEY;
        size_of::<Self>() + self.texts.size() + self.subject.size() + ALLOCATION + key
    }

    pub(super) fn shown(&self, now: Timestamp) -> RunRow {
        let (state, age) = match self.state {
            State::Running => (RunState::Running, self.age(now)),
            State::Unknown { .. } => (RunState::Unknown, self.age(now)),
            State::Abandoned { took, .. } => (RunState::Abandoned, took),
        };
        RunRow {
            state,
            age,
            begun: self.begun,
            tag: self.tag().into(),
            run: self.name().into(),
            host: self.host().into(),
            conn: self.conn,
            msg: self.texts.shown(3),
            user: self.texts.shown(4),
            page: self.texts.shown(5),
            req: self.texts.shown(6),
            subject: self.subject.clone(),
        }
    }

    fn age(&self, now: Timestamp) -> f64 {
        (now.micros() - self.begun.micros()).max(0) as f64 / SECOND as f64
    }
}

/// A run in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// Its state.
    pub state: RunState,
    /// The time since its begin, in seconds. If it is abandoned, the time from begin to abandonment.
    pub age: f64,
    /// The time of its begin.
    #[serde(serialize_with = "text::time")]
    pub begun: Timestamp,
    /// The tag of its begin.
    pub tag: String,
    /// The name of the run.
    pub run: String,
    /// The machine.
    pub host: String,
    /// The number of the connection that began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn: Option<u64>,
    /// Its newest message, truncated to [`MSG_MAX`] bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// The claimed user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub req: Option<String>,
    /// The verified sender that began it.
    pub subject: Subject<'static>,
}

/// The state of a run in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Begun and not ended.
    Running,
    /// Its connection closed before its end came. Shown for [`ABANDONED_SECONDS`].
    Abandoned,
    /// Its end may have been lost: the agent restarted, events are missing, or the agent does not
    /// track it. Shown for [`UNKNOWN_SECONDS`].
    Unknown,
}
