//! Who asks: a session's user or the holder of a token, with rights and quota.

use std::fmt::Display;
use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::conn::Conn;
use super::pages;
use super::respond::{Reply, error, error_with};
use super::tenure::{self, Ended, SessionInUse};
use crate::access::TagScope;
use crate::agent::access::Rights;
use crate::agent::access::origins::NameUnavailable;
use crate::agent::follow::selection::Visible;
use crate::agent::follow::source::Broken as _;
use crate::agent::hosts;
use crate::agent::limits::{QuotaKey, Rate, Share};
use crate::wire::{Code, Refused};

/// The longest secret in a cookie or a header, in bytes.
const SECRET_MAX: usize = 256;

/// An authenticated client of one request.
pub(super) struct Visitor {
    pub(super) rights: Arc<Rights>,
    /// Its session, unless it has a token.
    pub(super) session: Option<SessionInUse>,
    pub(super) rate: Option<Arc<Rate>>,
    pub(super) quota_key: QuotaKey,
    /// The share of the user or token, for as long as the response lasts.
    pub(super) share: Share,
}

impl Visitor {
    /// Authenticates a request by its Bearer token (RFC 6750), or else by its session's cookie.
    pub(super) async fn authenticate(conn: &Conn, parts: &Parts) -> Result<Self, Reply> {
        let visitor = match bearer(&parts.headers) {
            Some(token) => Self::with_token(conn, token?).await?,
            None => Self::with_session(conn, parts).await?,
        };
        conn.note_authenticated();
        match visitor.rate.as_ref().is_none_or(|rate| rate.charge_request(0)) {
            true => Ok(visitor),
            false => Err(error(Code::Later, "too many requests of yours at once: try again later")),
        }
    }

    async fn with_token(conn: &Conn, text: &str) -> Result<Self, Reply> {
        let access = &conn.services.access;
        let token = access.token(text).await;
        let token = token.map_err(|why| error(Code::Later, &why.to_string()))?;
        let token = token.ok_or_else(|| unauthorized(conn, "wrong token"))?;
        let key = QuotaKey::Token(token.name.clone());
        Self::new(conn, Arc::new(access.rights_of_token(token)), key, None)
    }

    async fn with_session(conn: &Conn, parts: &Parts) -> Result<Self, Reply> {
        let session = find_session(conn, &parts.headers).await;
        let session = session.map_err(|why| error(Code::Later, &why.to_string()))?;
        let session = session.ok_or_else(|| pages::signed_out(conn, parts))?;
        let uid = session.session.uid;
        let rights = Arc::new(conn.services.access.rights_of_user(uid));
        Self::new(conn, rights, QuotaKey::User(uid), Some(session))
    }

    fn new(
        conn: &Conn,
        rights: Arc<Rights>,
        quota_key: QuotaKey,
        session: Option<SessionInUse>,
    ) -> Result<Self, Reply> {
        let limits = &conn.services.limits;
        let share = limits.share(quota_key.clone());
        let share = share.map_err(|full| error(Code::Later, &full.to_string()))?;
        let rate = limits.rate_of(&quota_key);
        Ok(Self { rights, session, rate, quota_key, share })
    }

    /// The tags that it may follow.
    pub(super) async fn scope(&self) -> Result<TagScope, Reply> {
        let scope = self.rights.tail().await;
        scope.cloned().map_err(|why| error(why.code(), &why.to_string()))
    }

    /// What it may see of this machine, or of the hosts that a pattern names.
    pub(super) async fn visible(&self, hosts: Option<&str>) -> Result<Visible, Refused> {
        let refused =
            |code: Code, why: &dyn Display| Refused { code, why: why.to_string(), event: false };
        let Some(hosts) = hosts else {
            let scope = self.rights.tail().await;
            return scope.map(Visible::from).map_err(|why| refused(why.code(), &why));
        };
        let scope = self.rights.tail_hosts().await.map_err(|why| refused(why.code(), &why))?;
        hosts::visible(hosts, scope).map_err(|why| refused(why.code(), &why))
    }

    /// Waits until a response to it must end.
    pub(super) fn ended(&self, conn: &Conn) -> impl Future<Output = Ended> + Send + use<> {
        let stopping = conn.services.stopping.clone();
        tenure::ended(self.rights.clone(), self.session.clone(), stopping)
    }
}

/// The session of a request's cookie. `None` without a valid one. A session whose uid belongs to another user now is
/// ended.
async fn find_session(
    conn: &Conn,
    headers: &HeaderMap,
) -> Result<Option<SessionInUse>, NameUnavailable> {
    let services = conn.services.clone();
    let sessions = conn.monitor.sessions.clone();
    let text = cookie(headers, &conn.monitor.site.cookie).filter(|text| text.len() <= SECRET_MAX);
    let peer = conn.peer.local_uid();
    let Some(session) = text.and_then(|text| sessions.find(text, peer, services.log.now())) else {
        return Ok(None);
    };
    if services.origins.name(session.uid).await? != session.user {
        sessions.end(&session).await;
        return Ok(None);
    }
    Ok(Some(SessionInUse { sessions, session, services }))
}

/// The value of a cookie (RFC 6265, section 5.4). The last one wins: a browser sends older ones first.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(known, _)| known.trim() == name).map(|(_, value)| value.trim()).next_back()
}

/// The text of a Bearer token, if there is an Authorization header.
fn bearer(headers: &HeaderMap) -> Option<Result<&str, Reply>> {
    let value = headers.get(header::AUTHORIZATION)?;
    let text = value.to_str().ok().and_then(|value| value.split_once(' '));
    let token = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(match token {
        Some((_, token)) if token.len() <= SECRET_MAX => Ok(token.trim()),
        _ => Err(error_with(
            StatusCode::UNAUTHORIZED,
            Code::Denied,
            "use Authorization: Bearer TOKEN, with a token of pulsed token add",
        )),
    })
}

/// A request without a good secret. Its connection ends, so that guessing needs a new one each time.
pub(super) fn unauthorized(conn: &Conn, why: &str) -> Reply {
    conn.report(why);
    let mut reply = error_with(StatusCode::UNAUTHORIZED, Code::Denied, why);
    let headers = reply.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    reply
}

/// Checks that a request is meant for this site and does not come from another one's page.
///
/// # Errors
/// The refusal.
pub(super) fn check_site(conn: &Conn, parts: &Parts) -> Result<(), Reply> {
    let site = &conn.monitor.site;
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = match (parts.uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) => None,
        (Some(authority), _, _) => Some(authority.as_str()),
        (None, host, _) => host.and_then(|host| host.to_str().ok()),
    };
    if !host.is_some_and(|host| site.is_host(host)) {
        conn.report("the Host header names another site");
        let why = "this Host is not the monitor's: set web.url in pulsed.toml if it should be";
        return Err(error_with(StatusCode::MISDIRECTED_REQUEST, Code::Denied, why));
    }
    let value = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let foreign_origin = value(header::ORIGIN).is_some_and(|origin| !site.is_origin(origin));
    let from = value(HeaderName::from_static("sec-fetch-site"));
    let foreign_page = matches!(from, Some("cross-site" | "same-site"));
    // A link on another site's page may lead here.
    let mode = value(HeaderName::from_static("sec-fetch-mode"));
    let navigates = mode == Some("navigate") && parts.method == Method::GET;
    if foreign_origin || (foreign_page && !navigates) {
        conn.report("a page of another site sent a request");
        let why = "requests of another site's pages are refused";
        return Err(error_with(StatusCode::FORBIDDEN, Code::Denied, why));
    }
    Ok(())
}
