//! Links, cookies, sessions, rights.

use nix::sys::signal::Signal;

use super::{Http, address_of, link_of, redeem, target_of};
use crate::access::{NONE, RULES, SHOP, WATCHER, with_rules};
use crate::harness::{Agent, Tool, wait_for};

#[test]
fn a_link_works_once_and_sets_a_strict_cookie() {
    let agent = Agent::start();
    let link = agent.link();
    let visitor = agent.visitor();
    // A preview does not use it up.
    let mut preview = Http::connect(visitor.address);
    preview.send(visitor.head(&format!("HEAD {}", target_of(&link)), &[]));
    assert_eq!(preview.try_head().expect("a response").status, 405);
    let first = visitor.get(target_of(&link));
    assert_eq!(first.status, 200, "{first:?}");
    let port = visitor.address.port();
    let cookie = first.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with(&format!("pulse-{port}=")), "{cookie}");
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=2592000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let again = visitor.get(target_of(&link));
    assert_eq!((again.status, again.header("set-cookie")), (401, None));
    assert!(again.text().contains("pulse-tail --web"));
    agent.wait_for_output("a sign-in link that was used");
}

#[test]
fn one_link_too_many_ends_the_oldest() {
    let agent = Agent::start();
    let links: Vec<String> = (0..17).map(|_| agent.link()).collect();
    let visitor = super::Visitor { address: address_of(&links[0]), secret: String::new() };
    assert_eq!(visitor.get(target_of(&links[0])).status, 401);
    assert_eq!(visitor.get(target_of(&links[1])).status, 200);
    assert_eq!(visitor.get(target_of(&links[16])).status, 200);
}

#[test]
fn a_session_survives_restart_and_kill_and_keeps_its_port() {
    let mut agent = Agent::start();
    let session = agent.sign_in();
    assert!(agent.stop().success());
    agent.restart();
    assert_eq!(session.get("/stats").status, 200);
    agent.kill();
    agent.restart();
    let stats = session.get("/stats");
    assert_eq!((stats.status, stats.json()["every_tag"].as_bool()), (200, Some(true)));
    assert_eq!(agent.web(), session.address);
}

#[test]
fn logout_ends_the_session_and_its_streams() {
    let agent = Agent::start();
    let session = agent.sign_in();
    let other = agent.sign_in();
    let (mut stream, mut kept) = (session.stream("/events", &[]), other.stream("/events", &[]));
    let out = session.request("POST /logout", &["Content-Length: 0"]);
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    let end = stream.next();
    assert_eq!(
        (end.event.as_deref(), &end.json()["why"]),
        (Some("end"), &"you are signed out".into())
    );
    assert_eq!(stream.try_next(), None);
    let refused = session.request("GET /", &["Accept: text/html"]);
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("pulse-tail --web"));
    agent.connect().write("SEND on\n").sync();
    assert_eq!(kept.next().json()["msg"], "on");
}

/// Runs curl as another user. Returns the status and what it prints.
fn curl_as(uid: u32, arguments: &[&str]) -> (String, String) {
    let reuid = format!("--reuid={uid}");
    let tool = Tool::new("setpriv").args(&[&reuid, "--clear-groups", "curl", "-s", "-m", "20"]);
    let out = tool.args(&["-w", "\n%{http_code}"]).args(arguments).run().out;
    let (body, status) = out.rsplit_once('\n').expect("a status");
    (status.into(), body.into())
}

#[test]
fn a_session_works_only_for_the_user_who_redeemed_it() {
    let Some(agent) = with_rules("sessions of other users", &[]) else { return };
    let link = link_of(&agent.connect_as(WATCHER).request("LINK"));
    let (status, headers) = curl_as(WATCHER, &["-D", "-", "-o", "/dev/null", &link]);
    assert_eq!(status, "200", "{headers}");
    let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    let stats = format!("http://{}/stats", address_of(&link));
    let with_cookie = ["-b", cookie, &stats];
    let (status, text) = curl_as(WATCHER, &with_cookie);
    assert_eq!(status, "200", "{text}");
    assert!(text.contains("\"user\":\"watcher\""), "{text}");
    for uid in [SHOP, NONE] {
        assert_eq!(curl_as(uid, &with_cookie).0, "401");
    }
    agent.wait_for_output("a cookie of no session, or of another user's");
}

