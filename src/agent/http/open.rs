//! `GET /events` and `GET /views/NAME`: from a request to a subscription or a watch, and its response.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;

use super::conn::Conn;
use super::events::{Events, Syntax};
use super::live::{Live, Stream};
use super::query::{self, Query};
use super::respond::{self, Reply, error, reply};
use super::snapshots::Snapshots;
use super::visitor::Visitor;
use crate::agent::follow::pace::Pace;
use crate::agent::follow::selection::Visible;
use crate::agent::follow::source::Broken as _;
use crate::agent::follow::subscription::Subscription;
use crate::agent::views::past::PastView;
use crate::views::ViewName;
use crate::wire::{Code, Refused, Tail, view_interval};

pub(super) const EVENT_STREAM: &str = "text/event-stream";

const JSON_LINES: &str = "application/x-ndjson";

/// The most events across which a page resumes. Beyond that, it gets the newest, and a count.
pub const RESUME_MAX: u64 = 5_000;

/// Why a stream is refused.
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) why: String,
}

impl Refusal {
    fn new(code: Code, why: impl ToString) -> Self {
        Self { code, why: why.to_string() }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self { code: refused.code, why: refused.why }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        error(refusal.code, &refusal.why)
    }
}

/// Opens a subscription. `resume_max` bounds the events between its cursor and now.
pub(super) async fn open_events(
    conn: &Conn,
    visitor: &Visitor,
    visible: Visible,
    mut tail: Tail,
    syntax: Syntax,
    resume_max: Option<u64>,
) -> Result<Stream, Refusal> {
    let log = &conn.services.log;
    let Visible::Tags(scope) = &visible else {
        return open_hosts(conn, visitor, visible, &tail, syntax).await;
    };
    let newest = log.newest();
    let after = tail.after.filter(|after| after.log == newest.log);
    // Only a cursor that is further away can have more than so many events after it.
    let far = after.filter(|after| resume_max.is_some_and(|max| newest.seq.since(after.seq) > max));
    if far.is_some() && tail.lines.is_none() {
        tail.lines = resume_max;
    }
    let mut follower = visitor.share.follower();
    let subscription = Subscription::open(log, &tail, scope, &mut follower).await;
    let subscription = subscription.map_err(|refusal| Refusal::new(refusal.code(), &refusal))?;
    let pace = tail.rate.map(|rate| Pace::new(rate, newest.seq, Instant::now()));
    let frames = conn.monitor.frames.clone();
    let mut events = Events::new(subscription, syntax, pace, frames, follower);
    if let Some(after) = far {
        events.skip_to_start(after.seq);
    }
    Ok(Stream::Events(Box::new(events)))
}

/// Opens a subscription of all hosts. After its cursor, the pace shows some events and counts the others: only the
/// stream knows how many there are.
async fn open_hosts(
    conn: &Conn,
    visitor: &Visitor,
    visible: Visible,
    tail: &Tail,
    syntax: Syntax,
) -> Result<Stream, Refusal> {
    let mut follower = visitor.share.follower();
    let opened = conn.services.open_hosts(tail, visible, &mut follower).await;
    let subscription = opened.map_err(|why| Refusal::new(why.code(), &why))?;
    let paced_after = tail.after.map_or(subscription.newest(), |after| after.seq);
    let pace = tail.rate.map(|rate| Pace::new(rate, paced_after, Instant::now()));
    let frames = conn.monitor.frames.clone();
    Ok(Stream::Hosts(Box::new(Events::new(subscription, syntax, pace, frames, follower))))
}

/// Opens a view.
pub(super) async fn open_view(
    conn: &Conn,
    visitor: &Visitor,
    visible: &Visible,
    name: &str,
    matching: &str,
    every: Duration,
    frame_name: Option<&str>,
) -> Result<Snapshots, Refusal> {
    let view = view_name(name)?;
    let mut follower = visitor.share.follower();
    let watch = conn.services.folds.watch(matching, visible, &mut follower).await;
    let watch = watch.map_err(|why| Refusal::new(why.code(), &why))?;
    Ok(Snapshots::new(watch, view, every, frame_name, follower))
}

