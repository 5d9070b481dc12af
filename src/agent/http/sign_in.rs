//! Signing in by a one-time link, and out.

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;

use super::conn::Conn;
use super::pages;
use super::query::Query;
use super::respond::{Reply, empty, error, reply};
use super::visitor::Visitor;
use crate::auth::sessions::AGE_MAX;
use crate::wire::Code;

/// The cookie is `SameSite=Strict`: a browser does not send it while it follows a redirect that began on another site.
/// It does when a page of this site loads the next one.
const SIGNED_IN: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pulse</title>\n",
    "<meta name=\"color-scheme\" content=\"dark light\"><meta http-equiv=\"refresh\" content=\"0;url=./\">\n",
    "<link rel=\"icon\" href=\"data:,\">\n",
    "</head><body><p><a href=\"./\">Pulse</a></p></body></html>\n"
);

/// `GET /login?link=SECRET`: begins a session.
pub(super) async fn redeem(conn: &Conn, parts: &Parts) -> Reply {
    let query = match Query::parse(parts.uri.query().unwrap_or_default(), &["link"]) {
        Ok(query) => query,
        Err(refused) => return error(refused.code, &refused.why),
    };
    let monitor = &conn.monitor;
    let Some(uid) = query.text("link").and_then(|secret| monitor.links.redeem(secret)) else {
        conn.report("a sign-in link that was used, has expired, or never was");
        return pages::bad_link();
    };
    let user = match conn.services.origins.name(uid).await {
        Ok(user) => user,
        // The link is used up.
        Err(why) => return error(Code::Later, &format!("{why}, with a new link")),
    };
    let (peer, now) = (conn.peer.local_uid(), conn.services.log.now());
    let secret = match monitor.sessions.begin(uid, user, peer, now).await {
        Ok(secret) => secret,
        Err(cause) => return error(Code::Later, &format!("no random numbers: {cause}")),
    };
    let mut signed_in = reply(StatusCode::OK, pages::HTML, SIGNED_IN);
    set_cookie(conn, &mut signed_in, secret.text(), AGE_MAX.as_secs());
    signed_in
}

/// `POST /logout`: ends the session.
pub(super) async fn end(conn: &Conn, visitor: &Visitor) -> Reply {
    if let Some(session) = &visitor.session {
        session.sessions.end(&session.session).await;
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
