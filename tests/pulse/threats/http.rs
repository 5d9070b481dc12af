//! Every cell of the table of roles and paths of the monitor, and what all of its responses have in common.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use nix::sys::signal::Signal;

use super::{OTHER, rows_of};
use crate::access::{
    NONE, RULES, SENDER, SHOP, WATCHER, prepare_with_accounts, run_as_agent, with_rules,
};
use crate::bridge::WRONG;
use crate::harness::{Agent, TIMEOUT, Tool, wait_for};

/// The seed as both roles of a tag see it: as one event of the shop, and as another one.
const SEED: &str = "match=msg%3Dseed";

/// Where the monitor of an agent is.
#[derive(Clone, Debug)]
struct Site {
    /// The host and the port.
    authority: String,
}

/// How a client asks.
#[derive(Clone, Default)]
struct Role {
    cookie: Option<String>,
    token: Option<String>,
    host: Option<&'static str>,
    origin: Option<&'static str>,
    /// The user who connects, unless it is the test's.
    uid: Option<u32>,
}

/// A response: all of it, or what came until enough of it had come.
#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Site {
    fn of(agent: &Agent) -> Self {
        let link = agent.connect().request("LINK");
        let rest = link.strip_prefix("OK http://").unwrap_or_else(|| panic!("{link}"));
        let (authority, _) = rest.split_once('/').expect("a path");
        Self { authority: authority.into() }
    }

    /// The path and query of a link for this user.
    fn link(agent: &Agent, uid: u32) -> String {
        let answer = agent.connect_as(uid).request("LINK");
        let (_, path) = answer.split_once("/login").unwrap_or_else(|| panic!("{answer}"));
        format!("/login{path}")
    }

    /// The cookie of a new session of this user.
    fn sign_in(&self, agent: &Agent, uid: u32) -> String {
        let signed_in = self.request(&Role::default(), "GET", &Self::link(agent, uid), "");
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
        let cookie = signed_in.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap_or_else(|| panic!("{signed_in:?}"));
        for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        cookie.split(';').next().expect("a pair").to_owned()
    }

    /// The whole response.
    fn request(&self, role: &Role, method: &str, path: &str, body: &str) -> Response {
        self.request_until(role, method, path, body, |_| false)
    }

    /// The response up to where `enough` is true of the body so far.
    fn request_until(
        &self,
        role: &Role,
        method: &str,
        path: &str,
        body: &str,
        enough: impl Fn(&str) -> bool,
    ) -> Response {
        if let Some(uid) = role.uid {
            return self.request_as(uid, role, method, path, body);
        }
        let mut stream = self.connect();
        let head = self.head(role, method, path, body.len());
        stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).expect("sent");
        let (mut bytes, mut piece) = (Vec::new(), [0; 16384]);
        loop {
            let length = stream.read(&mut piece).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
            bytes.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&bytes);
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
            if length == 0 || enough(body) {
                return Response::new(head, body);
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.authority).expect("the monitor listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("the timeout is not zero");
        stream
    }

    fn head(&self, role: &Role, method: &str, path: &str, length: usize) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        head += &format!("Host: {}\r\n", role.host.unwrap_or(&self.authority));
        role.headers().iter().for_each(|header| head += &format!("{header}\r\n"));
        if method == "POST" {
            head += &format!("Content-Length: {length}\r\n");
        }
        head + "\r\n"
    }

    /// The same by another user's process.
    fn request_as(&self, uid: u32, role: &Role, method: &str, path: &str, body: &str) -> Response {
        let (reuid, url) = (format!("--reuid={uid}"), format!("http://{}{path}", self.authority));
        let mut words = vec!["--clear-groups", &reuid, "curl", "-sSgi", "-X", method, &url];
        let headers = role.headers();
        headers.iter().for_each(|header| words.extend(["-H", header]));
        if method == "POST" {
            words.extend(["--data-binary", body]);
        }
        let text = Tool::new("setpriv").args(&words).ok();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        Response::new(head, body)
    }
}

