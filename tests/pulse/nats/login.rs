//! How the agent authenticates, and TLS.

use std::fs;

use serde_json::json;

use super::engine::Engine;
use super::{agent_with, assert_forwarded, send, wait_for_trouble, wait_until_forwarded};
use crate::bridge::tls::make_certificate_with;
use crate::harness::Agent;

/// An agent that is prepared, with the path of a file in its directory.
fn prepare(engine: &Engine, lines: &[&str]) -> (Agent, std::path::PathBuf) {
    let agent = Agent::prepare(&[]);
    let secret = agent.dir().join("secret");
    let url = engine.url();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace("FILE", secret.to_str().expect("UTF-8")))
        .chain([url])
        .collect();
    agent.configure(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    (agent, secret)
}

#[test]
fn wrong_logins_are_reported_and_read_again() {
    for (config, lines, login, wrong, right) in [
        (
            "authorization { token: \"s3cret\" }",
            &["nats.token = \"FILE\""][..],
            json!({ "auth_token": "s3cret" }),
            "wrong",
            "s3cret\n",
        ),
        (
            "authorization { user: web1, password: \" s3 \" }",
            &["nats.user = \"web1\"", "nats.password = \"FILE\""],
            json!({ "user": "web1", "pass": " s3 " }),
            "s3",
            " s3 \n",
        ),
    ] {
        let mut engine = Engine::prepare(config);
        engine.login = login;
        engine.restart();
        let (mut agent, secret) = prepare(&engine, lines);
        agent.restart();
        wait_for_trouble(&agent, "connecting", "secret: No such file");
        fs::write(&secret, wrong).expect("a writable directory");
        wait_for_trouble(&agent, "connecting", "the engine refuses this login");
        send(&mut agent.connect(), 0..10);
        fs::write(&secret, right).expect("a writable directory");
        assert_forwarded(&engine, &agent);
        assert!(!agent.output().contains("s3cret"));
    }
}

#[test]
fn an_nkey_authenticates() {
    // A user's key pair, made for this test.
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let mut engine = Engine::prepare(&format!(
        "accounts {{ A: {{ jetstream: enabled, users: [{{ nkey: {public} }}, {{ user: t, password: t }}] }} }}"
    ));
    engine.login = json!({ "user": "t", "pass": "t" });
    engine.restart();
    let (mut agent, secret) = prepare(&engine, &["nats.credentials = \"FILE\""]);
    fs::write(&secret, seed).expect("a writable directory");
    agent.restart();
    send(&mut agent.connect(), 0..10);
    assert_forwarded(&engine, &agent);
}

#[test]
fn a_missing_permission_is_named() {
    let mut engine = Engine::prepare(
        "authorization { users: [\
            { user: t, password: t }, \
            { user: web1, password: p, permissions: { \
                publish: [\"pulse.web1\", \"$JS.API.STREAM.INFO.pulse\", \"$JS.API.STREAM.MSG.GET.pulse\"], \
                subscribe: \"_INBOX.>\" } }] }",
    );
    engine.login = json!({ "user": "t", "pass": "t" });
    engine.restart();
    let login = ["nats.user = \"web1\"", "nats.password = \"FILE\""];
    let (mut agent, secret) = prepare(&engine, &login);
    fs::write(&secret, "p").expect("a writable directory");
    agent.restart();
    // It must not create the stream, and then not speak as another host.
    wait_for_trouble(&agent, "connecting", "Permissions Violation");
    engine.connect().create("pulse", json!({}));
    wait_for_trouble(
        &agent,
        "connecting",
        "Permissions Violation for Publish to \"pulse.testhost\"",
    );
    let (mut web1, secret) = prepare(&engine, &[&login[..], &["host = \"web1\""]].concat());
    fs::write(&secret, "p").expect("a writable directory");
    web1.restart();
    send(&mut web1.connect(), 0..10);
    wait_until_forwarded(&web1);
    assert!(engine.messages("pulse").iter().all(|message| message.subject == "pulse.web1"));
}

#[test]
fn tls_checks_the_engine() {
    let mut server = Engine::prepare("");
    let (cert, key) = (server.path("cert.pem"), server.path("key.pem"));
    let ec = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let not_ca = ["-addext", "basicConstraints=critical,CA:FALSE"];
    make_certificate_with(&[&ec[..], &not_ca].concat(), cert.as_ref(), key.as_ref());
    let tls = format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}");
    let url = format!("nats.url = \"tls://localhost:{}\"", server.port());
    // Without TLS on the engine, nothing is sent to it.
    server.restart();
    let plain = Agent::with(&[&url]);
    wait_for_trouble(&plain, "connecting", "connect to tls://localhost");
    server.kill();
    server.configure(&tls);
    server.launch();
    let other = Agent::with(&[&url]);
    wait_for_trouble(&other, "connecting", "certificate");
    let agent = Agent::with(&[&url, &format!("nats.ca = {cert:?}")]);
    send(&mut agent.connect(), 0..100);
    wait_until_forwarded(&agent);
}

#[test]
fn the_right_engine_is_found_among_several() {
    let engine = Engine::start();
    let absent = Engine::prepare("");
    let urls = [&absent, &engine].map(|it| format!("\"nats://127.0.0.1:{}\"", it.port()));
    let agent = Agent::with(&[&format!("nats.url = [{}]", urls.join(", "))]);
    send(&mut agent.connect(), 0..100);
    assert_forwarded(&engine, &agent);
    drop(agent_with(&engine, &["host = \"other\""]));
}
