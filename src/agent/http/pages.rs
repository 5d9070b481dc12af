//! The pages of clients that are not signed in, or may see nothing.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;

use super::conn::Conn;
use super::respond::{Reply, error_with, reply};
use crate::wire::Code;

/// The type of a page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// The only style within a page: [`super::respond`] permits it by its hash.
const STYLE: &str = concat!(
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#0d1117;color:#e6edf3;",
    "font:15px/1.6 system-ui,sans-serif}main{max-width:30rem;padding:2rem}h1{font-size:1.2rem;font-weight:600}",
    "pre{padding:.7rem 1rem;border:1px solid #30363d;border-radius:6px;background:#161b22;color:#2dd4bf}",
    "@media(prefers-color-scheme:light){body{background:#fcfcfb;color:#1f2328}",
    "pre{background:#fff;border-color:#d0d7de;color:#0f766e}}",
);

/// A page of its own, since the monitor's files are for those who are signed in. `{main}` stands for a heading and text.
const TEMPLATE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pulse</title>\n",
    "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"dark light\">\n",
    "<link rel=\"icon\" href=\"data:,\"><style>{style}</style>\n",
    "</head><body><main>{main}</main></body></html>\n"
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
    let page = TEMPLATE.replacen("{style}", STYLE, 1).replacen("{main}", main, 1);
    reply(status, HTML, page)
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::http::respond::CONTENT_POLICY;
    use aws_lc_rs::digest::{SHA256, digest};

    /// Base64 (RFC 4648, section 4) of 32 bytes.
    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
        let digit = |at: usize| (0..6).fold(0, |digit, bit| digit << 1 | bits(at + bit));
        let digits = (0..bytes.len() * 8).step_by(6);
        digits.map(|at| char::from(DIGITS[usize::from(digit(at))])).chain(['=']).collect()
    }

    #[test]
    fn policy_permits_the_style() {
        let hash = base64(digest(&SHA256, STYLE.as_bytes()).as_ref());
        assert!(CONTENT_POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }
}
