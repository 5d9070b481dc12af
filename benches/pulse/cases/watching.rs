//! What a page that is open costs a sender: a client of the feed that asks for what the page asks for, and draws
//! nothing.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::link::{BATCH, Link};
use crate::load::Kind;
use crate::systems::{Agent, Socket};
use crate::table::{Row, Target, Unit, percentile};
use crate::turns::in_turns;
use crate::{BenchError, Options, refused};

/// The streams of the page: its rows, and all views.
const STREAMS: &str = r#"[{"id":"events","events":{"lines":200,"rate":200,"max":5000}},{"id":"users","view":"users","every":1},{"id":"queries","view":"queries","every":1},{"id":"running","view":"running","every":1},{"id":"rates","view":"rates","every":1}]"#;

/// The rate at which latency is measured, in messages a second, and for how long.
const RATE: (u64, Duration) = (50_000, Duration::from_secs(1));

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    // Two agents: one would fold its views for a minute after the page has left.
    let (watched, alone) = (Agent::start_web()?, Agent::start_web()?);
    let load = [options.load(Kind::Objects)];
    let page = watch(&watched)?;
    let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    let measured = thread::scope(|scope| {
        scope.spawn(|| read_page(page, &stop, &seen));
        let measured = measure(options, &watched, &alone, &load);
        stop.store(true, Ordering::Relaxed);
        measured
    });
    if seen.load(Ordering::Relaxed) == 0 {
        return Err(BenchError::Failed("the page received no view".into()));
    }
    measured
}

fn measure(
    options: &Options,
    watched: &Agent,
    alone: &Agent,
    load: &[Vec<crate::load::Message>],
) -> Result<Vec<Row>, BenchError> {
    let mut links = [
        ("watched", Some(Link::new(watched, load, 1)?)),
        ("alone", Some(Link::new(alone, load, 1)?)),
    ];
    let full = in_turns(&mut links, options.singles(), |link| {
        Ok(link.run(BATCH, options.time())?.per_second())
    })?;
    let paced = in_turns(&mut links, options.singles(), |link| {
        let micros = link.latencies(RATE.0, RATE.1)?;
        Ok((percentile(&micros, 0.5), percentile(&micros, 0.99)))
    })?;
    let p50 = |name| paced.of(name, |(p50, _)| *p50);
    let p99 = |name| paced.of(name, |(_, p99)| *p99);
    let latency = |part: &str, values: &dyn Fn(&'static str) -> Vec<f64>| {
        let what =
            format!("one page with all views watches: latency at {}/s, JSON, {part}", RATE.0);
        Row::new(what, Unit::Micros, values("watched")).peer("unwatched", values("alone"))
    };
    let what = "one page with all views watches: 1→1 at full speed, JSON, history on";
    Ok(vec![
        Row::new(what, Unit::PerSecond, full.values("watched"))
            .peer("unwatched", full.values("alone"))
            .target(Target::Peer(0.95)),
        latency("median", &p50),
        latency("99th percentile", &p99),
    ])
}

/// Opens the feed as the page does.
fn watch(agent: &Agent) -> Result<Socket, BenchError> {
    let (cookie, port) = (agent.sign_in()?, agent.web_port());
    let encoded: String = STREAMS.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request = format!(
        "GET /feed?subs={encoded} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n"
    );
    let mut socket = Socket::tcp(port)?;
    socket.write_all(request.as_bytes()).map_err(refused("open the feed"))?;
    let status = socket.read_line().map_err(refused("open the feed"))?;
    if !status.starts_with("HTTP/1.1 200") {
        return Err(BenchError::Failed(format!("the feed is refused: {status}")));
    }
    Ok(socket)
}

/// Reads until it is told to stop. A view is sent every second at least. Counts the views seen.
fn read_page(mut page: Socket, stop: &AtomicBool, seen: &AtomicU64) {
    let mut buffer = vec![0; 256 << 10];
    while !stop.load(Ordering::Relaxed) {
        let Ok(read @ 1..) = page.read(&mut buffer) else { return };
        let views = memchr::memmem::find_iter(&buffer[..read], "queries").count();
        seen.fetch_add(views as u64, Ordering::Relaxed);
    }
}
