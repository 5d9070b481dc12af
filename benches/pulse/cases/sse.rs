//! Fan-out of Server-Sent Events: one sender, and many HTTP followers of everything, by our agent and by nginx
//! with nchan, in turns.

use std::thread;

use crate::link::Link;
use crate::load::Kind;
use crate::systems::{AgentSse, Nchan, System};
use crate::table::{Row, Target, Unit};
use crate::turns::throughput;
use crate::{BenchError, Options};

/// How many runs are measured at most: nchan needs seconds for one.
const RUNS: usize = 3;

/// How many events are sent with one write.
const BLOCK: usize = 100;

/// The numbers of followers.
const FANS: [usize; 2] = [100, 1_000];

const WORKERS: [&str; 2] = ["nginx with nchan", "nginx with nchan, a worker for each core"];

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    FANS.into_iter().map(|followers| measure(options, followers)).collect()
}

fn measure(options: &Options, followers: usize) -> Result<Row, BenchError> {
    let agent = AgentSse::start()?;
    // One worker is faster with few followers, one for each core with many.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let peers = [Nchan::start(1)?, Nchan::start(cores)?];
    let load = [options.load(Kind::Objects)];
    let mut links = vec![("SSE", Some(Link::new(&agent, &load, followers)?))];
    for (name, peer) in WORKERS.iter().zip(&peers) {
        let link = peer.as_ref().map(|peer| Link::new(peer as &dyn System, &load, followers));
        links.push((*name, link.transpose()?));
    }
    let runs = if options.quick { 1 } else { RUNS };
    let measured = throughput(options, &mut links, BLOCK, runs)?;
    let delivered = |name| measured.of(name, |sent| sent * followers as f64);
    let what = format!("1→{followers} by SSE, JSON, history on, delivered");
    let row = Row::new(what, Unit::PerSecond, delivered("SSE"));
    let row = WORKERS.iter().fold(row, |row, name| row.peer(name, delivered(name)));
    Ok(row.target(Target::Peer(5.0)))
}
