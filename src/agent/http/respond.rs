//! Responses: their bodies, and the headers that every one of them has.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::wire::Code;

/// What pages may load: this site's own files, and nothing inline but the style of the sign-in pages, by its hash.
/// No page may frame them.
pub(super) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
     'sha256-1lv6D7UctYnEkwcQMjTRbTq4ZG6WalV07wyNL2TrX/Y='; img-src 'self' data:; \
     connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A response of the monitor.
pub(super) type Reply = Response<Body>;

/// The body of a response.
pub(super) enum Body {
    /// All of it, until it was taken.
    Whole(Option<Bytes>),
    /// Bytes as they come.
    Live(Next),
}

/// Bytes of one step, in order.
pub(super) type Pieces = [Option<Bytes>; 3];

/// What yields the bytes of a live body.
pub(super) trait Source: Send + 'static {
    /// The next bytes. `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// The next bytes of a live body, and what follows them.
pub(super) struct Next(Pin<Box<dyn Future<Output = Step> + Send>>);

/// What a live body yields. `None` at its end.
type Step = Option<(Bytes, Next)>;

impl Next {
    fn new<S: Source>(mut source: S) -> Self {
        Self(Box::pin(async move {
            let bytes = source.next().await?;
            Some((bytes, Self::new(source)))
        }))
    }
}

impl Body {
    /// A body of what the source yields. It is asked for more only when the client takes more.
    pub(super) fn live<S: Source>(source: S) -> Self {
        Self::Live(Next::new(source))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b))))
            }
            Self::Live(next) => next.0.as_mut().poll(context).map(|step| {
                let (bytes, following) = step?;
                *next = following;
                Some(Ok(Frame::data(bytes)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

/// A response with a body of this type.
pub(super) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = empty(status);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *reply.body_mut() = Body::Whole(Some(body.into()));
    reply
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::Whole(None));
    *reply.status_mut() = status;
    for (name, value) in HEADERS {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// A response whose body comes as it happens.
pub(super) fn live<S: Source>(content_type: &'static str, source: S) -> Reply {
    let mut reply = empty(StatusCode::OK);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // nginx passes the bytes on at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    *reply.body_mut() = Body::live(source);
    reply
}

/// JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    reply(status, "application/json", format!("{value}\n"))
}

/// An error as JSON: its code on the wire, and why.
pub(super) fn error(code: Code, why: &str) -> Reply {
    error_with(status(code), code, why)
}

/// An error with a status of its own.
pub(super) fn error_with(status: StatusCode, code: Code, why: &str) -> Reply {
    json(status, &error_value(code, why))
}

/// An error as a JSON object in a response that has begun.
pub(super) fn error_object(code: Code, why: &impl Display) -> String {
    error_value(code, &why.to_string()).to_string()
}

fn error_value(code: Code, why: &str) -> Value {
    json!({ "error": { "code": code.number(), "why": why } })
}

/// The HTTP status of a code (RFC 9110, section 15).
pub(super) fn status(code: Code) -> StatusCode {
    match code {
        Code::Usage | Code::Data => StatusCode::BAD_REQUEST,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::Later => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::NotStored => StatusCode::SERVICE_UNAVAILABLE,
    }
}