#[test]
fn rights_decide_what_a_session_sees() {
    let Some(agent) = with_rules("rights of sessions", &[]) else { return };
    let none = redeem(&link_of(&agent.connect_as(NONE).request("LINK")));
    let page = none.request("GET /", &["Accept: text/html"]);
    assert_eq!(page.status, 403);
    assert!(page.text().contains("You may not follow any event"), "{}", page.text());
    let feed = "/feed?subs=[{%22id%22:%22a%22,%22view%22:%22rates%22}]";
    for target in ["/events", feed, "/views/users", "/stats", "/metrics"] {
        assert_eq!(none.get(target).status, 403, "{target}");
    }
    let mut sender = agent.connect();
    sender.write("SEND {\"tag\":\"shop.till\",\"msg\":\"sold\",\"fields\":{\"user\":\"ana\"}}\n");
    sender
        .write("SEND {\"tag\":\"secret\",\"msg\":\"hidden\",\"fields\":{\"user\":\"eve\"}}\n")
        .sync();
    let shop = redeem(&link_of(&agent.connect_as(SHOP).request("LINK")));
    let lines = shop.lines("").join("\n");
    assert!(lines.contains("sold") && !lines.contains("hidden"), "{lines}");
    let stats = shop.get("/stats").json();
    assert!(stats["events"].is_null() && stats["every_tag"] == false, "{stats}");
    assert_eq!(shop.get("/metrics").status, 403);
    let mut users = shop.stream("/views/users?every=0.2", &[]);
    let shown = wait_for("a user", || {
        let shown = users.next().json();
        shown["users"].as_array().is_some_and(|users| !users.is_empty()).then_some(shown)
    });
    assert!(!shown.to_string().contains("\"eve\""), "{shown}");
}

#[test]
fn a_revoked_right_ends_the_stream_with_a_message() {
    let Some(agent) = with_rules("revoked rights of sessions", &[]) else { return };
    let shop = redeem(&link_of(&agent.connect_as(SHOP).request("LINK")));
    let watcher = redeem(&link_of(&agent.connect_as(WATCHER).request("LINK")));
    let (mut ended, mut kept) = (shop.stream("/events", &[]), watcher.stream("/events", &[]));
    let without: Vec<&str> = RULES
        .iter()
        .map(|line| if line.contains("@shop") { "tail = [\"@watch\"]" } else { line })
        .collect();
    let without: Vec<&str> =
        without.into_iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, l)| l).collect();
    agent.configure(&without);
    agent.signal(Signal::SIGHUP);
    let end = ended.next();
    assert_eq!(end.event.as_deref(), Some("end"));
    assert_eq!(end.json()["why"], "your right to follow these events was revoked");
    assert_eq!(ended.try_next(), None);
    assert_eq!(shop.get("/events").status, 403);
    agent.connect().write("SEND on\n").sync();
    assert_eq!(kept.next().json()["msg"], "on");
}

#[test]
fn refuses_guessed_secrets_and_goes_on() {
    let agent = Agent::start();
    let visitor = agent.visitor();
    let port = visitor.address.port();
    for field in [
        String::new(),
        format!("Cookie: pulse-{port}="),
        format!("Cookie: pulse-{port}={}", "0".repeat(64)),
        format!("Cookie: pulse-{port}={}", "a".repeat(8000)),
        "Authorization: Bearer wrong".into(),
        "Authorization: Basic cm9vdDpyb290".into(),
        format!("Authorization: Bearer {}", "a".repeat(8000)),
        "Authorization: Bearer".into(),
    ] {
        let mut http = Http::connect(visitor.address);
        http.send(visitor.head("GET /stats", &[&field]));
        assert_eq!(http.response().status, 401, "{field}");
    }
    assert_eq!(agent.sign_in().get("/stats").status, 200);
}
