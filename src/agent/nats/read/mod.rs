//! The reader of the stream: one shared log from now on while clients follow all hosts, and parts for those who begin
//! earlier. On threads of their own with a lower priority, as the forwarder.

mod chain;
mod decode;
mod feed;

use std::pin::pin;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::watch;
use tokio::time::timeout;

use super::block_on;
use super::error::ForwardError;
use super::retry::Retry;
use crate::agent::hosts::{AllHosts, Part, Start, shared_log};
use crate::agent::services::Services;
use crate::config::Nats;
use crate::diag;
use crate::event::{Gap, LogId, Seq, Why};
use crate::log::Log;
use crate::sys::background;
use chain::Chains;
use feed::{Ended, Feed, Found, Next, Reading};

/// Starts the reader, which reads nothing until a client follows.
pub(crate) fn spawn(services: &Arc<Services>, config: &Nats) {
    let Some(forwarding) = services.forwarding.clone() else { return };
    let Some(mut parts) = forwarding.hosts().take_requests() else { return };
    let reading = Arc::new(Reading {
        config: config.clone(),
        host: services.log.host().to_owned(),
        forwarding: forwarding.clone(),
        reported: std::sync::Mutex::default(),
    });
    let (for_parts, mut stopping) = (reading.clone(), services.stopping.clone());
    services.clients.spawn(async move {
        loop {
            let part = tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                part = parts.recv() => part,
            };
            let (Some(part), reading) = (part, for_parts.clone()) else { return };
            let stopping = stopping.clone();
            // As many as there are turns: see `PARTS_MAX`.
            background::spawn(move || read_part(reading, part, stopping));
        }
    });
    let mut stopping = services.stopping.clone();
    services.clients.spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                () = forwarding.hosts().wanted() => {}
            }
            let shared = Shared { reading: reading.clone(), feed: None, reported: None };
            let stopping = stopping.clone();
            // Fails only if it panicked, which was reported.
            let _ = background::spawn(move || shared.run(stopping)).await;
            forwarding.hosts().set_idle();
        }
    });
}

/// The id of a stream: the same on every agent.
fn stream_id(name: &str, created: &str) -> LogId {
    let hash = digest(&SHA256, format!("{name}\n{created}").as_bytes());
    let bits = hash.as_ref().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    LogId::of_stream(bits)
}

/// Reads the shared log.
struct Shared {
    reading: Arc<Reading>,
    /// `None` until the stream was found.
    feed: Option<Feed>,
    /// The trouble that was reported last.
    reported: Option<String>,
}

impl Shared {
    fn hosts(&self) -> &AllHosts {
        self.reading.forwarding.hosts()
    }

    /// Reads until no client follows any more, or the agent stops.
    fn run(mut self, stopping: watch::Receiver<bool>) {
        let (mut retry, reading) = (Retry::default(), self.reading.clone());
        let stop = || stop(stopping.clone(), reading.forwarding.hosts().unwanted());
        loop {
            let next = self.feed.as_ref().map(|feed| feed.next);
            match block_on(self.connection(stop())) {
                Ok(Ok(_)) => return,
                Ok(Err(error)) => self.report(&error),
                Err(cause) => return diag::error(format_args!("nats: start a runtime: {cause}")),
            }
            let wait = retry.next(false, self.feed.as_ref().map(|feed| feed.next) != next);
            if !block_on(async { timeout(wait, stop()).await.is_err() }).unwrap_or(false) {
                return;
            }
        }
    }

