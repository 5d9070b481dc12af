//! The intake of one client: rights, rate, batch, unstored bytes, acknowledgement. It has no socket: whatever
//! yields drafts calls [`Intake::push`], and [`Intake::flush`] before it waits.

use std::borrow::Cow;

use super::batch_pool;
use super::runs::ConnectionRuns;
use crate::agent::access::{Denied, GroupsUnavailable, Subject};
use crate::agent::client::Client;
use crate::agent::limits::{Lease, Rate};
use crate::event::{Batch, Cursor, Draft, Origin, Seq, Tag};
use crate::log::{Appended, Durability, Full, Log, NotStored, Sender};
use crate::wire::Code;

/// Bytes of one client's lines that may be appended and not yet stored.
pub const UNSTORED_MAX: usize = 1 << 20;

/// Encoded bytes that are collected before they are appended, while more drafts are there already.
const BATCH_SIZE: usize = 256 << 10;

/// Bytes appended in one turn after which the task yields: the followers it woke share its thread.
const TURN_SIZE: usize = BATCH_SIZE / 4;

/// The intake of one client.
pub(crate) struct Intake<'a> {
    log: Log,
    client: &'a Client,
    /// What is verified about the sender: the client's, until a message of another process comes.
    verified: Cow<'a, Origin>,
    /// Its JSON object.
    origin: Vec<u8>,
    default_tag: String,
    runs: ConnectionRuns,
    batch: Batch,
    unstored: Unstored,
    since_sync: SinceSync,
    /// The newest event of this client.
    last: Option<Seq>,
    /// What it may still send without asking its rate.
    lease: Option<Lease>,
    /// Requests beyond the rate since the last turn.
    excess: u32,
    /// Bytes appended since the last turn.
    appended: usize,
    /// A refused tag was reported to the operator.
    denial_reported: bool,
}

/// The outcome of a push that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The draft is in the batch.
    Accepted,
    /// The draft is in the batch, which is full: [`Intake::flush`].
    Full,
    /// Nothing was done: [`Intake::push_with_rights`].
    RightsNeeded,
}

/// Why an event is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Groups(GroupsUnavailable),
    #[error("you may not send the tag {tag}: [[access]] in pulsed.toml says who may")]
    User { tag: String },
    #[error("this token may not send the tag {tag}: its --send says which it may")]
    Token { tag: String },
    #[error("too many events of {0} at once: this one is refused")]
    Rate(Subject),
}

impl Refusal {
    /// The code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Groups(_) | Self::Rate(_) => Code::Later,
            Self::User { .. } | Self::Token { .. } => Code::Denied,
        }
    }
}

/// The outcome of a sync.
pub(crate) struct Synced {
    /// Whether the accepted events are stored.
    pub(crate) stored: Result<(), NotStored>,
    /// Events refused since the last sync.
    pub(crate) refused: u64,
    /// Why the first of them was.
    pub(crate) first_code: Option<Code>,
    /// The client's first event since the last sync, or else its newest, and its newest. `None` if it has sent none.
    pub(crate) events: Option<(Seq, Seq)>,
    /// The client's newest event, or else the log's.
    pub(crate) cursor: Cursor,
}

/// Bytes that are appended and not yet stored: at most two halves of [`UNSTORED_MAX`], of which the older must be
/// stored before a third begins.
#[derive(Default)]
struct Unstored {
    older: Option<Seq>,
    newer: usize,
}

/// What the next sync reports.
#[derive(Default)]
struct SinceSync {
    first: Option<Seq>,
    refused: u64,
    first_code: Option<Code>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(log: Log, client: &'a Client, runs: ConnectionRuns) -> Self {
        let verified = &client.origin;
        let mut origin = Vec::new();
        verified.encode(&mut origin);
        let name = verified.user.clone().or_else(|| verified.token.clone());
        let name = name.or_else(|| verified.uid.map(|uid| format!("uid{uid}")));
        let sender = match client.rights.subject() {
            Subject::Trusted(_) => None,
            Subject::User(uid) => Some(Sender::User(*uid)),
            Subject::Token(token) => Some(Sender::token(token.name.as_str())),
        };
        Self {
            log: log.for_sender(sender),
            client,
            verified: Cow::Borrowed(verified),
            origin,
            default_tag: Tag::repaired(&name.unwrap_or_default()).as_str().to_owned(),
            runs,
            batch: Batch::default(),
            unstored: Unstored::default(),
            since_sync: SinceSync::default(),
            last: None,
            lease: client.rate.as_ref().map(Rate::lease),
            excess: 0,
            appended: 0,
            denial_reported: false,
        }
    }

