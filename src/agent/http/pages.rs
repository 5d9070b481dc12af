//! The pages of clients that are not signed in, or may see nothing.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;

use super::conn::Conn;
use super::respond::{Reply, error_with, reply};
use crate::wire::Code;

/// The type of a page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// A page of its own, since the monitor's files are for those who are signed in. `{}` stands for a heading and text.
const TEMPLATE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pulse</title>\n",
    "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"dark light\">\n",
    "<link rel=\"icon\" href=\"data:,\">\n",
    "</head><body><main>{}</main></body></html>\n"
);

const SIGNED_OUT: &str = concat!(
    "<h1>Sign in to Pulse</h1>\n",
    "<p>On the machine that you want to watch, run</p>\n<pre>pulse-tail --web</pre>\n",
    "<p>and open the link that it prints. It works once, within a minute.</p>"
);

const BAD_LINK: &str = concat!(
    "<h1>This link does not work any more</h1>\n",
    "<p>A link signs you in once, within a minute. For a new one, run</p>\n<pre>pulse-tail --web</pre>"
);

/// What a request without a session gets: a page for a person, JSON for a program.
pub(super) fn signed_out(conn: &Conn, parts: &Parts) -> Reply {
    let has_cookie = parts.headers.contains_key(header::COOKIE);
    if has_cookie {
        conn.report("a cookie of no session, or of another user's");
    }
    let wants = |headers: &HeaderMap| {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        accept.is_some_and(|accept| accept.contains("text/html"))
    };
    let mut refusal = if wants(&parts.headers) {
        html(StatusCode::UNAUTHORIZED, SIGNED_OUT)
    } else {
        let why = "sign in with the link that pulse-tail --web prints, or use a Bearer token";
        error_with(StatusCode::UNAUTHORIZED, Code::Denied, why)
    };
    let headers = refusal.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    if parts.version < hyper::Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    refusal
}

/// The answer to a link that does not work.
pub(super) fn bad_link() -> Reply {
    html(StatusCode::UNAUTHORIZED, BAD_LINK)
}

/// A user who is known and may follow nothing.
pub(super) fn no_right(why: &str) -> Reply {
    let text = format!("<h1>You may not follow any event</h1>\n<p>{}</p>", escape(why));
    html(StatusCode::FORBIDDEN, &text)
}

fn html(status: StatusCode, main: &str) -> Reply {
    reply(status, HTML, TEMPLATE.replacen("{}", main, 1))
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
