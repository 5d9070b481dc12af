//! Stops, ports and what an agent finds in its state at a start.

use std::fs;
use std::net::TcpListener;
use std::time::Instant;

use super::Http;
use crate::harness::{Agent, Tool};

#[test]
fn a_stop_ends_streams_with_a_time_to_come_back() {
    let mut agent = Agent::start();
    let session = agent.sign_in();
    let mut streams: Vec<_> = (0..20).map(|_| session.stream("/events", &[])).collect();
    let mut view = session.stream("/views/users", &[]);
    // Connections that have sent nothing, or are between two requests.
    let (_fresh, mut idle) = (Http::connect(session.address), Http::connect(session.address));
    idle.send(session.head("GET /stats", &[]));
    assert_eq!(idle.response().status, 200);
    let begun = Instant::now();
    assert!(agent.stop().success());
    let took = begun.elapsed();
    let mut times = Vec::new();
    for stream in &mut streams {
        let frames: Vec<_> = std::iter::from_fn(|| stream.try_next()).collect();
        times.push(frames.last().and_then(|frame| frame.retry).expect("a time"));
    }
    while view.try_next().is_some() {}
    times.sort_unstable();
    assert!(times[0] >= 200 && times[19] <= 2_200 && times[0] != times[19], "{times:?}");
    assert!(took < pulsed::agent::DRAIN_MAX, "{took:?}");
}

#[test]
fn a_configured_address_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut agent = Agent::prepare(&[&format!("web.listen = {address:?}")]);
    agent.launch();
    assert!(!agent.wait().success());
    let output = agent.output();
    assert!(output.contains(&address) && output.contains("web.listen"), "{output}");
}

#[test]
fn a_kept_port_that_is_taken_or_broken_is_replaced() {
    let mut agent = Agent::start();
    let port = agent.web().port();
    assert!(agent.stop().success());
    let file = agent.history().join("web-port");
    assert_eq!(fs::read_to_string(&file).expect("a port").trim(), port.to_string());
    for text in ["", "0\n", "99999\n", "-1", "\u{0}\u{1}", "80 80", &"1".repeat(100_000)] {
        fs::write(&file, text).expect("a writable file");
        agent.restart();
        let now = agent.web().port();
        assert_eq!(fs::read_to_string(&file).expect("a port").trim(), now.to_string());
        assert!(agent.stop().success());
    }
    let _taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = _taken.local_addr().expect("bound").port();
    fs::write(&file, taken.to_string()).expect("a writable file");
    agent.restart();
    assert_ne!(agent.web().port(), taken);
}

#[test]
fn broken_sessions_are_reported_and_end() {
    let mut agent = Agent::start();
    let session = agent.sign_in();
    assert!(agent.stop().success());
    fs::write(agent.history().join("web-sessions"), "not sessions\n").expect("a writable file");
    agent.restart();
    assert_eq!(session.get("/stats").status, 401);
    agent.wait_for_output("sign in to the monitor again");
    assert_eq!(agent.sign_in().get("/stats").status, 200);
}

#[test]
fn a_monitor_that_is_off_has_no_links() {
    let agent = Agent::with(&["web.listen = false"]);
    let answer = agent.connect().request("LINK");
    assert!(answer.starts_with("ERR "), "{answer}");
    let tool: Tool = agent.tail(&["--web"]);
    assert_ne!(tool.run().code, Some(0));
}