/// The interval between snapshots.
pub(super) fn interval(seconds: Option<f64>) -> Result<Duration, Refusal> {
    view_interval(seconds).map_err(|bad| Refusal::new(Code::Usage, bad))
}

/// `GET /events`.
pub(super) async fn events(conn: &Conn, parts: &Parts, visitor: Visitor) -> Result<Reply, Reply> {
    let frames = accepts(&parts.headers, EVENT_STREAM);
    let text = parts.uri.query().unwrap_or_default();
    // JSON lines end, unless they are asked to follow.
    let mut tail = query::tail(text, frames).map_err(Refusal::from)?;
    let visible = visitor.visible(tail.host.as_deref()).await.map_err(Refusal::from)?;
    if let Some(id) = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok()) {
        let after = id.parse();
        tail.after =
            Some(after.map_err(|e| Refusal::new(Code::Usage, format!("Last-Event-ID: {e}")))?);
        // Where the first response began is not where this one does.
        (tail.lines, tail.since) = (None, None);
    }
    let syntax = if frames { Syntax::Frames(None) } else { Syntax::Lines };
    let stream = open_events(conn, &visitor, visible, tail, syntax, None).await?;
    let ended = visitor.ended(conn);
    Ok(if frames {
        live(conn, EVENT_STREAM, Live::frames(vec![stream], ended), visitor)
    } else {
        live(conn, JSON_LINES, Live::lines(stream, ended), visitor)
    })
}

/// `GET /views/NAME`.
pub(super) async fn view(
    conn: &Conn,
    parts: &Parts,
    visitor: Visitor,
    name: &str,
) -> Result<Reply, Reply> {
    let text = parts.uri.query().unwrap_or_default();
    let known = ["host", "match", "every", "since", "until"];
    let query = Query::parse(text, &known).map_err(Refusal::from)?;
    let hosts = query.text("host").filter(|hosts| !hosts.is_empty());
    let visible = visitor.visible(hosts).await.map_err(Refusal::from)?;
    let matching = query.text("match").unwrap_or_default();
    let since = query.value("since").map_err(Refusal::from)?;
    let until = query.value("until").map_err(Refusal::from)?;
    if since.is_some() || until.is_some() {
        let view = PastView { name: view_name(name)?, matching, since, until };
        return past(conn, &visitor, &visible, view).await.map_err(Reply::from);
    }
    let every = interval(query.value("every").map_err(Refusal::from)?)?;
    let snapshots = open_view(conn, &visitor, &visible, name, matching, every, None).await?;
    let ended = visitor.ended(conn);
    Ok(live(conn, EVENT_STREAM, Live::frames(vec![Stream::Snapshots(snapshots)], ended), visitor))
}

/// A view of a past period, as JSON.
async fn past(
    conn: &Conn,
    visitor: &Visitor,
    visible: &Visible,
    view: PastView<'_>,
) -> Result<Reply, Refusal> {
    let mut follower = visitor.share.follower();
    let line = conn.services.past.line(view, visible, &mut follower).await;
    let line = line.map_err(|why| Refusal::new(why.code(), &why))?;
    Ok(reply(StatusCode::OK, "application/json", line))
}

fn view_name(name: &str) -> Result<ViewName, Refusal> {
    name.parse().map_err(|unknown| Refusal::new(Code::Usage, unknown))
}

/// A live response, and the client whose quota it uses.
struct Held {
    live: Live,
    _visitor: Visitor,
}

impl respond::Source for Held {
    async fn next(&mut self) -> Option<bytes::Bytes> {
        self.live.next().await
    }
}

/// A response that lasts, and holds its client's share meanwhile.
pub(super) fn live(conn: &Conn, content_type: &'static str, live: Live, visitor: Visitor) -> Reply {
    conn.note_live();
    respond::live(content_type, Held { live, _visitor: visitor })
}

/// `true` if the client asks for this type.
fn accepts(headers: &HeaderMap, content_type: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| one.trim().starts_with(content_type))
}
