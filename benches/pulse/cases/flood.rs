//! What a flood of one user costs another user, who sends an event now and then.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use nix::unistd::geteuid;

use crate::load::Kind;
use crate::systems::{Agent, WAIT_MAX, programs};
use crate::table::{Row, Target, Unit};
use crate::{BenchError, Options, refused};

/// The user who floods.
const FLOODER: u32 = 4_242;

/// How many connections the flood has.
const CONNECTIONS: usize = 4;

/// How many messages a flood repeats: what an argument of a program can hold.
const REPEATED: usize = 500;

/// The other user.
const OTHER: u32 = 4_243;

/// How many runs of pulse-send are measured, without the flood and during it.
const RUNS: usize = 200;

const WHAT: &str = "one acknowledged `pulse-send` while another user floods";

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    if !geteuid().is_root() {
        return Ok(vec![Row::unavailable(WHAT, "needs root")]);
    }
    let agent = Agent::start(true)?;
    let socket = agent.socket();
    let dir = socket.parent().unwrap_or(Path::new("/"));
    agent.open_directory()?;
    // A copy, because other users may not be able to reach the build directory.
    let send = dir.join("pulse-send");
    fs::copy(programs().send, &send).map_err(refused("copy pulse-send"))?;
    let idle = send_often(&send, &socket)?;
    let mut floods = Vec::new();
    for _ in 0..CONNECTIONS {
        match flood(&socket, options) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(vec![Row::unavailable(WHAT, "nc not installed")]);
            }
            started => floods.push(started.map_err(refused("start a flood"))?),
        }
    }
    let since = Instant::now();
    // Until the limit refuses events: then the flood is at full speed.
    while since.elapsed() < WAIT_MAX && !agent.has_stored("\"why\":\"rate\"") {
        thread::sleep(Duration::from_millis(20));
    }
    let flooded = send_often(&send, &socket)?;
    drop(floods);
    let row = Row::new(WHAT, Unit::Micros, flooded).peer("without the flood", idle);
    Ok(vec![row.target(Target::Peer(3.0))])
}

/// Times of acknowledged runs by the other user, in µs.
fn send_often(send: &Path, socket: &Path) -> Result<Vec<f64>, BenchError> {
    let mut taken = Vec::new();
    for _ in 0..RUNS {
        let mut command = Command::new(send);
        command
            .arg("-u")
            .arg(socket)
            .arg("query took 40ms")
            .uid(OTHER)
            .gid(OTHER)
            .stdin(Stdio::null());
        let begin = Instant::now();
        let status = command.status().map_err(refused("run pulse-send"))?;
        taken.push(begin.elapsed().as_secs_f64() * 1e6);
        if !status.success() {
            return Err(BenchError::Failed(format!("pulse-send: {status}")));
        }
    }
    Ok(taken)
}

/// The two programs of a flood, killed when it is dropped.
struct Flood {
    yes: Child,
    nc: Child,
}

fn flood(socket: &Path, options: &Options) -> io::Result<Flood> {
    let load = options.load(Kind::Text);
    let requests: Vec<String> =
        load.iter().take(REPEATED).map(|message| format!("SEND {}", message.line)).collect();
    // yes repeats its argument, line ends included.
    let mut yes = Command::new("yes").arg(requests.join("\n")).stdout(Stdio::piped()).spawn()?;
    let lines = yes.stdout.take().map_or(Stdio::null(), Stdio::from);
    let mut nc = Command::new("nc");
    nc.arg("-U").arg(socket).uid(FLOODER).gid(FLOODER).stdin(lines);
    match nc.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(nc) => Ok(Flood { yes, nc }),
        Err(error) => {
            let _ = yes.kill().and_then(|()| yes.wait());
            Err(error)
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        for child in [&mut self.yes, &mut self.nc] {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}