impl Response {
    fn new(head: &str, body: &str) -> Self {
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no response: {head:?}"));
        Self { status, head: head.replace('\r', ""), body: body.into() }
    }

    /// `yes`, or the status.
    fn cell(&self) -> String {
        if (200..300).contains(&self.status) { "yes".into() } else { self.status.to_string() }
    }
}

impl Role {
    fn headers(&self) -> Vec<String> {
        let cookie = self.cookie.iter().map(|cookie| format!("Cookie: {cookie}"));
        let token = self.token.iter().map(|token| format!("Authorization: Bearer {token}"));
        let origin = self.origin.iter().map(|origin| format!("Origin: {origin}"));
        cookie.chain(token).chain(origin).collect()
    }

    fn named(name: &str, agent: &Agent, site: &Site) -> Self {
        let session = |uid| Self { cookie: Some(site.sign_in(agent, uid)), ..Self::default() };
        let token = |name: &str, send: &[&str], tail: &[&str]| Self {
            token: Some(agent.token(name, send, tail)),
            ..Self::default()
        };
        match name {
            "session of root" => session(0),
            "session, may follow every tag" => session(WATCHER),
            "session, may follow `shop.*`" => session(SHOP),
            "session, may follow no tag" => session(SENDER),
            "session, through another user's connection" => {
                Self { uid: Some(NONE), ..session(WATCHER) }
            }
            "session, Host of another site" => Self { host: Some("evil.example"), ..session(0) },
            "session, from another site's page" => {
                Self { origin: Some("https://evil.example"), ..session(0) }
            }
            "no session and no token" => Self::default(),
            "wrong cookie" => {
                let known = site.sign_in(agent, WATCHER);
                let (name, _) = known.split_once('=').expect("a pair");
                Self { cookie: Some(format!("{name}={WRONG}")), ..Self::default() }
            }
            "wrong token" => Self { token: Some(WRONG.into()), ..Self::default() },
            "token that sends every tag" => token("web-sends", &["*"], &[]),
            "token that follows every tag" => token("web-tails", &[], &["*"]),
            "token that sends and follows `shop.*`" => token("web-both", &["shop.*"], &["shop.*"]),
            _ => panic!("unknown role: {name}"),
        }
    }

    /// The cell for a path, as the page writes it.
    fn cell(&self, path: &str, agent: &Agent, site: &Site) -> String {
        let view = |path: &str| {
            let response = site.request_until(self, "GET", path, "", |body| {
                body.contains("\"events\":2,") || body.contains("\"events\":1,\"now\"")
            });
            match response.cell().as_str() {
                "yes" if !response.body.contains("\"events\":2,") => "some".into(),
                cell => cell.to_owned(),
            }
        };
        match path {
            "`GET /events`" => {
                let found = site.request(self, "GET", &format!("/events?lines=2&{SEED}"), "");
                match (found.status, found.body.contains("shop.a"), found.body.contains(OTHER)) {
                    (200, true, true) => "yes".into(),
                    (200, true, false) => "some".into(),
                    _ => found.cell(),
                }
            }
            "`GET /views/…`" => view(&format!("/views/rates?every=0.2&{SEED}")),
            "`GET /feed`" => {
                let subs = r#"[{"id":"a","view":"rates","match":"msg=seed","every":0.2}]"#;
                let subs = subs.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
                view(&format!("/feed?subs={subs}"))
            }
            "`GET /stats`" => {
                let stats = site.request(self, "GET", "/stats", "");
                let all = stats.body.contains("\"events\":");
                if stats.status == 200 && !all { "some".into() } else { stats.cell() }
            }
            "`POST /events`" => {
                let body = format!("{{\"tag\":\"shop.b\"}}\n{{\"tag\":\"{OTHER}\"}}\n");
                let posted = site.request(self, "POST", "/events", &body);
                let some = posted.body.contains("\"accepted\":1,");
                if some { "some".into() } else { posted.cell() }
            }
            "`GET /login`" => site.request(self, "GET", &Site::link(agent, SENDER), "").cell(),
            "`GET /`" | "`GET /assets/…`" | "`GET /metrics`" | "`GET /healthz`" => {
                let path = path.trim_matches('`').trim_start_matches("GET ").replace('…', "app.js");
                site.request(self, "GET", &path, "").cell()
            }
            "`POST /logout`" => site.request(self, "POST", "/logout", "").cell(),
            _ => panic!("unknown path: {path}"),
        }
    }
}

