//! A live response: one or several streams of frames, heartbeats, and the reason of its end.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::events::Events;
use super::respond::{Pieces, Source};
use super::snapshots::Snapshots;
use super::tenure::Ended;
use crate::agent::follow::subscription::Subscription;
use crate::agent::hosts::subscription::HostsSubscription;
use crate::sys::random;

/// How often a live response has bytes at least: proxies close what is silent for a minute.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// When clients of a stopping agent come back: each at its own time within this, so that they do not all come at once.
const RECONNECT_SPREAD: Duration = Duration::from_secs(2);

/// One of the streams of a live response.
pub(super) enum Stream {
    Events(Box<Events<Subscription>>),
    Hosts(Box<Events<HostsSubscription>>),
    Snapshots(Snapshots),
    /// A subscription that was refused: its only frame.
    Refused(Option<Bytes>),
}

impl Stream {
    /// The next bytes. `None` once there are no more. Dropping the future loses nothing.
    async fn next(&mut self) -> Option<Pieces> {
        match self {
            Self::Events(events) => events.next().await.map(|bytes| [Some(bytes), None, None]),
            Self::Hosts(events) => events.next().await.map(|bytes| [Some(bytes), None, None]),
            Self::Snapshots(snapshots) => Some(snapshots.next().await),
            Self::Refused(frame) => match frame.take() {
                Some(bytes) => Some([Some(bytes), None, None]),
                // The response goes on: a client that comes again at once would be refused again.
                None => std::future::pending().await,
            },
        }
    }
}

/// The body of a live response.
pub(super) struct Live {
    streams: Vec<Stream>,
    /// The stream that is asked first, so that a busy one does not silence the others.
    first: usize,
    ended: Pin<Box<dyn Future<Output = Ended> + Send>>,
    heartbeat: Interval,
    pending: VecDeque<Bytes>,
    /// `true` for Server-Sent Events: JSON lines have neither heartbeats nor a last word.
    frames: bool,
    complete: bool,
}

enum Step {
    Bytes(Pieces),
    Heartbeat,
    Complete,
    Ended(Ended),
}

impl Live {
    /// Server-Sent Events. Begins with a comment, so that the client sees at once that it is connected.
    pub(super) fn frames(
        streams: Vec<Stream>,
        ended: impl Future<Output = Ended> + Send + 'static,
    ) -> Self {
        Self {
            pending: [Bytes::from_static(b": pulsed\n\n")].into(),
            ..Self::new(streams, ended, true)
        }
    }

    /// JSON lines.
    pub(super) fn lines(
        stream: Stream,
        ended: impl Future<Output = Ended> + Send + 'static,
    ) -> Self {
        Self::new(vec![stream], ended, false)
    }

    fn new(
        streams: Vec<Stream>,
        ended: impl Future<Output = Ended> + Send + 'static,
        frames: bool,
    ) -> Self {
        let mut heartbeat = interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = Box::pin(ended);
        Self {
            streams,
            first: 0,
            ended,
            heartbeat,
            pending: VecDeque::new(),
            frames,
            complete: false,
        }
    }

    async fn step(&mut self) -> Step {
        let Self { streams, first, ended, heartbeat, frames, .. } = self;
        let frames = *frames;
        tokio::select! {
            biased;
            ended = ended => Step::Ended(ended),
            pieces = next(streams, first) => pieces.map_or(Step::Complete, Step::Bytes),
            _ = heartbeat.tick(), if frames => Step::Heartbeat,
        }
    }

    /// What a client reads last.
    fn last_word(&self, ended: Ended) -> Option<Bytes> {
        let text = match ended.why() {
            Some(why) => format!("event: end\ndata: {{\"why\":\"{why}\"}}\n\n"),
            None => {
                let [a, b] = random::bytes().unwrap_or_default();
                let share = u64::from(u16::from_le_bytes([a, b]));
                let millis = RECONNECT_SPREAD.as_millis() as u64 * share / u64::from(u16::MAX);
                format!("retry: {}\n\n", 200 + millis)
            }
        };
        self.frames.then(|| text.into())
    }
}

impl Source for Live {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(bytes);
            }
            if self.complete {
                return None;
            }
            match self.step().await {
                Step::Bytes(pieces) => self.pending.extend(pieces.into_iter().flatten()),
                Step::Heartbeat => self.pending.push_back(Bytes::from_static(b":\n\n")),
                Step::Complete => self.complete = true,
                Step::Ended(ended) => {
                    self.complete = true;
                    self.pending.extend(self.last_word(ended));
                }
            }
        }
    }
}

/// The next bytes of any stream. `None` once all are at their end.
async fn next(streams: &mut [Stream], first: &mut usize) -> Option<Pieces> {
    if let [only] = streams {
        return only.next().await;
    }
    let count = streams.len();
    let mut waiting: Vec<_> =
        streams.iter_mut().map(|stream| Some(Box::pin(stream.next()))).collect();
    poll_fn(|context| {
        for turn in 0..count {
            let at = (*first + turn) % count;
            let Some(stream) = &mut waiting[at] else { continue };
            match stream.as_mut().poll(context) {
                Poll::Ready(Some(pieces)) => {
                    *first = (at + 1) % count;
                    return Poll::Ready(Some(pieces));
                }
                Poll::Ready(None) => waiting[at] = None,
                Poll::Pending => {}
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}
