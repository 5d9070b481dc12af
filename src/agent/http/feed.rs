//! `GET /feed`: many streams in one response, because a browser opens at most six connections to one host over
//! HTTP/1.1, for all its tabs.

use hyper::http::request::Parts;
use serde::Deserialize;

use super::conn::Conn;
use super::events::Syntax;
use super::frames;
use super::live::{Live, Stream};
use super::open::{EVENT_STREAM, RESUME_MAX, Refusal, interval, live, open_events, open_view};
use super::query::{self, Query};
use super::respond::Reply;
use super::visitor::Visitor;
use crate::event::{Cursor, Timestamp};
use crate::wire::{Code, Rate, Tail};

/// The most streams of one response.
pub const STREAMS_MAX: usize = 32;

/// The longest name of a stream, in bytes.
const NAME_MAX: usize = 32;

/// What a stream is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requested {
    id: String,
    host: Option<String>,
    events: Option<RequestedEvents>,
    view: Option<String>,
    #[serde(rename = "match")]
    matching: Option<String>,
    every: Option<f64>,
}

/// A TAIL that follows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestedEvents {
    after: Option<String>,
    lines: Option<u64>,
    since: Option<String>,
    #[serde(rename = "match")]
    matching: Option<String>,
    rate: Option<Rate>,
    max: Option<u64>,
}

impl RequestedEvents {
    fn tail(&self) -> Result<Tail, Refusal> {
        let wrong = |key: &str, why: &dyn std::fmt::Display| query::refuse(format!("{key}: {why}"));
        let after = self.after.as_deref().map(str::parse::<Cursor>).transpose();
        let since = self.since.as_deref().map(str::parse::<Timestamp>).transpose();
        Ok(Tail {
            after: after.map_err(|why| wrong("after", &why))?,
            since: since.map_err(|why| wrong("since", &why))?,
            lines: self.lines.filter(|_| self.after.is_none()),
            matching: self.matching.clone(),
            follow: true,
            rate: self.rate,
            ..Tail::default()
        })
    }
}

/// Serves the streams. One that is refused has one frame that says why; the others go on.
pub(super) async fn respond(conn: &Conn, parts: &Parts, visitor: Visitor) -> Result<Reply, Reply> {
    let query = Query::parse(parts.uri.query().unwrap_or_default(), &["subs"]);
    let query = query.map_err(Refusal::from)?;
    let requested = parse(query.text("subs").unwrap_or_default())?;
    // Without a right to follow anything, there is no response to refuse a stream in.
    visitor.scope().await?;
    let mut streams = Vec::with_capacity(requested.len());
    for one in &requested {
        streams.push(match open(conn, &visitor, one).await {
            Ok(stream) => stream,
            Err(refusal) => refused(&one.id, &refusal),
        });
    }
    let frames = Live::frames(streams, visitor.ended(conn));
    Ok(live(conn, EVENT_STREAM, frames, visitor))
}

fn parse(text: &str) -> Result<Vec<Requested>, Refusal> {
    let requested: Vec<Requested> =
        serde_json::from_str(text).map_err(|error| query::refuse(format!("subs: {error}")))?;
    check(&requested)?;
    Ok(requested)
}

/// Parses the subscriptions of a feed. Returns how many there are.
///
/// # Errors
/// What is wrong with them.
pub fn parse_feed(text: &str) -> Result<usize, String> {
    let requested = parse(text).map_err(|refusal| refusal.why)?;
    for events in requested.iter().filter_map(|one| one.events.as_ref()) {
        events.tail().map_err(|refusal| refusal.why)?;
    }
    Ok(requested.len())
}

fn check(requested: &[Requested]) -> Result<(), Refusal> {
    let wrong = |why: String| Err(Refusal { code: Code::Usage, why });
    if requested.is_empty() {
        return wrong("subs: give at least one".into());
    }
    if requested.len() > STREAMS_MAX {
        return wrong(format!("more than {STREAMS_MAX} subs"));
    }
    for (at, one) in requested.iter().enumerate() {
        let plain = one.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain || one.id.is_empty() || one.id.len() > NAME_MAX || one.id == "end" {
            return wrong(format!("an id is 1 to {NAME_MAX} letters, digits and -, and not end"));
        }
        if requested[..at].iter().any(|other| other.id == one.id) {
            return wrong(format!("the id {} is given twice", one.id));
        }
        if one.events.is_some() == one.view.is_some() {
            return wrong(format!("{}: give either events or view", one.id));
        }
    }
    Ok(())
}

async fn open(conn: &Conn, visitor: &Visitor, one: &Requested) -> Result<Stream, Refusal> {
    let visible = visitor.visible(one.host.as_deref()).await?;
    let Some(events) = &one.events else {
        let (view, every) = (one.view.as_deref().unwrap_or_default(), interval(one.every)?);
        let matching = one.matching.as_deref().unwrap_or_default();
        let snapshots =
            open_view(conn, visitor, &visible, view, matching, every, Some(&one.id)).await?;
        return Ok(Stream::Snapshots(snapshots));
    };
    let tail = events.tail()?;
    let max = events.max.unwrap_or(RESUME_MAX).min(RESUME_MAX);
    let syntax = Syntax::Frames(Some(one.id.clone()));
    open_events(conn, visitor, visible, tail, syntax, Some(max)).await
}

fn refused(id: &str, refusal: &Refusal) -> Stream {
    let object = serde_json::json!({
        "error": { "code": refusal.code.number(), "why": refusal.why }
    });
    let mut frame = Vec::new();
    frames::encode_object(&object.to_string(), Some(id), None, &mut frame);
    Stream::Refused(Some(frame.into()))
}