#[test]
fn access_table_matches_monitor() {
    let Some(mut agent) = prepare_with_accounts("the table of the monitor's paths", &RULES) else {
        return;
    };
    run_as_agent(&mut agent);
    agent.restart();
    // `pulsed token` does not see the test's accounts: it gets a configuration without rules.
    agent.configure(&[]);
    let mut root = agent.connect();
    root.write("SEND {\"tag\":\"shop.a\",\"msg\":\"seed\"}\n");
    root.write(format!("SEND {{\"tag\":\"{OTHER}\",\"msg\":\"seed\"}}\n")).sync();
    let site = Site::of(&agent);
    let table = rows_of("| role over HTTP |");
    let (head, rows) = table.split_first().expect("a table");
    assert!(head.len() == 12 && rows.len() == 13, "{head:?}: {} rows", rows.len());
    let (agent, site) = (&agent, &site);
    let wrong: Vec<String> = thread::scope(|scope| {
        let check = |role: &Role, row: &[String]| {
            assert_eq!(row.len(), head.len(), "{row:?}");
            let cells = head.iter().zip(row).skip(1);
            let found =
                cells.map(|(path, expected)| (path, expected, role.cell(path, agent, site)));
            let wrong = found.filter(|(_, expected, found)| found != *expected);
            let wrong = wrong.map(|(path, expected, found)| {
                format!("{}: {path}: {expected} on the page, {found} found", row[0])
            });
            wrong.collect::<Vec<_>>()
        };
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                // One after another: each changes the file of the tokens or of the sessions.
                let role = Role::named(&row[0], agent, site);
                scope.spawn(move || check(&role, row))
            })
            .collect();
        rows.into_iter().flat_map(|row| row.join().expect("no panic")).collect()
    });
    assert_eq!(wrong, [""; 0]);
    // Attacks are reported, without what the client sent.
    for cause in [
        "monitor: uid 0: wrong token: refused",
        "monitor: uid 0: the Host header names another site: refused",
    ] {
        // At most one a second is reported: try again.
        wait_for(cause, || {
            let (token, host) = (Some(WRONG.to_owned()), Some("evil.example"));
            let role = match cause.contains("token") {
                true => Role { token, ..Role::default() },
                false => Role { host, ..Role::default() },
            };
            site.request(&role, "GET", "/", "");
            agent.output().contains(cause).then_some(())
        });
    }
    assert!(!agent.output().contains(WRONG) && !agent.output().contains("link="));
}

/// The frames of the live response to a request, up to its end.
fn follow(site: &Site, role: &Role, started: impl FnOnce()) -> String {
    let mut stream = site.connect();
    let subs = "%5B%7B%22id%22:%22a%22,%22events%22:%7B%7D%7D%5D";
    let head = site.head(role, "GET", &format!("/feed?subs={subs}"), 0);
    stream.write_all(head.as_bytes()).expect("sent");
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    let mut started = Some(started);
    loop {
        let length = stream.read(&mut piece).expect("the stream ends");
        text += &String::from_utf8_lossy(&piece[..length]);
        if text.contains(": pulsed")
            && let Some(started) = started.take()
        {
            started();
        }
        if length == 0 {
            return text;
        }
    }
}

