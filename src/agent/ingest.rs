//! Answering a client, and taking its events in: many with one append, in the order in which they
//! came.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::TailRequest;
use super::access::{Rights, Unknown, Who};
use super::connection::{Connection, Input};
use super::guest::Guest;
use super::rate::Rate;
use super::spare;
use super::stats::Stats;
use crate::event::{Batch, Cursor, Draft, Seq, Tag};
use crate::log::{Durability, Full, Log};
use crate::wire::{self, AckLevel, Code, Refused, Request};

/// How many bytes of one connection's lines may be on their way to the disk.
pub const UNSTORED_MAX: usize = 1 << 20;

/// How many encoded bytes are collected before they are appended, while more is there already.
const BATCH_SIZE: usize = 256 << 10;

/// After so many ERRs since the last SYNC, further ones are only counted.
pub const ERRS_MAX: u64 = 100;

/// How many bytes of answers are collected before they are written.
const ANSWERS_SIZE: usize = 16 << 10;

/// What a client wants that is not ingest's to give.
pub(crate) enum Then {
    /// To follow, or to read.
    Tail(TailRequest),
    /// Nothing more.
    Close,
}

/// What ingest knows of one connection.
pub(crate) struct Ingest<'a> {
    log: Log,
    stats: &'a Stats,
    rights: &'a Rights,
    rate: Option<Arc<Rate>>,
    /// How many requests came beyond the rate since that was last seen to.
    beyond: u32,
    /// A tag was refused already, and that was told.
    denied: bool,
    /// The origin's JSON object.
    origin: Vec<u8>,
    default_tag: String,
    batch: Batch,
    answers: Vec<u8>,
    unstored: Unstored,
    since_sync: SinceSync,
    /// ERRs written since the last SYNC.
    errs: u64,
    /// The last event of this connection.
    last: Option<Seq>,
}

/// How much of this connection is on its way to the disk: at most two halves, of which the older must
/// be stored before a third begins.
#[derive(Default)]
struct Unstored {
    older: Option<Seq>,
    newer: usize,
}

/// What the next SYNC will tell.
#[derive(Default)]
struct SinceSync {
    first: Option<Seq>,
    refused: u64,
    first_code: Option<Code>,
}

impl<'a> Ingest<'a> {
    pub(crate) fn new(log: Log, stats: &'a Stats, guest: &'a Guest) -> Self {
        let origin = &guest.origin;
        let mut encoded = Vec::new();
        origin.encode(&mut encoded);
        let name = origin.user.clone().or_else(|| origin.token.clone());
        let name = name.or_else(|| origin.uid.map(|uid| format!("uid{uid}")));
        Self {
            log,
            stats,
            rights: &guest.rights,
            rate: guest.rate.clone(),
            beyond: 0,
            denied: false,
            origin: encoded,
            default_tag: Tag::repaired(&name.unwrap_or_default()).as_str().to_owned(),
            batch: Batch::default(),
            answers: Vec::new(),
            unstored: Unstored::default(),
            since_sync: SinceSync::default(),
            errs: 0,
            last: None,
        }
    }

    /// Serves the connection until it wants to follow, or ends.
    pub(crate) async fn run(&mut self, connection: &mut Connection) -> io::Result<Then> {
        loop {
            loop {
                self.rights.settle().await;
                let Some(step) = self.take_one(connection) else { break };
                match step {
                    Step::Taken => {}
                    Step::Flush => self.flush().await,
                    Step::Answer => self.write_answers(connection).await?,
                    Step::Sync(how) => {
                        self.flush_for_sync().await;
                        self.sync(how).await;
                        self.write_answers(connection).await?;
                    }
                    Step::Ask(ask) => {
                        self.flush().await;
                        self.answer(ask).await;
                        self.write_answers(connection).await?;
                    }
                    Step::Leave(then) => {
                        self.flush().await;
                        self.write_answers(connection).await?;
                        return Ok(then);
                    }
                }
            }
            let much = self.batch.size() >= BATCH_SIZE / 4;
            self.flush().await;
            self.write_answers(connection).await?;
            spare::give_back(&mut self.batch);
            let beyond = std::mem::take(&mut self.beyond);
            if let Some(rate) = self.rate.as_ref().filter(|_| beyond > 0) {
                rate.cool_down(beyond).await;
            } else if much {
                // A flood shares its thread with those whom it has just woken.
                tokio::task::yield_now().await;
            }
            match connection.read().await? {
                Input::Some => {}
                Input::End if connection.decoder.buffered() == 0 => return Ok(Then::Close),
                Input::End => {}
                Input::Stopping => return Ok(Then::Close),
            }
        }
    }