    /// Sets the process whose messages follow, where one client is several processes of a user.
    pub(crate) fn set_pid(&mut self, pid: Option<u32>) {
        if self.verified.pid != pid {
            self.verified.to_mut().pid = pid;
            self.origin.clear();
            self.verified.encode(&mut self.origin);
        }
    }

    /// Adds a draft to the batch if the client may send it now.
    ///
    /// # Errors
    /// [`Refusal`]. The next [`Intake::sync`] counts it.
    pub(crate) fn push(&mut self, draft: &Draft<'_>) -> Result<Pushed, Refusal> {
        if self.batch.is_empty() {
            batch_pool::lend(&mut self.batch);
        }
        match self.client.rights.may_send(tag_of(draft, &self.default_tag)) {
            Ok(()) => {}
            Err(Denied::NotLookedUp) => return Ok(Pushed::RightsNeeded),
            Err(denied) => return Err(self.deny(denied, draft)),
        }
        if let Some(run) = &draft.run {
            return self.push_run(draft, run);
        }
        let size = self.charge_events(1, draft)?;
        let before = self.batch.size();
        self.batch.push(draft, &self.default_tag, &self.origin);
        self.charge_encoded(before + size);
        Ok(self.pushed())
    }

    /// As [`Intake::push`], for a draft that needed rights: looks them up first, as often as the rules change
    /// meanwhile.
    ///
    /// # Errors
    /// [`Refusal`].
    #[cold]
    pub(crate) async fn push_with_rights(&mut self, draft: &Draft<'_>) -> Result<Pushed, Refusal> {
        loop {
            self.client.rights.refresh().await;
            match self.push(draft) {
                Ok(Pushed::RightsNeeded) => {}
                pushed => return pushed,
            }
        }
    }

    /// A begin pays for two events, so that its end is never refused.
    #[cold]
    fn push_run(&mut self, draft: &Draft<'_>, run: &str) -> Result<Pushed, Refusal> {
        let (ends, open) = (draft.took.is_some(), self.runs.is_open(run));
        let size = match (ends, open) {
            (true, true) => 0,
            (false, false) => self.charge_events(2, draft)?,
            (true, false) | (false, true) => self.charge_events(1, draft)?,
        };
        let before = self.batch.size();
        let origin = &*self.verified;
        let conn = if ends {
            self.runs.end(run)
        } else {
            let tag = tag_of(draft, &self.default_tag);
            self.runs.begin(run, draft, tag, origin, self.log.now())
        };
        match conn.map(|conn| self.runs.encoded_origin(origin, conn)) {
            Some(origin) => self.batch.push(draft, &self.default_tag, &origin),
            None => self.batch.push(draft, &self.default_tag, &self.origin),
        }
        self.charge_encoded(before + size);
        Ok(self.pushed())
    }

    /// Charges a draft before it is encoded. Returns the bytes that were charged.
    fn charge_events(&mut self, events: u32, draft: &Draft<'_>) -> Result<usize, Refusal> {
        let Some(lease) = &mut self.lease else { return Ok(0) };
        let size = draft.size();
        if lease.charge(events, size) { Ok(size) } else { Err(self.refuse_rate()) }
    }

    /// Charges what the batch has become longer than `charged`: an encoded byte may take six times the space of a sent
    /// one.
    fn charge_encoded(&mut self, charged: usize) {
        self.charge_sent(self.batch.size().saturating_sub(charged));
    }

    fn pushed(&self) -> Pushed {
        if self.batch.size() >= BATCH_SIZE { Pushed::Full } else { Pushed::Accepted }
    }

    #[cold]
    fn deny(&mut self, denied: Denied, draft: &Draft<'_>) -> Refusal {
        self.charge_request(draft.size());
        let refusal = match denied {
            Denied::Unknown(unavailable) => Refusal::Groups(unavailable),
            Denied::ByRules | Denied::NotLookedUp => {
                let tag = tag_of(draft, &self.default_tag).to_owned();
                if !std::mem::replace(&mut self.denial_reported, true) {
                    self.client.rights.report_denied(&tag);
                }
                match self.client.rights.subject() {
                    Subject::Token(_) => Refusal::Token { tag },
                    Subject::Trusted(_) | Subject::User(_) => Refusal::User { tag },
                }
            }
        };
        self.note_refused(refusal.code());
        refusal
    }

