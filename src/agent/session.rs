//! The line protocol of one client: requests from its decoder go to the intake or to a subscription, replies go
//! back.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::time::Instant;

use super::access::Subject;
use super::client::Client;
use super::follow::leaving::{Left, left};
use super::follow::lines::{self, LineFormat};
use super::follow::pace::Pace;
use super::follow::source::{Broken, LineSource};
use super::follow::subscription::Subscription;
use super::hosts;
use super::ingest::intake::{Intake, Pushed};
use super::limits::Permit;
use super::limits::turn::Turn;
use super::replicated::NotReplicated;
use super::services::Services;
use super::transport::connection::{Connection, Input};
use super::views;
use crate::auth::links::LINK_VALID_FOR;
use crate::diag;
use crate::event::Seq;
use crate::log::Durability;
use crate::views::ViewName;
use crate::wire::{self, AckLevel, Code, Refused, Request, RequestedView, Tail, View};

/// ERR replies since the last SYNC after which further errors are only counted.
pub const ERRS_MAX: u64 = 100;

/// Bytes of replies that are collected before they are written.
const REPLIES_SIZE: usize = 16 << 10;

/// Serves an authenticated client until it leaves, the agent stops, or a right that it used is revoked.
pub(crate) async fn serve(
    services: &Services,
    connection: &mut Connection,
    client: &Client,
    permit: &Permit,
) {
    let mut session = Session {
        services,
        client,
        permit,
        intake: Intake::new(
            services.log.clone(),
            client,
            services.runs.of_connection(client.quota_key.clone()),
        ),
        turn: Turn::begin(),
        turn_is_over: false,
        replies: Vec::new(),
        errs: 0,
    };
    let ended = tokio::select! {
        biased;
        ended = session.run(connection) => ended,
        () = client.rights.revoked() => Ok(Ended::Revoked),
    };
    match ended {
        Ok(Ended::Revoked) => {
            diag::notice(format_args!(
                "{}: access revoked, disconnecting",
                client.rights.subject()
            ));
        }
        Ok(Ended::Cut) => {
            diag::notice(format_args!(
                "{}: reads too slowly: the rest of an event is no longer in the log, disconnecting",
                client.rights.subject()
            ));
        }
        Ok(_) => connection.close_notify(),
        Err(_) => {}
    }
    // What the agent closes, or the client by QUIT, abandons nothing.
    if matches!(ended, Ok(Ended::Gone) | Err(_)) && !connection.stopping() {
        session.intake.abandon_runs().await;
    }
}

struct Session<'a> {
    services: &'a Services,
    client: &'a Client,
    permit: &'a Permit,
    intake: Intake<'a>,
    turn: Turn,
    turn_is_over: bool,
    /// Replies that are not written yet.
    replies: Vec<u8>,
    /// ERR replies since the last SYNC.
    errs: u64,
}

/// How a session ended. An error is a client that is gone.
enum Ended {
    /// The client disconnected.
    Gone,
    /// The client sent QUIT.
    Quit,
    /// The agent is stopping.
    Stopping,
    /// A right that the client used is revoked.
    Revoked,
    /// The log no longer has the rest of a line that the client was reading.
    Cut,
}

/// What one request leads to, beyond the intake's batch.
enum Step {
    None,
    Flush,
    WriteReplies,
    Sync(AckLevel),
    Query(Query),
    Tail(Tail, LineFormat),
    View(View),
    Quit,
}

/// A request with a reply of its own.
enum Query {
    Ping,
    Stats,
    Help,
    Auth,
    Link,
}

