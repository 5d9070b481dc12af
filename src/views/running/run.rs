//! One run, and what is shown of it.

use serde::Serialize;

use crate::event::{RUN_MAX, TAG_MAX, Timestamp};
use crate::views::facts::{Facts, Subject};
use crate::views::text::{self, ALLOCATION, MSG_MAX, NAME_MAX, PAGE_MAX, Texts};

/// How long an abandoned run is shown, in seconds.
pub const ABANDONED_SECONDS: i64 = 60;

/// How long an unknown run is shown, in seconds: an hour.
pub const UNKNOWN_SECONDS: i64 = 3600;

const SECOND: i64 = 1_000_000;

/// A run that has begun: what an event begins, or what a fold is told before its first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun<'a> {
    /// The machine.
    pub host: &'a str,
    /// The connection that began it; without one it is unknown.
    pub conn: Option<u64>,
    /// Its name.
    pub run: &'a str,
    /// Who began it.
    pub subject: Subject<'a>,
    /// The tag of its begin.
    pub tag: &'a str,
    /// The newest message of it.
    pub msg: &'a str,
    /// Whom it runs for, as claimed.
    pub user: Option<&'a str>,
    /// The page that it runs for.
    pub page: Option<&'a str>,
    /// The request that it runs for.
    pub req: Option<&'a str>,
    /// When it began.
    pub begun: Timestamp,
}

impl<'a> OpenRun<'a> {
    /// What this event begins; its run is `run`.
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

/// A run that is kept.
#[derive(Clone, Debug)]
pub(super) struct Run {
    texts: Texts<7>,
    pub(super) subject: Subject<'static>,
    pub(super) conn: Option<u64>,
    pub(super) begun: Timestamp,
    pub(super) state: State,
}

/// What is known of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Running,
    /// Its connection closed before its end came.
    Abandoned {
        at: Timestamp,
        /// How long it ran, in seconds.
        took: f64,
    },
    /// Its end may have been missed.
    Unknown {
        since: Timestamp,
    },
}

impl Run {
    pub(super) fn new(open: &OpenRun<'_>, state: State) -> Self {
        let texts = [
            text::cut(open.host, NAME_MAX),
            text::cut(open.run, 4 * RUN_MAX),
            text::cut(open.tag, TAG_MAX),
            text::cut(open.msg, MSG_MAX),
            text::cut(open.user.unwrap_or_default(), NAME_MAX),
            text::cut(open.page.unwrap_or_default(), PAGE_MAX),
            text::cut(open.req.unwrap_or_default(), NAME_MAX),
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

    /// Takes over the message of another begin of it, and user, page and request where that names them;
    /// unless they take more than `room` bytes.
    pub(super) fn progress(&mut self, open: &OpenRun<'_>, room: usize) {
        let newer = |index: usize, text: Option<&str>, max: usize| {
            text.map_or(self.texts.get(index), |text| text::cut(text, max)).to_owned()
        };
        let user = newer(4, open.user, NAME_MAX);
        let page = newer(5, open.page, PAGE_MAX);
        let req = newer(6, open.req, NAME_MAX);
        let msg = text::cut(open.msg, MSG_MAX);
        let texts = Texts::new([self.host(), self.name(), self.tag(), msg, &user, &page, &req]);
        let before = std::mem::replace(&mut self.texts, texts);
        if self.size() > room {
            self.texts = before;
        }
    }

    /// `true` if it is no longer shown at `now`.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let (since, seconds) = match self.state {
            State::Running => return false,
            State::Abandoned { at, .. } => (at, ABANDONED_SECONDS),
            State::Unknown { since } => (since, UNKNOWN_SECONDS),
        };
        // A clock that stepped back far must not keep it.
        now.micros().abs_diff(since.micros()) >= (seconds * SECOND) as u64
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.state, State::Abandoned { .. })
    }

    /// Since when it is unknown or abandoned.
    pub(super) fn detached_at(&self) -> Timestamp {
        match self.state {
            State::Running => self.begun,
            State::Abandoned { at, .. } => at,
            State::Unknown { since } => since,
        }
    }

    /// Bytes in memory, with its key and its place among others of the same key.
    pub(super) fn size(&self) -> usize {
        /// Numbers and lengths in a key, and the list of the runs that it stands for.
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

/// A run, as a snapshot shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// What is known of it.
    pub state: RunState,
    /// For how long it has run, in seconds; of an abandoned one, for how long it ran.
    pub age: f64,
    /// When it began.
    #[serde(serialize_with = "text::time")]
    pub begun: Timestamp,
    /// The tag of its begin.
    pub tag: String,
    /// Its name.
    pub run: String,
    /// The machine.
    pub host: String,
    /// The connection that began it, by the agent's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn: Option<u64>,
    /// The beginning of its newest message, at most [`MSG_MAX`] bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Whom it runs for, as claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The page that it runs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The request that it runs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub req: Option<String>,
    /// Who began it.
    pub subject: Subject<'static>,
}

/// What is known of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It has begun and not ended.
    Running,
    /// Its connection closed before its end came, at most [`ABANDONED_SECONDS`] ago.
    Abandoned,
    /// Its end may have been missed, at most [`UNKNOWN_SECONDS`] ago: the agent started anew, events
    /// are missing, or the agent does not track it.
    Unknown,
}