    /// Takes the next request that is there.
    fn take_one(&mut self, connection: &mut Connection) -> Option<Step> {
        loop {
            let step = match connection.decoder.next()? {
                Ok(Request::Send(draft)) => self.take_draft(&draft),
                other => self.take_other(other),
            };
            if !matches!(step, Step::Taken) {
                return Some(step);
            }
        }
    }

    fn take_draft(&mut self, draft: &Draft<'_>) -> Step {
        if self.batch.is_empty() {
            spare::lend(&mut self.batch);
        }
        let tag = draft.tag.as_ref().map_or(self.default_tag.as_str(), |tag| tag.as_str());
        let may = self.rights.may_send(tag);
        if may != Ok(true) {
            return self.deny(may.err(), draft);
        }
        if self.rate.as_ref().is_some_and(|rate| !rate.take(draft.size())) {
            return self.refuse_too_many();
        }
        self.batch.push(draft, &self.default_tag, &self.origin);
        if self.batch.size() >= BATCH_SIZE { Step::Flush } else { Step::Taken }
    }

    /// An event that has no right to come. It is paid for all the same.
    #[cold]
    fn deny(&mut self, unknown: Option<Unknown>, draft: &Draft<'_>) -> Step {
        self.pay(draft.size());
        if let Some(unknown) = unknown {
            let why = unknown.to_string();
            return self.refuse(&Refused { code: Code::Later, why, event: true });
        }
        let tag = draft.tag.as_ref().map_or(self.default_tag.as_str(), |tag| tag.as_str());
        if !std::mem::replace(&mut self.denied, true) {
            self.rights.tell_denied(tag);
        }
        let why = match self.rights.who() {
            Who::Token(_) => {
                format!("this token may not send the tag {tag}: its --send says which it may")
            }
            _ => format!("you may not send the tag {tag}: [[access]] in pulsed.toml says who may"),
        };
        self.refuse(&Refused { code: Code::Denied, why, event: true })
    }

    #[cold]
    fn refuse_too_many(&mut self) -> Step {
        self.beyond += 1;
        let who = self.rights.who();
        let why = format!("too many events of {who} at once: this one is not taken");
        self.refuse(&Refused { code: Code::Later, why, event: true })
    }

    /// What is no event costs as much: whoever asks without end is held up.
    fn take_other(&mut self, request: Result<Request<'_>, Refused>) -> Step {
        self.pay(0);
        match request {
            Ok(Request::Send(draft)) => self.take_draft(&draft),
            Ok(Request::Sync(how)) => Step::Sync(how),
            Ok(Request::Tail(tail)) => Step::Leave(Then::Tail(TailRequest::Json(tail))),
            Ok(Request::TailText(matching)) => {
                Step::Leave(Then::Tail(TailRequest::Text(matching.to_owned())))
            }
            Ok(Request::Quit) => Step::Leave(Then::Close),
            Ok(Request::Ping) => Step::Ask(Ask::Ping),
            Ok(Request::Stats) => Step::Ask(Ask::Stats),
            Ok(Request::Help) => Step::Ask(Ask::Help),
            Ok(Request::Auth(_)) => Step::Ask(Ask::Auth),
            Ok(Request::Link) => Step::Ask(Ask::Link),
            Err(refused) => self.refuse(&refused),
        }
    }

    /// Counts a request of so many bytes that is not taken in, and whether it was one too many.
    fn pay(&mut self, bytes: usize) {
        self.beyond += u32::from(self.rate.as_ref().is_some_and(|rate| !rate.spend(bytes)));
    }

    fn refuse(&mut self, refused: &Refused) -> Step {
        if refused.event {
            self.since_sync.refused += 1;
            self.since_sync.first_code.get_or_insert(refused.code);
        }
        self.errs += 1;
        if self.errs > ERRS_MAX {
            return Step::Taken;
        }
        wire::encode_err(refused.code, &refused.why, &mut self.answers);
        if self.answers.len() >= ANSWERS_SIZE { Step::Answer } else { Step::Taken }
    }