impl Session<'_> {
    async fn run(&mut self, connection: &mut Connection) -> io::Result<Ended> {
        loop {
            if let Some(ended) = self.serve_buffered(connection).await? {
                return Ok(ended);
            }
            self.intake.flush().await;
            self.write_replies(connection).await?;
            self.intake.end_turn().await;
            let read = connection.read().await?;
            (self.turn, self.turn_is_over) = (Turn::begin(), false);
            match read {
                Input::Some => {}
                Input::End if connection.decoder.buffered() == 0 => return Ok(Ended::Gone),
                Input::End => {}
                Input::Stopping => return Ok(Ended::Stopping),
            }
        }
    }

    /// Serves every request that has arrived, in turns. `Some` if the session ends.
    async fn serve_buffered(&mut self, connection: &mut Connection) -> io::Result<Option<Ended>> {
        loop {
            if self.turn_is_over {
                self.next_turn(connection).await;
            }
            let Some(request) = connection.decoder.next() else { return Ok(None) };
            let step = match request {
                Ok(Request::Send(draft)) => {
                    self.turn_is_over = self.turn.note(draft.msg.len());
                    let mut pushed = self.intake.push(&draft);
                    if matches!(pushed, Ok(Pushed::RightsNeeded)) {
                        pushed = self.intake.push_with_rights(&draft).await;
                    }
                    match pushed {
                        Ok(Pushed::Full) => Step::Flush,
                        Ok(Pushed::Accepted | Pushed::RightsNeeded) => continue,
                        Err(refusal) => self.refuse(refusal.code(), &refusal),
                    }
                }
                request => self.step(request),
            };
            if let Some(ended) = self.take(step, connection).await? {
                return Ok(Some(ended));
            }
        }
    }

    async fn next_turn(&mut self, connection: &mut Connection) {
        if connection.is_hung_up() {
            connection.decoder.skip_requests();
        }
        self.intake.flush().await;
        self.intake.end_turn().await;
        tokio::task::yield_now().await;
        (self.turn, self.turn_is_over) = (Turn::begin(), false);
    }

    /// A request that is no event costs as much as one, and as its reply.
    fn step(&mut self, request: Result<Request<'_>, Refused>) -> Step {
        self.turn_is_over = self.turn.note(0);
        self.intake.charge_request(0);
        match request {
            Ok(Request::Send(_)) => Step::None,
            Ok(Request::Sync(level)) => Step::Sync(level),
            Ok(Request::Tail(tail)) => Step::Tail(tail, LineFormat::Json),
            Ok(Request::TailText(matching)) => {
                let matching = Some(matching.to_owned());
                let tail = Tail { matching, follow: true, ..Tail::default() };
                Step::Tail(tail, LineFormat::text())
            }
            Ok(Request::View(view)) => Step::View(view),
            Ok(Request::Quit) => Step::Quit,
            Ok(Request::Ping) => Step::Query(Query::Ping),
            Ok(Request::Stats) => Step::Query(Query::Stats),
            Ok(Request::Help) => Step::Query(Query::Help),
            Ok(Request::Auth(_)) => Step::Query(Query::Auth),
            Ok(Request::Link) => Step::Query(Query::Link),
            Err(refused) => {
                if refused.event {
                    self.intake.note_refused(refused.code);
                }
                self.refuse(refused.code, &refused.why)
            }
        }
    }

    async fn take(&mut self, step: Step, connection: &mut Connection) -> io::Result<Option<Ended>> {
        match step {
            Step::None => {}
            Step::Flush => self.intake.flush().await,
            Step::WriteReplies => self.write_replies(connection).await?,
            Step::Sync(level) => {
                self.sync(level).await;
                self.write_replies(connection).await?;
            }
            Step::Query(query) => {
                self.intake.flush().await;
                self.answer(query).await;
                self.write_replies(connection).await?;
            }
            Step::Tail(tail, format) => {
                self.intake.flush().await;
                self.write_replies(connection).await?;
                let ended = self.tail(connection, &tail, &format).await;
                self.turn_is_over = self.turn.is_over();
                return ended;
            }
            Step::View(view) => {
                self.intake.flush().await;
                self.write_replies(connection).await?;
                return self.view(connection, &view).await;
            }
            Step::Quit => {
                self.intake.flush().await;
                self.write_replies(connection).await?;
                return Ok(Some(Ended::Quit));
            }
        }
        Ok(None)
    }

    fn refuse(&mut self, code: Code, why: &dyn Display) -> Step {
        self.errs += 1;
        if self.errs > ERRS_MAX {
            return Step::None;
        }
        wire::encode_err(code, &why.to_string(), &mut self.replies);
        if self.replies.len() >= REPLIES_SIZE { Step::WriteReplies } else { Step::None }
    }

    async fn sync(&mut self, level: AckLevel) {
        let synced = self.intake.sync(durability(level)).await;
        let replicated = match (level, &synced.stored) {
            (AckLevel::Replicated, Ok(())) => self.replicated(synced.events).await,
            _ => Ok(()),
        };
        self.errs = 0;
        let out = &mut self.replies;
        if let Err(why) = replicated {
            return wire::encode_err(why.code(), &why.to_string(), out);
        }
        match (synced.stored, synced.first_code) {
            (Err(why), _) => wire::encode_err(Code::NotStored, &why.to_string(), out),
            (Ok(()), None) => wire::encode_ok(&synced.cursor, out),
            (Ok(()), Some(code)) => {
                wire::encode_refused(code, synced.refused, &synced.cursor, out);
            }
        }
    }

    /// Waits until the engine has acknowledged events that are stored.
    async fn replicated(&self, events: Option<(Seq, Seq)>) -> Result<(), NotReplicated> {
        let forwarding = self.services.forwarding.as_ref().ok_or(NotReplicated::NotConfigured)?;
        match events {
            Some((first, last)) => forwarding.replicated(first, last).await,
            None => Ok(()),
        }
    }

    async fn answer(&mut self, query: Query) {
        let out = &mut self.replies;
        let by_token = matches!(self.client.rights.subject(), Subject::Token(_));
        match query {
            Query::Ping => wire::encode_ok(&self.services.log.newest(), out),
            Query::Stats => match self.client.rights.tail().await {
                Ok(scope) => {
                    out.extend_from_slice(self.services.stats.json(scope).as_bytes());
                    out.push(b'\n');
                }
                Err(why) => wire::encode_err(why.code(), &why.to_string(), out),
            },
            Query::Help => out.extend_from_slice(wire::help().as_bytes()),
            Query::Auth if by_token => {
                wire::encode_err(Code::Usage, "already authenticated", out);
            }
            Query::Auth => {
                let why = "AUTH is not needed here: the kernel has authenticated you";
                wire::encode_err(Code::Usage, why, out);
            }
            Query::Link if by_token => {
                wire::encode_err(Code::Denied, "LINK is for users of the agent's machine", out);
            }
            Query::Link => self.link(),
        }
    }

    fn link(&mut self) {
        let out = &mut self.replies;
        let (Some(links), Some(uid)) = (&self.services.links, self.client.origin.uid) else {
            let why = "this agent has no monitor: see web.listen in pulsed.toml(5), and pulsed-web.socket";
            return wire::encode_err(Code::Unavailable, why, out);
        };
        match links.create(uid, LINK_VALID_FOR) {
            Ok(url) => wire::encode_ok(&url, out),
            Err(cause) => {
                wire::encode_err(Code::Unavailable, &format!("no random numbers: {cause}"), out);
            }
        }
    }

    /// Serves one TAIL. `Some` if the session ends with it.
    async fn tail(
        &mut self,
        connection: &mut Connection,
        tail: &Tail,
        format: &LineFormat,
    ) -> io::Result<Option<Ended>> {
        if tail.host.is_some() {
            return Box::pin(self.tail_hosts(connection, tail, format)).await;
        }
        let scope = match self.client.rights.tail().await {
            Ok(scope) => scope,
            Err(why) => return self.reply_err(connection, why.code(), &why).await,
        };
        let mut follower = self.permit.follower();
        let log = &self.services.log;
        let mut subscription = match Subscription::open(log, tail, scope, &mut follower).await {
            Ok(subscription) => subscription,
            Err(refusal) => return self.reply_err(connection, refusal.code(), &refusal).await,
        };
        let pace = tail.rate.map(|rate| Pace::new(rate, log.newest().seq, Instant::now()));
        self.follow(connection, &mut subscription, format, pace).await
    }

    /// Serves one TAIL of all hosts. `Some` if the session ends with it.
    async fn tail_hosts(
        &mut self,
        connection: &mut Connection,
        tail: &Tail,
        format: &LineFormat,
    ) -> io::Result<Option<Ended>> {
        let scope = match self.client.rights.tail_hosts().await {
            Ok(scope) => scope,
            Err(why) => return self.reply_err(connection, why.code(), &why).await,
        };
        let mut follower = self.permit.follower();
        let visible = match hosts::visible(tail.host.as_deref().unwrap_or("*"), scope) {
            Ok(visible) => visible,
            Err(why) => return self.reply_err(connection, why.code(), &why).await,
        };
        let opening = self.services.open_hosts(tail, visible, &mut follower);
        connection.set_follows(true);
        let opened = tokio::select! {
            biased;
            left = left(connection) => return left.map(|left| Some(left.into())),
            opened = opening => opened,
        };
        connection.set_follows(false);
        let mut subscription = match opened {
            Ok(subscription) => subscription,
            Err(why) => return self.reply_err(connection, why.code(), &why).await,
        };
        let pace = tail.rate.map(|rate| Pace::new(rate, subscription.newest(), Instant::now()));
        self.follow(connection, &mut subscription, format, pace).await
    }

    /// Writes what a TAIL yields. `Some` if the session ends with it.
    async fn follow(
        &mut self,
        connection: &mut Connection,
        source: &mut impl LineSource,
        format: &LineFormat,
        pace: Option<Pace>,
    ) -> io::Result<Option<Ended>> {
        connection.set_follows(true);
        let ended = lines::run(connection, source, format, pace).await?;
        connection.set_follows(false);
        match ended {
            // A client that followed reconnects, and is told what has changed.
            lines::Ended::Broken(why) if why.is_replaced() => Ok(Some(Ended::Stopping)),
            lines::Ended::Broken(why) => self.reply_err(connection, why.code(), &why).await,
            lines::Ended::Complete => {
                wire::encode_ok(&source.position(), &mut self.replies);
                self.write_to_follower(connection).await?;
                Ok(None)
            }
            lines::Ended::Left(left) => Ok(Some(left.into())),
        }
    }

    /// Serves one VIEW, with which the session ends.
    async fn view(
        &mut self,
        connection: &mut Connection,
        view: &View,
    ) -> io::Result<Option<Ended>> {
        let scope = match self.client.rights.tail().await {
            Ok(scope) => scope,
            Err(why) => return self.reply_err(connection, why.code(), &why).await,
        };
        let mut follower = self.permit.follower();
        let matching = view.matching.as_deref().unwrap_or_default();
        let watch = self.services.folds.watch(matching, &scope.into(), &mut follower).await;
        match watch {
            Ok(watch) => {
                let name = view_name(view.name);
                connection.set_follows(true);
                let left = views::serve::run(connection, &watch, name, view.every).await?;
                Ok(Some(left.into()))
            }
            Err(why) => self.reply_err(connection, why.code(), &why).await,
        }
    }

    async fn reply_err(
        &mut self,
        connection: &mut Connection,
        code: Code,
        why: &(dyn Display + Sync),
    ) -> io::Result<Option<Ended>> {
        wire::encode_err(code, &why.to_string(), &mut self.replies);
        self.write_to_follower(connection).await?;
        Ok(None)
    }

    /// A client that asked to follow and reads no more is gone: further requests of it are expensive to serve.
    async fn write_to_follower(&mut self, connection: &mut Connection) -> io::Result<()> {
        connection.write_all(&std::mem::take(&mut self.replies)).await
    }

    async fn write_replies(&mut self, connection: &mut Connection) -> io::Result<()> {
        let replies = std::mem::take(&mut self.replies);
        self.intake.charge_sent(replies.len());
        if !connection.decoder.is_answered() {
            // This sender reads nothing, and may take a reply for the end of the connection.
            return Ok(());
        }
        match connection.write_all(&replies).await {
            // A client that reads no more may have sent more before: its events are served to the end.
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                connection.decoder.skip_requests();
                Ok(())
            }
            written => written,
        }
    }
}

impl From<Left> for Ended {
    fn from(left: Left) -> Self {
        match left {
            Left::Quit => Self::Quit,
            Left::Gone => Self::Gone,
            Left::Stopping => Self::Stopping,
            Left::Cut => Self::Cut,
        }
    }
}

fn view_name(requested: RequestedView) -> ViewName {
    match requested {
        RequestedView::Users => ViewName::Users,
        RequestedView::Queries => ViewName::Queries,
        RequestedView::Running => ViewName::Running,
        RequestedView::Rates => ViewName::Rates,
    }
}

/// What the log must have done before SYNC is acknowledged.
fn durability(level: AckLevel) -> Durability {
    match level {
        AckLevel::Stored | AckLevel::Replicated => Durability::Stored,
        AckLevel::Synced => Durability::Synced,
    }
}