#[test]
fn stream_ends_with_its_session() {
    let agent = Agent::start();
    let site = Site::of(&agent);
    let session = |site: &Site| Role {
        cookie: Some(site.sign_in(&agent, nix::unistd::geteuid().as_raw())),
        ..Role::default()
    };
    let (own, other) = (session(&site), session(&site));
    let text = follow(&site, &own, || {
        assert_eq!(site.request(&own, "POST", "/logout", "").status, 204);
    });
    assert!(text.contains("event: end\ndata: {\"why\":\"you are signed out\"}"), "{text}");
    assert_eq!(site.request(&own, "GET", "/stats", "").status, 401);
    assert_eq!(site.request(&other, "GET", "/stats", "").status, 200, "another session");
}

#[test]
fn stream_ends_when_its_right_is_revoked() {
    let Some(agent) = with_rules("the right of a session", &[]) else { return };
    let site = Site::of(&agent);
    let role = Role { cookie: Some(site.sign_in(&agent, WATCHER)), ..Role::default() };
    let text = follow(&site, &role, || {
        agent.configure(&["access = []"]);
        agent.signal(Signal::SIGHUP);
    });
    assert!(text.contains("event: end\ndata: {\"why\":\"your right "), "{text}");
    assert_eq!(site.request(&role, "GET", "/stats", "").status, 403);
}

#[test]
fn stopping_agent_spreads_reconnects() {
    let mut agent = Agent::start();
    let site = Site::of(&agent);
    let uid = nix::unistd::geteuid().as_raw();
    let role = Role { cookie: Some(site.sign_in(&agent, uid)), ..Role::default() };
    let text = follow(&site, &role, || agent.signal(Signal::SIGTERM));
    assert!(text.contains("retry: ") && !text.contains("event: end"), "{text}");
    assert!(agent.wait().success());
    // The same port, and the session is still valid.
    agent.restart();
    assert_eq!(site.request(&role, "GET", "/stats", "").status, 200);
}

#[test]
fn every_response_forbids_foreign_content() {
    let agent = Agent::start();
    let site = Site::of(&agent);
    let uid = nix::unistd::geteuid().as_raw();
    let signed_in = Role { cookie: Some(site.sign_in(&agent, uid)), ..Role::default() };
    for role in [&Role::default(), &signed_in] {
        for path in ["/", "/assets/app.js", "/events", "/stats", "/healthz", "/login", "/none"] {
            let response = site.request(role, "GET", path, "");
            for header in [
                "content-security-policy: default-src 'none'; script-src 'self'; ",
                "x-content-type-options: nosniff",
                "x-frame-options: DENY",
                "referrer-policy: no-referrer",
                "cross-origin-opener-policy: same-origin",
                "cross-origin-resource-policy: same-origin",
            ] {
                assert!(response.head.contains(header), "{path}: {header}: {response:?}");
            }
            for allowed in ["unsafe-", "access-control-", "http:", "https:"] {
                assert!(!response.head.contains(allowed), "{path}: {allowed}: {response:?}");
            }
        }
    }
}

#[test]
fn ambiguous_requests_are_refused() {
    let agent = Agent::start();
    let site = Site::of(&agent);
    let host = format!("Host: {}", site.authority);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\n{host}\r\nHost: evil.example"), 421),
        ("GET / HTTP/1.1".into(), 421),
        (format!("GET http://evil.example/ HTTP/1.1\r\n{host}"), 421),
        (format!("POST /events HTTP/1.1\r\n{host}\r\nContent-Length: 1\r\nContent-Length: 2"), 400),
        (format!("GET / HTTP/1.1\r\n{host}\r\nX: {}", "x".repeat(128 << 10)), 431),
        (format!("GET / HTTP/1.1\r\n{host}{}", "\r\nX: y".repeat(200)), 431),
        (format!("DELETE /events HTTP/1.1\r\n{host}"), 405),
    ] {
        let mut stream = site.connect();
        // The agent may answer and close the connection before it has read everything.
        let _ = stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes());
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]);
        let shown: String = head.chars().take(100).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
    }
}
