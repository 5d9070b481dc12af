//! Host, Origin, other sites' pages, methods, validators, headers.

use super::Http;
use crate::harness::{Agent, Tool};

#[test]
fn refuses_foreign_hosts_and_other_sites_pages() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let (port, cookie) = (session.address.port(), &session.secret);
    let status = |host: &str, more: &str| {
        let mut http = Http::connect(session.address);
        http.send(format!("GET /stats HTTP/1.1\r\n{host}\r\n{more}{cookie}\r\n\r\n"));
        http.response().status
    };
    let own = format!("Host: 127.0.0.1:{port}");
    assert_eq!(status(&own, ""), 200);
    assert_eq!(status(&format!("Host: LOCALHOST:{port}"), ""), 200);
    for host in [
        format!("Host: evil.example:{port}"),
        "Host: localhost".into(),
        format!("Host: 127.0.0.1:{port}.evil.example"),
        format!("Host: evil.example@127.0.0.1:{port}"),
        "Host: ".into(),
        "X: y".into(),
        format!("{own}\r\nHost: evil.example"),
        format!("{own}\r\n{own}"),
    ] {
        assert_eq!(status(&host, ""), 421, "{host}");
    }
    agent.wait_for_output("the Host header names another site");
    for (more, expected) in [
        (format!("Origin: http://127.0.0.1:{port}\r\n"), 200),
        ("Origin: http://evil.example\r\n".into(), 403),
        ("Origin: null\r\n".into(), 403),
        (format!("Origin: https://127.0.0.1:{port}\r\n"), 403),
        ("Sec-Fetch-Site: same-origin\r\n".into(), 200),
        ("Sec-Fetch-Site: cross-site\r\n".into(), 403),
        ("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n".into(), 403),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n".into(), 200),
        ("Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n".into(), 200),
    ] {
        assert_eq!(status(&own, &more), expected, "{more}");
    }
    // Probes by address are answered, and tell nothing.
    let mut http = Http::connect(session.address);
    http.send("GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
    assert_eq!(http.response().text(), "ok\n");
}

#[test]
fn absolute_form_names_the_host_that_counts() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let status = |target: String, host: &str| {
        let mut http = Http::connect(session.address);
        http.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}\r\n\r\n", session.secret));
        http.try_response().map(|response| response.status)
    };
    let own = session.address.to_string();
    assert_eq!(status(format!("http://{own}/stats"), &own), Some(200));
    assert_eq!(status("http://evil.example/stats".into(), &own), Some(421));
}

#[test]
fn every_response_has_the_headers_that_protect_it() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let unsigned = agent.visitor();
    let (long, port) = ("/".to_owned() + &"a".repeat(2000), session.address.port());
    let _ = port;
    for (line, expected) in [
        ("GET /", 200),
        ("GET /assets/app.js", 200),
        ("GET /assets/none.js", 404),
        ("GET /assets/../mod.rs", 404),
        ("GET /assets/%2e%2e/mod.rs", 404),
        ("GET /nothing", 404),
        (&format!("GET {long}"), 404),
        ("GET /stats", 200),
        ("GET /healthz", 200),
        ("GET /readyz", 200),
        ("GET /events?match=%7E", 400),
        ("GET /events?color=red", 400),
        ("GET /events?lines=1&lines=2", 400),
        ("GET /feed", 400),
        ("GET /views/none", 400),
        ("DELETE /events", 405),
        ("POST /", 405),
        ("GET /logout", 405),
        ("HEAD /events", 405),
        ("HEAD /", 200),
        ("OPTIONS /events", 405),
        ("TRACE /", 405),
    ] {
        let mut http = Http::connect(session.address);
        http.send(session.head(line, &[]));
        let head = http.try_head().expect("a response");
        assert_eq!(head.status, expected, "{line}");
        let policy = head.header("content-security-policy").expect(line);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"), "{line}");
        assert_eq!(head.header("allow").is_some(), expected == 405, "{line}");
    }
    assert!(unsigned.get("/").header("content-security-policy").is_some());
}

#[test]
fn files_are_compressed_and_kept_by_validators() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let plain = session.request("GET /assets/app.js", &[]);
    let etag = plain.header("etag").expect("a validator").to_owned();
    let known = session.request("GET /assets/app.js", &[&format!("If-None-Match: {etag}")]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let changed = session.request("GET /assets/app.js", &["If-None-Match: \"other\""]);
    assert_eq!(changed.status, 200);
    let compressed = session.request("GET /assets/app.js", &["Accept-Encoding: gzip"]);
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert!(compressed.body.len() < plain.body.len());
    let url = format!("http://{}/assets/app.js", session.address);
    let fetched = Tool::new("curl").args(&["-s", "--compressed", "-H", &session.secret, &url]).ok();
    assert_eq!(fetched, plain.text());
}
