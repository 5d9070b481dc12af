//! An engine of three servers that loses its leader.

use std::net::TcpListener;

use serde_json::json;

use super::engine::Engine;
use super::faults::{under_load, wait_for_progress};
use super::{STREAM, SUBJECT, assert_forwarded, wait_until_forwarded};
use crate::harness::{Agent, wait_for};

/// Three servers of one cluster.
fn cluster() -> Vec<Engine> {
    let free = |_| TcpListener::bind("127.0.0.1:0").expect("a free port");
    // All at once, so that they differ.
    let listeners: Vec<_> = (0..3).map(free).collect();
    let routes: Vec<String> = listeners
        .iter()
        .map(|it| format!("127.0.0.1:{}", it.local_addr().expect("bound").port()))
        .collect();
    drop(listeners);
    let all = routes.iter().map(|route| format!("\"nats://{route}\"")).collect::<Vec<_>>();
    let mut engines: Vec<Engine> = (0..3)
        .map(|n| {
            Engine::prepare(&format!(
                "server_name: n{n}\ncluster {{ name: c, listen: \"{}\", routes: [{}] }}\n",
                routes[n],
                all.join(", ")
            ))
        })
        .collect();
    engines.iter_mut().for_each(Engine::launch);
    engines.iter().for_each(Engine::wait_until_ready);
    engines
}

/// The index of the server that leads the stream.
fn leader(engines: &[Engine], asked: usize) -> usize {
    wait_for("a leader", || {
        let info = engines[asked].try_stream(STREAM)?;
        info["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok()
    })
}

#[test]
fn a_cluster_that_loses_its_leader_loses_no_event() {
    let mut engines = cluster();
    let urls: Vec<_> =
        engines.iter().map(|it| format!("\"nats://127.0.0.1:{}\"", it.port())).collect();
    let url = format!("nats.url = [{}]", urls.join(", "));
    let agent = Agent::with(&[&url, "nats.replicas = 3"]);
    wait_until_forwarded(&agent);
    let sent = under_load(&agent, || {
        let mut asked = 0;
        for _ in 0..3 {
            wait_for_progress(&agent);
            let lost = leader(&engines, asked);
            engines[lost].kill();
            asked = (lost + 1) % engines.len();
            wait_for_progress(&agent);
            engines[lost].restart();
        }
    });
    assert_forwarded(&engines[0], &agent);
    let config = engines[0].connect().stream(STREAM)["config"].clone();
    assert_eq!(config["num_replicas"], json!(3));
    let lines = engines[0].chain(STREAM, SUBJECT);
    let events = lines.iter().filter(|line| line.starts_with("{\"seq\"")).count();
    assert_eq!(events as u64, sent);
}
