//! Requests that try to confuse the door, hold it open, or use it up.

use std::time::Instant;

use super::{Http, Visitor};
use crate::access::{NONE, with_rules};
use crate::harness::{Agent, Tool, wait_for};

/// Everything that the agent answers to these bytes: the statuses, until it closes or answers `most` times.
fn statuses(visitor: &Visitor, bytes: &[u8], most: usize) -> Vec<u16> {
    let mut http = Http::connect(visitor.address);
    http.try_send(bytes);
    let _ = http.stream.shutdown(std::net::Shutdown::Write);
    let mut all = Vec::new();
    while all.len() < most
        && let Some(response) = http.try_response()
    {
        all.push(response.status);
    }
    all
}

#[test]
fn requests_may_be_pipelined() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let mut http = Http::connect(session.address);
    http.send(session.head("GET /stats", &[]).repeat(100));
    for _ in 0..100 {
        assert_eq!(http.response().status, 200);
    }
}

#[test]
fn no_request_is_smuggled() {
    let agent = Agent::start();
    let shop = agent.bearer("shop", &["*"], &["*"]);
    let (host, secret) = (format!("Host: {}", shop.address), &shop.secret);
    let inner =
        format!("POST /events HTTP/1.1\r\n{host}\r\n{secret}\r\nContent-Length: 8\r\n\r\nsmuggled");
    let post = |framing: &str, body: &str| {
        format!("POST /events HTTP/1.1\r\n{host}\r\n{secret}\r\n{framing}\r\n\r\n{body}")
            .into_bytes()
    };
    for (framing, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("Transfer-Encoding:\tchunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
        ("Content-Length: 0\r\nContent-Length: 4", "abcd"),
        ("Content-Length: +4", "abcd"),
        ("Content-Length: 4, 5", "abcd"),
        ("Content-Length: 99999999999999999999", "abcd"),
        ("Transfer-Encoding: chunked", "fffffffffffffffff\r\n"),
        ("Transfer-Encoding: chunked", "-1\r\n"),
        ("Transfer-Encoding: chunked", "4\nabcd\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "4 4\r\nabcd\r\n0\r\n\r\n"),
        ("Content-Length : 4", "abcd"),
        ("Content-Length: 4\r\n folded: x", "abcd"),
        ("X: \0", ""),
        ("X: a\rY: b", ""),
    ] {
        let mut bytes = post(framing, body);
        bytes.extend(inner.as_bytes());
        let answers = statuses(&shop, &bytes, 9);
        // Refused, or taken for one request whose body ends where the standard says, and closed.
        let closed_after_one = answers.len() <= 1;
        assert!(closed_after_one, "{framing:?} {body:?}: {answers:?}");
    }
    assert!(!agent.connect().tail("{}").join("\n").contains("\"msg\":\"smuggled\""));
    for line in [
        "GET  /stats HTTP/1.1",
        "GET /st\0ats HTTP/1.1",
        "GET /stats HTTP/9.9",
        "\u{1}\u{2}",
        "GET /stats",
    ] {
        let bytes = format!("{line}\r\n{host}\r\n{secret}\r\n\r\n");
        let answers = statuses(&shop, bytes.as_bytes(), 2);
        assert!(answers.iter().all(|status| *status >= 400), "{line:?}: {answers:?}");
    }
    assert_eq!(shop.post("plain").status, 200);
}

#[test]
fn heads_have_bounds() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let with = |count: usize| {
        let fields: Vec<String> = (0..count).map(|n| format!("X-{n}: y")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        session.request("GET /stats", &fields).status
    };
    // Beside them, Host and the cookie.
    assert_eq!((with(62), with(63)), (200, 431));
    let long = |size: usize| {
        let head = session.head("GET /stats", &[&format!("X: {}", "y".repeat(size))]);
        let mut http = Http::connect(session.address);
        http.try_send(head.as_bytes());
        http.try_response().map(|response| response.status)
    };
    assert_eq!(long(32 << 10), Some(200));
    let refused = long(256 << 10);
    assert!(refused.is_none_or(|status| status == 431), "{refused:?}");
}

#[test]
fn idle_and_slow_heads_are_closed() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let begun = Instant::now();
    let mut all: Vec<Http> = (0..3).map(|_| Http::connect(session.address)).collect();
    all[1].send("GET /stats HTTP/1.1\r\nHo");
    all[2].send(session.head("GET /stats", &[]));
    assert_eq!(all[2].response().status, 200);
    for mut http in all {
        http.until_closed();
    }
    assert!(begun.elapsed() >= pulsed::agent::HEADER_WAIT_MAX.mul_f64(0.9));
}

#[test]
fn connections_count_against_the_user_who_makes_them() {
    let Some(agent) = with_rules("connection limits of the monitor", &[]) else { return };
    let address = agent.web();
    let script = format!(
        "ulimit -n 4096; for n in {{1..1100}}; do exec {{fd}}<>/dev/tcp/127.0.0.1/{}; done; echo open; read",
        address.port()
    );
    let reuid = format!("--reuid={NONE}");
    let tool = Tool::new("setpriv").args(&[&reuid, "--clear-groups", "bash", "-c", &script]);
    let mut flood = tool.start();
    assert_eq!(flood.line(), "open");
    // Root is served beside them.
    wait_for("their connections", || {
        (agent.stats()["connections"].as_u64() >= Some(1024)).then_some(())
    });
    assert!(agent.stats()["connections"].as_u64() <= Some(1024 + 2));
    assert_eq!(agent.sign_in().get("/stats").status, 200);
}

#[test]
fn a_closed_connection_is_not_root_s() {
    let Some(agent) = with_rules("closed connections of the monitor", &[]) else { return };
    let port = agent.web().port();
    let request = format!(
        "GET /stats HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\nCookie: pulse-{port}=x\\r\\n\\r\\n"
    );
    let script = format!(
        "for n in {{1..300}}; do exec {{fd}}<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&$fd; exec {{fd}}>&-; done"
    );
    let reuid = format!("--reuid={NONE}");
    Tool::new("setpriv").args(&[&reuid, "--clear-groups", "bash", "-c", &script]).ok();
    wait_for("their end", || (agent.stats()["connections"] == 1).then_some(()));
    assert!(!agent.output().contains("monitor: uid 0"), "{}", agent.output());
}
