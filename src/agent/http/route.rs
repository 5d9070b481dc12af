//! The paths of the monitor.

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::conn::Conn;
use super::respond::{Reply, error, error_with, reply};
use super::visitor::{self, Visitor};
use super::{assets, feed, metrics, open, pages, post, sign_in};
use crate::access::TagScope;
use crate::agent::access::Subject;
use crate::wire::Code;

/// What a path leads to.
#[derive(Clone, Copy)]
enum Route<'a> {
    Health,
    Ready,
    SignIn,
    SignOut,
    Page,
    Asset(&'a str),
    Events,
    Post,
    View(&'a str),
    Feed,
    Stats,
    Metrics,
}

/// Serves one request.
pub(super) async fn respond(conn: &Conn, request: Request<Incoming>) -> Reply {
    if !conn.charge_request().await {
        return error(Code::Later, "too many requests of yours at once: try again later");
    }
    let (parts, body) = request.into_parts();
    let path = conn.monitor.site.path(parts.uri.path());
    let route = match route(&parts.method, path) {
        Ok(route) => route,
        Err(refusal) => return refusal,
    };
    // Load balancers probe by address.
    if let Route::Health | Route::Ready = route {
        return health(conn, matches!(route, Route::Ready));
    }
    if let Err(refusal) = visitor::check_site(conn, &parts) {
        return refusal;
    }
    if let Route::SignIn = route {
        return sign_in::redeem(conn, &parts).await;
    }
    let visitor = match Visitor::authenticate(conn, &parts).await {
        Ok(visitor) => visitor,
        Err(refusal) => return refusal,
    };
    let served = match route {
        Route::SignOut => Ok(sign_in::end(conn, &visitor).await),
        Route::Post => post::respond(conn, &parts, visitor, body).await,
        Route::Page => page(&visitor, &parts).await,
        Route::Asset(name) => Ok(assets::respond(name, &parts.headers)),
        Route::Events => open::events(conn, &parts, visitor).await,
        Route::View(name) => open::view(conn, &parts, visitor, name).await,
        Route::Feed => feed::respond(conn, &parts, visitor).await,
        Route::Stats => stats(conn, &visitor).await,
        Route::Metrics => metrics::respond(conn, &visitor).await,
        Route::Health | Route::Ready | Route::SignIn => return health(conn, false),
    };
    served.unwrap_or_else(|refusal| refusal)
}

fn route<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, Reply> {
    let (allowed, route) = match path {
        "/healthz" => ("GET", Route::Health),
        "/readyz" => ("GET", Route::Ready),
        "/login" => ("GET", Route::SignIn),
        "/logout" => ("POST", Route::SignOut),
        "/" => ("GET", Route::Page),
        "/events" if *method == Method::POST => ("POST", Route::Post),
        "/events" => ("GET, POST", Route::Events),
        "/feed" => ("GET", Route::Feed),
        "/stats" => ("GET", Route::Stats),
        "/metrics" => ("GET", Route::Metrics),
        _ => match path.strip_prefix("/assets/").map(Route::Asset) {
            Some(asset) => ("GET", asset),
            None => match path.strip_prefix("/views/") {
                Some(name) => ("GET", Route::View(name)),
                None => return Err(error_with(StatusCode::NOT_FOUND, Code::Usage, "no such page")),
            },
        },
    };
    // hyper leaves out the body of a reply to HEAD; a live response would have nothing else. HEAD is safe (RFC 9110,
    // section 9.2.1): it must not use up a link.
    let head = *method == Method::HEAD
        && !matches!(route, Route::SignIn | Route::Events | Route::Feed | Route::View(_));
    if allowed.split(", ").any(|allowed| method == allowed) || (head && allowed == "GET") {
        return Ok(route);
    }
    let why = format!("use {allowed}");
    let mut refusal = error_with(StatusCode::METHOD_NOT_ALLOWED, Code::Usage, &why);
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    Err(refusal)
}

/// Alive, and for `ready` able to store events too.
fn health(conn: &Conn, ready: bool) -> Reply {
    let stopping = *conn.services.stopping.borrow();
    let trouble = conn.services.log.counters().trouble;
    let (status, text) = match (stopping, trouble.filter(|_| ready)) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        (false, Some(_)) => (StatusCode::SERVICE_UNAVAILABLE, "history is not written\n"),
        (false, None) => (StatusCode::OK, "ok\n"),
    };
    reply(status, "text/plain; charset=utf-8", text)
}

/// The page is for those who may follow something.
async fn page(visitor: &Visitor, parts: &Parts) -> Result<Reply, Reply> {
    match visitor.rights.tail().await {
        Ok(_) => Ok(assets::respond(assets::PAGE, &parts.headers)),
        Err(why) => Err(pages::no_right(&why.to_string())),
    }
}

/// The figures of STATS, and whose page this is.
async fn stats(conn: &Conn, visitor: &Visitor) -> Result<Reply, Reply> {
    let scope = visitor.scope().await?;
    let text = conn.services.stats.json(&scope);
    let mut figures: Value = serde_json::from_str(&text).unwrap_or_default();
    let user = match visitor.rights.subject() {
        Subject::Trusted(uid) | Subject::User(uid) => {
            let known = conn.services.origins.name(*uid).await;
            known.ok().flatten().unwrap_or_else(|| format!("uid {uid}"))
        }
        Subject::Token(token) => token.name.to_string(),
    };
    figures["user"] = json!(user);
    figures["every_tag"] = json!(scope == TagScope::All);
    Ok(super::respond::json(StatusCode::OK, &figures))
}