    #[cold]
    fn refuse_rate(&mut self) -> Refusal {
        self.excess += 1;
        if let Some(rate) = &self.client.rate {
            rate.note_refused();
        }
        let refusal = Refusal::Rate(self.client.rights.subject().clone());
        self.note_refused(refusal.code());
        refusal
    }

    /// Counts an event that was refused before it became a draft.
    pub(crate) fn note_refused(&mut self, code: Code) {
        self.since_sync.refused += 1;
        self.since_sync.first_code.get_or_insert(code);
    }

    /// Charges a request that is no event, which costs as much.
    pub(crate) fn charge_request(&mut self, bytes: usize) {
        let charged = self.lease.as_mut().is_none_or(|lease| lease.charge(1, bytes));
        self.excess += u32::from(!charged);
    }

    /// Charges bytes that were sent to the client.
    pub(crate) fn charge_sent(&mut self, bytes: usize) {
        if let Some(lease) = &mut self.lease {
            lease.charge_sent(bytes);
        }
    }

    /// Appends the batch. Waits while too many of the client's bytes are not stored.
    pub(crate) async fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let last = self.log.append_waiting(&self.batch).await;
        self.note_appended(last);
        if self.unstored.newer >= UNSTORED_MAX / 2 {
            self.unstored.newer = 0;
            if let Some(older) = self.unstored.older.replace(last) {
                batch_pool::give_back(&mut self.batch);
                self.log.wait_until_stored(older).await;
            }
        }
    }

    /// Ends a turn, before the client is waited for: frees the batch's memory, and makes a client wait that sent
    /// more than its rate.
    pub(crate) async fn end_turn(&mut self) {
        batch_pool::give_back(&mut self.batch);
        let excess = std::mem::take(&mut self.excess);
        let appended = std::mem::take(&mut self.appended);
        if let Some(lease) = &mut self.lease {
            lease.give_back();
        }
        if let Some(rate) = self.client.rate.as_ref().filter(|_| excess > 0) {
            rate.cool_down(excess).await;
        } else if appended >= TURN_SIZE {
            tokio::task::yield_now().await;
        }
    }

    /// Appends the batch, and waits until everything since the last sync is stored.
    pub(crate) async fn sync(&mut self, how: Durability) -> Synced {
        self.flush_for_sync().await;
        let asked = std::mem::take(&mut self.since_sync);
        let stored = match (asked.first, self.last) {
            (Some(first), Some(last)) => self.log.sync(first, last, how).await,
            // Nothing is new, but what is stored may not be synced.
            (None, Some(last)) => self.log.sync(last, last, how).await,
            (_, None) => self.log.can_sync(how),
        };
        let newest = self.log.newest();
        let cursor = self.last.map_or(newest, |seq| Cursor { seq, ..newest });
        let events = self.last.map(|last| (asked.first.unwrap_or(last), last));
        Synced { stored, refused: asked.refused, first_code: asked.first_code, events, cursor }
    }

    /// Appends the batch, and writes it to history on this thread where that is fastest: waking the writer thread
    /// takes longer than the write.
    async fn flush_for_sync(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        match self.log.append_for_sync(&self.batch) {
            Ok(Appended { last, write_here }) => {
                self.note_appended(last);
                if write_here {
                    // A task of its own, which this worker runs next: ours goes on if the disk hangs, and answers in
                    // time.
                    let log = self.log.clone();
                    tokio::spawn(async move { tokio::task::block_in_place(|| log.write_here()) });
                }
            }
            Err(Full) => self.flush().await,
        }
    }

    /// The client has disconnected: ends its open runs as abandoned.
    pub(crate) async fn abandon_runs(self) {
        let batch = self.runs.abandon();
        if !batch.is_empty() {
            self.log.append_waiting(&batch).await;
        }
    }

    fn note_appended(&mut self, last: Seq) {
        let first = Seq::new(last.get() + 1 - self.batch.len() as u64).unwrap_or(last);
        self.since_sync.first.get_or_insert(first);
        self.last = Some(last);
        self.unstored.newer += self.batch.size();
        self.appended += self.batch.size();
        self.batch.clear();
    }
}

/// The tag of the draft's event.
fn tag_of<'t>(draft: &'t Draft<'_>, default_tag: &'t str) -> &'t str {
    draft.tag.as_ref().map_or(default_tag, |tag| tag.as_str())
}
