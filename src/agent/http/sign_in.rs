//! Signing in by a one-time link, and out.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;

use super::query::Query;
use super::respond::{Reply, empty, error, error_with, reply};
use super::server::Conn;
use super::visitor::{self, Visitor};
use crate::auth::sessions::AGE_MAX;
use crate::wire::Code;

const HTML: &str = "text/html; charset=utf-8";

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

/// The cookie is `SameSite=Strict`: a browser does not send it while it follows a redirect that began on another site.
/// It does when a page of this site loads the next one.
const SIGNED_IN: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pulse</title>\n",
    "<meta name=\"color-scheme\" content=\"dark light\"><meta http-equiv=\"refresh\" content=\"0;url=./\">\n",
    "<link rel=\"icon\" href=\"data:,\">\n",
    "</head><body><p><a href=\"./\">Pulse</a></p></body></html>\n"
);

/// What a request without a session gets: a page for a person, JSON for a program.
pub(super) fn page(conn: &Conn, parts: &Parts) -> Reply {
    let has_cookie = parts.headers.contains_key(header::COOKIE);
    if has_cookie {
        visitor::report(conn, "a cookie of no session, or of another user's");
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

/// `GET /login?link=SECRET`: begins a session.
pub(super) fn redeem(conn: &Conn, parts: &Parts) -> Reply {
    let query = match Query::parse(parts.uri.query().unwrap_or_default(), &["link"]) {
        Ok(query) => query,
        Err(refused) => return error(refused.code, &refused.why),
    };
    let monitor = &conn.monitor;
    let Some(uid) = query.text("link").and_then(|secret| monitor.links.redeem(secret)) else {
        visitor::report(conn, "a sign-in link that was used, has expired, or never was");
        return html(StatusCode::UNAUTHORIZED, BAD_LINK);
    };
    let now = conn.services.log.now();
    let secret = match monitor.sessions.begin(uid, conn.peer.local_uid(), now) {
        Ok(secret) => secret,
        Err(cause) => return error(Code::Later, &format!("no random numbers: {cause}")),
    };
    let mut signed_in = reply(StatusCode::OK, HTML, SIGNED_IN);
    set_cookie(conn, &mut signed_in, secret.text(), AGE_MAX.as_secs());
    signed_in
}

/// `POST /logout`: ends the session.
pub(super) fn end(conn: &Conn, visitor: &Visitor) -> Reply {
    if let Some(session) = &visitor.session {
        session.sessions.end(&session.session);
    }
    let mut signed_out = empty(StatusCode::NO_CONTENT);
    set_cookie(conn, &mut signed_out, "", 0);
    signed_out
}

fn set_cookie(conn: &Conn, reply: &mut Reply, value: &str, seconds: u64) {
    let site = &conn.monitor.site;
    let secure = if site.url().secure { "; Secure" } else { "" };
    let cookie = format!(
        "{}={value}; Path={}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}",
        site.cookie,
        site.url().path
    );
    // Hexadecimal digits and a configured path without spaces are a valid header value.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