    /// Appends what was collected, and waits while too much is on its way to the disk.
    async fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let last = self.log.append_waiting(&self.batch).await;
        self.note_appended(last);
        if self.unstored.newer >= UNSTORED_MAX / 2 {
            self.unstored.newer = 0;
            if let Some(older) = self.unstored.older.replace(last) {
                self.log.stored_or_given_up(older).await;
            }
        }
    }

    /// Appends what was collected, and stores it on this thread if that is the fastest way: a thread that
    /// is woken for it would take longer than the write.
    async fn flush_for_sync(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        match self.log.append_for_sync(&self.batch) {
            Ok((last, write_here)) => {
                self.note_appended(last);
                if write_here {
                    // In a task of its own, which this thread takes up next: this one goes on even if the
                    // disk hangs, and tells so in time.
                    let log = self.log.clone();
                    tokio::spawn(async move { tokio::task::block_in_place(|| log.write_here()) });
                }
            }
            Err(Full) => self.flush().await,
        }
    }

    fn note_appended(&mut self, last: Seq) {
        let first = Seq::new(last.get() + 1 - self.batch.len() as u64).unwrap_or(last);
        self.since_sync.first.get_or_insert(first);
        self.last = Some(last);
        self.unstored.newer += self.batch.size();
        self.batch.clear();
    }

    async fn sync(&mut self, level: AckLevel) {
        let how = durability(level);
        let asked = std::mem::take(&mut self.since_sync);
        self.errs = 0;
        let stored = match (asked.first, self.last) {
            (Some(first), Some(last)) => self.log.sync(first, last, how).await,
            // What was stored may not be synced yet.
            (None, Some(last)) => self.log.sync(last, last, how).await,
            // Nothing was sent: but a wish that can never be granted is told.
            (_, None) => self.log.can_sync(how),
        };
        let cursor = self.cursor();
        match (stored, asked.first_code) {
            (Err(why), _) => wire::encode_err(Code::NotStored, &why.to_string(), &mut self.answers),
            (Ok(()), None) => wire::encode_ok(&cursor, &mut self.answers),
            (Ok(()), Some(code)) => {
                wire::encode_refused(code, asked.refused, &cursor, &mut self.answers)
            }
        }
    }

    /// Where this connection's last event landed, or else the newest.
    fn cursor(&self) -> Cursor {
        let newest = self.log.newest();
        self.last.map_or(newest, |seq| Cursor { seq, ..newest })
    }

    async fn answer(&mut self, ask: Ask) {
        let out = &mut self.answers;
        match ask {
            Ask::Ping => wire::encode_ok(&self.log.newest(), out),
            Ask::Stats => match self.rights.tail().await {
                Ok(permitted) => {
                    out.extend_from_slice(self.stats.json(permitted).as_bytes());
                    out.push(b'\n');
                }
                Err(why) => wire::encode_err(why.code(), &why.to_string(), out),
            },
            Ask::Help => out.extend_from_slice(wire::help().as_bytes()),
            Ask::Auth => {
                let why = match self.rights.who() {
                    Who::Token(_) => "AUTH was said already",
                    _ => "AUTH is not needed here: the kernel tells who you are",
                };
                wire::encode_err(Code::Usage, why, out);
            }
            Ask::Link => match self.rights.who() {
                Who::Token(_) => {
                    wire::encode_err(Code::Denied, "LINK is for users of the agent's machine", out);
                }
                _ => wire::encode_err(Code::Unavailable, "this agent has no monitor", out),
            },
        }
    }

    async fn write_answers(&mut self, connection: &mut Connection) -> io::Result<()> {
        let answers = std::mem::take(&mut self.answers);
        if connection.decoder.is_syslog() {
            // Its sender reads nothing, and may take what comes for the end.
            return Ok(());
        }
        match connection.write_all(&answers).await {
            // Who has stopped reading may have said more before: what is left to read tells when that is all.
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                Ok(())
            }
            written => written,
        }
    }
}

/// What one request leads to.
enum Step {
    Taken,
    Flush,
    Answer,
    Sync(AckLevel),
    Ask(Ask),
    Leave(Then),
}

/// What the log must have done before `SYNC` is acknowledged.
fn durability(level: AckLevel) -> Durability {
    match level {
        AckLevel::Stored => Durability::Stored,
        AckLevel::Synced => Durability::Synced,
    }
}

/// A request with an answer of its own.
enum Ask {
    Ping,
    Stats,
    Help,
    Auth,
    Link,
}