    async fn connection(&mut self, stop: impl Future<Output = ()>) -> Result<Ended, ForwardError> {
        let (reading, mut stop) = (self.reading.clone(), pin!(stop));
        let found = tokio::select! {
            biased;
            () = &mut stop => return Ok(Ended::Stopped),
            found = reading.find() => found?,
        };
        let id = stream_id(&reading.config.stream, &found.created);
        let known = self.feed.take().filter(|feed| feed.log.newest().log == id);
        let known = known.filter(|feed| !went_back(feed, &found));
        let mut feed = known.unwrap_or_else(|| {
            let next = Seq::in_message(found.last.saturating_add(1), 0).unwrap_or(Seq::MAX);
            let log = shared_log(&reading.host, id, next);
            self.hosts().set_log(log.clone());
            Feed {
                reading: reading.clone(),
                log,
                next: Next::Message { sequence: found.last.saturating_add(1), gap: true },
                from: next,
                end: None,
                chains: Chains::default(),
            }
        });
        self.hosts().set_trouble(None);
        if self.reported.take().is_some() {
            diag::notice(format_args!("nats: reading stream {} again", reading.config.stream));
        }
        let read = feed.run(&found, stop).await;
        self.feed = Some(feed);
        read
    }

    /// Reports a trouble once.
    fn report(&mut self, error: &ForwardError) {
        let text = error.to_string();
        self.hosts().set_trouble(Some(text.clone()));
        if self.reported.as_ref() != Some(&text) {
            diag::warning(format_args!("nats: not reading the stream: {text}"));
            self.reported = Some(text);
        }
    }
}

/// `true` if the stream has lost messages that were read, so that their numbers are given again.
fn went_back(feed: &Feed, found: &Found) -> bool {
    let Next::Message { sequence, .. } = feed.next else { return false };
    let back = sequence > found.last.saturating_add(1);
    if back {
        diag::warning(format_args!(
            "nats: the stream ends with message {} and had {}: followers of all hosts are disconnected",
            found.last,
            sequence - 1
        ));
    }
    back
}

/// Waits until the agent stops, or what is read is unwanted.
async fn stop(mut stopping: watch::Receiver<bool>, unwanted: impl Future<Output = ()>) {
    tokio::select! {
        // Fails only if the agent has ended.
        _ = stopping.wait_for(|stop| *stop) => {}
        () = unwanted => {}
    }
}

/// Reads a part until it is complete, its follower is gone or the agent stops.
fn read_part(reading: Arc<Reading>, part: Part, stopping: watch::Receiver<bool>) {
    let Part { log, start, end, progress } = part;
    let mut retry = Retry::default();
    let mut feed = part_feed(reading.clone(), log, start, end);
    let mut restarts = start == Start::Restart;
    let stop = || stop(stopping.clone(), progress.closed());
    loop {
        let before = feed.next;
        let read = block_on(async {
            let found = tokio::select! {
                biased;
                () = stop() => return Ok(Ended::Stopped),
                found = reading.find() => found?,
            };
            progress.send_modify(|progress| {
                (progress.first, progress.last) = (Some(found.first), found.last);
            });
            if std::mem::take(&mut restarts) {
                feed.append_gap(restart_gap(&found)).await;
            }
            feed.run(&found, stop()).await
        });
        match read {
            Ok(Ok(Ended::Complete)) => {
                progress.send_modify(|progress| progress.done = true);
                return;
            }
            // The reader of the shared log reports the trouble.
            Ok(Err(_)) => {}
            Ok(Ok(Ended::Stopped)) | Err(_) => return,
        }
        let wait = retry.next(false, feed.next != before);
        if !block_on(async { timeout(wait, stop()).await.is_err() }).unwrap_or(false) {
            return;
        }
    }
}

fn part_feed(reading: Arc<Reading>, log: Log, start: Start, end: Seq) -> Feed {
    let (next, from) = match start {
        Start::At(seq) => (Next::Message { sequence: seq.message(), gap: true }, seq),
        Start::Last(seq) => (Next::Message { sequence: seq.message(), gap: false }, seq),
        Start::Since(time) => (Next::Since(time), Seq::BEFORE_FIRST),
        Start::Oldest | Start::Restart => (Next::Oldest, Seq::BEFORE_FIRST),
    };
    Feed { reading, log, next, from, end: Some(end), chains: Chains::default() }
}

/// The gap for a cursor of another stream.
fn restart_gap(found: &Found) -> Gap {
    let before = Seq::in_message(found.first, 0).unwrap_or(Seq::MAX);
    let before = before.max(Seq::BEFORE_FIRST.next());
    Gap { after: Seq::ZERO, before, lost: None, why: Why::Restart }
}
